"""A virtual camera: what a walk measured in 3D looks like from a named view.

The camera stands level, at the height of the walker's pelvis, on the side of the walker that the view
names, and sees in perspective. Everything follows from the walk itself, so that the same walk always
gives the same picture.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gaitmb.data.pose import CoordinateSystem, PoseSequence
from gaitmb.data.skeleton import H36M17
from gaitmb.errors import CoordinateError, QualityError, UnknownNameError

__all__ = ["VIEWS", "heading", "project", "to_camera"]

# Where the camera stands, seen from the walker: (to the front, to the right).
_PLACES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "front": (1, 0),
        "back": (-1, 0),
        "side_left": (0, -1),
        "side_right": (0, 1),
        "front_left": (1, -1),
        "front_right": (1, 1),
        "back_left": (-1, -1),
        "back_right": (-1, 1),
    }
)

#: Views by name; ``side_right``: the camera stands at the walker's right side.
VIEWS: tuple[str, ...] = tuple(_PLACES)

# A lens of 65° across 1920 pixels; at four metres a tall adult fills two thirds of the height.
_FOCAL_WIDTHS = 0.78
_DISTANCE_MM = 4000.0
_NEAREST_MM = 1500.0
_MARGIN = 0.92

# Less net travel than this is standing, a treadmill or a way there and back.
_TRAVEL_MM = 500.0
_SMOOTHING_S = 1.0

_UP = np.array([0.0, 0.0, 1.0])


def heading(pose: PoseSequence) -> NDArray[np.float64]:
    """Horizontal direction in which the walker goes.

    The direction of the straight line fitted to the pelvis over time; where the pelvis travels less than
    half a metre along it (a treadmill, a turn), the direction that the hips face on average, or in the
    first second where they turn through more than half a circle.

    Parameters
    ----------
    pose
        H36M-17 in ``world_mm``.

    Returns
    -------
    Unit vector, shape ``(3,)``, its last entry 0.

    Raises
    ------
    CoordinateError
        The pose is not H36M-17 in ``world_mm``.
    QualityError
        Pelvis and hips are never seen.

    Examples
    --------
    >>> import numpy as np
    >>> positions = np.zeros((30, 17, 3))
    >>> positions[:, :, 1] = np.linspace(0, 1200, 30)[:, None]
    >>> pose = PoseSequence(positions, np.ones((30, 17)), np.arange(30) / 30, H36M17,
    ...                     CoordinateSystem.WORLD_MM)
    >>> heading(pose).round(6) + 0
    array([0., 1., 0.])
    """
    _check(pose)
    pelvis = pose.joint("pelvis")[:, :2]
    seen = np.isfinite(pelvis).all(axis=1)
    if seen.sum() > 1:
        time_s = pose.time_s[seen] - pose.time_s[seen].mean()
        velocity = time_s @ pelvis[seen] / (time_s @ time_s)
        if np.linalg.norm(velocity) * np.ptp(time_s) >= _TRAVEL_MM:
            return _unit(velocity)
    across = (pose.joint("right_hip") - pose.joint("left_hip"))[:, :2]
    width = np.linalg.norm(across, axis=1)
    facing = np.isfinite(width) & (width > 0)
    if not facing.any():
        raise QualityError(
            "a walk that goes nowhere and whose hips are never both seen",
            expected="a walker whose direction can be told",
        )
    across = across[facing] / width[facing, None]
    if np.linalg.norm(across.mean(axis=0)) < 0.5:
        across = across[pose.time_s[facing] <= pose.time_s[facing][0] + 1.0]
    right = across.mean(axis=0)
    return _unit(np.array([-right[1], right[0]]))


def to_camera(pose: PoseSequence, view: str, *, follow: bool = True) -> PoseSequence:
    """Move a walk into the coordinates of a virtual camera.

    Parameters
    ----------
    pose
        H36M-17 in ``world_mm``, evenly timed.
    view
        One of :data:`VIEWS`.
    follow
        Whether the camera travels along, four metres from the pelvis, whose horizontal path is smoothed
        over a second without lag; if not, it stands still where the whole walk fits into the picture of
        :func:`project`.

    Returns
    -------
    The same frames and joints in ``camera_mm`` with `view` set; missing joints stay missing.

    Raises
    ------
    CoordinateError
        The pose is not H36M-17 in ``world_mm``.
    QualityError
        The pelvis is never seen, or the direction of the walk cannot be told.
    UnknownNameError
        There is no such view.
    """
    return _seen_from(pose, view, follow, (1920, 1080))


def project(
    pose: PoseSequence, view: str, *, follow: bool = True, size_px: tuple[int, int] = (1920, 1080)
) -> PoseSequence:
    """Take the picture that a virtual camera sees of the walk.

    Parameters
    ----------
    pose
        H36M-17 in ``world_mm``, evenly timed.
    view
        One of :data:`VIEWS`.
    follow
        As for :func:`to_camera`.
    size_px
        Width and height of the picture; the lens covers 65° across its width.

    Returns
    -------
    The same frames and joints in ``image_px`` with `view` and `size_px` set; missing joints stay
    missing, and a joint behind the camera is missing.

    Raises
    ------
    CoordinateError
        The pose is not H36M-17 in ``world_mm``.
    QualityError
        The pelvis is never seen, or the direction of the walk cannot be told.
    UnknownNameError
        There is no such view.

    Examples
    --------
    >>> import numpy as np
    >>> positions = np.zeros((30, 17, 3))
    >>> positions[:, :, 0] = np.linspace(0, 1200, 30)[:, None]
    >>> positions[:, H36M17.index("head"), 2] = 700
    >>> pose = PoseSequence(positions, np.ones((30, 17)), np.arange(30) / 30, H36M17,
    ...                     CoordinateSystem.WORLD_MM)
    >>> picture = project(pose, "side_right")
    >>> picture.joint("pelvis")[0], picture.joint("head")[0].round()
    (array([960., 540.]), array([960., 278.]))
    """
    width, height = size_px
    camera = _seen_from(pose, view, follow, size_px)
    depth = camera.positions[..., 2:]
    with np.errstate(invalid="ignore", divide="ignore"):
        pixels = camera.positions[..., :2] / depth * (_FOCAL_WIDTHS * width)
        pixels = np.where(depth > 0, pixels + np.array([width / 2, height / 2]), np.nan)
    return dataclasses.replace(
        camera, positions=pixels, coordinates=CoordinateSystem.IMAGE_PX, size_px=size_px
    )


def _seen_from(pose: PoseSequence, view: str, follow: bool, size_px: tuple[int, int]) -> PoseSequence:
    if view not in _PLACES:
        raise UnknownNameError("view", view, VIEWS)
    _check(pose)
    pelvis = pose.joint("pelvis")
    if not np.isfinite(pelvis).any():
        raise QualityError("the pelvis is never seen", expected="a walk that a camera can aim at")
    forward = heading(pose)
    to_front, to_right = _PLACES[view]
    backwards = _unit(to_front * forward[:2] + to_right * np.array([forward[1], -forward[0]]))
    axes = np.stack([np.cross(_UP, backwards), -_UP, -backwards])

    path = _filled(pelvis)
    aim = _smoothed(path, pose.rate_hz) if follow else np.repeat(_middle(path)[None], len(path), 0)
    aim[:, 2] = np.median(path[:, 2])
    seen = (pose.positions - aim[:, None]) @ axes.T
    distance = _DISTANCE_MM if follow else _fitting_distance(seen, size_px)
    return dataclasses.replace(
        pose,
        positions=seen + np.array([0.0, 0.0, distance]),
        coordinates=CoordinateSystem.CAMERA_MM,
        size_px=None,
        view=view,
    )


def _fitting_distance(seen: NDArray[np.float64], size_px: tuple[int, int]) -> float:
    """Least distance from which every joint lies within the picture, its margin and not too near."""
    width, height = size_px
    x, y, z = np.abs(seen[..., 0]), np.abs(seen[..., 1]), seen[..., 2]
    lens = 2 * _FOCAL_WIDTHS / _MARGIN
    needed = np.stack([lens * x - z, lens * width / height * y - z, _NEAREST_MM - z])
    return max(float(np.nanmax(needed)), _DISTANCE_MM)


def _filled(track: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaps of a trajectory ``(T, 3)`` bridged linearly, its ends continued with the nearest position."""
    frames = np.arange(len(track))
    seen = np.isfinite(track).all(axis=1)
    return np.stack([np.interp(frames, frames[seen], axis[seen]) for axis in track.T], axis=1)


def _smoothed(track: NDArray[np.float64], rate_hz: float) -> NDArray[np.float64]:
    """Trajectory ``(T, 3)`` under a Hann window of a second; point-mirrored ends keep a steady speed."""
    if len(track) < 2:
        return track.copy()
    half = max(round(_SMOOTHING_S * rate_hz / 2), 1)
    window = np.hanning(2 * half + 3)[1:-1]
    padded = np.pad(track, ((half, half), (0, 0)), mode="reflect", reflect_type="odd")
    weights = window / window.sum()
    return np.stack([np.convolve(axis, weights, mode="valid") for axis in padded.T], axis=1)


def _middle(path: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((path.min(axis=0) + path.max(axis=0)) / 2)


def _unit(horizontal: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.append(horizontal / np.linalg.norm(horizontal), 0.0)


def _check(pose: PoseSequence) -> None:
    pose.require(CoordinateSystem.WORLD_MM)
    if pose.skeleton != H36M17:
        raise CoordinateError(f"a pose of {pose.skeleton.name}", expected="h36m17 (to_h36m17)")
