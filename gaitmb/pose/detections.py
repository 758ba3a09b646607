"""Detections: everybody a pose model saw in a video, before anyone is told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaitmb.errors import ReadError

__all__ = ["N_KEYPOINTS", "Detections"]

#: Landmarks of one body, in the order of :data:`gaitmb.data.skeleton.BLAZEPOSE33`.
N_KEYPOINTS = 33


@dataclass(frozen=True, eq=False)
class Detections:
    """Everybody seen in each frame of a video, in no order that means anything.

    Parameters
    ----------
    time_s
        Presentation time of each frame, strictly ascending, shape ``(T,)``.
    size_px
        Width and height of the upright picture (its rotation applied).
    frames
        One float32 array ``(n_people, 33, 4)`` per frame: ``x_px, y_px, z_px, visibility`` of each
        landmark of BlazePose-33. Pixels of the upright picture, x right, y down; they may lie outside
        it. ``z_px`` is depth relative to the hips, negative towards the camera, and far less sure than
        the rest. ``visibility`` is in [0, 1]. A frame without anybody has shape ``(0, 33, 4)``.

    Raises
    ------
    ReadError
        Shapes disagree or times do not ascend.

    Examples
    --------
    >>> empty, one = np.zeros((0, 33, 4), np.float32), np.zeros((1, 33, 4), np.float32)
    >>> seen = Detections(np.array([0.0, 0.04]), (640, 480), (empty, one))
    >>> len(seen), seen.n_people.tolist()
    (2, [0, 1])
    >>> Detections.from_arrays(seen.to_arrays()).n_people.tolist()
    [0, 1]
    """

    time_s: NDArray[np.float64]
    size_px: tuple[int, int]
    frames: tuple[NDArray[np.float32], ...]

    def __post_init__(self) -> None:
        time_s = np.array(self.time_s, dtype=np.float64)
        frames = tuple(np.array(frame, dtype=np.float32) for frame in self.frames)
        if time_s.shape != (len(frames),):
            raise ReadError(f"{time_s.size} times for {len(frames)} frames", expected="one per frame")
        if not np.isfinite(time_s).all() or (len(time_s) > 1 and np.diff(time_s).min() <= 0):
            raise ReadError("frame times do not ascend", expected="one later time per frame")
        for frame in frames:
            if frame.ndim != 3 or frame.shape[1:] != (N_KEYPOINTS, 4):
                raise ReadError(
                    f"a frame of shape {frame.shape}", expected=f"(people, {N_KEYPOINTS}, 4)"
                )
        time_s.setflags(write=False)
        for frame in frames:
            frame.setflags(write=False)
        object.__setattr__(self, "time_s", time_s)
        object.__setattr__(self, "frames", frames)

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def n_people(self) -> NDArray[np.int64]:
        """How many people were seen in each frame, shape ``(T,)``."""
        return np.array([len(frame) for frame in self.frames], dtype=np.int64)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Plain arrays for ``numpy.savez``: ``time_s``, ``size_px``, ``n_people``, ``keypoints``."""
        everybody = np.concatenate(self.frames) if self.frames else _nobody()
        return {
            "time_s": self.time_s,
            "size_px": np.array(self.size_px, dtype=np.int64),
            "n_people": self.n_people,
            "keypoints": everybody,
        }

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Detections:
        """Undo :meth:`to_arrays`.

        Raises
        ------
        ReadError
            The counts do not add up to the keypoints.
        """
        n_people, keypoints = arrays["n_people"], arrays["keypoints"]
        if int(n_people.sum()) != len(keypoints):
            raise ReadError(f"{len(keypoints)} people", expected=f"{int(n_people.sum())} as counted")
        frames = np.split(keypoints, np.cumsum(n_people)[:-1]) if len(n_people) else []
        width, height = (int(value) for value in arrays["size_px"])
        return Detections(arrays["time_s"], (width, height), tuple(frames))

    @staticmethod
    def of_frames(
        seen: Sequence[tuple[float, NDArray[np.float32]]], size_px: tuple[int, int]
    ) -> Detections:
        """Collect ``(time_s, people)`` pairs, frame by frame, into one."""
        return Detections(np.array([t for t, _ in seen]), size_px, tuple(people for _, people in seen))


def _nobody() -> NDArray[np.float32]:
    return np.zeros((0, N_KEYPOINTS, 4), dtype=np.float32)
