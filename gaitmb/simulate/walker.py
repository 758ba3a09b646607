"""simulate_walk: parameters to joints over time, with the events and measures that are true."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gaitmb.data.pose import CoordinateSystem, PoseSequence
from gaitmb.data.skeleton import H36M17
from gaitmb.errors import ConfigurationError
from gaitmb.simulate.body import PelvisHeight, place_feet, place_joints, raise_pelvis
from gaitmb.simulate.parameters import WalkerParameters
from gaitmb.simulate.steps import LEFT, RIGHT, Plan, plan_walk

__all__ = ["SimulatedWalk", "simulate_walk"]

#: Rate at which joint angles are measured for the true ranges.
_TRUTH_HZ = 120.0

_SIDES = ((LEFT, "left"), (RIGHT, "right"))


@dataclass(frozen=True, eq=False)
class SimulatedWalk:
    """A walk whose answers are known.

    Parameters
    ----------
    pose
        H36M-17 in ``world_mm``, overground: z up, the floor at 0, at heading 0 walking along +y.
    feet_mm
        Heels and balls of the feet, shape ``(T, 2, 2, 3)``: left and right, then heel and ball.
    events
        Columns `side` (``left``, ``right``), `event` (``initial_contact``, ``final_contact``), `time_s`;
        sorted by time; those within the walk.
    episodes
        Columns `kind` (``turn``, ``freezing``), `start_s`, `end_s`; those within the walk. A turn lasts
        as long as the pelvis turns.
    measures
        True values over the steady steps (straight, not frozen) between contacts in the walk; NaN where
        there are none. Steps: `cadence_spm`, `speed_mps`, `step_length_m`, `step_time_s`,
        `stride_length_m`, `stride_time_s`, `stance_pct`, `swing_pct`, `double_support_pct`,
        `step_width_m`, `n_steps`; `step_length_<side>_m` and `step_time_<side>_s`, where a left step
        ends with the left contact; asymmetries (left minus right over their mean)
        `step_length_asymmetry_pct`, `step_time_asymmetry_pct`; `stride_time_cv_pct`,
        `stride_length_cv_pct`. Angles: `arm_swing_deg_<side>`, `arm_swing_asymmetry_pct` (0 for equal
        arms, 100 for one that does not move, signed as left minus right), `knee_range_deg_<side>`,
        `hip_range_deg_<side>`, their means `knee_range_deg` and `hip_range_deg`, `trunk_lean_deg`,
        `elbow_flexion_deg`. `foot_clearance_m`, `turn_duration_s`, `turn_steps`, `freezing_s`.
    parameters
        What was asked for.
    """

    pose: PoseSequence
    feet_mm: NDArray[np.float64]
    events: pd.DataFrame
    episodes: pd.DataFrame
    measures: Mapping[str, float]
    parameters: WalkerParameters


def simulate_walk(
    parameters: WalkerParameters,
    *,
    duration_s: float | None = None,
    n_strides: float | None = None,
    rate_hz: float = 30.0,
    seed: int | np.random.Generator = 0,
) -> SimulatedWalk:
    """Let a person walk.

    Footholds and their times are planned first; the feet roll over them, the pelvis follows as high as
    the legs reach, and knees are found by inverse kinematics, so that bones keep their lengths.

    Parameters
    ----------
    parameters
        How the person is built and walks.
    duration_s
        Time from the first frame to the last; 5 s if neither this nor `n_strides` is given.
    n_strides
        Length of the walk in mean strides instead.
    rate_hz
        Frames per second.
    seed
        For the moment of the first contact and for variability; or a generator.

    Raises
    ------
    ConfigurationError
        Both lengths are given, the walk is shorter than two frames or longer than an hour, or the legs
        do not reach the steps.

    Examples
    --------
    >>> walk = simulate_walk(WalkerParameters(cadence_spm=100, step_length_m=0.6))
    >>> walk.pose.n_frames, walk.pose.coordinates
    (151, <CoordinateSystem.WORLD_MM: 'world_mm'>)
    >>> round(walk.measures["cadence_spm"], 6), round(walk.measures["speed_mps"], 6)
    (100.0, 1.0)
    """
    if duration_s is not None and n_strides is not None:
        raise ConfigurationError(
            "a walk with a duration and a number of strides", expected="one of them"
        )
    if n_strides is not None:
        duration_s = n_strides * 120 / parameters.cadence_spm
    duration_s = 5.0 if duration_s is None else duration_s
    if not (rate_hz > 0 and 1 / rate_hz <= duration_s <= 3600):
        raise ConfigurationError(
            f"a walk of {duration_s:g} s at {rate_hz:g} frames per second",
            expected="two frames to an hour",
        )
    rng = np.random.default_rng(seed)
    plan = plan_walk(parameters, duration_s, rng)
    height = raise_pelvis(parameters, plan, duration_s)
    time_s = np.arange(math.floor(duration_s * rate_hz + 1e-6) + 1) / rate_hz
    joints = place_joints(parameters, plan, height, time_s)
    feet = place_feet(parameters, plan, time_s)
    pose = PoseSequence(
        1000 * joints, np.ones(joints.shape[:2]), time_s, H36M17, CoordinateSystem.WORLD_MM
    )
    return SimulatedWalk(
        pose,
        1000 * np.stack([feet.heel, feet.ball], axis=2),
        _events(plan, duration_s),
        _episodes(plan, duration_s),
        _measures(parameters, plan, height, duration_s),
        parameters,
    )


def _events(plan: Plan, duration_s: float) -> pd.DataFrame:
    """Contacts in time. The foot before a contact leaves when that contact's double support is over."""
    times = {
        "initial_contact": plan.clock.time(plan.contact_s),
        "final_contact": plan.clock.time(plan.contact_s + plan.double_support_s),
    }
    # The foot that leaves is the other one.
    sides = {"initial_contact": plan.side, "final_contact": 1 - plan.side}
    rows = [
        (float(time), ("left", "right")[int(side)], event)
        for event in ("initial_contact", "final_contact")
        for side, time in zip(sides[event], times[event], strict=True)
        if 0 <= time <= duration_s
    ]
    table = pd.DataFrame(sorted(rows), columns=["time_s", "side", "event"])
    return table[["side", "event", "time_s"]]


def _episodes(plan: Plan, duration_s: float) -> pd.DataFrame:
    rows = [(float(start), float(end), "freezing") for start, end in plan.frozen_s]
    if plan.turn_m is not None:
        grid = np.arange(0.0, duration_s + 5.0, 0.002)
        along = plan.pelvis_along_m(plan.clock.walking(grid))
        start, end = np.interp(plan.turn_m, along, grid)
        rows.append((float(start), float(end), "turn"))
    within = [row for row in rows if row[0] >= 0 and row[1] <= duration_s]
    table = pd.DataFrame(sorted(within), columns=["start_s", "end_s", "kind"])
    return table[["kind", "start_s", "end_s"]]


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else math.nan


def _cv_pct(values: NDArray[np.float64]) -> float:
    return float(100 * values.std(ddof=1) / values.mean()) if len(values) > 1 else math.nan


def _asymmetry_pct(left: float, right: float) -> float:
    return 200 * (left - right) / (left + right)


def _measures(
    parameters: WalkerParameters, plan: Plan, height: PelvisHeight, duration_s: float
) -> dict[str, float]:
    contact_s = plan.clock.time(plan.contact_s)
    seen = (contact_s >= 0) & (contact_s <= duration_s)
    # Steps and strides are named by the contact that ends them.
    ends = np.flatnonzero(seen[1:] & seen[:-1] & plan.steady[1:]) + 1
    strides = ends[np.isin(ends - 1, ends)]
    step_s, length_m = np.diff(plan.contact_s), np.diff(plan.along_m)
    stride_s = plan.contact_s[strides] - plan.contact_s[strides - 2]
    stride_m = plan.along_m[strides] - plan.along_m[strides - 2]
    # Of the stride that ends with a contact, the foot that ends it stood until one double support after
    # the contact of the other foot.
    stance_s = step_s[strides - 2] + plan.double_support_s[strides - 1]
    step_time, step_length = _mean(step_s[ends - 1]), _mean(length_m[ends - 1])
    stance = 100 * _mean(stance_s) / _mean(stride_s)
    measures = {
        "n_steps": float(len(ends)),
        "cadence_spm": 60 / step_time,
        "speed_mps": step_length / step_time,
        "step_length_m": step_length,
        "step_time_s": step_time,
        "stride_length_m": _mean(stride_m),
        "stride_time_s": _mean(stride_s),
        "stance_pct": stance,
        "swing_pct": 100 - stance,
        "double_support_pct": 100 * _mean(plan.double_support_s[ends]) / step_time,
        "step_width_m": parameters.step_width_m,
        "stride_time_cv_pct": _cv_pct(stride_s),
        "stride_length_cv_pct": _cv_pct(stride_m),
    }
    for side, name in _SIDES:
        mine = ends[plan.side[ends] == side]
        measures[f"step_length_{name}_m"] = _mean(length_m[mine - 1])
        measures[f"step_time_{name}_s"] = _mean(step_s[mine - 1])
    measures["step_length_asymmetry_pct"] = _asymmetry_pct(
        measures["step_length_left_m"], measures["step_length_right_m"]
    )
    measures["step_time_asymmetry_pct"] = _asymmetry_pct(
        measures["step_time_left_s"], measures["step_time_right_s"]
    )
    left, right = parameters.arm_swing_left_deg, parameters.arm_swing_right_deg
    measures["arm_swing_deg_left"], measures["arm_swing_deg_right"] = left, right
    measures["arm_swing_asymmetry_pct"] = (
        100 * (math.degrees(math.atan2(left, right)) - 45) / 45 if left + right > 0 else 0.0
    )
    measures.update(_ranges(parameters, plan, height, duration_s, contact_s, strides))
    measures["trunk_lean_deg"] = parameters.stoop_deg
    measures["elbow_flexion_deg"] = parameters.elbow_flexion_deg
    measures["foot_clearance_m"] = parameters.toe_clearance_m
    episodes = _episodes(plan, duration_s)
    lengths = episodes["end_s"] - episodes["start_s"]
    turns = episodes["kind"] == "turn"
    measures["turn_duration_s"] = float(lengths[turns].iloc[0]) if turns.any() else math.nan
    measures["turn_steps"] = float(parameters.turn_steps) if turns.any() else math.nan
    measures["freezing_s"] = float(lengths[~turns].sum())
    return measures


def _ranges(
    parameters: WalkerParameters,
    plan: Plan,
    height: PelvisHeight,
    duration_s: float,
    contact_s: NDArray[np.float64],
    strides: NDArray[np.intp],
) -> dict[str, float]:
    """Ranges of knee and hip, as the exact joints have them, over each foot's strides."""
    time_s = np.arange(math.floor(duration_s * _TRUTH_HZ) + 1) / _TRUTH_HZ
    joints = place_joints(parameters, plan, height, time_s)
    along = plan.pelvis_along_m(plan.clock.walking(time_s))
    heading = plan.path.heading(along)
    forward = np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
    ranges: dict[str, float] = {}
    for side, name in _SIDES:
        hip, knee, ankle = (
            joints[:, H36M17.index(f"{name}_{part}")] for part in ("hip", "knee", "ankle")
        )
        thigh, shank = knee - hip, ankle - knee
        lengths = np.linalg.norm(thigh, axis=-1) * np.linalg.norm(shank, axis=-1)
        flexion = np.degrees(np.arccos(np.clip((thigh * shank).sum(axis=-1) / lengths, -1, 1)))
        swing = np.degrees(np.arctan2((thigh[:, :2] * forward).sum(axis=-1), -thigh[:, 2]))
        mine = strides[plan.side[strides] == side]
        windows = [slice(*np.searchsorted(time_s, [contact_s[end - 2], contact_s[end]])) for end in mine]
        for measure, angle in (("knee_range_deg", flexion), ("hip_range_deg", swing)):
            spans = np.array([np.ptp(angle[window]) for window in windows])
            ranges[f"{measure}_{name}"] = _mean(spans)
    for measure in ("knee_range_deg", "hip_range_deg"):
        pair = np.array([ranges[f"{measure}_{name}"] for _, name in _SIDES])
        ranges[measure] = _mean(pair[np.isfinite(pair)])
    return ranges
