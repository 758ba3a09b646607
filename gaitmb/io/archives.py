"""Arrays from NumPy archives nobody vouches for: plain numbers of a bounded size, or refused."""

from __future__ import annotations

import contextlib
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gaitmb.errors import ReadError

__all__ = ["MAX_FRAMES", "array_names", "as_numbers", "open_archive", "read_array"]

#: Longest walk that is read, in frames: nearly two hours at 30 Hz.
MAX_FRAMES = 200_000
#: Largest array that is read from an archive: `MAX_FRAMES` of 33 joints in 3D, as float64.
_MAX_ARRAY_BYTES = MAX_FRAMES * 33 * 3 * 8

#: What zipfile and the decompressors raise at damage, encryption and methods they do not know.
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, NotImplementedError,
    RuntimeError, ValueError, OverflowError, MemoryError,
)  # fmt: skip


@contextlib.contextmanager
def open_archive(file: Path | IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """Open a NumPy archive.

    Parameters
    ----------
    file
        Path or open binary file.

    Raises
    ------
    ReadError
        It cannot be opened, or is no complete archive.

    Examples
    --------
    >>> file = io.BytesIO()
    >>> np.savez(file, walk=np.zeros((2, 17, 3)))
    >>> with open_archive(file) as archive:
    ...     array_names(archive), read_array(archive, "walk", "the walk").shape
    (['walk'], (2, 17, 3))
    """
    try:
        archive = zipfile.ZipFile(file)
    except _DAMAGE as error:
        raise _incomplete() from error
    except OSError as error:
        raise ReadError("the file cannot be opened", remedy="Check that it is there") from error
    with archive:
        yield archive


def _incomplete() -> ReadError:
    return ReadError(
        "the file is no complete NumPy archive",
        expected="an .npz as numpy.savez writes it",
        remedy="Write or copy it again",
    )


def array_names(archive: zipfile.ZipFile) -> list[str]:
    """Names of the arrays in an archive, in its order."""
    names = archive.namelist()
    return [name.removesuffix(".npy") for name in names if name.endswith(".npy")]


def read_array(archive: zipfile.ZipFile, name: str, what: str) -> NDArray[Any]:
    """One array of an archive, without ever running what a pickle says.

    Parameters
    ----------
    archive
        As :func:`open_archive` gives it.
    name
        The array's.
    what
        How an error calls it: a name may hold a participant's identity.

    Raises
    ------
    ReadError
        It is not there, larger than the longest walk, damaged, or holds pickled objects.
    """
    member = f"{name}.npy"
    if member not in archive.namelist():
        raise ReadError(f"the archive does not hold {what}", expected="all arrays of its form")
    if archive.getinfo(member).file_size > _MAX_ARRAY_BYTES:
        raise ReadError(f"{what} is too large", expected=f"at most {MAX_FRAMES} frames")
    try:
        content = archive.read(member)
    except (*_DAMAGE, OSError) as error:
        raise _incomplete() from error
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, TypeError, EOFError, MemoryError, OverflowError, SyntaxError) as error:
        raise ReadError(
            f"{what} is damaged, or holds pickled objects",
            expected="plain numbers or text",
            remedy="Write it as a plain array",
        ) from error
    if not isinstance(array, np.ndarray):
        raise ReadError(f"{what} is no array", expected="an array as numpy.savez writes it")
    return array


def as_numbers(array: NDArray[Any], name: str, *, ndim: int | None = None) -> NDArray[np.float64]:
    """An array of integers or floats as float64.

    Parameters
    ----------
    array
        Any array.
    name
        What it is, for the error's text.
    ndim
        Number of axes it has to have; None for any.

    Raises
    ------
    ReadError
        It holds something else, or has other axes.
    """
    if array.dtype.kind not in "fiu" or (ndim is not None and array.ndim != ndim):
        raise ReadError(
            f"{name} has type {array.dtype} and shape {array.shape}",
            expected="numbers" if ndim is None else f"numbers along {ndim} axis",
        )
    return array.astype(np.float64)
