"""Strides, steps and what is told by the times and places of contacts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gaitmb.gait.body import Body
from gaitmb.gait.events import LONGEST_STRIDE_S, SHORTEST_STRIDE_S, SIDES, Event

__all__ = [
    "OTHER",
    "Gait",
    "Pair",
    "at_times",
    "cv_pct",
    "frames_of",
    "gait_of",
    "median",
    "spatiotemporal",
]

#: The other side.
OTHER = {"left": "right", "right": "left"}

# When a foot lies flat, in strides after its initial contact.
_FLAT = (0.1, 0.35)
# A ground that moves no faster than this, in leg lengths per second, stands still.
_STANDING_GROUND = 0.1
# No legs reach further, in leg lengths.
_LONGEST_STEP = 2.0

#: Left and right value of something.
Pair = tuple[float, float]
_Spans = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Gait:
    """The events of a walk, put together; spans are ``(start_s, end_s)``.

    Parameters
    ----------
    contacts
        Initial contacts of each side in seconds.
    strides
        Of each side, from its initial contact to its next, with one contact of the other between them.
    steps
        Of each side, from the other's initial contact to its own.
    stances, swings
        Of each side, from initial to final and from final to initial contact.
    double_supports
        Of each side, from its initial contact to the other's final contact.
    """

    contacts: dict[str, tuple[float, ...]]
    strides: dict[str, _Spans]
    steps: dict[str, _Spans]
    stances: dict[str, _Spans]
    swings: dict[str, _Spans]
    double_supports: dict[str, _Spans]

    @property
    def all_strides(self) -> _Spans:
        """Strides of both sides."""
        return (*self.strides["left"], *self.strides["right"])


def gait_of(events: tuple[Event, ...]) -> Gait:
    """Put events together: what lies between them is kept only where it can be part of one stride."""
    initial = {s: tuple(e.time_s for e in events if _is(e, s, "initial_contact")) for s in SIDES}
    final = {s: tuple(e.time_s for e in events if _is(e, s, "final_contact")) for s in SIDES}
    strides, steps, stances, swings, doubles = {}, {}, {}, {}, {}
    for side in SIDES:
        other = OTHER[side]
        strides[side] = tuple(
            (a, b)
            for a, b in zip(initial[side], initial[side][1:], strict=False)
            if SHORTEST_STRIDE_S <= b - a <= LONGEST_STRIDE_S
            and sum(a < t < b for t in initial[other]) == 1
        )
        steps[side] = _between(
            initial[other], initial[side], (0.1, LONGEST_STRIDE_S / 2), initial[other]
        )
        stances[side] = _between(
            initial[side], final[side], (0.1, 0.9 * LONGEST_STRIDE_S), initial[side]
        )
        swings[side] = _between(final[side], initial[side], (0.1, 0.7 * LONGEST_STRIDE_S), final[side])
        doubles[side] = _between(
            initial[side], final[other], (0.0, 0.5 * LONGEST_STRIDE_S), initial[other]
        )
    return Gait(initial, strides, steps, stances, swings, doubles)


def _is(event: Event, side: str, kind: str) -> bool:
    return event.side == side and event.event == kind


def _between(
    starts: tuple[float, ...],
    ends: tuple[float, ...],
    bounds_s: tuple[float, float],
    stops: tuple[float, ...],
) -> _Spans:
    """Each start with the first end after it, unless one of `stops` comes first."""
    spans = []
    for start in starts:
        end = next((t for t in ends if t > start), None)
        if end is None or not bounds_s[0] <= end - start <= bounds_s[1]:
            continue
        if not any(start < stop < end for stop in stops):
            spans.append((start, end))
    return tuple(spans)


def median(values: NDArray[np.float64] | list[float]) -> float:
    """Median of what is known; NaN for nothing."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    return float(np.median(known)) if known.size else float("nan")


def cv_pct(values: list[float]) -> float:
    """Standard deviation over mean in per cent; NaN for fewer than three values.

    Examples
    --------
    >>> cv_pct([1.0, 1.0, 1.0])
    0.0
    """
    known = np.array([v for v in values if np.isfinite(v)])
    if len(known) < 3 or known.mean() <= 0:
        return float("nan")
    return float(100 * known.std(ddof=1) / known.mean())


def at_times(body: Body, track: NDArray[np.float64], times_s: tuple[float, ...]) -> list[float]:
    """A track between frames, NaN where one of the two frames around is."""
    frames = (np.array(times_s, dtype=float) - body.time_s[0]) * body.rate_hz
    before = np.clip(frames.astype(int), 0, len(track) - 2)
    share = frames - before
    return list((1 - share) * track[before] + share * track[before + 1])


def spatiotemporal(body: Body, gait: Gait) -> tuple[dict[str, float], dict[str, Pair]]:
    """Times, lengths and rhythm: values by the measure's name, and pairs by the base of a sided one."""
    stride_s = _lasting(gait.all_strides)
    step_s = {side: _lasting(gait.steps[side]) for side in SIDES}
    stance_s = {side: _lasting(gait.stances[side]) for side in SIDES}
    swing_s = {side: _lasting(gait.swings[side]) for side in SIDES}
    double_s = {side: _lasting(gait.double_supports[side]) for side in SIDES}
    ahead = {side: body.joint(f"{side}_ankle") for side in SIDES}
    lengths = _step_lengths(body, gait, median(stride_s))
    every_step = sorted((start, end) for side in SIDES for start, end in gait.steps[side])
    mean_step_s = float(np.mean(_lasting(tuple(every_step)))) if every_step else float("nan")
    mean_length = float(np.mean([median(lengths[side]) for side in SIDES]))
    cadence = 120 / float(np.mean(stride_s)) if stride_s else float("nan")
    both_doubles = sum(median(double_s[side]) for side in SIDES)
    stance, swing = (float(np.mean([median(s[side]) for side in SIDES])) for s in (stance_s, swing_s))
    beside = ahead["left"][:, 1] - ahead["right"][:, 1]
    values = {
        "cadence_spm": cadence,
        "stride_time_s": float(np.mean(stride_s)) if stride_s else float("nan"),
        "stance_pct": 100 * stance / (stance + swing),
        "double_support_pct": 100 * both_doubles / median(stride_s),
        "stride_time_cv_pct": cv_pct(stride_s),
        "step_time_cv_pct": cv_pct([s for side in SIDES for s in step_s[side]]),
        "step_length_cv_pct": cv_pct([x for side in SIDES for x in lengths[side]]),
        "speed_ll_per_s": mean_length / mean_step_s,
        "walk_ratio": mean_length / (cadence / 60),
        "step_width_ll": median(
            at_times(body, beside, (*gait.contacts["left"], *gait.contacts["right"]))
        ),
    }
    pairs: dict[str, Pair] = {
        "step_time": _pair(step_s),
        "stance_time": _pair(stance_s),
        "swing_time": _pair(swing_s),
        "double_support": _pair(double_s),
        "step_length": _pair(lengths),
        "foot_ahead": _pair({s: at_times(body, ahead[s][:, 0], gait.contacts[s]) for s in SIDES}),
        "foot_behind": _pair(
            {
                s: at_times(body, -ahead[s][:, 0], tuple(start for start, _ in gait.swings[s]))
                for s in SIDES
            }
        ),
    }
    return values, pairs


def _step_lengths(body: Body, gait: Gait, stride_s: float) -> dict[str, list[float]]:
    """From one foothold to the next, along the way: a foot lies flat a tenth of a stride after contact.

    On a belt, or before a camera that travels along, the ground moves; standing feet tell how fast.
    """
    tracks = {side: body.joint(f"{side}_ankle")[:, 0] + body.pelvis[:, 0] for side in SIDES}
    flat = {
        side: [(t + _FLAT[0] * stride_s, t + _FLAT[1] * stride_s) for t in gait.contacts[side]]
        for side in SIDES
    }
    ground = _way_of_ground(body, tracks, flat)
    footholds = {
        side: [median((tracks[side] - ground)[slice(*frames_of(body, span))]) for span in flat[side]]
        for side in SIDES
    }
    lengths: dict[str, list[float]] = {}
    for side in SIDES:
        contacts, others = gait.contacts[side], gait.contacts[OTHER[side]]
        found = [
            footholds[side][contacts.index(end)] - footholds[OTHER[side]][others.index(start)]
            for start, end in gait.steps[side]
        ]
        lengths[side] = [length for length in found if abs(length) < _LONGEST_STEP]
    # A foot may stop behind the other; on the whole the steps of a walk lead on.
    leads_on = sum(median(lengths[side]) for side in SIDES) > 0
    return lengths if leads_on else {side: [] for side in SIDES}


def _way_of_ground(
    body: Body, tracks: dict[str, NDArray[np.float64]], flat: dict[str, list[tuple[float, float]]]
) -> NDArray[np.float64]:
    """How far the ground has moved at each frame, by the speed of whichever foot lies flat."""
    speed = np.full((2, len(body.time_s)), np.nan)
    for row, side in zip(speed, SIDES, strict=True):
        along = np.gradient(tracks[side]) * body.rate_hz
        for span in flat[side]:
            standing = slice(*frames_of(body, span))
            row[standing] = along[standing]
    known = np.isfinite(speed)
    told = known.any(axis=0)
    if not told.any() or abs(median(speed)) <= _STANDING_GROUND:
        return np.zeros(len(body.time_s))
    mean = np.where(known, speed, 0.0).sum(axis=0)[told] / known.sum(axis=0)[told]
    frames = np.arange(len(body.time_s))
    return np.asarray(np.cumsum(np.interp(frames, frames[told], mean)) / body.rate_hz)


def frames_of(body: Body, span: tuple[float, float]) -> tuple[int, int]:
    """The frames ``[start, end)`` within a span of time."""
    start, end = ((t - body.time_s[0]) * body.rate_hz for t in span)
    return max(0, int(np.ceil(start))), max(0, min(len(body.time_s), int(np.floor(end)) + 1))


def _lasting(spans: _Spans) -> list[float]:
    return [end - start for start, end in spans]


def _pair(values: dict[str, list[float]]) -> Pair:
    return median(values["left"]), median(values["right"])
