"""Poses of one walk in files of numbers: gaitmb's own form, H36M-17 arrays and BlazePose tables."""

from __future__ import annotations

import difflib
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gaitmb.data.pose import CoordinateSystem, PoseSequence
from gaitmb.data.skeleton import BLAZEPOSE33, DERIVATIONS, H36M17, SKELETONS
from gaitmb.errors import ReadError
from gaitmb.io.archives import MAX_FRAMES, array_names, as_numbers, open_archive, read_array
from gaitmb.io.textfiles import number, read_json, read_table

__all__ = ["MAX_FRAMES", "read_blazepose", "read_h36m17", "read_pose", "write_pose"]


def write_pose(file: Path | IO[bytes], pose: PoseSequence) -> None:
    """Write a pose in gaitmb's own form, an uncompressed ``.npz``.

    Equal poses give equal bytes, whatever the time, the place or the version of zlib, so that a pose can
    be named after its content.

    Parameters
    ----------
    file
        Path or open binary file; an existing file is overwritten.
    pose
        Any pose. Keys: ``positions`` (T, J, D), ``confidence`` (T, J), ``time_s`` (T,), ``skeleton``,
        ``coordinates``, ``size_px`` (width and height, or empty), ``view`` (empty where unknown).

    Examples
    --------
    >>> import io
    >>> from gaitmb.data.skeleton import H36M17
    >>> pose = PoseSequence(np.zeros((2, 17, 2)), np.ones((2, 17)), np.array([0.0, 0.5]), H36M17,
    ...                     CoordinateSystem.IMAGE_PX, size_px=(640, 480))
    >>> file = io.BytesIO()
    >>> write_pose(file, pose)
    >>> _ = file.seek(0)
    >>> read_pose(file).size_px
    (640, 480)
    """
    if isinstance(file, Path):
        with file.open("wb") as opened:
            write_pose(opened, pose)
        return
    np.savez(
        file,
        positions=pose.positions,
        confidence=pose.confidence,
        time_s=pose.time_s,
        skeleton=np.array(pose.skeleton.name),
        coordinates=np.array(pose.coordinates.value),
        size_px=np.array(pose.size_px or (), dtype=np.int64),
        view=np.array(pose.view or ""),
    )


def read_pose(file: Path | IO[bytes]) -> PoseSequence:
    """Read a pose that :func:`write_pose` wrote.

    Raises
    ------
    ReadError
        The file is damaged or something else.
    """
    wanted = ("positions", "confidence", "time_s", "skeleton", "coordinates", "size_px", "view")
    with open_archive(file) as archive:
        return _pose_of({name: _array(archive, name) for name in wanted})


def _pose_of(arrays: dict[str, NDArray[Any]]) -> PoseSequence:
    skeleton, coordinates = str(arrays["skeleton"]), str(arrays["coordinates"])
    if skeleton not in SKELETONS or coordinates not in list(CoordinateSystem):
        raise ReadError(
            "a pose file with an unknown skeleton or coordinate system",
            expected=f"one of {', '.join(SKELETONS)} in one of {', '.join(CoordinateSystem)}",
        )
    size = arrays["size_px"].ravel()
    return PoseSequence(
        _numbers(arrays["positions"], "positions"),
        _numbers(arrays["confidence"], "confidence"),
        _numbers(arrays["time_s"], "time_s", ndim=1),
        SKELETONS[skeleton],
        CoordinateSystem(coordinates),
        size_px=(int(size[0]), int(size[1])) if len(size) == 2 else None,
        view=str(arrays["view"]) or None,
    )


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    return read_array(archive, name, f"the array {name!r}")


def _numbers(array: NDArray[Any], name: str, *, ndim: int | None = None) -> NDArray[np.float64]:
    return as_numbers(array, repr(name), ndim=ndim)


def read_h36m17(
    path: Path,
    *,
    fps: float | None = None,
    size_px: tuple[int, int] | None = None,
    view: str | None = None,
) -> PoseSequence:
    """Read one walk of H36M-17 joints from an ``.npz``.

    ================  ==================  ==============================================================
    key               shape
    ================  ==================  ==============================================================
    ``position_m``    ``(T, 17, 3)``      metres, right-handed, up as ``up`` says; gives ``world_mm``
    ``keypoints_px``  ``(T, 17, 2 or 3)`` pixels, x right, y down, with or without confidence
    ``confidence``    ``(T, 17)``         optional, instead of the third column
    ``fps``           ``()``              or ``time_s`` ``(T,)``; else the manifest's
    ``up``            ``()``              optional: ``y`` (as without it) or ``z``
    ``size_px``       ``(2,)``            optional, else the manifest's
    ================  ==================  ==============================================================

    One of the first two has to be there. Joints stand in the order of
    :data:`~gaitmb.data.skeleton.H36M17`; NaN is missing. A pose that :func:`write_pose` wrote is read
    as well.

    Raises
    ------
    ReadError
        Keys, shapes or types are others, the file is damaged or holds pickled objects, or a body in
        metres does not stand upright at a person's height.
    """
    with open_archive(path) as archive:
        names = set(array_names(archive))
        if {"positions", "skeleton", "coordinates"} <= names:
            return read_pose(path)
        kind = names & {"position_m", "keypoints_px"}
        if len(kind) != 1:
            raise ReadError(
                f"an archive with {len(kind)} of the arrays 'position_m' and 'keypoints_px'",
                expected="one of them",
                remedy="Name the array by what it holds",
            )
        wanted = kind | (names & {"confidence", "fps", "time_s", "up", "size_px", "n_frames"})
        arrays = {name: _array(archive, name) for name in sorted(wanted)}
    if arrays.get("n_frames", np.zeros(())).size > 1:
        raise ReadError(
            f"an archive of {arrays['n_frames'].size} walks",
            expected="one",
            remedy="Write one file each",
        )
    three_d = kind == {"position_m"}
    joints = _numbers(arrays[kind.pop()], "position_m" if three_d else "keypoints_px", ndim=3)
    if joints.shape[1] != len(H36M17) or joints.shape[2] not in ((3,) if three_d else (2, 3)):
        raise ReadError(
            f"joints of shape {joints.shape}",
            expected="(frames, 17, 3)" if three_d else "(frames, 17, 2) or (frames, 17, 3)",
        )
    _check_length(len(joints))
    confidence = np.ones(joints.shape[:2])
    if "confidence" in arrays:
        confidence = _numbers(arrays["confidence"], "confidence", ndim=2)
    elif not three_d and joints.shape[2] == 3:
        confidence = joints[..., 2]
    time_s = _times(arrays, len(joints), fps)
    if three_d:
        positions = _upright(joints, str(arrays.get("up", "y"))) * 1000
        return PoseSequence(positions, confidence, time_s, H36M17, CoordinateSystem.WORLD_MM, view=view)
    if "size_px" in arrays:
        size = _numbers(arrays["size_px"], "size_px", ndim=1)
        size_px = _size(size.tolist()) if len(size) == 2 else None
    return PoseSequence(
        joints[..., :2],
        confidence,
        time_s,
        H36M17,
        CoordinateSystem.IMAGE_PX,
        size_px=size_px,
        view=view,
    )


def _check_length(n_frames: int) -> None:
    if not 0 < n_frames <= MAX_FRAMES:
        raise ReadError(f"{n_frames} frames", expected=f"1 to {MAX_FRAMES}")


def _times(arrays: dict[str, NDArray[Any]], n_frames: int, fps: float | None) -> NDArray[np.float64]:
    if "time_s" in arrays:
        return _numbers(arrays["time_s"], "time_s", ndim=1)
    if "fps" in arrays:
        rate = _numbers(arrays["fps"], "fps").ravel()
        fps = float(rate[0]) if rate.size == 1 else float("nan")
    return np.arange(n_frames) / _rate(fps)


def _rate(fps: float | None) -> float:
    if fps is None:
        raise ReadError(
            "frames without a time or a frame rate",
            expected="time_s or fps",
            remedy="Give the frame rate in the manifest's column fps",
        )
    if not 1 <= fps <= 1000:
        raise ReadError(f"a frame rate of {fps:g} Hz", expected="1 to 1000")
    return fps


def _upright(joints: NDArray[np.float64], up: str) -> NDArray[np.float64]:
    """Turn z up, and make sure that it was a person standing in metres."""
    if up not in ("y", "z"):
        raise ReadError("'up' is neither y nor z", expected="the axis against gravity")
    if up == "y":
        joints = np.stack([joints[..., 0], -joints[..., 2], joints[..., 1]], axis=-1)
    feet = (joints[:, H36M17.index("left_ankle")] + joints[:, H36M17.index("right_ankle")]) / 2
    body = joints[:, H36M17.index("thorax")] - feet
    body = body[np.isfinite(body).all(axis=1)]
    if len(body) == 0:
        return joints
    x, y, z = np.median(body, axis=0)
    if not (0.3 < z < 2.2 and z > max(abs(x), abs(y))):
        raise ReadError(
            f"the thorax lies {z:.2f} m above the ankles along {up}",
            expected="a body upright in metres",
            remedy="Convert to metres, y up, or store 'up' = 'z'",
        )
    return joints


def _size(values: list[float]) -> tuple[int, int]:
    if len(values) != 2 or not all(16 <= value <= 20_000 and value == int(value) for value in values):
        raise ReadError("a picture size that is none", expected="whole pixels, 16 to 20000")
    return int(values[0]), int(values[1])


def read_blazepose(
    path: Path,
    *,
    fps: float | None = None,
    size_px: tuple[int, int] | None = None,
    view: str | None = None,
) -> PoseSequence:
    """Read MediaPipe's 33 landmarks from a CSV or Parquet table, one row per frame.

    Columns are ``time_s`` or ``frame`` (a whole number; needs `fps`), then ``<landmark>_x``,
    ``<landmark>_y`` and optionally ``_z`` (left out: MediaPipe's depth has no unit) and ``_visibility``
    (without it 1), in upper or lower case; further columns are ignored. Rows keep the times they have,
    so that uneven timing is resampled later and frames left out are gaps. Landmarks from which no
    H36M-17 joint is derived may be absent.

    Coordinates are pixels, or normalised by the picture's size where nine in ten lie from -0.5 to 1.5.
    Then the size is needed: columns ``width`` and ``height``, a JSON file beside it with the same stem
    and these two keys, or `size_px`.

    Raises
    ------
    ReadError
        It is no such table, a cell is no number, or time or size are missing where they are needed.
    """
    cells = read_table(path, ReadError)
    if cells.ragged:
        raise ReadError(
            f"row {min(cells.ragged)} has {cells.ragged[min(cells.ragged)]} cells",
            expected=f"{cells.n_columns}, as in the header",
            remedy="Write or copy it again",
        )
    table = cells.cells.rename(columns=str.lower)
    if not table.columns.is_unique:
        raise ReadError("a column that is there in upper and in lower case", expected="each column once")
    _check_length(len(table))
    _require_columns(table)
    if "time_s" in table:
        time_s = _column(table, "time_s", complete=True)
    else:
        frame = _column(table, "frame", complete=True)
        if (frame != np.floor(frame)).any():
            raise ReadError("a frame number with decimals", expected="whole frame numbers")
        time_s = frame / _rate(fps)
    positions = np.full((len(table), len(BLAZEPOSE33), 2), np.nan)
    confidence = np.ones(positions.shape[:2])
    for joint, landmark in enumerate(BLAZEPOSE33.joints):
        for axis, letter in enumerate("xy"):
            if f"{landmark}_{letter}" in table:
                positions[:, joint, axis] = _column(table, f"{landmark}_{letter}")
        if f"{landmark}_visibility" in table:
            confidence[:, joint] = _column(table, f"{landmark}_visibility")
    if np.nanmin(confidence, initial=0) < -0.01 or np.nanmax(confidence, initial=0) > 1.01:
        raise ReadError("a visibility outside 0 to 1", expected="MediaPipe's visibility")
    size_px = _picture_size(path, table) or size_px
    return PoseSequence(
        _in_pixels(positions, confidence, size_px),
        np.clip(np.nan_to_num(confidence), 0, 1),
        time_s,
        BLAZEPOSE33,
        CoordinateSystem.IMAGE_PX,
        size_px=size_px,
        view=view,
    )


def _require_columns(table: pd.DataFrame) -> None:
    needed = {keypoint for rule in DERIVATIONS["blazepose33"].values() for keypoint in rule}
    wanted = [f"{landmark}_{axis}" for landmark in BLAZEPOSE33.joints for axis in "xy"]
    for landmark in BLAZEPOSE33.joints:
        present = [f"{landmark}_{axis}" in table for axis in "xy"]
        if all(present) or (landmark not in needed and not any(present)):
            continue
        missing = f"{landmark}_{'xy'[present.index(False)]}"
        others = [name for name in table.columns if name not in wanted]
        near = difflib.get_close_matches(missing, others, n=1, cutoff=0.8)
        raise ReadError(
            f"there is no column {missing!r}",
            expected="x and y of MediaPipe's landmarks",
            remedy=f"Is it {near[0]!r}?" if near else "Add it",
        )
    if "time_s" not in table and "frame" not in table:
        near = [name for name in ("time", "timestamp", "time_ms", "t", "frame_id") if name in table]
        raise ReadError(
            "there is neither a column 'time_s' nor 'frame'",
            expected="seconds or frame numbers",
            remedy=f"Is it {near[0]!r}?" if near else "Add one",
        )


def _column(table: pd.DataFrame, name: str, *, complete: bool = False) -> NDArray[np.float64]:
    """Numbers of a column; NaN where the cell is empty."""
    values = np.full(len(table), np.nan)
    for place, cell in enumerate(table[name]):
        if cell.strip().lower() in ("", "nan", "na", "n/a"):
            value = None
        else:
            value = number(cell)
            if value is None or abs(value) > 1e9:
                row = table.index[place]
                raise ReadError(
                    f"no number in row {row}, column {name!r}", expected="a number or nothing"
                )
        if value is not None:
            values[place] = value
        elif complete:
            raise ReadError(f"nothing in row {table.index[place]}, column {name!r}", expected="a number")
    return values


def _picture_size(path: Path, table: pd.DataFrame) -> tuple[int, int] | None:
    if "width" in table and "height" in table:
        sizes = np.stack([_column(table, "width"), _column(table, "height")], axis=1)
        found = np.unique(sizes[np.isfinite(sizes).all(axis=1)], axis=0)
        if len(found) > 1:
            raise ReadError(f"{len(found)} picture sizes in one walk", expected="one")
        if len(found) == 1:
            return _size(found[0].tolist())
    sidecar = path.with_suffix(".json")
    if sidecar.is_file():
        document = read_json(sidecar, ReadError)
        if isinstance(document, dict) and {"width", "height"} <= document.keys():
            values = [document["width"], document["height"]]
            if not all(type(value) in (int, float) and abs(value) < 1e9 for value in values):
                raise ReadError("a sidecar whose width or height is no number", expected="pixels")
            return _size(values)
    return None


def _in_pixels(
    positions: NDArray[np.float64], confidence: NDArray[np.float64], size_px: tuple[int, int] | None
) -> NDArray[np.float64]:
    seen = positions[np.isfinite(positions).all(axis=-1) & (confidence > 0)]
    if len(seen) == 0:
        return positions
    share = float(((seen >= -0.5) & (seen <= 1.5)).mean())
    if share < 0.1:
        return positions
    if share < 0.9:
        raise ReadError(
            f"{share:.0%} of the coordinates look normalised and the rest like pixels",
            expected="one or the other",
        )
    if size_px is None:
        raise ReadError(
            "normalised coordinates of a picture of unknown size",
            expected="its width and height in pixels",
            remedy="Add columns width and height to the table or the manifest",
        )
    return positions * np.array(size_px, dtype=np.float64)
