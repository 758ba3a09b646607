"""Gait events: when each foot meets the ground and when it leaves it.

Where forward is seen (3D, from the side), two published methods vote: the ankle furthest before and
behind the pelvis (Zeni et al. 2008, Gait & Posture 27:710) and the forward speed of the foot crossing a
threshold (Ghoussayni et al. 2004, Gait & Posture 20:266). From the front the height of the ankle tells
the rhythm (after O'Connor et al. 2007, Gait & Posture 25:469), with less certainty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import find_peaks

from gaitmb.data.pose import PoseSequence
from gaitmb.errors import QualityError
from gaitmb.gait.body import Body, body_of

__all__ = [
    "EVENT_COLUMNS",
    "LONGEST_STRIDE_S",
    "SHORTEST_STRIDE_S",
    "SIDES",
    "Event",
    "detect_events",
    "events_of",
]

EVENT_COLUMNS = ("side", "event", "time_s", "confidence")
SIDES = ("left", "right")

#: Bounds of a stride, from one contact of a foot to its next: 180 and 40 steps a minute.
SHORTEST_STRIDE_S, LONGEST_STRIDE_S = 120 / 180, 120 / 40

# A foot that moves less than this against the pelvis, in leg lengths, does not step; nor does one that
# is lifted less as seen from the front.
_LEAST_SWING, _LEAST_LIFT = 0.12, 0.04
# In walking one foot goes forward as the other goes back; standing, noise and hopping do not.
_OPPOSITION = -0.3
# A foot that goes back against the pelvis for less of the stride than this does not walk forwards.
_LEAST_STANCE = 0.45
# Share of its fastest forward speed below which an ankle has come to rest, and above which the foot has
# left: the ankle moves on as the heel rises over toes that still stand. Chosen on force
# plates and on the simulated walker.
_AT_REST, _SET_OFF = 0.12, 0.33
# Two methods further apart than this speak of different things.
_AGREEMENT_S = 0.15
# Seen from the front, in strides: initial contact after the ankle sinks fastest, and final contact
# before it is highest: means over 188 motion captured walks (CMU, Bandai-Namco) with contacts from 3D.
_AFTER_SINKING, _BEFORE_HIGHEST = 0.195, 0.10


@dataclass(frozen=True, order=True)
class Event:
    """One contact: its time, foot, kind (``initial_contact`` or ``final_contact``) and confidence."""

    time_s: float
    side: str
    event: str
    confidence: float


def detect_events(pose: PoseSequence) -> pd.DataFrame:
    """Initial and final contacts of both feet.

    Only steps that take turns left and right at a walking rhythm count (strides of 0.67 to 3 s): a
    person who stands, a single step or noise gives an empty table.

    Parameters
    ----------
    pose
        H36M-17 in ``world_mm``, ``camera_mm`` or ``image_px``. In pictures `pose.view` says from where;
        an unknown one is told by the breadth of the shoulders.

    Returns
    -------
    Columns ``side`` (left, right), ``event`` (initial_contact, final_contact), ``time_s`` on the clock
    of the pose, between frames, and ``confidence`` in (0, 1]: how well the methods agree;
    at most 0.5 from the front. Ascending in time.

    Raises
    ------
    CoordinateError
        Another skeleton or coordinate system.

    Examples
    --------
    >>> from gaitmb.data.pose import CoordinateSystem
    >>> from gaitmb.data.skeleton import H36M17
    >>> still = PoseSequence(np.ones((90, 17, 3)), np.ones((90, 17)), np.arange(90) / 30, H36M17,
    ...                      CoordinateSystem.WORLD_MM)
    >>> detect_events(still).empty
    True
    """
    try:
        found = events_of(body_of(pose))
    except QualityError:
        found = ()
    rows = [(event.side, event.event, event.time_s, event.confidence) for event in found]
    table = pd.DataFrame(rows, columns=list(EVENT_COLUMNS))
    return table.astype({"side": str, "event": str, "time_s": float, "confidence": float})


def events_of(body: Body) -> tuple[Event, ...]:
    """The events of a walk that is in the walker's frame already; ascending in time."""
    rises = body.kind == "front"
    least = _LEAST_LIFT if rises else _LEAST_SWING
    tracks = {side: body.joint(f"{side}_ankle")[:, 2 if rises else 0] for side in SIDES}
    known = np.isfinite(tracks["left"]) & np.isfinite(tracks["right"])
    if known.sum() < SHORTEST_STRIDE_S * body.rate_hz:
        return ()
    found = [
        event
        for side in SIDES
        for event in (_from_front if rises else _from_reach)(body, side, tracks[side], least)
    ]
    return _walking(body, sorted(found), tracks)


def _from_reach(body: Body, side: str, reach: NDArray[np.float64], least: float) -> list[Event]:
    """Zeni's extremes of the ankle before the pelvis, each confirmed by the speed of the foot."""
    peaks, troughs = _extremes(reach, body.rate_hz, least)
    if _share_of_stance(peaks, troughs) < _LEAST_STANCE:
        return []
    speed = np.gradient(reach + body.pelvis[:, 0]) * body.rate_hz
    speed = speed - _speed_of_ground(speed, peaks, troughs)
    fastest = _fastest(speed, peaks, troughs)
    found = []
    for kind, frames, sign, share in (
        ("initial_contact", peaks, 1.0, _AT_REST),
        ("final_contact", troughs, -1.0, _SET_OFF),
    ):
        for frame in frames:
            extreme = _vertex(sign * reach, int(frame))
            over = sign * (speed - share * fastest)
            crossing = _crossing(over, int(frame), body.rate_hz)
            apart_s = abs(crossing - extreme) / body.rate_hz
            if apart_s <= _AGREEMENT_S:
                at, confidence = (extreme + crossing) / 2, float(np.exp(-0.5 * (apart_s / 0.08) ** 2))
            else:
                at, confidence = extreme, 0.2
            found.append(Event(_time(body, at), side, kind, round(confidence, 4)))
    return found


def _from_front(body: Body, side: str, height: NDArray[np.float64], least: float) -> list[Event]:
    """The contacts around each swing, by the height of the ankle below the pelvis."""
    peaks, _ = _extremes(height, body.rate_hz, least)
    if len(peaks) < 2:
        return []
    stride = float(np.median(np.diff(peaks)))
    sinking = -np.gradient(height)
    found = []
    for peak in peaks:
        swing = sinking[peak : peak + int(0.35 * stride) + 1]
        times = {"final_contact": _vertex(height, int(peak)) - _BEFORE_HIGHEST * stride}
        if np.isfinite(swing).all() and 0 < swing.argmax() < len(swing) - 1:
            fastest = _vertex(sinking, int(peak + swing.argmax()))
            times["initial_contact"] = fastest + _AFTER_SINKING * stride
        found += [
            Event(_time(body, at), side, kind, 0.5)
            for kind, at in times.items()
            if 0 <= at <= len(height) - 1
        ]
    return found


def _extremes(
    track: NDArray[np.float64], rate_hz: float, least: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Frames of the peaks and of the troughs, taking turns, none beside a gap."""
    known = np.isfinite(track)
    frames = np.arange(len(track))
    whole = np.interp(frames, frames[known], track[known])
    low, high = np.percentile(track[known], [5, 95])
    prominence = max(least, 0.3 * (high - low))
    distance = max(1, int(SHORTEST_STRIDE_S / 2 * rate_hz))
    peaks = find_peaks(whole, prominence=prominence, distance=distance)[0]
    troughs = find_peaks(-whole, prominence=prominence, distance=distance)[0]
    unsure = np.convolve(~known, np.ones(5), "same") > 0
    return peaks[~unsure[peaks]], troughs[~unsure[troughs]]


def _share_of_stance(peaks: NDArray[np.intp], troughs: NDArray[np.intp]) -> float:
    """Share of the stride in which a foot goes back against the pelvis; NaN for no whole stride."""
    back = [end - start for start in peaks for end in troughs[troughs > start][:1]]
    forth = [end - start for start in troughs for end in peaks[peaks > start][:1]]
    if not back or not forth:
        return float("nan")
    return float(np.median(back) / (np.median(back) + np.median(forth)))


def _speed_of_ground(
    speed: NDArray[np.float64], peaks: NDArray[np.intp], troughs: NDArray[np.intp]
) -> float:
    """Forward speed of a foot that stands: 0 on the ground, else that of the belt or of the camera."""
    stance = [
        speed[start + (end - start) // 4 : end - (end - start) // 4]
        for start in peaks
        for end in troughs[troughs > start][:1]
    ]
    standing = np.concatenate(stance) if stance else np.empty(0)
    standing = standing[np.isfinite(standing)]
    return float(np.median(standing)) if standing.size else float("nan")


def _fastest(speed: NDArray[np.float64], peaks: NDArray[np.intp], troughs: NDArray[np.intp]) -> float:
    """Fastest forward speed of a swing, as the median over swings."""
    swings = [speed[start : peaks[peaks > start][0]] for start in troughs if (peaks > start).any()]
    tops = [float(swing.max()) for swing in swings if np.isfinite(swing).all()]
    return float(np.median(tops)) if tops else float("nan")


def _crossing(over: NDArray[np.float64], near: int, rate_hz: float) -> float:
    """The frame nearest to `near` at which a track falls through zero; NaN if there is none around."""
    reach = int(2 * _AGREEMENT_S * rate_hz) + 1
    start, end = max(0, near - reach), min(len(over), near + reach + 1)
    before, after = over[start : end - 1], over[start + 1 : end]
    with np.errstate(invalid="ignore"):
        at = np.flatnonzero((before > 0) & (after <= 0))
    if len(at) == 0:
        return float("nan")
    frames = start + at + before[at] / (before[at] - after[at])
    return float(frames[np.abs(frames - near).argmin()])


def _vertex(track: NDArray[np.float64], peak: int) -> float:
    """Where the parabola through a peak and its neighbours is highest, in frames."""
    before, here, after = track[peak - 1 : peak + 2]
    bend = before - 2 * here + after
    return peak + 0.5 * (before - after) / bend if bend < 0 else float(peak)


def _time(body: Body, frame: float) -> float:
    return float(np.interp(frame, np.arange(len(body.time_s)), body.time_s))


def _walking(
    body: Body, events: list[Event], tracks: dict[str, NDArray[np.float64]]
) -> tuple[Event, ...]:
    """The events within runs of contacts that take turns left and right at a walking rhythm."""
    contacts = [event for event in events if event.event == "initial_contact"]
    runs: list[list[Event]] = []
    for contact in contacts:
        last = runs[-1] if runs else []
        step_s = contact.time_s - last[-1].time_s if last else 0.0
        in_turn = bool(last) and last[-1].side != contact.side and 0.15 <= step_s <= LONGEST_STRIDE_S / 2
        in_turn &= (
            len(last) < 2 or SHORTEST_STRIDE_S <= contact.time_s - last[-2].time_s <= LONGEST_STRIDE_S
        )
        if in_turn:
            last.append(contact)
        else:
            runs.append([contact])
    kept: list[Event] = []
    for run in runs:
        # Two contacts are one step; a rhythm takes three.
        if len(run) < 3:
            continue
        stride_s = 2 * (run[-1].time_s - run[0].time_s) / (len(run) - 1)
        within = (body.time_s >= run[0].time_s) & (body.time_s <= run[-1].time_s)
        within &= np.isfinite(tracks["left"]) & np.isfinite(tracks["right"])
        if np.corrcoef(tracks["left"][within], tracks["right"][within])[0, 1] > _OPPOSITION:
            continue
        span = run[0].time_s - 0.45 * stride_s, run[-1].time_s + 0.75 * stride_s
        kept += run
        kept += [e for e in events if e.event == "final_contact" and span[0] <= e.time_s <= span[1]]
    return tuple(sorted(set(kept)))
