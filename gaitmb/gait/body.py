"""The walker's own frame: forward, left and up in leg lengths, from any view that gives them.

Every measure is written once, on these three axes. An axis that the view cannot see is NaN, so that what
needs it is NaN as well, and never a number from another direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from gaitmb.data.pose import CoordinateSystem, PoseSequence, resample
from gaitmb.data.skeleton import H36M17
from gaitmb.errors import CoordinateError, QualityError

__all__ = ["CUT_OFF_HZ", "LONGEST_BRIDGE_S", "VIEW_KINDS", "Body", "body_of", "low_pass", "view_kind"]

#: Zero-lag low-pass of all trajectories: Butterworth, second order there and back, -3 dB at this
#: frequency (Winter 2009; the design frequency of each pass is higher by the factor below).
CUT_OFF_HZ = 6.0
_TWO_PASSES = 1 / 0.802
#: Gaps up to this length are bridged in a straight line, inside a trajectory only.
LONGEST_BRIDGE_S = 0.2
#: From where a walk is seen, as far as measures care.
VIEW_KINDS = ("3d", "side", "front", "oblique")

# A bone does not change its length: a knee beyond this share of the median is a tracking error, and so
# is an ankle nearer to the hip than in a knee bent by 100 degrees, or further than the leg is long.
_BONE_TOLERANCE = 0.35
_SHORTEST_LEG, _LONGEST_LEG = 0.64, 1.15
# An ankle less than this below the pelvis, in leg lengths, is not of a person who walks upright.
_UPRIGHT = 0.6
# Knees that lie this far ahead, in leg lengths, tell where a body seen from the side faces.
_BENT = 0.015
# A body whose front is seen less than this share of what is typical of the walk has turned.
_FACING = 0.3
# Share of frames in which both legs have to be seen.
_LEAST_SEEN = 0.3
# A joint that leaves the median of its five nearest frames by more leg lengths is a spike.
_SPIKE = 0.2
# A pelvis this many leg lengths from where it began has been somewhere: its way says where forward is.
_TRAVELLED = 1.0
# Shoulder breadth over trunk length, from the side and from the front (Drillis & Contini 1966: 0.9).
_SIDE_BREADTH, _FRONT_BREADTH = 0.3, 0.65

_SIDES = ("left", "right")
_J = {name: number for number, name in enumerate(H36M17.joints)}


@dataclass(frozen=True, eq=False)
class Body:
    """A walk in the frame of the walker.

    Parameters
    ----------
    kind
        One of :data:`VIEW_KINDS`.
    time_s, rate_hz
        Evenly spaced times, shape ``(T,)``, and their rate.
    joints
        H36M-17 joints relative to the pelvis as (forward, left, up) in leg lengths, shape
        ``(T, 17, 3)``; NaN where missing or where the view does not see the axis. From an oblique view
        forward is foreshortened by an unknown share: good for timing, not for lengths.
    pelvis
        Way of the pelvis on the same axes from its first frame, shape ``(T, 3)``; from the front its up
        axis also holds how the picture changes as the walker comes nearer.
    leg_length
        Hip to ankle along the bones, in millimetres (3D) or pixels (the walk's median).
    """

    kind: str
    time_s: NDArray[np.float64]
    rate_hz: float
    joints: NDArray[np.float64]
    pelvis: NDArray[np.float64]
    leg_length: float

    def joint(self, name: str) -> NDArray[np.float64]:
        """One joint relative to the pelvis, shape ``(T, 3)``."""
        return self.joints[:, _J[name]]


def view_kind(pose: PoseSequence) -> str:
    """From where a walk is seen, as far as measures care: one of :data:`VIEW_KINDS`.

    An unknown view of a picture is told by the breadth of the shoulders against the trunk.

    Examples
    --------
    >>> pose = PoseSequence(np.ones((2, 17, 2)), np.ones((2, 17)), np.arange(2.0), H36M17,
    ...                     CoordinateSystem.IMAGE_PX, view="side_left")
    >>> view_kind(pose)
    'side'
    """
    if pose.coordinates.n_dims == 3:
        return "3d"
    view = pose.view or ""
    if view.startswith("side"):
        return "side"
    if view in ("front", "back"):
        return "front"
    if view.startswith(("front", "back")):
        return "oblique"
    breadth = _median(np.abs(pose.joint("left_shoulder") - pose.joint("right_shoulder"))[:, 0])
    ratio = breadth / _median(_norm(pose.joint("thorax") - pose.joint("pelvis")))
    if not np.isfinite(ratio):
        return "oblique"
    return "side" if ratio < _SIDE_BREADTH else "front" if ratio > _FRONT_BREADTH else "oblique"


def body_of(pose: PoseSequence, *, leg_length_m: float | None = None) -> Body:
    """Bring a walk into the frame of the walker, cleaned and smoothed.

    Spikes, ankles of a body that is not upright and, in 3D, knees and ankles at an impossible distance
    become missing; gaps of at most
    :data:`LONGEST_BRIDGE_S` are bridged; what is left is low-pass filtered at :data:`CUT_OFF_HZ`.

    Parameters
    ----------
    pose
        H36M-17 in ``world_mm``, level ``camera_mm`` or ``image_px``.
    leg_length_m
        Hip to ankle; by default from the bones of the pose. In pixels it is not used.

    Raises
    ------
    CoordinateError
        Another skeleton, or screen coordinates.
    QualityError
        Too short, no legs to be seen, or a body that is not upright.

    Examples
    --------
    >>> pose = PoseSequence(np.full((60, 17, 2), np.nan), np.zeros((60, 17)), np.arange(60) / 30, H36M17,
    ...                     CoordinateSystem.IMAGE_PX)
    >>> body_of(pose)
    Traceback (most recent call last):
    gaitmb.errors.QualityError: the legs are seen, upright, in 0 % of the frames; expected at least 30 %.
    """
    pose.require(CoordinateSystem.WORLD_MM, CoordinateSystem.CAMERA_MM, CoordinateSystem.IMAGE_PX)
    if pose.skeleton is not H36M17:
        raise CoordinateError(f"a {pose.skeleton.name} pose", expected="h36m17", remedy="Call to_h36m17")
    if pose.n_frames < 16 or pose.duration_s < 0.5:
        raise QualityError(
            f"the walk has {pose.n_frames} frames in {pose.duration_s:.2f} s",
            expected="at least 16 in 0.5 s",
        )
    steps = np.diff(pose.time_s)
    if steps.max() > 1.01 * steps.min():
        pose = resample(pose, pose.rate_hz)
    rate_hz = (pose.n_frames - 1) / pose.duration_s
    raw = np.array(pose.positions)
    if pose.coordinates is CoordinateSystem.CAMERA_MM:
        raw = np.stack([raw[..., 2], -raw[..., 0], -raw[..., 1]], axis=-1)
    elif pose.coordinates is CoordinateSystem.IMAGE_PX:
        raw[..., 1] *= -1
    is_3d = pose.coordinates.n_dims == 3
    _require_legs(raw)
    leg = _leg_length(raw)
    if not leg > 0:
        raise QualityError("legs without a length", expected="hips, knees and ankles at their places")
    if is_3d:
        scale = np.full(len(raw), 1000 * leg_length_m if leg_length_m else leg)
    else:
        scale = _apparent_leg(raw, leg)
    _clean(raw, scale, is_3d=is_3d)
    _require_legs(raw)
    smooth = low_pass(raw, rate_hz)
    kind = view_kind(pose)
    if is_3d:
        joints, pelvis = _axes_3d(smooth, scale)
    else:
        joints, pelvis = _axes_2d(smooth, kind, pose.view or "", scale)
    joints /= scale[:, None, None]
    pelvis = _way(pelvis, scale)
    if not is_3d:
        turned = _turned(joints, kind, rate_hz)
        joints[turned], pelvis[turned] = np.nan, np.nan
    return Body(kind, np.asarray(pose.time_s), rate_hz, joints, pelvis, float(np.median(scale)))


def low_pass(positions: NDArray[np.float64], rate_hz: float) -> NDArray[np.float64]:
    """Bridge short gaps and low-pass filter trajectories without lag.

    Parameters
    ----------
    positions
        Shape ``(T, ...)``, NaN where missing.
    rate_hz
        Frame rate. Below 19 Hz the cut-off falls with it.

    Returns
    -------
    The same shape; pieces between gaps that are too short to be filtered (0.3 s) are missing.

    Examples
    --------
    >>> track = np.linspace(0, 1, 30)
    >>> track[10] = np.nan
    >>> bool(np.allclose(low_pass(track, 30.0), np.linspace(0, 1, 30), atol=1e-3))
    True
    """
    flat = positions.reshape(len(positions), -1).copy()
    sos = butter(2, min(CUT_OFF_HZ * _TWO_PASSES, 0.4 * rate_hz), fs=rate_hz, output="sos")
    shortest = max(7, int(np.ceil(0.3 * rate_hz)))
    pad = min(int(rate_hz), len(flat) - 1)
    whole = np.isfinite(flat).all(axis=0)
    if whole.any() and len(flat) >= shortest:
        flat[:, whole] = sosfiltfilt(sos, flat[:, whole], axis=0, padlen=pad)
    longest = int(LONGEST_BRIDGE_S * rate_hz + 1e-6)
    for column in np.flatnonzero(~whole):
        track = flat[:, column]
        known = np.flatnonzero(np.isfinite(track))
        pieces = np.split(known, np.flatnonzero(np.diff(known) > longest + 1) + 1)
        smooth = np.full(len(track), np.nan)
        for piece in pieces:
            if len(piece) == 0 or piece[-1] - piece[0] + 1 < shortest:
                continue
            frames = np.arange(piece[0], piece[-1] + 1)
            bridged = np.interp(frames, piece, track[piece])
            smooth[frames] = sosfiltfilt(sos, bridged, padlen=min(int(rate_hz), len(frames) - 1))
        flat[:, column] = smooth
    return flat.reshape(positions.shape)


def _norm(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt((vectors**2).sum(axis=-1)))


def _median(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


def _leg_length(raw: NDArray[np.float64]) -> float:
    legs = [
        _median(_norm(raw[:, _J[f"{side}_hip"]] - raw[:, _J[f"{side}_knee"]]))
        + _median(_norm(raw[:, _J[f"{side}_knee"]] - raw[:, _J[f"{side}_ankle"]]))
        for side in _SIDES
    ]
    return _median(np.array(legs))


def _require_legs(raw: NDArray[np.float64]) -> None:
    legs = [
        _J["pelvis"],
        *(_J[f"{side}_{joint}"] for side in _SIDES for joint in ("hip", "knee", "ankle")),
    ]
    seen = float(np.isfinite(raw[:, legs, 0]).all(axis=1).mean())
    if seen < _LEAST_SEEN:
        raise QualityError(
            f"the legs are seen, upright, in {100 * seen:.0f} % of the frames",
            expected=f"at least {100 * _LEAST_SEEN:.0f} %",
        )


def _clean(raw: NDArray[np.float64], scale: NDArray[np.float64], *, is_3d: bool) -> None:
    """Make missing, in place, what cannot be a walker's joint."""
    padded = np.pad(raw, ((2, 2), (0, 0), (0, 0)), mode="edge")
    nearest = np.sort(np.stack([padded[k : k + len(raw)] for k in range(5)]), axis=0)[2]
    with np.errstate(invalid="ignore"):
        raw[(np.abs(raw - nearest) > _SPIKE * scale[:, None, None]).any(axis=-1)] = np.nan
        for side in _SIDES:
            hip, knee, ankle = (_J[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle"))
            below = (raw[:, _J["pelvis"], -1] - raw[:, ankle, -1]) / scale
            raw[~(below > _UPRIGHT), ankle] = np.nan
            if not is_3d:
                continue
            thigh, shank = _norm(raw[:, hip] - raw[:, knee]), _norm(raw[:, knee] - raw[:, ankle])
            whole = _norm(raw[:, hip] - raw[:, ankle]) / (_median(thigh) + _median(shank))
            for bone in (thigh, shank):
                raw[np.abs(bone / _median(bone) - 1) > _BONE_TOLERANCE, knee] = np.nan
            raw[~((whole > _SHORTEST_LEG) & (whole < _LONGEST_LEG)), ankle] = np.nan


def _way(pelvis: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """The way of the pelvis in leg lengths, from 0: the sum of its steps at the size of each frame."""
    known = np.isfinite(pelvis).any(axis=0)
    way = np.full(pelvis.shape, np.nan)
    trodden = _bridged(pelvis[:, known])
    way[:, known] = np.cumsum(np.diff(trodden, axis=0, prepend=trodden[:1]) / scale[:, None], axis=0)
    return np.where(np.isfinite(pelvis), way, np.nan)


def _axes_3d(
    smooth: NDArray[np.float64], scale: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Joints relative to the pelvis, and the pelvis's way, as (forward, left, up) in millimetres."""
    pelvis = smooth[:, _J["pelvis"]]
    lefts, rights = ([_J[f"{side}_hip"], _J[f"{side}_shoulder"]] for side in _SIDES)
    across = smooth[:, lefts, :2] - smooth[:, rights, :2]
    breadth = np.where(np.isfinite(across[:, 1]), across.sum(axis=1), across[:, 0])
    facing = np.stack([breadth[:, 1], -breadth[:, 0]], axis=-1)
    if not np.isfinite(facing).all(axis=1).any():
        raise QualityError("no hips and shoulders in one frame", expected="to see where the body faces")
    facing = _bridged(facing)
    ground = pelvis[np.isfinite(pelvis).all(axis=1), :2]
    way = ground[-1] - ground[0]
    path = _norm(np.diff(ground[:: max(1, len(ground) // 12)], axis=0)).sum()
    if _norm(way) > _TRAVELLED * scale[0] and _norm(way) > 0.9 * path:
        _, _, axes = np.linalg.svd(ground - ground.mean(axis=0), full_matrices=False)
        ahead = axes[0] * (np.sign(axes[0] @ facing.mean(axis=0)) or 1.0)
        forward = np.repeat(ahead[None], len(smooth), axis=0)
    else:
        window = max(3, len(facing) // 4)
        mean = np.stack(
            [np.convolve(np.pad(f, window, "edge"), np.ones(window), "same") for f in facing.T], -1
        )
        forward = mean[window:-window] / np.maximum(_norm(mean[window:-window]), 1e-9)[:, None]
    left = np.stack([-forward[:, 1], forward[:, 0]], axis=-1)
    relative = smooth - pelvis[:, None]
    joints = np.stack(
        [
            (relative[..., :2] * forward[:, None]).sum(axis=-1),
            (relative[..., :2] * left[:, None]).sum(axis=-1),
            relative[..., 2],
        ],
        axis=-1,
    )
    # Along a turning heading the way is the sum of its steps; along a straight one this is a projection.
    trodden = _bridged(pelvis[:, :2])
    moved = np.diff(trodden, axis=0, prepend=trodden[:1])
    way = [np.cumsum((moved * axis).sum(axis=-1)) for axis in (forward, left)]
    return joints, np.where(np.isfinite(pelvis), np.stack([*way, pelvis[:, 2]], axis=-1), np.nan)


def _bridged(tracks: NDArray[np.float64]) -> NDArray[np.float64]:
    frames = np.arange(len(tracks))
    known = np.isfinite(tracks).all(axis=1)
    return np.stack([np.interp(frames, frames[known], track[known]) for track in tracks.T], axis=-1)


def _axes_2d(
    smooth: NDArray[np.float64], kind: str, view: str, scale: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same from a picture with y up, in pixels; NaN on the axis that the view does not see."""
    pelvis = smooth[:, _J["pelvis"]]
    relative = smooth - pelvis[:, None]
    joints = np.full((*smooth.shape[:2], 3), np.nan)
    way = np.full((len(smooth), 3), np.nan)
    joints[..., 2], way[:, 2] = relative[..., 1], pelvis[:, 1]
    if kind == "front":
        breadth = relative[:, _J["left_shoulder"], 0] - relative[:, _J["right_shoulder"], 0]
        sign = -1.0 if view == "back" else 1.0 if view == "front" else np.sign(_median(breadth)) or 1.0
        joints[..., 1], way[:, 1] = sign * relative[..., 0], sign * pelvis[:, 0]
    else:
        sign = _sign_of_forward(smooth, pelvis, view, float(np.median(scale)))
        joints[..., 0], way[:, 0] = sign * relative[..., 0], sign * pelvis[:, 0]
    return joints, way


def _turned(joints: NDArray[np.float64], kind: str, rate_hz: float) -> NDArray[np.bool_]:
    """Frames in which the body faces another way than for most of the walk, shape ``(T,)``."""
    if kind == "front":
        facing = joints[:, _J["left_shoulder"], 1] - joints[:, _J["right_shoulder"], 1]
    elif kind == "side":
        facing = _knees_ahead(joints[..., 0])
    else:
        return np.zeros(len(joints), dtype=bool)
    known = np.isfinite(facing)
    window = np.ones(min(len(facing), max(3, round(rate_hz))))
    even = np.convolve(np.where(known, facing, 0.0), window, "same")
    even /= np.maximum(np.convolve(known, window, "same"), 1)
    typical = _median(even[known])
    return np.asarray(even * np.sign(typical) < _FACING * abs(typical))


def _sign_of_forward(
    smooth: NDArray[np.float64], pelvis: NDArray[np.float64], view: str, leg: float
) -> float:
    """Whether the walker faces the right of the picture (1) or its left (-1).

    Knees bend so that they lie before hip and ankle; where they hardly bend the way of the pelvis tells,
    and where the camera follows, the view.
    """
    bend = _median(_knees_ahead(smooth[..., 0])) / leg
    if abs(bend) > _BENT:
        return float(np.sign(bend))
    x = pelvis[np.isfinite(pelvis[:, 0]), 0]
    if abs(x[-1] - x[0]) > _TRAVELLED * leg:
        return float(np.sign(x[-1] - x[0]))
    if view.endswith(("left", "right")):
        return 1.0 if view.endswith("right") else -1.0
    return float(np.sign(bend) or 1.0)


def _knees_ahead(along: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean distance of the knees from the middle of hip and ankle along an axis, shape ``(T,)``."""
    hips, knees, ankles = (
        along[:, [_J[f"{side}_{joint}"] for side in _SIDES]] for joint in ("hip", "knee", "ankle")
    )
    return np.asarray((knees - (hips + ankles) / 2).mean(axis=1))


def _apparent_leg(smooth: NDArray[np.float64], leg: float) -> NDArray[np.float64]:
    """Pixels of a leg in each frame: for a walker who comes nearer evenly, one over it is a line."""
    sizes = np.stack(
        [
            _norm(smooth[:, _J[f"{side}_hip"]] - smooth[:, _J[f"{side}_knee"]])
            + _norm(smooth[:, _J[f"{side}_knee"]] - smooth[:, _J[f"{side}_ankle"]])
            for side in _SIDES
        ]
    )
    known = (sizes > 0).all(axis=0)
    frames = np.arange(len(smooth))
    if known.sum() < 16:
        return np.full(len(smooth), leg)
    # From the front a swinging leg is foreshortened, the other one stands: the longer of the two.
    inverse = 1 / sizes[:, known].max(axis=0)
    line = np.full(len(smooth), np.median(inverse))
    keep = np.ones(len(inverse), dtype=bool)
    for _ in range(2):
        slope, offset = np.polyfit(frames[known][keep], inverse[keep], 1)
        line = slope * frames + offset
        off = np.abs(inverse - line[known])
        keep = off <= 3 * np.median(off) + 1e-12
    if line.min() <= 0:
        return np.full(len(smooth), leg)
    return np.asarray(1 / line)
