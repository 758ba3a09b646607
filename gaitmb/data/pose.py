"""PoseSequence: joints over time, in coordinates that carry their name."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from gaitmb.data.skeleton import H36M17, Skeleton, derive_joints
from gaitmb.errors import CoordinateError, ReadError

__all__ = ["CoordinateSystem", "PoseSequence", "mirror", "resample", "to_h36m17"]


class CoordinateSystem(StrEnum):
    """What the numbers of a pose are.

    ``IMAGE_PX``
        Pixels, x right, y down, origin in the top left corner of the picture.
    ``SCREEN``
        Unitless, x right, y down, the clip's square box at [-1, 1]: what DSTformer eats.
    ``CAMERA_MM``
        Millimetres, x right, y down, z away from the camera.
    ``WORLD_MM``
        Millimetres, right-handed, z up against gravity: motion capture without a camera.
    """

    IMAGE_PX = "image_px"
    SCREEN = "screen"
    CAMERA_MM = "camera_mm"
    WORLD_MM = "world_mm"

    @property
    def n_dims(self) -> int:
        """2 or 3."""
        return 2 if self in (CoordinateSystem.IMAGE_PX, CoordinateSystem.SCREEN) else 3


@dataclass(frozen=True, eq=False)
class PoseSequence:
    """Joint positions of one person over one walk.

    A missing joint has NaN in its position and 0 in its confidence; the constructor makes each follow
    from the other. Arrays are copied and read-only.

    Parameters
    ----------
    positions
        Shape ``(T, J, 2)`` or ``(T, J, 3)`` as `coordinates` says.
    confidence
        How sure the source is of each joint, in [0, 1], shape ``(T, J)``; 0 means missing.
    time_s
        Presentation time of each frame, strictly ascending, shape ``(T,)``.
    skeleton
        Names the ``J`` axis.
    coordinates
        What the numbers are.
    size_px
        Width and height of the picture; None where there is none.
    view
        From where the camera looks at the walker (``front``, ``side_left`` …); None where unknown or
        where there is no camera.

    Raises
    ------
    ReadError
        Shapes disagree, times do not ascend, or a number is infinite.

    Examples
    --------
    >>> pose = PoseSequence(np.zeros((3, 17, 2)), np.ones((3, 17)), np.array([0.0, 0.1, 0.2]),
    ...                     H36M17, CoordinateSystem.IMAGE_PX)
    >>> pose.n_frames, round(pose.rate_hz, 1), pose.coverage
    (3, 10.0, 1.0)
    """

    positions: NDArray[np.float64]
    confidence: NDArray[np.float64]
    time_s: NDArray[np.float64]
    skeleton: Skeleton
    coordinates: CoordinateSystem
    size_px: tuple[int, int] | None = None
    view: str | None = None

    def __post_init__(self) -> None:
        positions = np.array(self.positions, dtype=np.float64)
        confidence = np.array(self.confidence, dtype=np.float64)
        time_s = np.array(self.time_s, dtype=np.float64)
        expected = (len(time_s), len(self.skeleton), self.coordinates.n_dims)
        if positions.shape != expected or confidence.shape != expected[:2]:
            raise ReadError(
                f"positions have shape {positions.shape} and confidence {confidence.shape}",
                expected=f"{expected} and {expected[:2]} for {len(time_s)} frames of "
                f"{self.skeleton.name} in {self.coordinates}",
            )
        if not np.isfinite(time_s).all() or (len(time_s) > 1 and np.diff(time_s).min() <= 0):
            raise ReadError("frame times do not ascend", expected="one later time per frame")
        if np.isinf(positions).any():
            raise ReadError("a joint lies at infinity", expected="finite numbers, or NaN if missing")
        missing = np.isnan(positions).any(axis=-1) | ~(confidence > 0)
        positions[missing] = np.nan
        confidence[missing] = 0.0
        if confidence.size and confidence.max() > 1:
            raise ReadError(f"a confidence of {confidence.max():g}", expected="confidences from 0 to 1")
        for name, array in (
            ("positions", positions),
            ("confidence", confidence),
            ("time_s", time_s),
        ):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @property
    def n_frames(self) -> int:
        """Number of frames ``T``."""
        return len(self.time_s)

    @property
    def duration_s(self) -> float:
        """Time from the first to the last frame; 0 for fewer than two."""
        return float(self.time_s[-1] - self.time_s[0]) if self.n_frames > 1 else 0.0

    @property
    def rate_hz(self) -> float:
        """Median frame rate; NaN for fewer than two frames."""
        return float(1 / np.median(np.diff(self.time_s))) if self.n_frames > 1 else float("nan")

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Which joints were seen, shape ``(T, J)``."""
        return np.asarray(self.confidence > 0)

    @property
    def coverage(self) -> float:
        """Share of joints and frames that were seen; 0 for an empty sequence."""
        return float(self.valid.mean()) if self.confidence.size else 0.0

    def joint(self, name: str) -> NDArray[np.float64]:
        """Trajectory of one joint, shape ``(T, D)``; NaN where missing."""
        return self.positions[:, self.skeleton.index(name)]

    def slice(self, start: int, end: int) -> PoseSequence:
        """Frames ``[start, end)``."""
        return dataclasses.replace(
            self,
            positions=self.positions[start:end],
            confidence=self.confidence[start:end],
            time_s=self.time_s[start:end],
        )

    def require(self, *allowed: CoordinateSystem) -> None:
        """Refuse other coordinates than `allowed`.

        Raises
        ------
        CoordinateError
            The pose is in a coordinate system that is not among `allowed`.
        """
        if self.coordinates not in allowed:
            raise CoordinateError(f"a pose in {self.coordinates}", expected=" or ".join(allowed))


def to_h36m17(pose: PoseSequence) -> PoseSequence:
    """The same walk with the joints DSTformer knows; the identity for H36M-17.

    Examples
    --------
    >>> from gaitmb.data.skeleton import COCO17
    >>> pose = PoseSequence(np.ones((2, 17, 2)), np.ones((2, 17)), np.arange(2.0), COCO17,
    ...                     CoordinateSystem.IMAGE_PX)
    >>> to_h36m17(pose).skeleton.name
    'h36m17'
    """
    if pose.skeleton is H36M17:
        return pose
    positions, confidence = derive_joints(pose.positions, pose.confidence, pose.skeleton)
    return dataclasses.replace(pose, positions=positions, confidence=confidence, skeleton=H36M17)


_MIRRORED_VIEW = {
    "side_left": "side_right",
    "side_right": "side_left",
    "back_right": "back_left",
    "back_left": "back_right",
    "front_right": "front_left",
    "front_left": "front_right",
}


def mirror(pose: PoseSequence) -> PoseSequence:
    """The walk of the participant's mirror image: x negated, left and right exchanged.

    In ``image_px`` x is reflected within the picture, so that its size has to be known. Twice is the
    identity.

    Raises
    ------
    CoordinateError
        Pixels without a picture size.

    Examples
    --------
    >>> pose = PoseSequence(np.full((1, 17, 2), 0.25), np.ones((1, 17)), np.zeros(1), H36M17,
    ...                     CoordinateSystem.SCREEN)
    >>> mirror(pose).joint("pelvis")
    array([[-0.25,  0.25]])
    """
    positions = pose.positions[:, pose.skeleton.mirrored].copy()
    if pose.coordinates is CoordinateSystem.IMAGE_PX:
        if pose.size_px is None:
            raise CoordinateError("pixels of a picture of unknown width", expected="size_px")
        positions[..., 0] = pose.size_px[0] - positions[..., 0]
    else:
        positions[..., 0] *= -1
    return dataclasses.replace(
        pose,
        positions=positions,
        confidence=pose.confidence[:, pose.skeleton.mirrored],
        view=_MIRRORED_VIEW.get(pose.view or "", pose.view),
    )


def resample(pose: PoseSequence, rate_hz: float, *, max_gap_s: float = 0.25) -> PoseSequence:
    """Bring a walk to a fixed frame rate by its presentation times.

    Joints are interpolated linearly between the nearest frames in which they were seen; where those
    lie further apart than `max_gap_s` the joint is missing. Confidence is interpolated likewise, so
    that a filled gap is never surer than its ends. A sequence that already has this rate, to a
    thousandth of a frame, is returned as it is.

    Parameters
    ----------
    pose
        Any walk.
    rate_hz
        The rate wanted.
    max_gap_s
        Longest time between two sightings of a joint that is bridged.

    Returns
    -------
    Frames at ``time_s[0] + n / rate_hz`` up to the last time of `pose`.

    Examples
    --------
    >>> pose = PoseSequence(np.arange(6.0).reshape(3, 1, 2).repeat(17, 1), np.ones((3, 17)),
    ...                     np.array([0.0, 0.1, 0.2]), H36M17, CoordinateSystem.SCREEN)
    >>> resample(pose, 20.0).joint("nose")[:, 0]
    array([0., 1., 2., 3., 4.])
    """
    if not (np.isfinite(rate_hz) and rate_hz > 0):
        raise ReadError(f"a frame rate of {rate_hz:g} Hz", expected="more than 0")
    if pose.n_frames < 2:
        return pose
    n_frames = int(np.floor(pose.duration_s * rate_hz + 1e-3)) + 1
    target_s = pose.time_s[0] + np.arange(n_frames) / rate_hz
    if n_frames == pose.n_frames and np.allclose(target_s, pose.time_s, rtol=0, atol=1e-3 / rate_hz):
        return pose
    positions = np.full((n_frames, *pose.positions.shape[1:]), np.nan)
    confidence = np.zeros((n_frames, len(pose.skeleton)))
    for joint in range(len(pose.skeleton)):
        seen = np.flatnonzero(pose.valid[:, joint])
        if len(seen) == 0:
            continue
        seen_s = pose.time_s[seen]
        slack = 1e-6 / rate_hz
        after = np.clip(np.searchsorted(seen_s, target_s - slack), 0, len(seen) - 1)
        before = np.clip(np.searchsorted(seen_s, target_s + slack, side="right") - 1, 0, None)
        within = (seen_s[before] <= target_s + slack) & (seen_s[after] >= target_s - slack)
        within &= seen_s[after] - seen_s[before] <= max_gap_s + slack
        for axis in range(pose.coordinates.n_dims):
            track = np.interp(target_s, seen_s, pose.positions[seen, joint, axis])
            positions[within, joint, axis] = track[within]
        confidence[within, joint] = np.interp(target_s, seen_s, pose.confidence[seen, joint])[within]
    return dataclasses.replace(pose, positions=positions, confidence=confidence, time_s=target_s)
