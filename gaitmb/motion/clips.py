"""Clips: how a walk is cut for the network, and what the network sees of each."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from gaitmb.data.pose import CoordinateSystem, PoseSequence
from gaitmb.data.skeleton import H36M17
from gaitmb.errors import ConfigurationError, CoordinateError, QualityError

__all__ = ["MAX_FRAMES", "MIN_FRAMES", "clip_windows", "screen_clip"]

#: Fewer frames than this, half a second at 30 Hz, are no gait.
MIN_FRAMES = 16

#: Longest clip of published checkpoints.
MAX_FRAMES = 243


def clip_windows(n_frames: int, max_frames: int = MAX_FRAMES) -> list[tuple[int, int]]:
    """Cut a walk into clips of nearly equal length, so that all of it is kept and none is a stub.

    Parameters
    ----------
    n_frames
        Frames of the walk.
    max_frames
        Longest clip, at least twice :data:`MIN_FRAMES` less one.

    Returns
    -------
    As few windows ``[start, end)`` as possible, in order, without gap or overlap, whose lengths differ
    by at most one frame.

    Raises
    ------
    QualityError
        The walk has fewer than :data:`MIN_FRAMES` frames.
    ConfigurationError
        `max_frames` is so short that a clip might be.

    Examples
    --------
    >>> clip_windows(243), clip_windows(244)
    ([(0, 243)], [(0, 122), (122, 244)])
    """
    if max_frames < 2 * MIN_FRAMES - 1:
        raise ConfigurationError(
            f"clips of at most {max_frames} frames", expected=f"at least {2 * MIN_FRAMES - 1}"
        )
    if n_frames < MIN_FRAMES:
        raise QualityError(
            f"{n_frames} frames at the encoder's rate",
            expected=f"at least {MIN_FRAMES}",
            remedy="Record a longer walk",
        )
    n_clips = -(-n_frames // max_frames)
    bounds = [round(n_frames * number / n_clips) for number in range(n_clips + 1)]
    return list(itertools.pairwise(bounds))


def screen_clip(pose: PoseSequence) -> NDArray[np.float32]:
    """What the network sees: the square box around all joints of the clip at [-1, 1], and confidence.

    The box is centred on the joints' extent and as wide as its longer side, as MotionBERT normalises
    clips without its random scaling. The same function serves training and use.

    Parameters
    ----------
    pose
        A clip in ``image_px`` or ``screen`` coordinates, H36M-17.

    Returns
    -------
    x, y and confidence, shape ``(T, 17, 3)``; 0, 0, 0 where a joint is missing.

    Raises
    ------
    CoordinateError
        3D, or another skeleton.
    QualityError
        No joint was seen in any frame, or all lie in one point.

    Examples
    --------
    >>> pose = PoseSequence(np.arange(34.0).reshape(1, 17, 2), np.ones((1, 17)), np.zeros(1), H36M17,
    ...                     CoordinateSystem.IMAGE_PX)
    >>> screen_clip(pose)[0, [0, 16]]
    array([[-1., -1.,  1.],
           [ 1.,  1.,  1.]], dtype=float32)
    """
    pose.require(CoordinateSystem.IMAGE_PX, CoordinateSystem.SCREEN)
    if pose.skeleton is not H36M17:
        raise CoordinateError(f"a pose of {pose.skeleton.name}", expected=H36M17.name)
    seen = pose.positions[pose.valid]
    if not len(seen):
        raise QualityError("no joint was seen in the clip", remedy="Check the keypoints")
    low, high = seen.min(axis=0), seen.max(axis=0)
    side = float((high - low).max())
    if side <= 0:
        raise QualityError("all joints of the clip lie in one point", remedy="Check the keypoints")
    clip = np.zeros((pose.n_frames, len(H36M17), 3), dtype=np.float32)
    # The midpoint is taken relative to the corner, so that shifting the picture changes nothing.
    screen = (pose.positions - low - (high - low) / 2) * (2 / side)
    clip[..., :2] = np.where(pose.valid[..., None], screen, 0.0)
    clip[..., 2] = pose.confidence
    return clip
