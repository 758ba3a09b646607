"""Joint angles, posture, sway and smoothness over the strides of a walk."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gaitmb.gait.body import Body
from gaitmb.gait.events import SIDES
from gaitmb.gait.steps import OTHER, Gait, Pair, frames_of, median

__all__ = ["kinematics", "rhythm"]

# A stride of which more than this share is missing says nothing about a range.
_LARGEST_HOLE = 0.2
# Harmonics of the stride that the low-pass leaves.
_HARMONICS = 6

_Track = NDArray[np.float64]


def kinematics(body: Body, gait: Gait) -> tuple[dict[str, float], dict[str, Pair]]:
    """Angles and ranges: values by the measure's name, and pairs by the base of a sided one."""
    tracks = _tracks(body)
    names = list(tracks)
    table = np.stack([tracks[name] for name in names], axis=1)
    high, low, mean = (dict(zip(names, row, strict=True)) for row in _over_strides(body, gait, table))
    values = {
        "trunk_lean_deg": mean["trunk_lean"],
        "trunk_lean_range_deg": high["trunk_lean"] - low["trunk_lean"],
        "neck_flexion_deg": mean["neck"],
        "trunk_lateral_lean_deg": mean["trunk_left"],
        "trunk_sway_deg": high["trunk_left"] - low["trunk_left"],
        "pelvis_obliquity_deg": mean["pelvis_up"],
        "pelvis_obliquity_range_deg": high["pelvis_up"] - low["pelvis_up"],
        "shoulder_obliquity_deg": mean["shoulder_up"],
        "shoulder_obliquity_range_deg": high["shoulder_up"] - low["shoulder_up"],
        "pelvis_rotation_range_deg": high["pelvis_turn"] - low["pelvis_turn"],
        "shoulder_rotation_range_deg": high["shoulder_turn"] - low["shoulder_turn"],
        "pelvis_sway_ll": _detrended_range(body, gait, body.pelvis[:, 1]),
        "pelvis_bob_ll": _detrended_range(body, gait, body.pelvis[:, 2]),
    }
    ranges = {
        base: (
            high[f"{base}_left"] - low[f"{base}_left"],
            high[f"{base}_right"] - low[f"{base}_right"],
        )
        for base in ("knee", "thigh", "arm", "reach")
    }
    # Pelvis and trunk count towards the left: what is up or out for the right has its sign turned.
    height = _level(body, gait)
    outward = {"left": 1.0, "right": -1.0}
    pairs: dict[str, Pair] = {
        "knee_range": ranges["knee"],
        "knee_peak": _both(lambda side: high[f"knee_{side}"]),
        "hip_range": ranges["thigh"],
        "hip_flexion_peak": _both(lambda side: high[f"thigh_{side}"]),
        "hip_extension_peak": _both(lambda side: -low[f"thigh_{side}"]),
        "arm_swing": ranges["arm"],
        "elbow_flexion": _both(lambda side: mean[f"elbow_{side}"]),
        "foot_travel": ranges["reach"],
        "swing_speed": _both(lambda side: high[f"speed_{side}"]),
        "hip_hike": _both(
            lambda side: outward[side] * median(_means(body, tracks["pelvis_up"], gait.swings[side]))
        ),
        "trunk_over_stance": _both(
            lambda side: (
                outward[side] * median(_means(body, tracks["trunk_left"], gait.swings[OTHER[side]]))
            )
        ),
        "knee_stance": _both(
            lambda side: median(_peaks(body, tracks[f"knee_{side}"], gait.swings[OTHER[side]]))
        ),
        "trunk_lean_stance": _both(
            lambda side: median(_means(body, tracks["trunk_lean"], gait.swings[OTHER[side]]))
        ),
        "pelvis_rise": _both(lambda side: median(_means(body, height, gait.swings[OTHER[side]]))),
        "stance_speed": _both(
            lambda side: median(_means(body, -tracks[f"reach_speed_{side}"], gait.swings[OTHER[side]]))
        ),
        "foot_clearance": _both(lambda side: _clearance(body, gait, side)),
        "circumduction": _both(lambda side: _circumduction(body, gait, side, outward[side])),
    }
    return values, pairs


def rhythm(body: Body, gait: Gait) -> dict[str, float]:
    """Regularity of the strides and evenness of the steps."""
    stride_s = median([end - start for start, end in gait.all_strides])
    apart = body.joint("left_ankle")[:, 0] - body.joint("right_ankle")[:, 0]
    moments = [t for side in SIDES for t in gait.contacts[side]]
    start, end = frames_of(body, (min(moments), max(moments)))
    apart = apart[start:end]
    lag = round(stride_s * body.rate_hz)
    return {
        "stride_regularity": _autocorrelation(apart, lag),
        "step_regularity": -_autocorrelation(apart, lag // 2),
        "harmonic_ratio": median(
            [_harmonic_ratio(body.pelvis[slice(*frames_of(body, span)), 2]) for span in gait.all_strides]
        ),
    }


def _both(of_side: Callable[[str], float]) -> Pair:
    return of_side("left"), of_side("right")


def _tracks(body: Body) -> dict[str, _Track]:
    """What is followed over strides, each of shape ``(T,)``; angles in degrees."""
    thorax, head = body.joint("thorax"), body.joint("head")
    hips = body.joint("left_hip") - body.joint("right_hip")
    shoulders = body.joint("left_shoulder") - body.joint("right_shoulder")
    lean = _angle(thorax[:, 0], thorax[:, 2])
    neck = head - thorax
    tracks = {
        "trunk_lean": lean,
        "neck": _angle(neck[:, 0], neck[:, 2]) - lean,
        "trunk_left": _angle(thorax[:, 1], thorax[:, 2]),
        "pelvis_up": _angle(hips[:, 2], hips[:, 1]),
        "shoulder_up": _angle(shoulders[:, 2], shoulders[:, 1]),
        "pelvis_turn": _angle(hips[:, 0], hips[:, 1]),
        "shoulder_turn": _angle(shoulders[:, 0], shoulders[:, 1]),
    }
    for side in SIDES:
        hip, knee, ankle, shoulder, elbow, wrist = (
            body.joint(f"{side}_{name}")
            for name in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
        )
        thigh, shank, arm = knee - hip, ankle - knee, wrist - shoulder
        tracks[f"thigh_{side}"] = _angle(thigh[:, 0], -thigh[:, 2])
        tracks[f"knee_{side}"] = tracks[f"thigh_{side}"] - _angle(shank[:, 0], -shank[:, 2])
        tracks[f"arm_{side}"] = _angle(arm[:, 0], -arm[:, 2])
        tracks[f"elbow_{side}"] = _bend(elbow - shoulder, wrist - elbow)
        tracks[f"reach_{side}"] = ankle[:, 0]
        tracks[f"reach_speed_{side}"] = np.gradient(ankle[:, 0]) * body.rate_hz
        tracks[f"speed_{side}"] = np.gradient(ankle[:, 0] + body.pelvis[:, 0]) * body.rate_hz
    return tracks


def _angle(across: _Track, along: _Track) -> _Track:
    return np.asarray(np.degrees(np.arctan2(across, along)))


def _bend(upper: _Track, lower: _Track) -> _Track:
    """Angle between two bones, by the axes that the view sees."""
    seen = np.isfinite(upper).any(axis=0) & np.isfinite(lower).any(axis=0)
    upper, lower = upper[:, seen], lower[:, seen]
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = (upper * lower).sum(1) / np.sqrt((upper**2).sum(1) * (lower**2).sum(1))
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _over_strides(body: Body, gait: Gait, table: _Track) -> tuple[_Track, _Track, _Track]:
    """Median over strides of the highest, lowest and mean value of each column; NaN where unknown."""
    rows = []
    for span in gait.all_strides:
        piece = table[slice(*frames_of(body, span))]
        missing = ~np.isfinite(piece)
        filled = np.where(missing, 0.0, piece)
        count = np.maximum(1, (~missing).sum(axis=0))
        row = np.stack(
            [
                np.where(missing, -np.inf, piece).max(axis=0),
                np.where(missing, np.inf, piece).min(axis=0),
                filled.sum(axis=0) / count,
            ]
        )
        row[:, missing.mean(axis=0) > _LARGEST_HOLE] = np.nan
        rows.append(row)
    stack = np.array(rows)
    result = np.full(stack.shape[1:], np.nan)
    known = np.isfinite(stack).any(axis=0)
    if known.any():
        result[known] = np.nanmedian(stack[:, known], axis=0)
    high, low, mean = result
    return high, low, mean


def _means(body: Body, track: _Track, spans: tuple[tuple[float, float], ...]) -> list[float]:
    pieces = [track[slice(*frames_of(body, span))] for span in spans]
    return [float(piece.mean()) for piece in pieces if len(piece)]


def _peaks(body: Body, track: _Track, spans: tuple[tuple[float, float], ...]) -> list[float]:
    pieces = [track[slice(*frames_of(body, span))] for span in spans]
    return [float(piece.max()) for piece in pieces if len(piece)]


def _level(body: Body, gait: Gait) -> _Track:
    """Height of the pelvis above its straight trend over the walk."""
    height = body.pelvis[:, 2].copy()
    moments = [t for side in SIDES for t in gait.contacts[side]]
    start, end = frames_of(body, (min(moments), max(moments)))
    known = np.flatnonzero(np.isfinite(height[start:end])) + start
    if len(known) < 3:
        return np.full(len(height), np.nan)
    slope, offset = np.polyfit(known, height[known], 1)
    return np.asarray(height - slope * np.arange(len(height)) - offset)


def _detrended_range(body: Body, gait: Gait, track: _Track) -> float:
    """Range over a stride once the way from its begin to its end is taken off."""
    ranges = []
    for span in gait.all_strides:
        piece = track[slice(*frames_of(body, span))]
        if np.isfinite(piece).all() and len(piece) > 2:
            ranges.append(float(np.ptp(piece - np.linspace(piece[0], piece[-1], len(piece)))))
    return median(ranges)


def _clearance(body: Body, gait: Gait, side: str) -> float:
    height = body.joint(f"{side}_ankle")[:, 2] + body.pelvis[:, 2]
    lifts = []
    for start, end in gait.swings[side]:
        swing = height[slice(*frames_of(body, (start, end)))]
        # The foot is flat before it pushes off and after it has landed.
        around = (
            (start - 0.5 * (end - start), start - 0.25 * (end - start)),
            (end, end + 0.25 * (end - start)),
        )
        levels = [median(height[slice(*frames_of(body, span))]) for span in around]
        if np.isfinite(swing).all() and len(swing):
            lifts.append(float(swing.max()) - median(levels))
    return median(lifts)


def _circumduction(body: Body, gait: Gait, side: str, outward: float) -> float:
    aside = outward * (body.joint(f"{side}_ankle")[:, 1] + body.pelvis[:, 1])
    arcs = []
    for span in gait.swings[side]:
        piece = aside[slice(*frames_of(body, span))]
        if np.isfinite(piece).all() and len(piece) > 2:
            arcs.append(float((piece - np.linspace(piece[0], piece[-1], len(piece))).max()))
    return median(arcs)


def _autocorrelation(track: _Track, lag: int) -> float:
    """Correlation of a track with itself `lag` frames later."""
    early, late = track[:-lag], track[lag:]
    known = np.isfinite(early) & np.isfinite(late)
    # Half a stride is the least overlap in which two waves can be told apart.
    if known.sum() < max(8, lag // 2):
        return float("nan")
    early, late = early[known], late[known]
    if min(early.std(), late.std()) < 1e-9:
        return float("nan")
    return float(np.corrcoef(early, late)[0, 1])


def _harmonic_ratio(height: _Track) -> float:
    if len(height) < 2 * _HARMONICS + 2 or not np.isfinite(height).all():
        return float("nan")
    level = height - np.linspace(height[0], height[-1], len(height))
    order = np.arange(_HARMONICS + 1)
    acceleration = np.abs(np.fft.rfft(level[:-1])[: _HARMONICS + 1]) * order**2
    odd = float(acceleration[1::2].sum())
    return float(acceleration[2::2].sum()) / odd if odd > 1e-12 else float("nan")
