"""Review copies: a video with hidden faces, or nothing but a skeleton, as H.264 that any browser plays.

What is written is encoded anew from pixels, so that nothing of the file it comes from is carried along:
no sound, no place, no time, no device, no thumbnail.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaitmb.io.isolation import Limits, Message, run_isolated
from gaitmb.io.video import DecodeCounts, decode
from gaitmb.pose.hiding import Circle

__all__ = ["write_hidden", "write_skeleton"]

_MAX_SIDE_PX = 1280
_TIME_BASE = Fraction(1, 90_000)
#: Quality of the copy (x264's constant rate factor): fit for judging a gait, a tenth of a phone's file.
_OPTIONS = {"crf": "27", "preset": "veryfast"}
#: A hidden face is this many patches across, which leaves nothing to be recognised.
_PATCHES = 4
#: What a copy without anybody in sight shows: the whole picture as this many patches.
_WHOLE_PATCHES = 24
_BONE, _JOINT = (230, 230, 230), (90, 200, 250)


def write_hidden(
    path: Path,
    copy: Path,
    circles: list[list[Circle]],
    time_s: NDArray[np.float64],
    size_px: tuple[int, int],
    *,
    scratch: Path,
    limits: Limits | None = None,
) -> dict[str, int]:
    """Write a copy of a video with circles hidden.

    Parameters
    ----------
    path, copy
        The video, and where the copy goes (overwritten; the caller makes that safe).
    circles, time_s
        What to hide at which time. Frames between two times have the circles of both; a frame for which
        there is none is hidden as a whole.
    size_px
        Width and height to which the circles refer.
    scratch
        A folder of the caller's for what the worker is told.
    limits
        When to kill the worker.

    Returns
    -------
    ``frames`` written, ``hidden`` circles and ``whole`` frames hidden as a whole, and how many frames of
    the video were ``decoded`` and ``damaged``.

    Raises
    ------
    ReadError
        The video cannot be decoded, or the worker was lost.
    """
    rows = [(frame, *circle) for frame, here in enumerate(circles) for circle in here]
    order = scratch / "circles.npz"
    np.savez(order, rows=np.array(rows, dtype=np.float64).reshape(-1, 4), time_s=time_s, size_px=size_px)
    arguments = {"path": str(path.resolve()), "copy": str(copy), "order": str(order)}
    return _result("gaitmb.pose.review:hide_task", arguments, limits)


def write_skeleton(
    copy: Path,
    joints_px: NDArray[np.float64],
    time_s: NDArray[np.float64],
    size_px: tuple[int, int],
    edges: tuple[tuple[int, int], ...],
    *,
    scratch: Path,
    limits: Limits | None = None,
) -> dict[str, int]:
    """Write a video of skeletons on black; not a pixel of any picture is in it.

    Parameters
    ----------
    copy
        Where it goes.
    joints_px
        Shape ``(T, n_people, J, 2)``; NaN where missing.
    time_s
        Shape ``(T,)``.
    size_px
        Width and height to which the joints refer.
    edges
        Pairs of joints to be joined.
    scratch, limits
        As for :func:`write_hidden`.
    """
    order = scratch / "joints.npz"
    np.savez(order, joints_px=joints_px, time_s=time_s, size_px=size_px, edges=np.array(edges))
    arguments = {"copy": str(copy), "order": str(order)}
    return _result("gaitmb.pose.review:skeleton_task", arguments, limits)


def _result(task: str, arguments: dict[str, Any], limits: Limits | None) -> dict[str, int]:
    result: dict[str, int] = {}
    for message in run_isolated(task, arguments, limits):
        if message.kind == "end":
            result = message.values
    return result


# What follows runs in a worker.


def hide_task(path: str, copy: str, order: str) -> Iterator[Message]:
    """Decode, hide and encode; ``alive`` now and then, ``end`` with the counts."""
    with np.load(order, allow_pickle=False) as archive:
        rows, time_s, size_px = archive["rows"], archive["time_s"], archive["size_px"]
    starts = np.searchsorted(rows[:, 0], np.arange(len(time_s) + 1))
    counts = DecodeCounts()
    n_hidden = n_whole = 0
    with _Copy(copy) as out:
        for shown_s, picture in decode(path, counts, max_side_px=_MAX_SIDE_PX):
            after = int(np.searchsorted(time_s, shown_s - 1e-6))
            near = {min(after, len(time_s) - 1)}
            if after >= len(time_s) or abs(time_s[after] - shown_s) > 1e-3:
                near.add(max(after - 1, 0))
            scale = picture.shape[1] / size_px[0]
            circles = [row[1:] * scale for n in near for row in rows[starts[n] : starts[n + 1]]]
            if circles:
                picture = _hide(picture, circles)
            else:
                picture, n_whole = _patched(picture, _WHOLE_PATCHES), n_whole + 1
            n_hidden += len(circles)
            out.add(shown_s, picture)
            if out.n_frames % 32 == 0:
                yield Message("alive", {})
    state = asdict(counts)
    yield Message(
        "end",
        {
            "frames": out.n_frames,
            "hidden": n_hidden,
            "whole": n_whole,
            "decoded": state["decoded"],
            "damaged": state["damaged"] + state["failed"],
        },
    )


def skeleton_task(copy: str, order: str) -> Iterator[Message]:
    """Draw and encode; ``alive`` now and then, ``end`` with the count."""
    from PIL import Image, ImageDraw

    with np.load(order, allow_pickle=False) as archive:
        joints, time_s = archive["joints_px"], archive["time_s"]
        size_px, edges = archive["size_px"], archive["edges"]
    scale = min(1.0, _MAX_SIDE_PX / float(max(size_px)))
    width, height = (max(2, round(float(side) * scale)) for side in size_px)
    thick = max(2, round(max(width, height) / 320))
    with _Copy(copy) as out:
        for shown_s, people in zip(time_s, joints * scale, strict=True):
            image = Image.new("RGB", (width, height))
            pen = ImageDraw.Draw(image)
            for person in people:
                for a, b in edges:
                    if np.isfinite(person[[a, b]]).all():
                        pen.line([*person[a], *person[b]], fill=_BONE, width=thick)
                for x, y in person[np.isfinite(person).all(axis=1)]:
                    pen.ellipse((x - thick, y - thick, x + thick, y + thick), fill=_JOINT)
            out.add(float(shown_s), np.asarray(image))
            if out.n_frames % 32 == 0:
                yield Message("alive", {})
    yield Message("end", {"frames": out.n_frames})


def _hide(picture: NDArray[np.uint8], circles: list[NDArray[np.float64]]) -> NDArray[np.uint8]:
    """Replace circles by patches of their mean colour."""
    hidden = picture.copy()
    height, width = picture.shape[:2]
    for x, y, radius in circles:
        left, right = max(0, math.floor(x - radius)), min(width, math.ceil(x + radius) + 1)
        top, bottom = max(0, math.floor(y - radius)), min(height, math.ceil(y + radius) + 1)
        if right <= left or bottom <= top:
            continue
        part = hidden[top:bottom, left:right]
        rows, columns = np.mgrid[top:bottom, left:right]
        inside = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
        part[inside] = _patched(part, _PATCHES)[inside]
    return hidden


def _patched(picture: NDArray[np.uint8], n_patches: int) -> NDArray[np.uint8]:
    """A picture as a few patches of one colour each along its longer side."""
    height, width = picture.shape[:2]
    side = max(1, -(-max(height, width) // n_patches))
    tops, lefts = np.arange(0, height, side), np.arange(0, width, side)
    sums = np.add.reduceat(np.add.reduceat(picture.astype(np.float64), tops, axis=0), lefts, axis=1)
    areas = np.diff([*tops, height])[:, None] * np.diff([*lefts, width])[None]
    means = (sums / areas[..., None]).astype(np.uint8)
    return np.asarray(means.repeat(side, axis=0)[:height].repeat(side, axis=1)[:, :width])


class _Copy:
    """An MP4 without sound and metadata, written frame by frame."""

    def __init__(self, path: str) -> None:
        import av

        self._av = av
        options = {"movflags": "+faststart", "fflags": "+bitexact"}
        self._container = av.open(path, "w", format="mp4", options=options)
        self._stream: Any = None
        self._last_pts = -1
        self.n_frames = 0

    def __enter__(self) -> _Copy:
        return self

    def add(self, time_s: float, picture: NDArray[np.uint8]) -> None:
        # 4:2:0 wants even sides.
        height, width = (max(2, side // 2 * 2) for side in picture.shape[:2])
        if self._stream is None:
            self._stream = self._container.add_stream("libx264", rate=30, options=_OPTIONS)
            self._stream.width, self._stream.height = width, height
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = _TIME_BASE
            self._stream.codec_context.thread_count = 1
            # No name and version of the encoder either.
            self._stream.codec_context.flags |= self._av.codec.context.Flags.bitexact
        frame = self._av.VideoFrame.from_ndarray(
            np.ascontiguousarray(picture[:height, :width]), format="rgb24"
        )
        self._last_pts = max(round(time_s / _TIME_BASE), self._last_pts + 1)
        frame.time_base, frame.pts = _TIME_BASE, self._last_pts
        self._container.mux(self._stream.encode(frame))
        self.n_frames += 1

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()
