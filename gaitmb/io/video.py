"""Videos: what a file declares, and what can really be decoded from it.

Everything here that touches a file's content runs in a worker of :mod:`gaitmb.io.isolation`
(:func:`probe_task`, :func:`pictures_task`, and the pose stage around :func:`decode`). Callers have
:func:`probe_video` and :func:`read_pictures`.

A file is read twice: its packets without decoding, which tells how many frames there must be and when,
and then its pictures. The difference is reported; a damaged file is never silently short.
"""

from __future__ import annotations

import itertools
import math
import os
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaitmb.errors import MissingExtraError, ReadError
from gaitmb.io.isolation import Limits, Message, run_isolated

__all__ = [
    "VIDEO_SUFFIXES",
    "DecodeCounts",
    "Reason",
    "VideoInfo",
    "decode",
    "examine",
    "judge_decoding",
    "probe_video",
    "read_pictures",
]

#: File names that are taken for videos; the content decides.
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi"})

#: Containers that are read. Playlists and anything that names other files are not among them.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi"
_CODECS = frozenset(
    {"h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "libaom-av1", "mpeg4", "mpeg2video", "mjpeg"}
    | {"prores", "ffv1", "rawvideo", "h263", "msmpeg4v3", "dvvideo"}
)
_MAX_SIDE_PX = 8192
_MIN_SIDE_PX = 32
_MAX_PACKETS = 2_000_000
#: Two frames this far apart, and five times the usual, have frames missing between them.
_GAP_S = 1.0


@dataclass(frozen=True)
class Reason:
    """Why a video is not, or not wholly, usable: a fixed code and one line of text."""

    code: str
    text: str


@dataclass(frozen=True)
class VideoInfo:
    """What a video's container declares and its packets show, before anything is decoded.

    Parameters
    ----------
    container, codec
        As FFmpeg names them.
    size_px
        Width and height of the upright picture with square pixels.
    rotation
        By how many degrees clockwise stored pictures are turned to be upright: 0, 90, 180, 270.
    mirrored
        Whether the container asks for a mirror image, as selfie cameras do.
    frames_declared
        Frames by the container's header; 0 where it does not say.
    frames_expected
        The most that header, packets and duration imply.
    duration_s
        Declared duration; 0 where the header does not say.
    fps
        Frames per second, from the usual time between packets; 0 for fewer than two.
    time_s
        When each frame is to be shown, ascending from the start of the video.
    keyframe_s
        Those from which decoding can begin.
    truncated
        Whether the file ends before it should.
    """

    container: str
    codec: str
    size_px: tuple[int, int]
    rotation: int
    mirrored: bool
    frames_declared: int
    frames_expected: int
    duration_s: float
    fps: float
    time_s: tuple[float, ...]
    keyframe_s: tuple[float, ...]
    truncated: bool

    @staticmethod
    def from_dict(values: dict[str, Any]) -> VideoInfo:
        """Undo ``dataclasses.asdict`` and JSON, which turn tuples into lists."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return VideoInfo(**fields)


@dataclass
class DecodeCounts:
    """What became of the frames while they were decoded; counted up by :func:`decode`.

    `decoded` frames came out, of which `damaged` are not to be trusted (the decoder concealed errors, or
    they build on such a frame) and `unordered` have a time that is not later than the one before;
    `failed` packets gave an error instead of a frame. `gaps` are the times at which more than a second
    is missing.
    """

    decoded: int = 0
    damaged: int = 0
    unordered: int = 0
    failed: int = 0
    gaps: list[float] = field(default_factory=list)
    size_changed: bool = False
    mirrored: bool = False

    def add(self, other: DecodeCounts) -> None:
        """Take in the counts of another part of the same video."""
        self.decoded += other.decoded
        self.damaged += other.damaged
        self.unordered += other.unordered
        self.failed += other.failed
        self.gaps += other.gaps
        self.size_changed |= other.size_changed
        self.mirrored |= other.mirrored


def judge_decoding(info: VideoInfo, counts: DecodeCounts, lost: Reason | None = None) -> list[Reason]:
    """Compare what was decoded with what had to be there; empty where nothing is missing.

    Parameters
    ----------
    info
        What the file declares.
    counts
        What came out.
    lost
        Why decoding ended early, where a worker was lost.

    Examples
    --------
    >>> info = VideoInfo("mp4", "h264", (640, 480), 0, False, 60, 60, 2.0, 30.0, (), (), False)
    >>> judge_decoding(info, DecodeCounts(decoded=60))
    []
    >>> judge_decoding(info, DecodeCounts(decoded=11))[0].text
    '11 of 60 frames could be decoded'
    """
    reasons = [lost] if lost else []
    expected = info.frames_expected
    if info.truncated:
        reasons.append(
            Reason("truncated", f"the file ends early: {counts.decoded} of {expected} frames")
        )
    elif counts.decoded < expected and not lost:
        reasons.append(
            Reason("frames_missing", f"{counts.decoded} of {expected} frames could be decoded")
        )
    if counts.damaged or counts.failed:
        n_damaged = counts.damaged + counts.failed
        reasons.append(Reason("damaged", f"{n_damaged} of {expected} frames are damaged"))
    if counts.unordered:
        reasons.append(
            Reason("times_disordered", f"{counts.unordered} frames have no time of their own")
        )
    if counts.gaps:
        reasons.append(
            Reason("gap", f"more than {_GAP_S:g} s is missing after {counts.gaps[0]:.1f} s of video")
        )
    if counts.size_changed:
        reasons.append(
            Reason("size_changed", "the picture changes its size; only the first part is read")
        )
    return reasons


def probe_video(path: Path, limits: Limits | None = None) -> VideoInfo:
    """What a video declares, found in a process of its own.

    Raises
    ------
    ReadError
        It is not a video that can be read; the text says why.
    """
    if not path.is_file():
        raise ReadError("there is no file at the path", remedy="Check the path")
    if path.stat().st_size == 0:
        raise ReadError("the file is empty (0 bytes)", remedy="Copy or record it again")
    for message in run_isolated("gaitmb.io.video:probe_task", {"path": _absolute(path)}, limits):
        return VideoInfo.from_dict(message.values)
    raise ReadError("the file could not be examined")


def read_pictures(
    path: Path, times_s: Sequence[float], *, max_side_px: int = 960, limits: Limits | None = None
) -> list[tuple[float, NDArray[np.uint8]]]:
    """Upright pictures nearest to some times, decoded in a process of its own.

    Parameters
    ----------
    path
        The video.
    times_s
        When, in seconds from the start; in any order.
    max_side_px
        Larger pictures are scaled down to this.

    Returns
    -------
    Time and RGB picture ``(H, W, 3)`` for each, in ascending order; fewer where the file ends early.
    """
    arguments = {"path": _absolute(path), "times_s": sorted(times_s), "max_side_px": max_side_px}
    pictures = []
    for message in run_isolated("gaitmb.io.video:pictures_task", arguments, limits):
        if message.kind != "picture":
            continue
        shape = message.values["shape"]
        picture = np.frombuffer(message.content, dtype=np.uint8).reshape(shape)
        pictures.append((float(message.values["time_s"]), picture))
    return pictures


def _absolute(path: Path) -> str:
    return os.fspath(path.resolve())


# What follows runs in a worker.


def probe_task(path: str) -> Iterator[Message]:
    """Examine a video; one message with the fields of :class:`VideoInfo`."""
    yield Message("info", asdict(examine(path)))


def count_task(path: str) -> Iterator[Message]:
    """Decode a whole video and tell what it declares, its counts, and how many frames are sound."""
    info, counts, n_sound = examine(path), DecodeCounts(), 0
    for _ in decode(path, counts):
        n_sound += 1
        if n_sound % 64 == 0:
            yield Message("alive", {})
    yield Message("counts", {"info": asdict(info), "counts": asdict(counts), "n_sound": n_sound})


def pictures_task(path: str, times_s: list[float], max_side_px: int) -> Iterator[Message]:
    """Decode the pictures at `times_s`, ascending."""
    wanted = list(times_s)
    counts = DecodeCounts()
    before: tuple[float, NDArray[np.uint8]] | None = None
    for time_s, picture in decode(path, counts, max_side_px=max_side_px):
        while wanted and time_s >= wanted[0]:
            nearest = (time_s, picture)
            if before is not None and wanted[0] - before[0] < time_s - wanted[0]:
                nearest = before
            yield _picture(*nearest)
            wanted.pop(0)
        if not wanted:
            return
        before = (time_s, picture)
        if counts.decoded % 64 == 0:
            yield Message("alive", {})
    if before is not None:
        for _ in wanted:
            yield _picture(*before)


def _picture(time_s: float, picture: NDArray[np.uint8]) -> Message:
    content = np.ascontiguousarray(picture).tobytes()
    return Message("picture", {"time_s": time_s, "shape": list(picture.shape)}, content)


def _open(path: str) -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingExtraError("reading videos", "video") from error
    av.logging.set_level(None)
    # `file:` and the whitelists keep a name or a playlist from reaching anything else than this file.
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": _FORMATS,
        "codec_whitelist": ",".join(sorted(_CODECS)),
    }
    try:
        return av.open(f"file:{path}", options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise _unreadable(path) from error


def _unreadable(path: str) -> ReadError:
    with Path(path).open("rb") as file:
        head = file.read(64)
    if head[4:8] in (b"ftyp", b"mdat", b"free", b"wide", b"skip", b"moov"):
        return ReadError(
            "the video has no usable index (moov): the recording or the copy was broken off",
            remedy="Copy it again, or repair it with the camera's own program",
        )
    if head.startswith((b"\x1aE\xdf\xa3", b"RIFF")):
        return ReadError("the video's header is damaged", remedy="Copy it again")
    return ReadError(
        "the file is not a video of an allowed format",
        expected="MP4, MOV, MKV, WebM or AVI",
        remedy="Check what it is, or convert it",
    )


def _video_stream(container: Any) -> Any:
    streams = [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]
    if not streams:
        raise ReadError("the file has sound but no picture", expected="a video stream")
    stream = streams[0]
    codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
    if codec not in _CODECS:
        raise ReadError(
            f"the picture is coded as {codec}",
            expected="H.264, HEVC, VP9, AV1 or another usual codec",
            remedy="Convert it to H.264",
        )
    width, height = stream.codec_context.width, stream.codec_context.height
    if max(width, height) > _MAX_SIDE_PX or min(width, height) < _MIN_SIDE_PX:
        raise ReadError(
            f"a picture of {width}×{height} pixels",
            expected=f"{_MIN_SIDE_PX} to {_MAX_SIDE_PX} pixels a side",
        )
    # One thread: workers share out videos between cores, and errors are found in a fixed order.
    stream.codec_context.thread_count = 1
    return stream


def examine(path: str) -> VideoInfo:
    """Read all packets of a video without decoding more than its first picture.

    Raises
    ------
    ReadError
        It is not a video that can be read.
    """
    import av

    with _open(path) as container:
        stream = _video_stream(container)
        base = stream.time_base
        first = _first_picture(path)
        times: list[float] = []
        keyframes: list[float] = []
        end_s, truncated, discarded, n_packets = 0.0, False, 0, 0
        origin = float((stream.start_time or 0) * base)
        try:
            for packet in container.demux():
                if packet.size == 0:
                    continue
                shown = packet.pts if packet.pts is not None else packet.dts
                moment = float(shown * packet.time_base) - origin if shown is not None else None
                if moment is not None:
                    end_s = max(end_s, moment + float((packet.duration or 0) * packet.time_base))
                if packet.stream_index != stream.index:
                    continue
                if packet.is_corrupt:
                    truncated = True
                if packet.is_discard:
                    discarded += 1
                    continue
                n_packets += 1
                if n_packets > _MAX_PACKETS:
                    raise ReadError(f"more than {_MAX_PACKETS} frames", remedy="Cut the video")
                if moment is not None:
                    times.append(moment)
                    if packet.is_keyframe:
                        keyframes.append(moment)
        except av.error.FFmpegError:
            truncated = True
        if n_packets == 0:
            raise ReadError(
                "the video's header is there, but no picture follows", remedy="Copy it again"
            )
        times.sort()
        declared = int(stream.frames or 0)
        steps = [b - a for a, b in itertools.pairwise(times) if b > a]
        fps = _usual_rate(steps)
        duration_s = _declared_duration(container, stream)
        expected = max(declared - discarded, n_packets)
        if declared == 0:
            # Matroska has no count; holes in an even rhythm and a missing end tell what is not there.
            expected += _missing_between(steps)
            usual_fps = fps or float(stream.average_rate or 25)
            tail_s = duration_s - end_s
            if tail_s > max(1.6 / usual_fps, 0.002 * duration_s):
                truncated = True
                expected += max(1, math.floor(tail_s * usual_fps))
        truncated = truncated or n_packets < declared - discarded or _cut_off(path)
        return VideoInfo(
            container=container.format.name,
            codec=stream.codec_context.name,
            size_px=first.upright_size,
            rotation=first.rotation,
            mirrored=first.mirrored,
            frames_declared=declared,
            frames_expected=expected,
            duration_s=round(duration_s, 6),
            fps=round(fps, 4),
            time_s=tuple(round(t, 6) for t in times),
            keyframe_s=tuple(round(t, 6) for t in sorted(keyframes)),
            truncated=truncated,
        )


def _usual_rate(steps: list[float]) -> float:
    """Frames per second from the usual time between frames, which some containers round to 1 ms."""
    if not steps:
        return 0.0
    median = statistics.median(steps)
    return 1 / statistics.fmean(step for step in steps if 0.75 * median <= step <= 1.25 * median)


def _missing_between(steps: list[float]) -> int:
    """Frames that are missing from an otherwise even rhythm; 0 where it is uneven."""
    if not steps:
        return 0
    median = statistics.median(steps)
    longer = [round(step / median) - 1 for step in steps if step > 1.6 * median]
    even = sum(0.9 * median - 0.001 <= step <= 1.1 * median + 0.001 for step in steps)
    return sum(longer) if even + len(longer) > 0.95 * len(steps) and even > 0.8 * len(steps) else 0


def _cut_off(path: str) -> bool:
    """Whether a Matroska or AVI file is shorter than the size its first element states."""
    with Path(path).open("rb") as file:
        head = file.read(4096)
    size = Path(path).stat().st_size
    if head.startswith(b"RIFF"):
        return size < int.from_bytes(head[4:8], "little") + 8
    place = head.find(b"\x18\x53\x80\x67") if head.startswith(b"\x1aE\xdf\xa3") else -1
    if place < 0 or place + 12 > len(head) or not head[place + 4]:
        return False
    n_bytes = 9 - head[place + 4].bit_length()
    stated = int.from_bytes(head[place + 4 : place + 4 + n_bytes]) & ((1 << 7 * n_bytes) - 1)
    unknown = (1 << 7 * n_bytes) - 1
    return stated != unknown and size < place + 4 + n_bytes + stated


def _declared_duration(container: Any, stream: Any) -> float:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / 1e6


@dataclass(frozen=True)
class _Turning:
    """How stored pictures become upright: transposed, then flipped, then made of square pixels."""

    transpose: bool
    flip_x: bool
    flip_y: bool
    stored_size: tuple[int, int]
    pixel_aspect: Fraction

    @property
    def square_size(self) -> tuple[int, int]:
        width, height = self.stored_size
        return max(1, round(width * self.pixel_aspect)), height

    @property
    def upright_size(self) -> tuple[int, int]:
        width, height = self.square_size
        return (height, width) if self.transpose else (width, height)

    @property
    def mirrored(self) -> bool:
        return (self.flip_x != self.flip_y) != self.transpose

    @property
    def rotation(self) -> int:
        if self.transpose:
            return 90 if self.flip_x else 270
        return 180 if self.flip_y else 0

    def upright(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.transpose:
            picture = picture.transpose(1, 0, 2)
        if self.flip_x:
            picture = picture[:, ::-1]
        if self.flip_y:
            picture = picture[::-1]
        return picture


def _turning(frame: Any, aspect: Fraction | None) -> _Turning:
    matrix = None
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            matrix = np.frombuffer(bytes(data), dtype=np.int32).reshape(3, 3).astype(float)
    transpose = flip_x = flip_y = False
    if matrix is not None:
        # x' = a x + c y, y' = b x + d y; phones write quarter turns and mirror images only.
        (a, b), (c, d) = matrix[0, :2], matrix[1, :2]
        transpose = abs(a) + abs(d) < abs(b) + abs(c)
        flip_x, flip_y = (c < 0, b < 0) if transpose else (a < 0, d < 0)
    if not aspect or not Fraction(1, 4) <= aspect <= 4:
        aspect = Fraction(1)
    return _Turning(bool(transpose), bool(flip_x), bool(flip_y), (frame.width, frame.height), aspect)


def _first_picture(path: str) -> _Turning:
    import av

    with _open(path) as container:
        stream = _video_stream(container)
        try:
            for packet in container.demux(stream):
                try:
                    for frame in packet.decode():
                        return _turning(frame, stream.sample_aspect_ratio)
                except av.error.FFmpegError:
                    continue
        except av.error.FFmpegError:
            pass  # the error below says the same
    raise ReadError("not a single picture could be decoded", remedy="Copy it again")


def decode(
    path: str,
    counts: DecodeCounts,
    *,
    start_s: float = -math.inf,
    end_s: float = math.inf,
    count_from_s: float = -math.inf,
    max_side_px: int = _MAX_SIDE_PX,
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Decode a video frame by frame: time from the start, and the upright RGB picture ``(H, W, 3)``.

    Only sound frames come out, in ascending order of time; `counts` tells about the others. At no time
    is more than one picture held here.

    Parameters
    ----------
    path
        Absolute path.
    counts
        Counted up as the frames pass.
    start_s, end_s
        Only frames with times in ``[start_s, end_s)``.
    count_from_s
        Frames before it come out but are not counted (another worker counts them).
    max_side_px
        Larger pictures are scaled down to this.

    Raises
    ------
    ReadError
        The file cannot be opened as a video.
    """
    import av

    with _open(path) as container:
        stream = _video_stream(container)
        base, rate = stream.time_base, stream.average_rate
        origin = float((stream.start_time or 0) * base)
        if start_s > 0 and math.isfinite(start_s):
            container.seek(round((start_s + origin) / base), stream=stream, backward=True)
        aspect = stream.sample_aspect_ratio
        turning: _Turning | None = None
        last_s, broken, recent = -math.inf, False, 0.0
        for frame, lost in _frames(container, stream, av.error.FFmpegError):
            if frame is None:
                broken = True
                shown = lost.pts if lost is not None else None
                lost_s = math.inf if shown is None else float(shown * base) - origin
                counts.failed += lost is not None and lost_s >= max(count_from_s, start_s)
                continue
            pts = frame.pts if frame.pts is not None else frame.dts
            step_s = float(1 / rate) if rate else 0.04
            time_s = float(pts * base) - origin if pts is not None else last_s + step_s
            if time_s >= end_s:
                return
            counted = time_s >= max(count_from_s, start_s)
            counts.decoded += counted
            broken = (broken and not frame.key_frame) or frame.is_corrupt
            if broken:
                counts.damaged += counted
                continue
            if time_s < start_s:
                continue
            if not time_s > last_s:
                counts.unordered += counted
                continue
            if turning is None:
                turning = _turning(frame, aspect)
                counts.mirrored = turning.mirrored
            elif turning.stored_size != (frame.width, frame.height):
                counts.size_changed = True
                return
            if recent and time_s - last_s > max(_GAP_S, 5 * recent) and counted:
                counts.gaps.append(round(last_s, 3))
            if math.isfinite(last_s):
                recent = (
                    min(time_s - last_s, _GAP_S)
                    if not recent
                    else 0.9 * recent + 0.1 * min(time_s - last_s, _GAP_S)
                )
            last_s = time_s
            yield time_s, _rgb(frame, turning, max_side_px)


def _frames(container: Any, stream: Any, error: type[Exception]) -> Iterator[tuple[Any, Any]]:
    """Frames, each with None; and None with each packet that gave an error instead of a frame."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except error:
            yield None, None
            return
        if packet.is_corrupt:
            yield None, None
        try:
            frames = packet.decode()
        except EOFError:
            return
        except error:
            yield None, packet
            continue
        for frame in frames:
            yield frame, None


def _rgb(frame: Any, turning: _Turning, max_side_px: int) -> NDArray[np.uint8]:
    width, height = turning.square_size
    scale = min(1.0, max_side_px / max(width, height))
    if scale < 1:
        width, height = max(1, round(width * scale)), max(1, round(height * scale))
    picture = frame.to_ndarray(format="rgb24", width=width, height=height)
    return turning.upright(picture)
