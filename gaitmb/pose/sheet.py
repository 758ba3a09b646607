"""The contact sheet: one tile per person who was followed, the participant marked."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gaitmb.errors import MissingExtraError
from gaitmb.io.video import read_pictures
from gaitmb.pose.people import Track

__all__ = ["contact_sheet", "draw_sheet"]

_TILE_PX, _CAPTION_PX, _COLUMNS = 240, 44, 4
_MAX_TILES = 24
_CHOSEN, _OTHER, _PAPER, _INK = (0, 140, 80), (150, 150, 150), (255, 255, 255), (20, 20, 20)


def contact_sheet(
    path: Path, tracks: Sequence[Track], labels: Sequence[str], chosen: int | None
) -> bytes:
    """Take a picture of each person from a video and put them on a sheet.

    Parameters
    ----------
    path
        The video.
    tracks, labels
        Everybody, and a few words on each.
    chosen
        Number of the participant; None where there is none.

    Returns
    -------
    A JPEG; empty where there is nobody.
    """
    tracks, labels = tracks[:_MAX_TILES], labels[:_MAX_TILES]
    if not tracks:
        return b""
    frames = [_best_frame(track) for track in tracks]
    times = [float(track.pose.time_s[frame]) for track, frame in zip(tracks, frames, strict=True)]
    order = np.argsort(times, kind="stable")
    pictures: list[NDArray[np.uint8] | None] = [None] * len(tracks)
    for number, (_, picture) in zip(order, read_pictures(path, times, max_side_px=1920), strict=False):
        pictures[int(number)] = picture
    boxes = [track.boxes_px[frame] for track, frame in zip(tracks, frames, strict=True)]
    size_px = tracks[0].pose.size_px or (1, 1)
    return draw_sheet(
        pictures,
        boxes,
        size_px,
        [f"{t.number}" for t in tracks],
        labels,
        [t.number == chosen for t in tracks],
    )


def draw_sheet(
    pictures: Sequence[NDArray[np.uint8] | None],
    boxes_px: Sequence[NDArray[np.float64]],
    size_px: tuple[int, int],
    names: Sequence[str],
    labels: Sequence[str],
    chosen: Sequence[bool],
) -> bytes:
    """Draw tiles of people, each cut from its picture.

    Parameters
    ----------
    pictures
        RGB, upright; None where it could not be decoded.
    boxes_px
        Left, top, right, bottom of each person in pixels of the full picture.
    size_px
        Width and height of the full picture, of which `pictures` may be smaller copies.
    names, labels
        Shown below each tile.
    chosen
        Who is the participant.
    """
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise MissingExtraError("a contact sheet", "video") from error
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    sheet = Image.new("RGB", (columns * _TILE_PX, rows * (_TILE_PX + _CAPTION_PX)), _PAPER)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=15)
    for number, (picture, box) in enumerate(zip(pictures, boxes_px, strict=True)):
        left, top = (number % columns) * _TILE_PX, (number // columns) * (_TILE_PX + _CAPTION_PX)
        if picture is not None:
            tile = _cut(picture, box * (picture.shape[1] / size_px[0]))
            image = Image.fromarray(tile).resize((_TILE_PX - 12, _TILE_PX - 12))
            sheet.paste(image, (left + 6, top + 6))
        colour = _CHOSEN if chosen[number] else _OTHER
        pen.rectangle(
            (left + 2, top + 2, left + _TILE_PX - 3, top + _TILE_PX - 3),
            outline=colour,
            width=5 if chosen[number] else 1,
        )
        title = f"person {names[number]}" + (": participant" if chosen[number] else "")
        pen.text((left + 6, top + _TILE_PX), title, fill=colour if chosen[number] else _INK, font=font)
        pen.text((left + 6, top + _TILE_PX + 19), labels[number], fill=_INK, font=font)
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _best_frame(track: Track) -> int:
    """Where most of the person is in the picture, as near as possible to the middle of their time."""
    frames = np.flatnonzero(track.seen)
    inside = track.pose.valid[frames].mean(axis=1)
    good = frames[inside >= 0.98 * inside.max()]
    return int(good[np.argmin(np.abs(good - frames[len(frames) // 2]))])


def _cut(picture: NDArray[np.uint8], box: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A square around a box with some room, grey beyond the picture."""
    height, width = picture.shape[:2]
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half = int(np.clip(0.65 * max(box[2] - box[0], box[3] - box[1]), 16, 2 * max(width, height)))
    tile = np.full((2 * half, 2 * half, 3), 128, dtype=np.uint8)
    left, top = int(x) - half, int(y) - half
    x0, x1 = max(left, 0), min(left + 2 * half, width)
    y0, y1 = max(top, 0), min(top + 2 * half, height)
    if x1 > x0 and y1 > y0:
        tile[y0 - top : y1 - top, x0 - left : x1 - left] = picture[y0:y1, x0:x1]
    return tile
