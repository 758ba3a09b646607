"""The body on its footholds: feet that roll, a pelvis that the legs can carry, arms, trunk and head.

Directions are built from `forward`, `right` and `up` of the path where the pelvis is. Lengths are
metres here; :mod:`gaitmb.simulate.walker` makes millimetres of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gaitmb.data.skeleton import H36M17
from gaitmb.errors import ConfigurationError
from gaitmb.simulate.parameters import WalkerParameters
from gaitmb.simulate.steps import LEFT, RIGHT, Plan, cubic, hermite

__all__ = ["Body", "Feet", "PelvisHeight", "body_of", "place_feet", "place_joints", "raise_pelvis"]

Array = NDArray[np.float64]

_UP = np.array([0.0, 0.0, 1.0])

#: Extra way of the pelvis, in step lengths each way, as it speeds up and slows down in a step.
_SURGE = 0.012

#: Sideways way of the pelvis towards the standing foot, as a share of step width and a little more.
_SWAY = 0.15

#: How far the hip of the swinging leg is below that of the standing one.
_PELVIC_DROP_DEG = 3.0

#: Half the window in which the height of the pelvis is smoothed, in step times, and its grid.
_SMOOTHING = 0.15
_GRID_HZ = 120.0

#: Farthest that a foot may be from under its hip, in lengths of the leg.
_WIDEST = 0.75

#: Mean angle of the arms, how far they hang from the body, their delay behind the legs, and how much
#: the elbow bends as the arm comes forward, as a share of its swing.
_ARM_FORWARD_DEG = 6.0
_ABDUCTION_RAD = math.radians(6.0)
_ARM_LAG_RAD = 0.3
_ELBOW_SHARE = 0.25


@dataclass(frozen=True)
class Body:
    """Lengths in metres, from body height and leg length (see :func:`body_of`)."""

    thigh: float
    shank: float
    ankle_height: float
    heel_to_ankle: float
    ankle_to_ball: float
    hip_half_width: float
    trunk: float
    shoulder_half_width: float
    upper_arm: float
    forearm: float
    nose_forward: float
    nose_up: float
    crown_forward: float
    crown_up: float


def body_of(parameters: WalkerParameters) -> Body:
    """Segment lengths as shares of height.

    Drillis and Contini (1966), as in Winter's Biomechanics and Motor Control of Human Movement, figure
    4.1: thigh 0.245, shank 0.246, ankle height 0.039, trunk from hip to shoulder 0.288, half shoulder
    width 0.129, upper arm 0.186, forearm 0.108, foot length 0.152. Hip joints lie at 0.6 of half the hip
    width (0.191 / 2); nose and crown are where H36M-17 has them above the thorax.
    """
    h = parameters.height_m
    leg = (parameters.leg_m - 0.039 * h) / (0.245 + 0.246)
    return Body(
        thigh=0.245 * leg,
        shank=0.246 * leg,
        ankle_height=0.039 * h,
        heel_to_ankle=0.030 * h,
        ankle_to_ball=0.075 * h,
        hip_half_width=0.057 * h,
        trunk=0.288 * h,
        shoulder_half_width=0.129 * h,
        upper_arm=0.186 * h,
        forearm=0.146 * h,
        nose_forward=0.030 * h,
        nose_up=0.075 * h,
        crown_forward=0.005 * h,
        crown_up=0.125 * h,
    )


@dataclass(frozen=True)
class Feet:
    """Heel, ankle and ball of both feet in metres, shape ``(T, 2, 3)`` each, left first.

    `pitch_rad` is how far the heel is up (negative: the toes), `forward` where the feet point.
    """

    heel: Array
    ankle: Array
    ball: Array
    pitch_rad: Array
    forward: Array


@dataclass(frozen=True)
class PelvisHeight:
    """Height of the pelvis in metres at times on a fine grid."""

    time_s: Array
    height_m: Array


def _forward(heading_rad: Array) -> Array:
    return np.stack([-np.sin(heading_rad), np.cos(heading_rad), np.zeros_like(heading_rad)], axis=-1)


def _right(heading_rad: Array) -> Array:
    return np.stack([np.cos(heading_rad), np.sin(heading_rad), np.zeros_like(heading_rad)], axis=-1)


def _pitched(forward: Array, pitch: Array, along: float, up: float) -> Array:
    """The vector `along` forward and `up` upward, turned so that what lies behind rises by `pitch`."""
    cos, sin = np.cos(pitch)[:, None], np.sin(pitch)[:, None]
    return np.asarray(forward * (along * cos + up * sin) + _UP * (up * cos - along * sin))


def place_feet(parameters: WalkerParameters, plan: Plan, time_s: Array) -> Feet:
    """Feet at any time: they roll over heel, sole and ball while they stand, and swing in between.

    From initial contact to flat foot the heel stands still, to heel-off the whole foot, and to final
    contact the ball.
    """
    body = body_of(parameters)
    both = [_place_foot(parameters, body, plan, side, time_s) for side in (LEFT, RIGHT)]
    return Feet(*(np.stack(parts, axis=1) for parts in zip(*both, strict=True)))


def _place_foot(
    parameters: WalkerParameters, body: Body, plan: Plan, side: int, time_s: Array
) -> tuple[Array, Array, Array, Array, Array]:
    at = plan.clock.walking(time_s)
    mine = np.flatnonzero(plan.side[:-1] == side)
    contact = plan.contact_s[mine]
    final = plan.contact_s[mine + 1] + plan.double_support_s[mine + 1]
    flat = contact + np.minimum(0.8 * plan.double_support_s[mine], 0.18 * (final - contact))
    heel_off = contact + 0.48 * (final - contact)
    swing_s = contact[1:] - final[:-1]
    heading = plan.path.heading(plan.along_m[mine])
    forward = _forward(heading)
    across = (1 if side == RIGHT else -1) * parameters.step_width_m / 2
    foothold = np.zeros((len(mine), 3))
    foothold[:, :2] = plan.path.point(plan.along_m[mine])
    foothold += across * _right(heading)

    pitch = _foot_pitch(parameters, at, contact, flat, heel_off, final)
    sole = body.heel_to_ankle + body.ankle_to_ball
    ball = foothold + forward * body.ankle_to_ball
    heel = foothold - forward * body.heel_to_ankle
    strike = np.full(len(mine), -math.radians(parameters.foot_strike_deg))
    landing = heel + _pitched(forward, strike, sole, 0.0)

    stance = np.clip(np.searchsorted(contact, at, side="right") - 1, 0, len(mine) - 2)
    rolling = heel[stance] + _pitched(forward[stance], pitch, sole, 0.0)
    ball_now = np.where(((pitch < 0) & (at < flat[stance]))[:, None], rolling, ball[stance])
    u = np.clip((at - final[stance]) / swing_s[stance], 0, 1)
    swung = _swing(
        parameters, ball[stance], landing[stance + 1], forward[stance + 1], swing_s[stance], u
    )
    ball_now = np.where((at > final[stance])[:, None], swung, ball_now)
    turned = heading[stance] + (heading[stance + 1] - heading[stance]) * u**2 * (3 - 2 * u)

    now = _forward(turned)
    pitch = pitch + _tremble_rad(parameters, plan, time_s, side)
    ankle_now = ball_now + _pitched(now, pitch, -body.ankle_to_ball, body.ankle_height)
    heel_now = ball_now + _pitched(now, pitch, -sole, 0.0)
    return heel_now, ankle_now, ball_now, pitch, now


def _foot_pitch(
    parameters: WalkerParameters, at: Array, contact: Array, flat: Array, heel_off: Array, final: Array
) -> Array:
    """Toes up at contact, flat on the ground, heel up at final contact, level in the middle of swing."""
    strike, push = math.radians(parameters.foot_strike_deg), math.radians(parameters.push_off_deg)
    ends = np.append(contact[1:], 2 * contact[-1] - contact[-2])
    middle = final + 0.6 * (ends - final)
    n = len(contact)
    knots = np.stack([contact, flat, heel_off, final, middle], axis=1)
    values = np.tile([-strike, 0.0, 0.0, push, 0.0], (n, 1))
    slopes = np.zeros((n, 5, 2))
    slopes[:, 0, 0] = 1.5 * strike / (flat - contact)
    slopes[:, 3, :] = (3.0 * push / (final - heel_off))[:, None]
    slopes[:, 4, :] = (-(push + strike) / (ends - final))[:, None]
    flattened = slopes.reshape(-1, 2)
    return hermite(at, knots.ravel(), values.ravel(), flattened[:, 0], flattened[:, 1])


def _swing(
    parameters: WalkerParameters,
    start: Array,
    end: Array,
    forward: Array,
    swing_s: Array,
    u: Array,
) -> Array:
    """Ball of the foot from rest to the pose in which the heel meets the ground, still moving.

    All arrays have one row per frame; `u` is the share of the swing that is done.
    """
    share, duration = u[:, None], swing_s[:, None]
    # Heels land with about half the walking speed and a little downwards.
    landing_m = (0.5 * parameters.speed_mps * forward - 0.15 * _UP) * duration
    path = cubic(share, start, end, np.zeros(3), landing_m)
    # Toes are lifted behind the body, pass low beside the other foot and rise before the heel lands.
    clear = np.full(len(u), parameters.toe_clearance_m)
    flat = np.zeros(len(u))
    path[:, 2] = np.select(
        [u < 0.3, u < 0.6],
        [
            cubic(u / 0.3, flat, 2.5 * clear, flat, flat),
            cubic((u - 0.3) / 0.3, 2.5 * clear, clear, flat, flat),
        ],
        cubic((u - 0.6) / 0.4, clear, end[:, 2], flat, 0.4 * landing_m[:, 2]),
    )
    return path


def _tremble_rad(parameters: WalkerParameters, plan: Plan, time_s: Array, side: int) -> Array:
    """How far the trembling of a frozen walker lifts a heel; the feet take turns."""
    amount = np.zeros(len(time_s))
    for start_s, end_s in plan.frozen_s:
        amount = np.maximum(amount, np.clip(np.minimum(time_s - start_s, end_s - time_s) / 0.2, 0, 1))
    phase = 2 * np.pi * parameters.freezing_hz * time_s + np.pi * side
    size = math.radians(parameters.freezing_tremble_deg)
    return np.asarray(size * amount * (1 - np.cos(phase)) / 2)


@dataclass(frozen=True)
class _Pelvis:
    """Pelvis without its height, and the directions around it; shape ``(T, 3)`` or ``(T,)``."""

    ground: Array
    forward: Array
    right: Array
    heading_rad: Array
    phase: Array
    hips: tuple[Array, Array]


def _pelvis(parameters: WalkerParameters, body: Body, plan: Plan, time_s: Array) -> _Pelvis:
    at = plan.clock.walking(time_s)
    along = plan.pelvis_along_m(at)
    phase = np.pi * plan.phase(at)
    # Fastest when both feet are down: twice per stride.
    along = along + _SURGE * parameters.step_length_m * np.sin(2 * phase)
    heading = plan.path.heading(along)
    forward, right = _forward(heading), _right(heading)
    ground = np.zeros((len(time_s), 3))
    ground[:, :2] = plan.path.point(along)
    # Over the standing foot, which after even contacts is the right one.
    sway_m = _SWAY * (parameters.step_width_m + 0.06)
    ground += (sway_m * np.sin(phase))[:, None] * right
    turned = heading + math.radians(parameters.pelvis_rotation_deg) * np.cos(phase)
    drop = math.radians(_PELVIC_DROP_DEG) * np.sin(phase)
    across = body.hip_half_width * (np.cos(drop)[:, None] * _right(turned) + np.sin(drop)[:, None] * _UP)
    return _Pelvis(ground, forward, right, heading, phase, (-across, across))


def raise_pelvis(parameters: WalkerParameters, plan: Plan, duration_s: float) -> PelvisHeight:
    """Pelvis as high as both legs allow at every moment, smoothly.

    The highest point that a leg allows is where it is straight but for `knee_flexion_deg`. The least of
    it over a window, averaged over the same window, is smooth and never above it.

    Raises
    ------
    ConfigurationError
        A foot is so far ahead or behind that the leg does not reach it.
    """
    body = body_of(parameters)
    half = max(2, round(_SMOOTHING * 60 / parameters.cadence_spm * _GRID_HZ))
    time_s = np.arange(-2 * half, math.ceil(duration_s * _GRID_HZ) + 2 * half + 1) / _GRID_HZ
    pelvis = _pelvis(parameters, body, plan, time_s)
    feet = place_feet(parameters, plan, time_s)
    bend = math.radians(parameters.knee_flexion_deg)
    longest = math.sqrt(body.thigh**2 + body.shank**2 + 2 * body.thigh * body.shank * math.cos(bend))
    highest = np.full(len(time_s), np.inf)
    for side in (LEFT, RIGHT):
        span = feet.ankle[:, side] - pelvis.ground - pelvis.hips[side]
        level = np.square(span[:, :2]).sum(axis=-1)
        if level.max() > (_WIDEST * longest) ** 2:
            raise ConfigurationError(
                "steps that leave a foot out of the leg's reach",
                expected="shorter or more even steps, or more push_off_deg",
            )
        reach = np.sqrt(longest**2 - level)
        highest = np.minimum(highest, span[:, 2] + reach)
    windows = np.lib.stride_tricks.sliding_window_view(highest, 2 * half + 1)
    weights = np.hanning(2 * half + 3)[1:-1]
    height = np.convolve(windows.min(axis=-1), weights / weights.sum(), mode="valid")
    return PelvisHeight(time_s[2 * half : -2 * half], height)


def place_joints(parameters: WalkerParameters, plan: Plan, height: PelvisHeight, time_s: Array) -> Array:
    """H36M-17 joints in metres, shape ``(T, 17, 3)``."""
    body = body_of(parameters)
    pelvis = _pelvis(parameters, body, plan, time_s)
    feet = place_feet(parameters, plan, time_s)
    joints: dict[str, Array] = {}
    root = pelvis.ground + np.interp(time_s, height.time_s, height.height_m)[:, None] * _UP
    joints["pelvis"] = root
    for side, name in ((LEFT, "left"), (RIGHT, "right")):
        hip, ankle = root + pelvis.hips[side], feet.ankle[:, side]
        ahead = pelvis.forward + feet.forward[:, side]
        joints[f"{name}_hip"], joints[f"{name}_ankle"] = hip, ankle
        joints[f"{name}_knee"] = _bent(hip, ankle, body.thigh, body.shank, ahead)
    joints.update(_trunk(parameters, body, pelvis, root))
    for side, name in ((LEFT, "left"), (RIGHT, "right")):
        shoulder = joints[f"{name}_shoulder"]
        elbow, wrist = _arm(parameters, body, pelvis, side, shoulder, time_s)
        joints[f"{name}_elbow"], joints[f"{name}_wrist"] = elbow, wrist
    return np.stack([joints[name] for name in H36M17.joints], axis=1)


def _bent(root: Array, tip: Array, upper: float, lower: float, towards: Array) -> Array:
    """The joint between two bones of known length, on the side of `towards`."""
    span = tip - root
    distance = np.linalg.norm(span, axis=-1, keepdims=True)
    axis = span / distance
    along = (distance**2 + upper**2 - lower**2) / (2 * distance)
    off = np.sqrt(np.maximum(upper**2 - along**2, 0))
    normal = towards - (towards * axis).sum(axis=-1, keepdims=True) * axis
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    return np.asarray(root + along * axis + off * normal)


def _trunk(parameters: WalkerParameters, body: Body, pelvis: _Pelvis, root: Array) -> dict[str, Array]:
    """Spine, thorax, shoulders and head."""
    lean = math.radians(parameters.stoop_deg)
    sway = math.radians(parameters.trunk_sway_deg) * np.sin(pelvis.phase)
    line = (
        math.sin(lean) * pelvis.forward
        + math.cos(lean) * _UP
        + (np.tan(sway) * math.cos(lean))[:, None] * pelvis.right
    )
    line /= np.linalg.norm(line, axis=-1, keepdims=True)
    back = math.sin(lean) * _UP - math.cos(lean) * pelvis.forward
    back -= (back * line).sum(axis=-1, keepdims=True) * line
    thorax = root + body.trunk * line
    # A stooped back is a round one.
    bow = body.trunk * (0.03 + 0.1 * max(math.sin(lean), 0.0))
    spine = root + body.trunk / 2 * line + bow * back
    turn = -math.radians(parameters.shoulder_rotation_deg) * np.cos(pelvis.phase)
    across = body.shoulder_half_width * _right(pelvis.heading_rad + turn)
    look = lean + math.radians(parameters.neck_flexion_deg)
    ahead, up = pelvis.forward, _UP

    def above(forward: float, upward: float) -> Array:
        return np.asarray(
            thorax
            + (forward * math.cos(look) + upward * math.sin(look)) * ahead
            + (upward * math.cos(look) - forward * math.sin(look)) * up
        )

    return {
        "spine": spine,
        "thorax": thorax,
        "nose": above(body.nose_forward, body.nose_up),
        "head": above(body.crown_forward, body.crown_up),
        "left_shoulder": thorax - across,
        "right_shoulder": thorax + across,
    }


def _arm(
    parameters: WalkerParameters,
    body: Body,
    pelvis: _Pelvis,
    side: int,
    shoulder: Array,
    time_s: Array,
) -> tuple[Array, Array]:
    """Elbow and wrist; the line from shoulder to wrist swings with the leg of the other side."""
    left = side == LEFT
    swing_deg = parameters.arm_swing_left_deg if left else parameters.arm_swing_right_deg
    outward = (-1 if left else 1) * pelvis.right
    rhythm = (1 if left else -1) * np.cos(pelvis.phase - _ARM_LAG_RAD)
    angle = np.radians(_ARM_FORWARD_DEG + swing_deg / 2 * rhythm)[:, None]
    line = np.sin(angle) * pelvis.forward - np.cos(angle) * _UP + math.tan(_ABDUCTION_RAD) * outward
    line /= np.linalg.norm(line, axis=-1, keepdims=True)
    bend = np.radians(parameters.elbow_flexion_deg + _ELBOW_SHARE * swing_deg * rhythm)
    distance = np.sqrt(
        body.upper_arm**2 + body.forearm**2 + 2 * body.upper_arm * body.forearm * np.cos(bend)
    )
    wrist = shoulder + distance[:, None] * line
    behind = -np.cos(angle) * pelvis.forward - np.sin(angle) * _UP
    elbow = _bent(shoulder, wrist, body.upper_arm, body.forearm, behind)
    tremor_m = parameters.tremor_left_m if left else parameters.tremor_right_m
    if tremor_m > 0:
        beat = 2 * np.pi * parameters.tremor_hz * time_s
        shaken = (
            wrist
            - elbow
            + tremor_m * (0.8 * np.sin(beat)[:, None] * behind + 0.6 * np.cos(beat)[:, None] * outward)
        )
        wrist = elbow + body.forearm * shaken / np.linalg.norm(shaken, axis=-1, keepdims=True)
    return elbow, wrist
