"""C3D: from the bytes of a motion capture file to named points over time.

Written out here rather than left to a library because damaged files reach this code, and the usual
reader ends the process on some of them. The format is that of the C3D user guide (c3d.org): blocks of
512 bytes; a header, a section of parameters in groups, then frames of points and analog samples.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gaitmb.errors import ReadError

__all__ = ["Points", "parse_c3d"]

_BLOCK = 512
_MAGIC = 0x50
_INTEL, _DEC, _MIPS = 84, 85, 86

# Millimetres; a point farther away than a kilometre is a damaged number.
_FARTHEST_MM = 1e6

_MM_PER_UNIT = {"mm": 1.0, "cm": 10.0, "m": 1000.0}


@dataclass(frozen=True)
class Points:
    """Named points over time, in the axes of the laboratory.

    Parameters
    ----------
    names
        As the file spells them.
    position_mm
        Shape ``(T, P, 3)``; NaN where missing.
    time_s
        Shape ``(T,)``.
    """

    names: tuple[str, ...]
    position_mm: NDArray[np.float64]
    time_s: NDArray[np.float64]


def mm_per_unit(unit: str) -> float:
    """Millimetres in a unit of length as motion capture files spell it; empty counts as mm.

    Raises
    ------
    ReadError
        It is not mm, cm or m.

    Examples
    --------
    >>> mm_per_unit("m"), mm_per_unit("")
    (1000.0, 1.0)
    """
    unit = unit.strip().lower() or "mm"
    if unit not in _MM_PER_UNIT:
        raise ReadError(f"lengths in {unit[:12]!r}", expected="mm, cm or m")
    return _MM_PER_UNIT[unit]


def without_absent(position_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positions ``(T, P, 3)`` with NaN for points not seen: without a number, or at exactly 0, 0, 0."""
    with np.errstate(invalid="ignore"):
        absent = ~(np.abs(position_mm) <= _FARTHEST_MM).all(axis=-1) | (position_mm == 0).all(axis=-1)
    return np.where(absent[..., None], np.nan, position_mm)


def parse_c3d(data: bytes) -> Points:
    """Read the points of a C3D file.

    Parameters
    ----------
    data
        The whole file. Integer and real data of Intel, DEC and MIPS machines are read.

    Returns
    -------
    All its points; one at exactly 0, 0, 0, with a negative residual or without a number is missing.

    Raises
    ------
    ReadError
        It is no C3D file, or a damaged or truncated one.
    """
    try:
        return _parse(data)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise ReadError("a damaged C3D file", expected="a header and parameters that agree") from error


def _parse(data: bytes) -> Points:
    if len(data) < _BLOCK or data[1] != _MAGIC:
        raise ReadError(
            f"a file of {len(data)} bytes that does not begin as C3D does",
            expected="a C3D file",
            remedy="Export the trial again",
        )
    section = (data[0] - 1) * _BLOCK
    machine = data[section + 3] if 0 < section <= len(data) - 4 else 0
    if machine not in (_INTEL, _DEC, _MIPS):
        raise ReadError("a C3D file without its parameters", expected="a whole C3D file")
    order = ">" if machine == _MIPS else "<"
    n_points, n_analog, first, last = struct.unpack_from(f"{order}4H", data, 2)
    (start_block,) = struct.unpack_from(f"{order}H", data, 16)
    scale, rate_hz = (_real(data[at : at + 4], machine) for at in (12, 20))
    parameters = _parameters(data, section, order, machine)

    n_points = int(_first_number(parameters, "POINT:USED", n_points)) % 65536
    rate_hz = _first_number(parameters, "POINT:RATE", rate_hz)
    scale = _first_number(parameters, "POINT:SCALE", scale)
    start_block = int(_first_number(parameters, "POINT:DATA_START", start_block)) % 65536
    n_frames = _number_of_frames(parameters, first, last)
    names = _labels(parameters)
    if not (10 <= rate_hz <= 10000) or n_points < 1 or n_frames < 1 or start_block < 2:
        raise ReadError(
            f"a C3D file of {n_points} points, {n_frames} frames and {rate_hz:g} Hz",
            expected="at least one point and frame, at 10 Hz or more",
        )
    if len(names) < n_points:
        raise ReadError(f"{len(names)} names for {n_points} points", expected="a name for each point")

    start = (start_block - 1) * _BLOCK
    word = np.dtype(f"{order}f4") if scale < 0 else np.dtype(f"{order}i2")
    words = n_points * 4 + n_analog
    whole = (len(data) - start) // (words * word.itemsize)
    if whole < n_frames:
        raise ReadError(
            f"a C3D file that ends after {max(whole, 0)} of {n_frames} frames",
            expected="a whole file",
            remedy="Copy or export it again",
        )
    table = np.frombuffer(data, word, n_frames * words, start).reshape(n_frames, words)
    points = _as_float(table[:, : n_points * 4], machine).reshape(n_frames, n_points, 4)
    factor = 1.0 if scale < 0 else scale
    position_mm = points[..., :3] * (factor * mm_per_unit(_text(parameters, "POINT:UNITS")))
    position_mm[~(points[..., 3] >= 0)] = np.nan
    return Points(names[:n_points], without_absent(position_mm), np.arange(n_frames) / rate_hz)


def _number_of_frames(parameters: Mapping[str, object], first: int, last: int) -> int:
    """Frames from the header, or from the parameters where its 16 bits are too few."""
    n_frames = last - first + 1
    ends = [parameters.get(f"TRIAL:ACTUAL_{end}_FIELD") for end in ("START", "END")]
    if last == 65535 and all(isinstance(end, np.ndarray) and end.size == 2 for end in ends):
        # Two 16-bit words each, the lower first.
        numbers = [int(end[0]) % 65536 + 65536 * (int(end[1]) % 65536) for end in ends]  # type: ignore[index]
        n_frames = numbers[1] - numbers[0] + 1
    elif last == 65535:
        n_frames = max(n_frames, int(_first_number(parameters, "POINT:FRAMES", n_frames)) % 2**24)
    return n_frames


def _parameters(data: bytes, section: int, order: str, machine: int) -> dict[str, object]:
    """All parameters as ``GROUP:NAME`` to an array of numbers or a list of texts."""
    groups: dict[int, str] = {}
    found: list[tuple[int, str, object]] = []
    at, end = section + 4, min(section + data[section + 2] * _BLOCK, len(data))
    if end <= at:
        # Some writers leave the number of blocks at 0; the chain of offsets ends by itself.
        end = len(data)
    while at + 2 <= end and data[at] != 0:
        length, group = struct.unpack_from("bb", data, at)
        name_end = at + 2 + abs(length)
        name = data[at + 2 : name_end].decode("latin-1").upper()
        (offset,) = struct.unpack_from(f"{order}H", data, name_end)
        if group < 0:
            groups[-group] = name
        else:
            found.append((group, name, _value(data, name_end + 2, order, machine)))
        if offset == 0:
            break
        at = name_end + offset
    return {f"{groups.get(group, '')}:{name}": value for group, name, value in found}


def _value(data: bytes, at: int, order: str, machine: int) -> object:
    kind, n_dims = struct.unpack_from("bB", data, at)
    if kind not in (-1, 1, 2, 4) or n_dims > 7:
        raise ValueError("no such type of parameter")
    dims = list(data[at + 2 : at + 2 + n_dims])
    start = at + 2 + n_dims
    count = int(np.prod(dims, dtype=np.int64))
    raw = data[start : start + count * abs(kind)]
    if len(raw) < count * abs(kind):
        raise ValueError("a parameter reaches beyond the file")
    if kind == -1:
        width = dims[0] if dims else 1
        texts = [raw[n : n + width] for n in range(0, len(raw), width or 1)]
        return [text.decode("utf-8", "replace").strip(" \0") for text in texts]
    if kind == 4:
        return _as_float(np.frombuffer(raw, f"{order}f4"), machine)
    return np.frombuffer(raw, "i1" if kind == 1 else f"{order}i2").astype(np.float64)


def _labels(parameters: Mapping[str, object]) -> tuple[str, ...]:
    """Names of the points; beyond 255 they go on in LABELS2, LABELS3 and so on."""
    names: list[str] = []
    for number in ("", *range(2, 258)):
        more = parameters.get(f"POINT:LABELS{number}")
        if not isinstance(more, list):
            break
        names += more
    return tuple(names)


def _first_number(parameters: Mapping[str, object], name: str, otherwise: float) -> float:
    value = parameters.get(name)
    if isinstance(value, np.ndarray) and value.size and np.isfinite(value.flat[0]):
        return float(value.flat[0])
    return otherwise


def _text(parameters: Mapping[str, object], name: str) -> str:
    value = parameters.get(name)
    return str(value[0]) if isinstance(value, list) and value else ""


def _real(raw: bytes, machine: int) -> float:
    order = ">" if machine == _MIPS else "<"
    return float(_as_float(np.frombuffer(raw, f"{order}f4"), machine)[0])


def _as_float(words: NDArray[np.generic], machine: int) -> NDArray[np.float64]:
    """Numbers as float64; DEC's reals have their halves exchanged and stand for a quarter."""
    with np.errstate(all="ignore"):
        if machine == _DEC and words.dtype.kind == "f":
            halves = np.ascontiguousarray(words).view("<u2").reshape(*words.shape, 2)
            swapped = np.ascontiguousarray(halves[..., ::-1]).view("<f4").reshape(words.shape)
            return swapped.astype(np.float64) / 4
        return words.astype(np.float64)
