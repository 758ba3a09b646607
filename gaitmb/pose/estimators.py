"""Pose models, and how they look at a whole video.

A pose model is anything that is picked by name from :data:`ESTIMATORS` and can
:meth:`~PoseEstimator.look` at one picture after the other. It runs in a worker of
:mod:`gaitmb.io.isolation`, together with the decoder, so that pictures never travel between processes.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gaitmb.errors import ConfigurationError, MissingExtraError, ReadError, UnknownNameError
from gaitmb.io.isolation import Limits, Message, WorkerLost, network_state, run_isolated
from gaitmb.io.video import DecodeCounts, Reason, VideoInfo, decode, judge_decoding, probe_video
from gaitmb.pose.detections import N_KEYPOINTS, Detections

__all__ = ["ESTIMATORS", "PoseEstimator", "VideoDetections", "detect_people"]

#: Larger pictures are scaled down: a person's part of them is scaled to 256 pixels anyway.
_MAX_SIDE_PX = 1920
#: Frames that follow each other faster are decoded, but not all of them are looked at.
_MAX_RATE_HZ = 62.0
#: A long video is looked at in chapters of about this length, each with a fresh memory of who is where,
#: however many workers share them out: that is why their number does not change a single landmark.
_CHAPTER_S = 20.0
#: Before a chapter begins, the model looks at this much of what comes before.
_WARM_UP_S = 1.0
#: Where nobody was seen for this long, only some frames are looked at until somebody comes.
_IDLE_AFTER_S, _IDLE_STEP_S = 2.0, 0.2
#: A picture whose brightness varies less than this shows nobody.
_MIN_CONTRAST = 12
_NOBODY: NDArray[np.float32] = np.zeros((0, N_KEYPOINTS, 4), dtype=np.float32)


class PoseEstimator(Protocol):
    """A pose model at work on one video."""

    def look(self, picture: NDArray[np.uint8], time_s: float) -> NDArray[np.float32]:
        """Everybody in one picture.

        Parameters
        ----------
        picture
            RGB, upright, shape ``(H, W, 3)``.
        time_s
            When it is shown; later than the picture before.

        Returns
        -------
        Shape ``(n_people, 33, 4)``: x, y, z in pixels of `picture` and visibility, as in
        :class:`~gaitmb.pose.detections.Detections`.
        """

    def close(self) -> None:
        """Free what it holds."""


def _mediapipe(model: str, max_people: int) -> PoseEstimator:
    from gaitmb.pose.mediapipe import MediaPipeEstimator

    return MediaPipeEstimator(model, max_people)


#: Name of a pose model to what makes it from a model file and the number of people to look for.
ESTIMATORS: Mapping[str, Callable[[str, int], PoseEstimator]] = MappingProxyType(
    {"mediapipe": _mediapipe}
)


@dataclass(frozen=True, eq=False)
class VideoDetections:
    """Everybody seen in a video, and how sound the video is.

    Parameters
    ----------
    detections
        Whoever was seen, in the frames that were looked at.
    info
        What the file declares.
    counts
        What became of its frames.
    reasons
        What is missing or damaged; empty where nothing is.
    network
        What network the workers had: ``none``, or ``dead_proxy`` where the system allows no better.
    seconds
        Time taken, per ``decode`` and ``pose``, summed over workers.
    """

    detections: Detections
    info: VideoInfo
    counts: DecodeCounts
    reasons: tuple[Reason, ...]
    network: str
    seconds: Mapping[str, float]


@dataclass
class _Part:
    """What one worker has sent of its part of the video."""

    seen: list[tuple[float, NDArray[np.float32]]] = field(default_factory=list)
    counts: DecodeCounts = field(default_factory=DecodeCounts)
    seconds: dict[str, float] = field(default_factory=dict)
    network: str = ""
    lost: Reason | None = None


def detect_people(
    path: Path,
    model: Path,
    *,
    info: VideoInfo | None = None,
    estimator: str = "mediapipe",
    max_people: int = 4,
    workers: int = 1,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> VideoDetections:
    """Find everybody in a video.

    Parameters
    ----------
    path
        The video.
    model
        File of the pose model (:func:`gaitmb.pose.models.find_model`).
    info
        What :func:`gaitmb.io.video.probe_video` says of it; by default it is asked now.
    estimator
        Name in :data:`ESTIMATORS`.
    max_people
        How many people to look for at the same time.
    workers
        A long video is split between so many processes; the result does not depend on it.
    limits
        When to kill a worker; what it found until then is kept.
    progress
        Told how many frames of how many have been decoded.

    Raises
    ------
    ReadError
        The file is not a video, or not a single sound frame could be decoded.
    """
    if estimator not in ESTIMATORS:
        raise UnknownNameError("pose estimator", estimator, ESTIMATORS)
    info = info or probe_video(path, limits)
    chapters = _chapters(info)
    n_parts = max(1, min(workers, len(chapters)))
    bounds = [round(number * len(chapters) / n_parts) for number in range(n_parts + 1)]
    shares = [chapters[a:b] for a, b in itertools.pairwise(bounds)]
    order = {
        "path": str(path.resolve()),
        "model": str(model.resolve()),
        "estimator": estimator,
        "max_people": max_people,
        "size_px": info.size_px,
    }
    parts = [_Part() for _ in shares]
    stop = threading.Event()

    def tell() -> None:
        if progress is not None:
            progress(sum(part.counts.decoded for part in parts), info.frames_expected)

    with ThreadPoolExecutor(len(shares)) as pool:
        try:
            futures = [
                pool.submit(_run_part, part, {**order, "chapters": share}, limits, stop, tell)
                for part, share in zip(parts, shares, strict=True)
            ]
            for future in futures:
                future.result()
        finally:  # also on Ctrl-C: the pool waits for threads, and they for their workers
            stop.set()
    return _joined(parts, info)


def _chapters(info: VideoInfo) -> list[tuple[float | None, float | None]]:
    """Split a video into chapters of equal length, at times between two frames."""
    n_frames = len(info.time_s)
    length_s = info.time_s[-1] - info.time_s[0] if n_frames else 0.0
    n_chapters = 1 if info.truncated else max(1, round(length_s / _CHAPTER_S))
    cuts: list[float | None] = [None]
    for number in range(1, n_chapters):
        index = round(number * n_frames / n_chapters)
        cuts.append((info.time_s[index - 1] + info.time_s[index]) / 2)
    cuts.append(None)
    return list(itertools.pairwise(cuts))


def _run_part(
    part: _Part,
    order: dict[str, Any],
    limits: Limits | None,
    stop: threading.Event,
    tell: Callable[[], None],
) -> None:
    messages = run_isolated("gaitmb.pose.estimators:estimate_task", order, limits)
    try:
        for message in messages:
            if stop.is_set():
                return
            values = message.values
            if message.kind == "network":
                part.network = values["network"]
                continue
            part.counts = DecodeCounts(**values["counts"])
            part.seconds = values["seconds"]
            if message.kind == "frame":
                people = np.frombuffer(message.content, dtype=np.float32)
                part.seen.append((values["time_s"], people.reshape(-1, N_KEYPOINTS, 4)))
            tell()
    except WorkerLost as error:
        part.lost = Reason(error.code, f"{error.found}; what came before it is kept")
    finally:
        messages.close()


def _joined(parts: list[_Part], info: VideoInfo) -> VideoDetections:
    counts = DecodeCounts()
    seen: list[tuple[float, NDArray[np.float32]]] = []
    seconds: dict[str, float] = {}
    for part in parts:
        counts.add(part.counts)
        seen += part.seen
        for name, value in part.seconds.items():
            seconds[name] = round(seconds.get(name, 0.0) + value, 3)
    lost = next((part.lost for part in parts if part.lost), None)
    reasons = judge_decoding(info, counts, lost)
    if not seen:
        text = "; ".join(reason.text for reason in reasons) or "no frame could be decoded"
        raise ReadError(f"nothing of the video is usable: {text}", remedy="Copy or record it again")
    network = {part.network for part in parts}
    return VideoDetections(
        detections=Detections.of_frames(seen, info.size_px),
        info=info,
        counts=counts,
        reasons=tuple(reasons),
        network="none" if network == {"none"} else "dead_proxy",
        seconds=MappingProxyType(seconds),
    )


# What follows runs in a worker.


def estimate_task(
    path: str,
    model: str,
    estimator: str,
    max_people: int,
    size_px: tuple[int, int],
    chapters: list[tuple[float | None, float | None]],
) -> Iterator[Message]:
    """Decode some chapters of a video and look at them; one message per frame, then ``end``.

    A ``frame`` has its time and, as content, the people in it; every message has the counts so far, so
    that nothing is lost with a worker that dies.
    """
    yield from network_state()
    counts = DecodeCounts()
    seconds = {"decode": 0.0, "pose": 0.0}
    for start_s, end_s in chapters:
        looking = _Attention(lambda: ESTIMATORS[estimator](model, max_people))
        begins = -math.inf if start_s is None else start_s
        pictures = decode(
            path,
            counts,
            start_s=begins - _WARM_UP_S,
            count_from_s=begins,
            end_s=math.inf if end_s is None else end_s,
            max_side_px=_MAX_SIDE_PX,
        )
        yield from _look_through(pictures, looking, begins, size_px, counts, seconds)
        looking.close()
    yield Message("end", {"counts": asdict(counts), "seconds": seconds})


def _look_through(
    pictures: Iterator[tuple[float, NDArray[np.uint8]]],
    looking: _Attention,
    begins_s: float,
    size_px: tuple[int, int],
    counts: DecodeCounts,
    seconds: dict[str, float],
) -> Iterator[Message]:
    looked_s = -math.inf
    while True:
        began = time.perf_counter()
        moment = next(pictures, None)
        seconds["decode"] += time.perf_counter() - began
        if moment is None:
            return
        time_s, picture = moment
        state = {"counts": asdict(counts), "seconds": seconds}
        # Half a millisecond of slack for containers that round to milliseconds.
        if time_s - looked_s < 1 / _MAX_RATE_HZ - 5e-4:
            yield Message("skipped", state)
            continue
        began = time.perf_counter()
        people = looking.look(picture, time_s)
        seconds["pose"] += time.perf_counter() - began
        looked_s = time_s
        # Landmarks are told in pixels of the full picture; depth has the scale of x.
        height, width = picture.shape[:2]
        x_scale, y_scale = size_px[0] / width, size_px[1] / height
        people = people * np.array([x_scale, y_scale, x_scale, 1], dtype=np.float32)
        if time_s >= begins_s:
            yield Message("frame", {"time_s": time_s, **state}, people.astype(np.float32).tobytes())
        else:
            yield Message("warm_up", state)


class _Attention:
    """Spares the model the frames in which there cannot be anybody."""

    def __init__(self, open_eyes: Callable[[], PoseEstimator]) -> None:
        self._open_eyes = open_eyes
        self._eyes: PoseEstimator | None = None
        self._seen_s: float | None = None
        self._looked_s = -math.inf

    def look(self, picture: NDArray[np.uint8], time_s: float) -> NDArray[np.float32]:
        sample = picture[::16, ::16]
        if int(sample.max()) - int(sample.min()) < _MIN_CONTRAST:
            return _NOBODY
        if self._seen_s is None:
            self._seen_s = time_s
        idle = time_s - self._seen_s > _IDLE_AFTER_S
        if idle and time_s - self._looked_s < _IDLE_STEP_S:
            return _NOBODY
        self._looked_s = time_s
        if self._eyes is None:
            self._eyes = self._open_eyes()
        people = self._eyes.look(picture, time_s)
        if len(people):
            self._seen_s = time_s
        return people

    def close(self) -> None:
        if self._eyes is not None:
            self._eyes.close()


def require_mediapipe() -> Any:
    """The mediapipe module.

    Raises
    ------
    MissingExtraError
        It is not installed.
    ConfigurationError
        A system library that it needs is not installed.
    """
    try:
        import mediapipe
    except ImportError as error:
        raise MissingExtraError("estimating poses", "video") from error
    if sys.platform == "linux":
        for library in ("libEGL.so.1", "libGLESv2.so.2"):
            try:
                ctypes.CDLL(library)
            except OSError as error:
                raise ConfigurationError(
                    f"MediaPipe needs the system library {library}, which is not installed",
                    remedy="Install it (on Debian: apt-get install libegl1 libgles2)",
                ) from error
    return mediapipe
