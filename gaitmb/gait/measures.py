"""Measure gait: a walk in, every measure of the registry out, or the reason why it cannot be had."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gaitmb.data.pose import PoseSequence
from gaitmb.errors import QualityError
from gaitmb.gait.body import Body, body_of
from gaitmb.gait.definitions import Measure, Sided
from gaitmb.gait.events import Event, events_of
from gaitmb.gait.posture import kinematics, rhythm
from gaitmb.gait.registry import FEATURES, MEASURES, SIDED
from gaitmb.gait.steps import Gait, Pair, gait_of, spatiotemporal

__all__ = ["FEATURES", "MEASURES", "GaitMeasures", "Measure", "measure_gait"]

#: Hip to ankle in body heights: thigh 0.245 and shank 0.246 (Drillis & Contini 1966, as in Winter 2009).
LEG_PER_HEIGHT = 0.491


@dataclass(frozen=True)
class GaitMeasures:
    """What was measured on one walk.

    Parameters
    ----------
    values
        Every name of :data:`MEASURES`; NaN where it could not be had.
    reasons
        For exactly those that are NaN, why.
    n_strides
        Strides of both feet behind the values.
    view
        From where the walk was seen: ``3d``, ``side``, ``front``, ``oblique``; empty where no body was.
    events
        The contacts, ascending in time.
    """

    values: Mapping[str, float]
    reasons: Mapping[str, str]
    n_strides: int = 0
    view: str = ""
    events: tuple[Event, ...] = ()

    @property
    def features(self) -> dict[str, float]:
        """The values of :data:`FEATURES`, in their order."""
        return {name: self.values[name] for name in FEATURES}


def measure_gait(
    pose: PoseSequence, *, leg_length_m: float | None = None, height_m: float | None = None
) -> GaitMeasures:
    """Measure the gait of one walk.

    Parameters
    ----------
    pose
        H36M-17 in ``world_mm``, level ``camera_mm`` or ``image_px``.
    leg_length_m
        Hip to ankle. Lengths are in leg lengths of the pose's own bones; in 3D this one replaces them.
    height_m
        Body height, from which a leg length for metres follows where there is none.

    Returns
    -------
    All measures; where the view, the strides or the joints do not allow one it is NaN with a reason.

    Raises
    ------
    CoordinateError
        Another skeleton or coordinate system.

    Examples
    --------
    >>> import numpy as np
    >>> from gaitmb.data.pose import CoordinateSystem
    >>> from gaitmb.data.skeleton import H36M17
    >>> still = PoseSequence(np.ones((90, 17, 3)), np.ones((90, 17)), np.arange(90) / 30, H36M17,
    ...                      CoordinateSystem.WORLD_MM)
    >>> measured = measure_gait(still)
    >>> measured.values["cadence_spm"], len(measured.reasons) == len(MEASURES)
    (nan, True)
    """
    try:
        body = body_of(pose, leg_length_m=leg_length_m)
    except QualityError as error:
        return _nothing(error.reason)
    events = events_of(body)
    gait = gait_of(events)
    n_strides = len(gait.all_strides)
    if n_strides == 0:
        return _nothing(
            "no stride was found: the person may stand, turn or be seen too briefly", body, events
        )
    values, pairs = spatiotemporal(body, gait)
    more_values, more_pairs = kinematics(body, gait)
    values |= more_values | rhythm(body, gait) | _in_metres(body, values, pairs, leg_length_m, height_m)
    for sided in SIDED:
        values |= _five(sided, (pairs | more_pairs)[sided.base])
    return _judged(values, body, gait, events)


def _nothing(reason: str, body: Body | None = None, events: tuple[Event, ...] = ()) -> GaitMeasures:
    return GaitMeasures(
        MappingProxyType(dict.fromkeys(MEASURES, math.nan)),
        MappingProxyType(dict.fromkeys(MEASURES, reason)),
        view=body.kind if body else "",
        events=events,
    )


def _judged(
    values: Mapping[str, float], body: Body, gait: Gait, events: tuple[Event, ...]
) -> GaitMeasures:
    """Leave out what this view or so few strides cannot give, each with its reason."""
    n_strides = len(gait.all_strides)
    kept, reasons = {}, {}
    for name, measure in MEASURES.items():
        value = values[name]
        if measure.validity(body.kind) == "invalid":
            reasons[name] = (
                f"cannot be had from this view ({body.kind}); needs {' or '.join(measure.views)}"
            )
        elif n_strides < measure.min_strides:
            reasons[name] = f"{n_strides} strides; needs at least {measure.min_strides}"
        elif not math.isfinite(value):
            missing = "the leg length in metres" if measure.needs else "the joints or events behind it"
            reasons[name] = f"{missing} could not be had"
        kept[name] = math.nan if name in reasons else float(value)
    return GaitMeasures(MappingProxyType(kept), MappingProxyType(reasons), n_strides, body.kind, events)


def _five(sided: Sided, pair: Pair) -> dict[str, float]:
    """Left, right, their mean, and left minus right, signed and absolute."""
    left, right = pair
    mean = (left + right) / 2
    if sided.asymmetry == "angle":
        difference = 100 * (45 - math.degrees(math.atan2(right, left))) / 90
    elif sided.asymmetry == "pct":
        difference = 100 * (left - right) / mean if mean > 0 else math.nan
    else:
        difference = left - right
    parts = {
        "left": left,
        "right": right,
        "mean": mean,
        "asymmetry": difference,
        "asymmetry_abs": abs(difference),
    }
    return {sided.name(part): value for part, value in parts.items()}


def _in_metres(
    body: Body,
    values: Mapping[str, float],
    pairs: Mapping[str, Pair],
    leg_length_m: float | None,
    height_m: float | None,
) -> dict[str, float]:
    leg_m = leg_length_m or math.nan
    if body.kind == "3d":
        leg_m = body.leg_length / 1000
    elif leg_length_m is None and height_m is not None:
        leg_m = LEG_PER_HEIGHT * height_m
    return {
        "step_length_m": leg_m * sum(pairs["step_length"]) / 2,
        "speed_mps": leg_m * values["speed_ll_per_s"],
    }
