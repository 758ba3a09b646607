"""Is this walking: bouts and turns of one person, what else there is, and whether it is enough.

A person walks while the legs move against each other, upright, in a rhythm in which they take turns.
Everything is judged in body heights and seconds, from any side, whatever the camera does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d, minimum_filter1d, uniform_filter1d
from scipy.signal import find_peaks

from gaitmb.data.pose import CoordinateSystem, PoseSequence, resample, to_h36m17
from gaitmb.data.skeleton import H36M17
from gaitmb.io.video import Reason
from gaitmb.pose.cleaning import fill_gaps
from gaitmb.pose.swaps import mend_swaps

__all__ = ["WalkingReport", "assess"]

#: Everything is judged at this rate.
_RATE_HZ = 30.0
#: Gaps up to this are bridged to judge; it is not what cleaning fills.
_GAP_S = 0.3
#: Height of a body over the length of trunk, thigh and shank (0.288, 0.245 and 0.246 of it; Winter).
_HEIGHT_PER_CHAIN = 1.28
#: Legs moving slower than this against each other, in body heights per second, stand.
_LEAST_ACTIVITY = 0.09
_ACTIVITY_SHARE = 0.22
_ACTIVITY_WINDOW_S = 0.4
#: A standstill shorter than this does not end a bout (double support, hesitation).
_PAUSE_S = 0.7
#: The least that can be judged.
_LEAST_BOUT_S, _LEAST_STEPS = 1.2, 4
#: Stretches shorter than this show too few strides to be judged by themselves.
_JUDGED_S = 3.0
_LEAST_FRAMES, _LEAST_S, _LEAST_SIZE_PX = 16, 1.2, 40.0
_LEAST_CONFIDENCE = 0.25
_CADENCE_SPM = (30.0, 200.0)
#: Coefficient of variation of stride times above which strides have no rhythm; least autocorrelation
#: at the stride time, and most at half of it, where the legs have changed roles.
_MOST_VARIATION, _LEAST_RHYTHM, _MOST_SAMENESS = 0.45, 0.45, -0.35
#: Length of the thigh over that of the shank, and of the trunk over the leg: medians in the picture.
_THIGH_PER_SHANK, _TRUNK_PER_LEG = (0.45, 2.2), (0.18, 1.6)
#: A turn: through this many degrees, within this time.
_TURN_DEG, _TURN_S, _TURN_SHARE = 110.0, 6.0, 0.33
_LEAST_RATE = 10.0
#: Smoothing of the direction in which a person faces (standard deviations), as seen and as angle.
_HEADING_S, _STEADY_S = 0.12, 0.20

Span = tuple[float, float]


@dataclass(frozen=True, eq=False)
class WalkingReport:
    """What a person does in a video, as far as walking goes.

    Parameters
    ----------
    status
        ``ok``, ``partial`` (walking, but with something to know) or ``refused``.
    reasons
        Why, with fixed codes.
    bouts
        Walking, ``[start_s, end_s)``, ascending; turns do not end a bout.
    turns
        Turns by more than 110 degrees within bouts, ``[start_s, end_s)``.
    swaps
        Where left and right legs were exchanged and have been mended, ``[start_s, end_s)``.
    pose
        The person with mended legs; all frames, not only the bouts.
    cadence_spm
        Steps per minute over all bouts; NaN without a bout.
    rhythm
        Regularity of strides, 0 to 1: the autocorrelation of the legs' motion at the stride time.
    """

    status: str
    reasons: tuple[Reason, ...]
    bouts: tuple[Span, ...]
    turns: tuple[Span, ...]
    swaps: tuple[Span, ...]
    pose: PoseSequence
    cadence_spm: float
    rhythm: float

    @property
    def walking_s(self) -> float:
        """Seconds of walking in all; 0 where refused."""
        return float(sum(end - start for start, end in self.bouts))


@dataclass(frozen=True)
class _Rhythm:
    """Steps of a stretch of time."""

    steps: int
    cadence_spm: float
    variation: float
    regularity: float
    sameness: float

    def fault(self) -> Reason | None:
        low, high = _CADENCE_SPM
        if self.steps < _LEAST_STEPS:
            return Reason("not_walking", f"the legs change over {self.steps} times, which is no walk")
        if not low <= self.cadence_spm <= high:
            return Reason(
                "implausible_cadence",
                f"{self.cadence_spm:.0f} steps a minute; expected {low:.0f} to {high:.0f}",
            )
        irregular = self.variation > _MOST_VARIATION or self.regularity < _LEAST_RHYTHM
        if irregular or self.sameness > _MOST_SAMENESS:
            return Reason(
                "no_rhythm",
                f"the legs move without the rhythm of walking (stride times vary by "
                f"{self.variation:.0%}, strides repeat to {self.regularity:.2f}, legs take turns to "
                f"{-self.sameness:.2f})",
            )
        return None


def assess(pose: PoseSequence) -> WalkingReport:
    """Find the bouts of walking and the turns of one person, or say why there are none.

    Parameters
    ----------
    pose
        One person in ``image_px``, any skeleton that maps to H36M-17; missing where not seen.

    Raises
    ------
    CoordinateError
        The pose is not in ``image_px``.

    Examples
    --------
    >>> from gaitmb.data.camera import project
    >>> from gaitmb.simulate import WalkerParameters, simulate_walk
    >>> walk = project(simulate_walk(WalkerParameters(cadence_spm=100)).pose, "front", follow=False)
    >>> report = assess(walk)
    >>> report.status, len(report.bouts), bool(98 < report.cadence_spm < 102)
    ('ok', 1, True)
    """
    pose.require(CoordinateSystem.IMAGE_PX)
    seen = pose.valid.mean(axis=1) > 0.3
    n_seen, seen_s = int(seen.sum()), _seen_s(pose, seen)
    if n_seen < _LEAST_FRAMES or seen_s < _LEAST_S:
        text = f"seen in {n_seen} frames over {seen_s:.1f} s; expected {_LEAST_FRAMES} over {_LEAST_S} s"
        return _refused(pose, Reason("too_short", text))
    height_px = _typical_height(to_h36m17(pose).positions)
    if not height_px >= _LEAST_SIZE_PX:
        if np.isnan(height_px):
            return _refused(pose, Reason("legs_not_seen", "the whole body is never seen"))
        text = f"the person is {height_px:.0f} pixels tall; expected at least {_LEAST_SIZE_PX:.0f}"
        return _refused(pose, Reason("too_small", text))
    mended, swaps = mend_swaps(pose, height_px)
    fault = _body_fault(to_h36m17(mended))
    if fault is not None:
        return _refused(mended, fault, swaps)
    body = _Body(mended)
    turns = _turns(body)
    bouts, rhythms, faults = _bouts(body, turns)
    if not bouts:
        return _refused(mended, _why_not(body, faults), swaps)
    weights = [end - start for start, end in bouts]
    bouts, turns = _joined_by_turns(bouts, turns)
    cadence = float(np.average([one.cadence_spm for one in rhythms], weights=weights))
    rhythm = float(np.average([one.regularity for one in rhythms], weights=weights))
    reasons = _remarks(pose, bouts)
    status = "partial" if reasons else "ok"
    return WalkingReport(status, reasons, bouts, turns, swaps, mended, cadence, rhythm)


def _refused(pose: PoseSequence, reason: Reason, swaps: tuple[Span, ...] = ()) -> WalkingReport:
    return WalkingReport("refused", (reason,), (), (), swaps, pose, float("nan"), 0.0)


class _Body:
    """A person at a fixed rate, in body heights; missing where not seen for more than 0.3 s."""

    def __init__(self, pose: PoseSequence) -> None:
        steady = resample(fill_gaps(to_h36m17(pose), _GAP_S), _RATE_HZ, max_gap_s=_GAP_S)
        self.time_s = steady.time_s
        self.joints = _smoothed(steady.positions, 0.04)
        height = _running_height(self.joints)
        self.joints /= height[:, None, None]
        self.legs = np.concatenate(
            [
                self.at("left_ankle") - self.at("right_ankle"),
                self.at("left_knee") - self.at("right_knee"),
            ],
            axis=1,
        )
        self.feet_ahead = _feet_ahead(pose, steady.time_s) / height
        self.visible = np.isfinite(self.legs).all(axis=1) & np.isfinite(height)
        self.upright = _opened(self._is_upright(), 0.3)

    def at(self, joint: str) -> NDArray[np.float64]:
        """Trajectory of a joint, (T, 2)."""
        return self.joints[:, H36M17.index(joint)]

    def _is_upright(self) -> NDArray[np.bool_]:
        """Shoulders over hips, and a thigh and a shank that point down, which they do not in sitting."""
        down = [
            np.fmax(self.at(f"left_{b}")[:, 1] - self.at(f"left_{a}")[:, 1],
                    self.at(f"right_{b}")[:, 1] - self.at(f"right_{a}")[:, 1])
            for a, b in (("hip", "knee"), ("knee", "ankle"))
        ]  # fmt: skip
        trunk = self.at("pelvis") - self.at("thorax")
        with np.errstate(invalid="ignore"):
            return np.asarray(
                (down[0] > 0.10) & (down[1] > 0.08) & (trunk[:, 1] > 0.7 * np.abs(trunk[:, 0]))
            )

    def activity(self) -> NDArray[np.float64]:
        """How fast the legs move against each other, body heights per second."""
        legs = _smoothed(self.legs[:, None], 0.07)[:, 0]
        speed = np.gradient(np.where(np.isfinite(legs), legs, 0), axis=0) * _RATE_HZ
        power = (speed**2).sum(axis=1)
        power[~_eroded(self.visible, 2)] = 0
        width = round(_ACTIVITY_WINDOW_S * _RATE_HZ)
        return np.asarray(np.sqrt(np.maximum(uniform_filter1d(power, width, mode="nearest"), 0)))


def _bouts(body: _Body, turns: tuple[Span, ...]) -> tuple[tuple[Span, ...], list[_Rhythm], list[Reason]]:
    activity = body.activity()
    moving = activity[activity > _LEAST_ACTIVITY]
    if not len(moving):
        return (), [], []
    threshold = max(_LEAST_ACTIVITY, _ACTIVITY_SHARE * float(np.percentile(moving, 60)))
    walking = (activity > threshold) & body.visible
    walking = _closed(walking, _PAUSE_S) & _closed(body.visible, 0.2) & body.upright
    bouts, rhythms, faults = [], [], []
    for start, end in _runs(walking):
        if end - start < _LEAST_BOUT_S * _RATE_HZ:
            continue
        rhythm = _rhythm(body.legs[start:end])
        fault = rhythm.fault()
        if fault is None:
            bouts.append(_span(body, start, end))
            rhythms.append(rhythm)
            continue
        faults.append(fault)
        parts = _between(turns, body.time_s, start, end)
        turned = len(parts) != 1 or parts[0] != (start, end)
        if not turned:
            parts = [(start + a, start + b) for a, b in _rhythmic_parts(body.legs[start:end])]
        judged = [(a, b, _rhythm(body.legs[a:b])) for a, b in parts]
        good = [(a, b, part) for a, b, part in judged if part.fault() is None]
        doubtful = [b - a for a, b, part in judged if part.fault() is not None]
        if turned and good and max(doubtful, default=0) < _JUDGED_S * _RATE_HZ:
            # A turn and a few steps after it have no rhythm to judge; they are walking all the same.
            good = [(start, end, max(good, key=lambda part: part[1] - part[0])[2])]
        for a, b, part in good:
            bouts.append(_span(body, a, b))
            rhythms.append(part)
    return tuple(bouts), rhythms, faults


def _between(
    turns: tuple[Span, ...], time_s: NDArray[np.float64], start: int, end: int
) -> list[tuple[int, int]]:
    """Parts of a stretch before, between and after turns, which have a rhythm of their own."""
    straight = np.zeros(len(time_s), dtype=bool)
    straight[start:end] = True
    for start_s, end_s in turns:
        straight[(time_s > start_s) & (time_s < end_s)] = False
    return [(a, b) for a, b in _runs(straight) if b - a >= _LEAST_BOUT_S * _RATE_HZ]


def _span(body: _Body, start: int, end: int) -> Span:
    end_s = body.time_s[end - 1] + 1 / _RATE_HZ
    return round(float(body.time_s[start]), 3), round(float(end_s), 3)


def _rhythm(legs: NDArray[np.float64]) -> _Rhythm:
    """Steps of a stretch of the motion of the legs against each other, shape (n, 4)."""
    filled = np.stack([_bridged(axis) for axis in legs.T], axis=1)
    slow = gaussian_filter1d(filled, 0.8 * _RATE_HZ, axis=0, mode="nearest")
    swing = gaussian_filter1d(filled - slow, 0.05 * _RATE_HZ, axis=0, mode="nearest")
    _, _, axes = np.linalg.svd(swing - swing.mean(axis=0), full_matrices=False)
    main = swing @ axes[0]
    spread = float(main.std())
    if spread < 0.008:
        return _Rhythm(0, 0.0, 1.0, 0.0, 0.0)
    peaks = np.concatenate(
        [find_peaks(sign * main, prominence=0.9 * spread, distance=4)[0] for sign in (1, -1)]
    )
    peaks.sort()
    if len(peaks) < 3:
        return _Rhythm(len(peaks), 0.0, 1.0, 0.0, 0.0)
    times = np.diff(peaks) / _RATE_HZ
    # Over strides, so that unequal left and right steps are no irregularity.
    strides = peaks[2:] - peaks[:-2]
    variation = float(strides.std() / strides.mean()) if len(strides) > 1 else 0.0
    lag = round(float(np.median(strides)))
    # Of short bouts at least half a stride must be there to be compared with.
    most = len(main) - max(5, lag // 2)
    lags = range(max(4, round(0.8 * lag)), min(most, round(1.2 * lag)) + 1)
    regularity = max((_likeness(swing[:-k], swing[k:]) for k in lags), default=0.0)
    sameness = min((_likeness(swing[: -k // 2], swing[-(-k // 2) :]) for k in lags), default=0.0)
    return _Rhythm(len(peaks), 60 / float(times.mean()), variation, regularity, sameness)


def _likeness(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float((a * b).sum() / max(float(np.sqrt((a**2).sum() * (b**2).sum())), 1e-12))


def _rhythmic_parts(legs: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Parts of a stretch without rhythm that have it: windows, joined."""
    width, hop = round(_JUDGED_S * _RATE_HZ), round(0.25 * _RATE_HZ)
    good = np.zeros(len(legs), dtype=bool)
    for start in range(0, len(legs) - width + 1, hop):
        if _rhythm(legs[start : start + width]).fault() is None:
            good[start : start + width] = True
    return _runs(good)


def _feet_ahead(pose: PoseSequence, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far the toes are to the right of the heels in the picture, in pixels; 0 where unknown."""
    ahead = np.zeros(len(time_s))
    if "left_foot_index" not in pose.skeleton.joints:
        return ahead
    for side in ("left", "right"):
        lead = (pose.joint(f"{side}_foot_index") - pose.joint(f"{side}_heel"))[:, 0]
        seen = np.isfinite(lead)
        if seen.any():
            ahead += np.interp(time_s, pose.time_s[seen], lead[seen])
    return ahead


def _joined_by_turns(
    bouts: tuple[Span, ...], turns: tuple[Span, ...]
) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Bouts between which there is nothing but a turn are one; turns apart from bouts are dropped."""
    joined: list[Span] = []
    for bout in bouts:
        between = joined and any(
            joined[-1][1] > start_s - 0.5 and bout[0] < end_s + 0.5 for start_s, end_s in turns
        )
        if between:
            joined[-1] = (joined[-1][0], bout[1])
        else:
            joined.append(bout)
    kept = [
        turn
        for turn in turns
        if any(turn[0] >= start - 0.3 and turn[1] <= end + 0.3 for start, end in joined)
    ]
    return tuple(joined), tuple(kept)


def _turns(body: _Body) -> tuple[Span, ...]:
    """Where the person turns round: from the widths and leads of shoulders, hips and nose."""
    across = np.zeros(len(body.time_s))
    for joint in ("shoulder", "hip"):
        across = across + body.at(f"left_{joint}")[:, 0] - body.at(f"right_{joint}")[:, 0]
    # Knees bend forwards and the nose is ahead of the shoulders; where feet are known they tell most.
    ahead = body.at("nose")[:, 0] - body.at("thorax")[:, 0] + body.feet_ahead
    for side in ("left", "right"):
        hip, knee, ankle = (body.at(f"{side}_{joint}")[:, 0] for joint in ("hip", "knee", "ankle"))
        ahead = ahead + knee - (hip + ankle) / 2
    both = np.isfinite(across) & np.isfinite(ahead)
    if both.sum() < _RATE_HZ:
        return ()
    across, ahead = (_smoothed(track[:, None, None], _HEADING_S)[:, 0, 0] for track in (across, ahead))
    scales = [
        max(float(np.percentile(np.abs(track[both]), 90)), least)
        for track, least in ((across, 0.20), (ahead, 0.06))
    ]
    yaw = np.full(len(body.time_s), np.nan)
    yaw[both] = np.unwrap(np.arctan2(ahead[both] / scales[1], across[both] / scales[0]))
    turns: list[Span] = []
    for start, end in _runs(np.isfinite(yaw)):
        if end - start < _RATE_HZ:
            continue
        turns += [
            (round(float(body.time_s[start + a]), 3), round(float(body.time_s[start + b]), 3))
            for a, b in _turned(np.degrees(yaw[start:end]))
        ]
    return tuple(turns)


def _turned(yaw_deg: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Ranges in which a heading turns one way, fast, by more than a turn's angle."""
    steady = gaussian_filter1d(yaw_deg, _STEADY_S * _RATE_HZ, mode="nearest")
    rate = np.gradient(steady) * _RATE_HZ
    turns: list[tuple[int, int]] = []
    free = np.ones(len(rate), dtype=bool)
    while True:
        peak = int(np.argmax(np.where(free, np.abs(rate), 0)))
        if not free[peak] or abs(rate[peak]) < _TURN_DEG / _TURN_S:
            return sorted(turns)
        turning = np.sign(rate[peak]) * rate > max(_TURN_SHARE * abs(rate[peak]), _LEAST_RATE)
        turning &= free
        start, end = next(run for run in _runs(turning) if run[0] <= peak < run[1])
        free[start:end] = False
        around = yaw_deg[[max(start - 4, 0), min(end + 3, len(yaw_deg) - 1)]]
        through = max(abs(steady[end - 1] - steady[start]), abs(around[1] - around[0]))
        if through > _TURN_DEG and end - start <= _TURN_S * _RATE_HZ:
            turns.append((start, end - 1))


def _body_fault(pose: PoseSequence) -> Reason | None:
    """Proportions and confidence that no walking person in the picture has."""
    joint = pose.joint
    confidence = pose.confidence[:, [H36M17.index(f"{s}_{j}") for s in ("left", "right")
                                    for j in ("knee", "ankle")]]  # fmt: skip
    seen = pose.valid.any(axis=1)
    legs = float(np.median(confidence[seen]))
    if legs < _LEAST_CONFIDENCE:
        return Reason(
            "low_confidence",
            f"knees and ankles are seen with a confidence of {legs:.2f}; "
            f"expected at least {_LEAST_CONFIDENCE}",
        )

    def length(a: str, b: str) -> float:
        sides = [
            np.linalg.norm(joint(f"{s}_{a}") - joint(f"{s}_{b}"), axis=1) for s in ("left", "right")
        ]
        both = np.concatenate(sides)
        # Limbs look shorter than they are, never longer.
        return float(np.nanpercentile(both, 75)) if np.isfinite(both).any() else float("nan")

    thigh, shank = length("hip", "knee"), length("knee", "ankle")
    trunk_px = np.linalg.norm(joint("thorax") - joint("pelvis"), axis=1)
    trunk = float(np.nanpercentile(trunk_px, 75)) if np.isfinite(trunk_px).any() else float("nan")
    ratios = (thigh / max(shank, 1e-9), trunk / max(thigh + shank, 1e-9))
    for name, ratio, (low, high) in zip(
        ("thigh to shank", "trunk to leg"), ratios, (_THIGH_PER_SHANK, _TRUNK_PER_LEG), strict=True
    ):
        if not low <= ratio <= high:
            return Reason(
                "implausible_body", f"{name} is {ratio:.2f}; expected {low:g} to {high:g} of a person"
            )
    return None


def _why_not(body: _Body, faults: list[Reason]) -> Reason:
    visible = body.visible
    if visible.mean() < 0.2 or visible.sum() < _LEAST_S * _RATE_HZ:
        return Reason("legs_not_seen", "the legs are not seen for long enough")
    if body.upright[visible].mean() < 0.5:
        return Reason("not_upright", "the person sits, lies or is bent down most of the time")
    still = body.activity()[visible] < 2 * _LEAST_ACTIVITY
    if still.mean() > 0.7:
        return Reason("standing", "the person stands most of the time")
    if faults:
        return Reason("not_walking", f"the person moves but does not walk: {faults[0].text}")
    return Reason(
        "not_walking", f"the person never walks for {_LEAST_BOUT_S:g} s with {_LEAST_STEPS} steps"
    )


def _remarks(pose: PoseSequence, bouts: tuple[Span, ...]) -> tuple[Reason, ...]:
    within = np.zeros(pose.n_frames, dtype=bool)
    for start_s, end_s in bouts:
        within |= (pose.time_s >= start_s) & (pose.time_s < end_s)
    joints = to_h36m17(pose)
    seen = float(joints.valid[within].mean()) if within.any() else 0.0
    if seen < 0.8:
        text = f"while the person walks, only {seen:.0%} of the joints are seen"
        return (Reason("low_coverage", text),)
    return ()


def _seen_s(pose: PoseSequence, seen: NDArray[np.bool_]) -> float:
    """Time in which the person is seen; gaps of more than 0.3 s do not count."""
    steps = np.diff(pose.time_s[seen])
    return float(steps[steps <= 0.3].sum())


def _chain(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """Length of trunk, thigh and shank in each frame, (T,): the longer leg of the two."""

    def apart(a: str, b: str) -> NDArray[np.float64]:
        bone = joints[:, H36M17.index(a)] - joints[:, H36M17.index(b)]
        return np.asarray(np.linalg.norm(bone, axis=1))

    legs = [
        apart(f"{side}_hip", f"{side}_knee") + apart(f"{side}_knee", f"{side}_ankle")
        for side in ("left", "right")
    ]
    return np.asarray(apart("thorax", "pelvis") + np.fmax(*legs))


def _typical_height(joints: NDArray[np.float64]) -> float:
    chain = _chain(joints)
    chain = chain[np.isfinite(chain)]
    return float(_HEIGHT_PER_CHAIN * np.percentile(chain, 75)) if len(chain) else float("nan")


def _running_height(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """Height of the person in pixels, which changes as they come nearer, shape (T,)."""
    chain = _bridged(_chain(joints))
    width = round(1.5 * _RATE_HZ)
    # Limbs look shorter than they are, never longer; two seconds hold a moment in which they do not.
    high = maximum_filter1d(gaussian_filter1d(chain, 2, mode="nearest"), width, mode="nearest")
    return np.asarray(_HEIGHT_PER_CHAIN * gaussian_filter1d(high, width / 3, mode="nearest"))


def _bridged(track: NDArray[np.float64]) -> NDArray[np.float64]:
    """A trajectory (T,) without its gaps, for what needs numbers everywhere."""
    seen = np.flatnonzero(np.isfinite(track))
    if not len(seen):
        return np.zeros_like(track)
    return np.interp(np.arange(len(track)), seen, track[seen])


def _smoothed(joints: NDArray[np.float64], width_s: float) -> NDArray[np.float64]:
    """Gaussian smoothing over time of (T, J, D) that leaves gaps as they are."""
    seen = np.isfinite(joints)
    sigma = width_s * _RATE_HZ
    weights = gaussian_filter1d(seen.astype(float), sigma, axis=0, mode="nearest")
    total = gaussian_filter1d(np.where(seen, joints, 0.0), sigma, axis=0, mode="nearest")
    return np.where(seen, total / np.maximum(weights, 1e-9), np.nan)


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _closed(mask: NDArray[np.bool_], gap_s: float) -> NDArray[np.bool_]:
    """Without gaps shorter than `gap_s`."""
    filled = mask.copy()
    for start, end in _runs(~mask):
        if start > 0 and end < len(mask) and end - start <= gap_s * _RATE_HZ:
            filled[start:end] = True
    return filled


def _opened(mask: NDArray[np.bool_], least_s: float) -> NDArray[np.bool_]:
    """Without interruptions and without islands shorter than `least_s`."""
    return ~_closed(~_closed(mask, least_s), least_s)


def _eroded(mask: NDArray[np.bool_], frames: int) -> NDArray[np.bool_]:
    return np.asarray(minimum_filter1d(mask, 2 * frames + 1, mode="nearest"))
