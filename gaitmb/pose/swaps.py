"""Left and right legs that a pose model exchanges for a while: found, and exchanged back."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from gaitmb.data.pose import PoseSequence

__all__ = ["mend_swaps"]

_LEG_JOINTS = ("hip", "knee", "ankle", "heel", "foot_index")
_MOVING_JOINTS = ("knee", "ankle", "heel", "foot_index")
#: Where a leg was not seen for longer, its path says nothing of what comes after.
_GAP_S = 0.2
#: Costs in body sizes: of a frame taken for exchanged, of each change, and the most that a frame costs.
_EXCHANGED, _CHANGE, _MOST = 0.008, 0.04, 0.2


def mend_swaps(
    pose: PoseSequence, size_px: float
) -> tuple[PoseSequence, tuple[tuple[float, float], ...]]:
    """Exchange left and right legs back where that makes their paths steady.

    Of all ways to exchange the legs frame by frame, the one is taken in which knees and feet keep their
    velocity best (dynamic programming over pairs of frames), where being exchanged costs a little: the
    model is right most of the time.

    Parameters
    ----------
    pose
        One person in 2D; any skeleton with knees and ankles.
    size_px
        Height of the person, the unit in which steadiness is judged.

    Returns
    -------
    pose
        The same with the legs of some frames exchanged.
    swaps
        Those frames, as ``(start_s, end_s)``: from the first of them to the first that is right again.

    Examples
    --------
    >>> from gaitmb.data.camera import project
    >>> from gaitmb.simulate import WalkerParameters, simulate_walk
    >>> walk = project(simulate_walk(WalkerParameters()).pose, "side_right", size_px=(960, 540))
    >>> mend_swaps(walk, 200.0)[1]
    ()
    """
    names = pose.skeleton.joints
    legs = [
        (names.index(f"left_{joint}"), names.index(f"right_{joint}"))
        for joint in _LEG_JOINTS
        if f"left_{joint}" in names
    ]
    moving = [
        (names.index(f"left_{joint}"), names.index(f"right_{joint}"))
        for joint in _MOVING_JOINTS
        if f"left_{joint}" in names
    ]
    left, right = ([pair[side] for pair in moving] for side in (0, 1))
    # Both orders of the legs, shape (n_frames, 2 orders, 2 legs, joints, 2).
    paths = np.stack(
        [
            np.stack([pose.positions[:, left], pose.positions[:, right]], axis=1),
            np.stack([pose.positions[:, right], pose.positions[:, left]], axis=1),
        ],
        axis=1,
    )
    frames = np.flatnonzero(np.isfinite(paths[:, 0]).all(axis=-1).any(axis=-1).all(axis=-1))
    if len(frames) < 3:
        return pose, ()
    exchanged = np.zeros(pose.n_frames, dtype=bool)
    exchanged[frames] = _best_orders(paths[frames] / size_px, pose.time_s[frames])
    if not exchanged.any():
        return pose, ()
    positions, confidence = pose.positions.copy(), pose.confidence.copy()
    for a, b in legs:
        for array in (positions, confidence):
            array[exchanged, a], array[exchanged, b] = array[exchanged, b], array[exchanged, a]
    changes = np.flatnonzero(np.diff(np.concatenate([[0], exchanged[frames], [0]])))
    swaps = []
    for start, end in changes.reshape(-1, 2):
        end_s = pose.time_s[frames[min(end, len(frames) - 1)]]
        swaps.append((round(float(pose.time_s[frames[start]]), 3), round(float(end_s), 3)))
    return dataclasses.replace(pose, positions=positions, confidence=confidence), tuple(swaps)


def _best_orders(paths: NDArray[np.float64], time_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Viterbi over the orders of the two latest frames; which frames are exchanged, shape (T,)."""
    n_frames = len(paths)
    step_s = np.diff(time_s)
    cost = np.array([[0.0, _CHANGE], [_EXCHANGED + _CHANGE, 2 * _EXCHANGED]])  # [before, now]
    origin = np.zeros((n_frames, 2, 2), dtype=np.int8)
    for frame in range(2, n_frames):
        ratio = step_s[frame - 1] / step_s[frame - 2]
        steady = step_s[frame - 1] <= _GAP_S
        if step_s[frame - 2] > _GAP_S:
            ratio = 0.0
        now = paths[frame][None, None, :]
        before, earlier = paths[frame - 1][None, :, None], paths[frame - 2][:, None, None]
        # Axes: order of the earlier, the former and this frame.
        with np.errstate(invalid="ignore"):
            off = np.linalg.norm(now - before - ratio * (before - earlier), axis=-1)
        found = np.isfinite(off)
        jump = np.where(found, off, 0).sum(axis=(-2, -1)) / np.maximum(found.sum(axis=(-2, -1)), 1)
        total = cost[:, :, None] + (np.minimum(jump, _MOST) if steady else 0.0)
        total = total + _CHANGE * (1 - np.eye(2))[None] + np.array([0.0, _EXCHANGED])
        origin[frame] = total.argmin(axis=0)
        cost = total.min(axis=0)
    orders = np.zeros(n_frames, dtype=bool)
    before, now_order = np.unravel_index(int(cost.argmin()), (2, 2))
    orders[-1], orders[-2] = bool(now_order), bool(before)
    for frame in range(n_frames - 1, 1, -1):
        orders[frame - 2] = bool(origin[frame, int(orders[frame - 1]), int(orders[frame])])
    return orders
