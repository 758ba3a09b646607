"""Keypoints of one walk in the JSON of OpenPose and AlphaPose, and of whoever writes the same.

* AlphaPose's list of results, which is COCO's format of results:
  ``[{"image_id": "12.jpg", "category_id": 1, "keypoints": [x, y, score, …], "idx": …}, …]``
* OpenPose's folder with one file per frame:
  ``{"people": [{"pose_keypoints_2d": [x, y, score, …]}, …]}``
* Those frames in one file: a list of them, or an object that has the frames' names as keys
  (AlphaPose's ``--format open``; ``--format cmu`` says ``bodies`` and ``joints`` instead).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaitmb.data.pose import CoordinateSystem, PoseSequence
from gaitmb.data.skeleton import COCO17, HALPE26, Skeleton, skeleton_named
from gaitmb.errors import QualityError, ReadError
from gaitmb.io.keypoints import MAX_FRAMES
from gaitmb.io.textfiles import read_json

__all__ = ["KEYPOINT_LAYOUTS", "read_openpose"]

#: Number of keypoints to the skeleton, and which of them are its joints. OpenPose's BODY_25 and its
#: COCO model of 18 have COCO's keypoints in another order, with a neck (and feet) that are left out; the
#: whole-body sets begin with COCO-17 and Halpe-26.
KEYPOINT_LAYOUTS: Mapping[int, tuple[Skeleton, tuple[int, ...]]] = MappingProxyType(
    {
        17: (COCO17, tuple(range(17))),
        18: (COCO17, (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10)),
        25: (COCO17, (0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11)),
        26: (HALPE26, tuple(range(26))),
        133: (COCO17, tuple(range(17))),
        136: (HALPE26, tuple(range(26))),
    }
)
_PEOPLE_KEYS = ("people", "bodies")
_KEYPOINT_KEYS = ("keypoints", "pose_keypoints_2d", "joints", "pose_keypoints")
_MAX_PEOPLE = 100
#: AlphaPose documents scores of up to 6; what is far beyond is no score but a coordinate.
_MAX_SCORE = 10.0
#: A body moves at most this many of its heights per second, on top of the detector's noise.
_HEIGHTS_PER_S = 2.0
_NOISE_HEIGHTS = 0.15
_MAX_LOST_S = 3.0


@dataclass(frozen=True, eq=False)
class _Person:
    frame: int
    keypoints: NDArray[np.float64]  # (K, 3): x, y in pixels, score
    track: int | None
    score: float

    @cached_property
    def centre(self) -> NDArray[np.float64]:
        seen = self.keypoints[self.keypoints[:, 2] > 0, :2]
        return np.asarray(np.median(seen, axis=0))

    @cached_property
    def height(self) -> float:
        seen = self.keypoints[self.keypoints[:, 2] > 0, :2]
        return float(np.ptp(seen, axis=0).max())


def read_openpose(
    path: Path,
    *,
    fps: float | None,
    skeleton: str | None = None,
    size_px: tuple[int, int] | None = None,
    view: str | None = None,
) -> PoseSequence:
    """Read one person's keypoints from OpenPose's or AlphaPose's JSON.

    The number of keypoints tells the skeleton (:data:`KEYPOINT_LAYOUTS`). The walker is followed by the
    track identity where every detection has one and a frame shows more than one person, else from frame
    to frame by place; it is who is seen in most frames. When somebody else is seen in half as many
    frames, nobody is chosen. Frames are numbered by the last digits of their names; those without the
    walker, and keypoints of score 0, are missing.

    Parameters
    ----------
    path
        The JSON file, or the folder with one file per frame.
    fps
        Frame rate of the video; JSON does not carry it.
    skeleton
        What the cohort says of it, to be checked; None where it says nothing.
    size_px, view
        Of the video, where known.

    Returns
    -------
    The walker from the first to the last frame in which they are seen, ``image_px``. Scores above 1
    count as 1.

    Raises
    ------
    ReadError
        It is none of the layouts, or there is no frame rate.
    QualityError
        Nobody is seen, or it is ambiguous who the walker is.
    """
    if fps is None:
        raise ReadError(
            "keypoints without a frame rate",
            expected="the frame rate of their video",
            remedy="Give it in the manifest's column fps",
        )
    layout, people = _read_people(path, skeleton)
    walker = _walker(people, fps)
    first, last = walker[0].frame, walker[-1].frame
    if last - first >= MAX_FRAMES:
        raise ReadError(
            f"frames from number {first} to {last}", expected=f"at most {MAX_FRAMES} frames of one walk"
        )
    keypoints = np.zeros((last - first + 1, len(layout), 3))
    for person in walker:
        keypoints[person.frame - first] = person.keypoints
    scores = np.clip(keypoints[..., 2], 0.0, 1.0)
    height = np.median([person.height for person in walker])
    if height < 2:
        raise ReadError(
            "the whole body is less than 2 pixels high: the keypoints are normalised",
            expected="pixels",
            remedy="Run the detector with its output in pixels",
        )
    return PoseSequence(
        keypoints[..., :2],
        scores,
        np.arange(len(keypoints)) / fps,
        layout,
        CoordinateSystem.IMAGE_PX,
        size_px=size_px,
        view=view,
    )


def _read_people(path: Path, named: str | None) -> tuple[Skeleton, list[_Person]]:
    people: list[_Person] = []
    n_keypoints: set[int] = set()
    for frame, entries in _frames(path):
        if len(entries) > _MAX_PEOPLE:
            raise QualityError(
                f"{len(entries)} people in one frame", expected="the walker", remedy="Keep only them"
            )
        for entry in entries:
            keypoints = _keypoints(entry)
            n_keypoints.add(len(keypoints))
            if (keypoints[:, 2] > 0).any():
                people.append(_Person(frame, keypoints, _track(entry), float(keypoints[:, 2].sum())))
    if not people:
        raise QualityError("nobody is seen in any frame", remedy="Check the video and its detector")
    if len(n_keypoints) > 1 or not n_keypoints <= set(KEYPOINT_LAYOUTS):
        raise ReadError(
            f"{' and '.join(map(str, sorted(n_keypoints)))} keypoints per person",
            expected=f"one of {', '.join(map(str, KEYPOINT_LAYOUTS))}, the same for all",
            remedy="Estimate COCO-17 or Halpe-26 keypoints",
        )
    skeleton, order = KEYPOINT_LAYOUTS[n_keypoints.pop()]
    if named is not None and skeleton is not skeleton_named(named):
        raise ReadError(
            f"the keypoints are {skeleton.name}",
            expected=f"{named}, as the manifest says",
            remedy="Correct its column skeleton or leave it empty",
        )
    chosen = list(order)
    joints = [_Person(one.frame, one.keypoints[chosen], one.track, one.score) for one in people]
    return skeleton, [one for one in joints if (one.keypoints[:, 2] > 0).any()]


def _frames(path: Path) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Frame numbers with the entries of the people in them."""
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        if not files:
            raise ReadError("a folder without JSON files", expected="one OpenPose file per frame")
        numbers = _frame_numbers([file.name for file in files])
        for frame, file in zip(numbers, files, strict=True):
            yield frame, _people_of(read_json(file, ReadError))
        return
    document = read_json(path, ReadError)
    if isinstance(document, dict) and not any(key in document for key in _PEOPLE_KEYS):
        numbers = _frame_numbers(list(document))
        yield from zip(numbers, map(_people_of, document.values()), strict=True)
    elif isinstance(document, dict):
        yield 0, _people_of(document)
    elif isinstance(document, list) and all(isinstance(entry, dict) for entry in document):
        if all("image_id" in entry for entry in document):
            yield from _by_image(document)
        else:
            yield from enumerate(map(_people_of, document))
    else:
        raise _unknown_layout()


def _unknown_layout() -> ReadError:
    return ReadError(
        "JSON that is no list of keypoints",
        expected="AlphaPose's results or OpenPose's people",
        remedy="See the readers in CONTRIBUTING.md for the layouts",
    )


def _people_of(frame: object) -> list[dict[str, Any]]:
    if isinstance(frame, dict):
        for key in _PEOPLE_KEYS:
            people = frame.get(key)
            if isinstance(people, list) and all(isinstance(entry, dict) for entry in people):
                return people
    raise _unknown_layout()


def _by_image(entries: list[dict[str, Any]]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    images: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        image = entry["image_id"]
        if isinstance(image, bool) or not isinstance(image, (int, str)):
            raise ReadError("an image_id that is no name or number", expected="one image_id per entry")
        people = images.setdefault(str(image), [])
        if entry.get("category_id", 1) == 1:  # COCO's number of a person
            people.append(entry)
    yield from zip(_frame_numbers(list(images)), images.values(), strict=True)


def _frame_numbers(names: Sequence[str]) -> list[int]:
    """Frame numbers from the last digits of names like ``walk_000000000012_keypoints.json``."""
    found = [
        re.fullmatch(r"(.*?)([0-9]{1,18})(_keypoints)?(\.[A-Za-z0-9]{1,5})?", name, re.DOTALL)
        for name in names
    ]
    numbers = [int(match[2]) for match in found if match]
    if len(numbers) < len(names):
        raise ReadError("a frame whose name does not end in its number", expected="a number per frame")
    if len({match[1] for match in found if match}) > 1 or len(set(numbers)) < len(numbers):
        raise ReadError(
            "frames of several recordings, or one frame twice",
            expected="the frames of one walk",
            remedy="Give every walk its own file or folder",
        )
    return numbers


def _keypoints(entry: dict[str, Any]) -> NDArray[np.float64]:
    values = next((entry[key] for key in _KEYPOINT_KEYS if key in entry), None)
    if (
        not isinstance(values, list)
        or not values
        or len(values) % 3
        or not all(type(value) in (int, float) for value in values)
    ):
        raise ReadError(
            "a person whose keypoints are no flat list of x, y, score", expected="three numbers each"
        )
    try:
        keypoints = np.array(values, dtype=np.float64).reshape(-1, 3)
    except OverflowError as error:
        raise ReadError("a number too large", expected="pixels and scores") from error
    if not np.isfinite(keypoints).all() or np.abs(keypoints).max() > 1e6:
        raise ReadError("a keypoint beyond any picture", expected="pixels and scores")
    if keypoints[:, 2].max() > _MAX_SCORE:
        raise ReadError(
            f"a score of {keypoints[:, 2].max():g}",
            expected="x, y, score for each keypoint, with scores from 0 to 1",
        )
    return keypoints


def _track(entry: dict[str, Any]) -> int | None:
    """Track identity; AlphaPose may give a list of those it merged, OpenPose [-1] for none."""
    value = entry.get("idx", entry.get("person_id"))
    values: list[Any] = value if isinstance(value, list) else [value]
    numbers = [one for one in values if type(one) in (int, float) and 0 <= one < 2**53]
    return min((int(one) for one in numbers if one == int(one)), default=None)


def _walker(people: list[_Person], fps: float) -> list[_Person]:
    """Detections of who is seen in most frames, in their order."""
    frames: dict[int, list[_Person]] = {}
    for person in sorted(people, key=lambda one: one.frame):
        frames.setdefault(person.frame, []).append(person)
    tracks = _tracks_by_identity(frames) or _tracks_by_place(frames, fps)
    ranked = sorted(tracks, key=lambda track: (-len(track), -sum(one.score for one in track)))
    if len(ranked) > 1 and len(ranked[1]) * 2 >= len(ranked[0]):
        raise QualityError(
            f"one person is seen in {len(ranked[0])} frames and another in {len(ranked[1])}",
            expected="one person, in far more frames than anybody else",
            remedy="Leave only the walker's keypoints in the file",
        )
    return ranked[0]


def _tracks_by_identity(frames: Mapping[int, list[_Person]]) -> list[list[_Person]]:
    """Tracks by the identities given; none where those are incomplete, ambiguous or needless."""
    tracks: dict[int, list[_Person]] = {}
    for people in frames.values():
        identities = [person.track for person in people]
        if None in identities or len(set(identities)) < len(identities):
            return []
        for person in people:
            tracks.setdefault(person.track or 0, []).append(person)
    return list(tracks.values()) if max(map(len, frames.values())) > 1 else []


def _tracks_by_place(frames: Mapping[int, list[_Person]], fps: float) -> list[list[_Person]]:
    """Join each detection to the nearest track that a body could have come from."""
    tracks: list[list[_Person]] = []
    live: list[list[_Person]] = []
    for frame, people in frames.items():
        steps: list[tuple[float, int, list[_Person], _Person]] = []
        live = [track for track in live if (frame - track[-1].frame) / fps <= _MAX_LOST_S]
        for track in live:
            lost_s = (frame - track[-1].frame) / fps
            reach = min(_NOISE_HEIGHTS + _HEIGHTS_PER_S * lost_s, 1.0)
            expected = _expected(track, frame)
            for person in people:
                distance = float(np.linalg.norm(person.centre - expected))
                share = distance / max(track[-1].height, person.height, 1e-9)
                if share <= reach:
                    steps.append((share, len(steps), track, person))
        joined: set[int] = set()
        for _, _, track, person in sorted(steps, key=lambda step: step[:2]):
            if track[-1].frame < frame and id(person) not in joined:
                track.append(person)
                joined.add(id(person))
        new = [[person] for person in people if id(person) not in joined]
        tracks.extend(new)
        live.extend(new)
    return tracks


def _expected(track: list[_Person], frame: int) -> NDArray[np.float64]:
    """Where a body is that goes on as it went, so that two who pass each other are not exchanged."""
    last, before = track[-1], track[-min(len(track), 6)]
    if last is before:
        return last.centre
    pace = (last.centre - before.centre) / (last.frame - before.frame)
    return last.centre + pace * min(frame - last.frame, 5)
