"""MediaPipe's PoseLandmarker: the whole picture in VIDEO mode, and a second look where that misses.

The detector sees a picture as 224×224 pixels, so that people who are small in it are missed until they
happen to be found, and lost again at the next crossing. Two remedies make what is seen independent of
such luck: parts of the picture are scanned in turn for people nobody knows yet, and whoever was seen a
moment ago and is missed now is looked for in a crop around the place.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaitmb.io.isolation import Message
from gaitmb.io.video import DecodeCounts, decode
from gaitmb.pose.detections import N_KEYPOINTS
from gaitmb.pose.estimators import require_mediapipe

__all__ = ["MediaPipeEstimator", "distinct_people"]

#: Two people of one picture are the same when their keypoints lie this close, in body sizes.
_SAME = 0.12
#: A person is the one of the picture before when the keypoints moved less, in body sizes.
_MOVED = 0.3
#: Seconds between two scans of the same part of the picture.
_SCAN_EVERY_S = 1.5
#: How long somebody who is missed is looked for in crops.
_MISSED_S = 0.4
_CROP = 1.7
_MIN_VISIBILITY = 0.3
#: How much of a video the bare model is timed on; its pictures are held in memory.
_BARE_S = 6.0


class MediaPipeEstimator:
    """PoseLandmarker of the Tasks API at work on one video.

    Parameters
    ----------
    model
        Path of the ``.task`` bundle.
    max_people
        How many people to look for in the whole picture.
    """

    def __init__(self, model: str, max_people: int) -> None:
        self._mediapipe = require_mediapipe()
        self._model = model
        self._max_people = max_people
        self.landmarker = self._landmarker("VIDEO", max_people)
        self._crops: Any = None
        self._last_ms = -1
        self._known: list[tuple[float, NDArray[np.float32]]] = []
        self._next_tile = self._n_looks = 0
        self._looked_s = -1.0
        self._scanned_s: float | None = None

    def look(self, picture: NDArray[np.uint8], time_s: float) -> NDArray[np.float32]:
        """Everybody in one picture, as :meth:`gaitmb.pose.estimators.PoseEstimator.look` says."""
        # The API takes whole milliseconds, each later than the one before.
        self._last_ms = max(round(time_s * 1000), self._last_ms + 1)
        image = self.image(picture)
        found = _keypoints(self.landmarker.detect_for_video(image, self._last_ms), picture.shape)
        people = distinct_people(list(found))
        self._n_looks += 1
        for seen_s, person in self._known:
            # Whoever was not found in the crop either is looked for in every third picture only.
            lately = seen_s == self._looked_s or self._n_looks % 3 == 0
            if lately and not _holds(people, person, _MOVED):
                near = self._look_near(picture, person)
                if near is not None and not _holds(people, near, _SAME):
                    people.append(near)
        people += [
            person for person in self._scan(picture, time_s) if not _holds(people, person, _MOVED)
        ]
        missed = [
            (seen_s, person)
            for seen_s, person in self._known
            if not _holds(people, person, _MOVED) and time_s - seen_s < _MISSED_S
        ]
        self._known = [(time_s, person) for person in people] + missed
        self._looked_s = time_s
        return np.stack(people) if people else np.zeros((0, N_KEYPOINTS, 4), np.float32)

    def close(self) -> None:
        """Free the networks."""
        self.landmarker.close()
        if self._crops is not None:
            self._crops.close()

    def _landmarker(self, mode: str, max_people: int) -> Any:
        tasks = self._mediapipe.tasks
        options = tasks.vision.PoseLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_path=self._model),
            running_mode=tasks.vision.RunningMode[mode],
            num_poses=max_people,
        )
        return tasks.vision.PoseLandmarker.create_from_options(options)

    def image(self, picture: NDArray[np.uint8]) -> Any:
        """A picture as MediaPipe takes it."""
        return self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(picture)
        )

    def _look_within(
        self, picture: NDArray[np.uint8], left: int, top: int, right: int, bottom: int
    ) -> list[NDArray[np.float32]]:
        """People in a part of the picture, in pixels of the whole."""
        if self._crops is None:
            self._crops = self._landmarker("IMAGE", 2)
        crop = picture[top:bottom, left:right]
        found = _keypoints(self._crops.detect(self.image(crop)), crop.shape)
        found[:, :, 0] += left
        found[:, :, 1] += top
        return [person for person in found if person[:, 3].mean() >= _MIN_VISIBILITY]

    def _look_near(
        self, picture: NDArray[np.uint8], person: NDArray[np.float32]
    ) -> NDArray[np.float32] | None:
        height, width = picture.shape[:2]
        x, y = (person[:, :2].min(axis=0) + person[:, :2].max(axis=0)) / 2
        half = _CROP * _size(person) / 2
        left, right = max(0, int(x - half)), min(width, int(x + half))
        top, bottom = max(0, int(y - half)), min(height, int(y + half))
        if min(right - left, bottom - top) < 32:
            return None
        near = self._look_within(picture, left, top, right, bottom)
        near = [other for other in near if _distance(other, person) < _MOVED]
        return min(near, key=lambda other: _distance(other, person)) if near else None

    def _scan(self, picture: NDArray[np.uint8], time_s: float) -> list[NDArray[np.float32]]:
        """Look at the next part of the picture when its turn has come; at all of them at first."""
        height, width = picture.shape[:2]
        side, length = min(height, width), max(height, width)
        n_tiles = max(2, round(1.5 * length / side))
        if self._scanned_s is None:
            numbers = list(range(n_tiles))
        elif time_s - self._scanned_s >= _SCAN_EVERY_S / n_tiles:
            numbers = [self._next_tile % n_tiles]
            self._next_tile += 1
        else:
            return []
        self._scanned_s = time_s
        found: list[NDArray[np.float32]] = []
        for number in numbers:
            start = round(number * (length - side) / (n_tiles - 1))
            if width >= height:
                tile = (start, 0, min(width, start + side), height)
            else:
                tile = (0, start, width, min(height, start + side))
            found += [p for p in self._look_within(picture, *tile) if not _holds(found, p, _MOVED)]
        return found


def bare_task(path: str, model: str, max_people: int) -> Iterator[Message]:
    """What the model costs by itself: processor seconds per frame, for ``benchmarks/video.py``.

    ``decode`` is decoding, ``model`` the landmarker on pictures from memory, ``detector`` the same on
    pictures that show nobody, where only its detector works.
    """
    began = time.process_time()
    pictures = list(decode(path, DecodeCounts(), end_s=_BARE_S, max_side_px=1920))
    decoding = time.process_time() - began
    nobody = np.random.default_rng(0).integers(100, 140, pictures[0][1].shape, dtype=np.uint8)
    costs = {"decode": decoding / len(pictures)}
    for name in ("model", "detector"):
        estimator = MediaPipeEstimator(model, max_people)
        began = time.process_time()
        for number, (_, picture) in enumerate(pictures):
            image = estimator.image(nobody if name == "detector" else picture)
            estimator.landmarker.detect_for_video(image, 33 * number)
        costs[name] = (time.process_time() - began) / len(pictures)
        estimator.close()
    yield Message("bare", costs)


def _keypoints(result: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    height, width = shape[:2]
    people = [
        [(mark.x * width, mark.y * height, mark.z * width, mark.visibility) for mark in person]
        for person in result.pose_landmarks
    ]
    return np.array(people, dtype=np.float32).reshape(-1, N_KEYPOINTS, 4)


def _size(person: NDArray[np.float32]) -> float:
    """The longer side of the box around all keypoints, in pixels."""
    return float(np.ptp(person[:, :2], axis=0).max())


def _distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Mean distance of the keypoints of two people, in sizes of the larger."""
    apart = np.linalg.norm(a[:, :2] - b[:, :2], axis=1).mean()
    return float(apart / max(_size(a), _size(b), 1.0))


def _holds(people: list[NDArray[np.float32]], person: NDArray[np.float32], within: float) -> bool:
    return any(_distance(other, person) < within for other in people)


def distinct_people(people: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """People without those that are the same person seen twice; the surer one stays.

    Examples
    --------
    >>> person = np.random.default_rng(0).uniform(0, 300, (33, 4)).astype(np.float32)
    >>> len(distinct_people([person, person + 3, person + 300]))
    2
    """
    kept: list[NDArray[np.float32]] = []
    for person in sorted(people, key=lambda person: -float(person[:, 3].mean())):
        if not _holds(kept, person, _SAME):
            kept.append(person)
    return kept
