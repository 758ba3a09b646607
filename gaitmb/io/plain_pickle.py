"""Pickles that hold data and nothing else: a reader that runs no code of the file.

A pickle is a program that may call whatever can be imported. Here every name in it stands for a function
of this module or is refused, and arrays are made from their bytes by NumPy's checked functions, never by
restoring the state of an object.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from gaitmb.errors import ReadError

__all__ = ["read_plain_pickle"]

_KINDS = "biufcSU"


class _Dtype:
    """A dtype on its way: its name, and the byte order that its state brings."""

    def __init__(self, name: str, align: bool = False, copy: bool = False) -> None:
        self.dtype = np.dtype(str(name))
        if self.dtype.kind not in _KINDS + "O" or self.dtype.names:
            raise ValueError("a structured dtype")

    def __setstate__(self, state: tuple[object, ...]) -> None:
        order = state[1]
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """An array on its way: filled when its state comes."""

    value: object = None

    def __setstate__(self, state: tuple[object, ...]) -> None:
        _, shape, dtype, fortran, data = state
        if isinstance(data, list):
            self.value = data
        else:
            self.value = _from_bytes(data, dtype, shape, "F" if fortran else "C")


def _from_bytes(data: object, dtype: object, shape: object, order: str) -> object:
    if not isinstance(dtype, _Dtype) or not isinstance(data, (bytes, bytearray)):
        raise TypeError("an array that is not made of bytes")
    lengths = tuple(int(n) for n in shape)  # type: ignore[attr-defined]
    flat = np.frombuffer(bytes(data), dtype.dtype)
    return flat.reshape(lengths, order="F" if order == "F" else "C")


def _scalar(dtype: object, data: bytes) -> object:
    return _from_bytes(data, dtype, (), "C")


def _encoded(text: str, encoding: str) -> bytes:
    """Bytes as old protocols spell them."""
    return str(text).encode("latin-1" if encoding in ("latin1", "latin-1") else "ascii")


def _no_bytes() -> bytes:
    return b""


class _Name:
    """A name that a pickle may mention, never call."""


def _of_numpy(module: str) -> dict[tuple[str, str], object]:
    return {
        (f"numpy.{module}.multiarray", "_reconstruct"): lambda *_: _Array(),
        (f"numpy.{module}.multiarray", "scalar"): _scalar,
        (f"numpy.{module}.numeric", "_frombuffer"): _from_bytes,
    }


_ALLOWED: Mapping[tuple[str, str], object] = MappingProxyType(
    {
        **_of_numpy("core"),
        **_of_numpy("_core"),
        ("numpy", "ndarray"): _Name(),
        ("numpy", "dtype"): _Dtype,
        ("_codecs", "encode"): _encoded,
        ("__builtin__", "bytes"): _no_bytes,
        ("collections", "OrderedDict"): dict,
    }
)


class _Refused(pickle.UnpicklingError):
    """A pickle asks for something else than data."""


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., object]:
        if (module, name) not in _ALLOWED:
            raise _Refused(f"{module}.{name}"[:60])
        return _ALLOWED[module, name]  # type: ignore[return-value]  # one is never called


def read_plain_pickle(path: Path) -> object:
    """Read a pickle made of dicts, lists, tuples, texts, numbers and NumPy arrays.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    What it holds; NumPy scalars as arrays without dimensions, arrays of objects as lists. Arrays are
    read-only.

    Raises
    ------
    ReadError
        It cannot be opened, is damaged, or asks for anything else; nothing of it has then been run.
    """
    try:
        with path.open("rb") as file:
            return _plain(_PlainUnpickler(file).load())
    except _Refused as error:
        raise ReadError(
            f"a pickle that asks for {str(error)!r}",
            expected="numbers, texts, lists, dicts and NumPy arrays",
            remedy="Do not open it otherwise unless you trust who made it",
        ) from None
    except OSError as error:
        raise ReadError("a file that cannot be opened", expected="a readable file") from error
    except Exception as error:  # a damaged pickle fails in whatever instruction comes first
        raise ReadError("a damaged file, or no pickle", expected="a pickle") from error


def _plain(value: object) -> object:
    if isinstance(value, _Array):
        return _plain(value.value)
    if isinstance(value, dict):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _key(key: object) -> object:
    return key.item() if isinstance(key, np.ndarray) and key.ndim == 0 else key
