"""Poses of one walk in files of numbers: gaitmb's own form, H36M-17 arrays and BlazePose tables."""

from __future__ import annotations

import contextlib
import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gaitmb.data.pose import CoordinateSystem, PoseSequence
from gaitmb.data.skeleton import SKELETONS
from gaitmb.errors import ReadError

__all__ = ["read_pose", "write_pose"]

#: Longest walk that is read, in frames: nearly two hours at 30 Hz.
MAX_FRAMES = 200_000
#: Largest array that is read from an archive: `MAX_FRAMES` of 33 joints in 3D, as float64.
_MAX_ARRAY_BYTES = MAX_FRAMES * 33 * 3 * 8


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
    with _archive(file) as archive:
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


@contextlib.contextmanager
def _archive(file: Path | IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """Open a NumPy archive; whatever is wrong with it is a ReadError."""
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ReadError(
            "the file is no complete NumPy archive",
            expected="an .npz as numpy.savez writes it",
            remedy="Write or copy it again",
        ) from error
    except OSError as error:
        raise ReadError("the file cannot be opened", remedy="Check that it is there") from error


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """One array of an archive, without ever running what a pickle says."""
    member = f"{name}.npy"
    if member not in archive.namelist():
        raise ReadError(f"the archive has no array {name!r}", expected="all arrays of its form")
    if archive.getinfo(member).file_size > _MAX_ARRAY_BYTES:
        raise ReadError(f"the array {name!r} is too large", expected=f"at most {MAX_FRAMES} frames")
    try:
        array = np.load(io.BytesIO(archive.read(member)), allow_pickle=False)
    except (ValueError, TypeError, MemoryError, OverflowError, SyntaxError) as error:
        raise ReadError(
            f"the array {name!r} is damaged or a pickled object",
            expected="plain numbers or text",
            remedy="Write it as a plain array",
        ) from error
    if not isinstance(array, np.ndarray):
        raise ReadError(f"{name!r} is no array", expected="an array as numpy.savez writes it")
    return array


def _numbers(array: NDArray[Any], name: str, *, ndim: int | None = None) -> NDArray[np.float64]:
    if array.dtype.kind not in "fiu" or (ndim is not None and array.ndim != ndim):
        raise ReadError(
            f"{name!r} has type {array.dtype} and shape {array.shape}",
            expected="numbers" if ndim is None else f"numbers along {ndim} axis",
        )
    return array.astype(np.float64)
