"""Tables and JSON from files nobody vouches for: read rightly or refused with a reason.

Nothing is guessed that could be guessed wrongly. Text is UTF-8, or UTF-16 and UTF-32 where the bytes say
so; a single-byte encoding is refused, because Windows-1252, 1250 and Mac Roman cannot be told apart and
a wrong letter in an identity makes another participant.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gaitmb.errors import GaitmbError

__all__ = ["Table", "number", "read_json", "read_table"]

_MAX_TABLE_BYTES = 1 << 30
_MAX_JSON_BYTES = 1 << 29
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATORS = (",", ";", "\t")
_OTHER_FORMATS = {b"PK\x03\x04": "a spreadsheet or archive", b"\xd0\xcf\x11\xe0": "a spreadsheet"}
_NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, eq=False)
class Table:
    """Cells as text.

    Parameters
    ----------
    cells
        One column per named column of the file, indexed by the row a spreadsheet shows (the header is
        row 1, blank lines count); cells are as they stand, blanks included, and empty where missing.
    ragged
        Rows with fewer or more cells than the header, and how many; they are not in `cells`.
    n_columns
        Number of cells in the header.
    """

    cells: pd.DataFrame
    ragged: dict[int, int]
    n_columns: int


def number(text: str) -> float | None:
    """A number with a decimal point or comma; None where the text is none.

    Examples
    --------
    >>> number("1,75"), number(" 30 "), number("1.234,5"), number("nan")
    (1.75, 30.0, None, None)
    """
    text = text.strip()
    value = float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else float("nan")
    return value if np.isfinite(value) else None


def _content(path: Path, limit: int, refuse: type[GaitmbError]) -> bytes:
    try:
        if not path.is_file():
            raise refuse("there is no such file", expected="a file", remedy="Check the path")
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise refuse("the file cannot be opened", remedy="Check the path and its permissions") from error
    if len(content) > limit:
        raise refuse(f"the file is larger than {limit >> 20} MiB", remedy="Split it")
    if not content.strip():
        raise refuse("the file is empty", remedy="Write or copy it again")
    return content


def _decode(content: bytes, refuse: type[GaitmbError]) -> str:
    encoding = next((name for bom, name in _BOMS if content.startswith(bom)), None)
    if encoding is None:
        # Latin text in UTF-16 without its mark has nearly every second byte zero.
        head = content[: min(4096, len(content) // 2 * 2)]
        zeros = {"utf-16-be": head[0::2].count(0), "utf-16-le": head[1::2].count(0)}
        likely = max(zeros, key=lambda name: zeros[name])
        encoding = likely if zeros[likely] * 4 > len(head) else "utf-8"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise refuse(
            f"row {row} is not {encoding.upper()}",
            expected="text in UTF-8 or UTF-16",
            remedy="Save it again as 'CSV UTF-8'",
        ) from error
    if "\0" in text:
        raise refuse("the file holds zero bytes", expected="text in UTF-8 or UTF-16")
    return text


def read_table(path: Path, refuse: type[GaitmbError]) -> Table:
    """Read a CSV, TSV or Parquet file as text.

    The separator is comma, semicolon or tab, whichever divides the header into most cells. Columns
    without a name are left out when they are empty, or when they are the first (an index).

    Parameters
    ----------
    path
        The file; ``.parquet`` and ``.pq`` are Parquet, all else is text.
    refuse
        The error to raise.

    Raises
    ------
    GaitmbError
        As `refuse`: there is no such file, it is no table, or it cannot be decoded.
    """
    content = _content(path, _MAX_TABLE_BYTES, refuse)
    if path.suffix.lower() in (".parquet", ".pq"):
        return _parquet(content, refuse)
    for magic, what in _OTHER_FORMATS.items():
        if content.startswith(magic):
            raise refuse(f"the file is {what}", expected="CSV or Parquet", remedy="Save it as CSV UTF-8")
    text = _decode(content, refuse)
    first_row = 1
    declared = re.match(r"sep=(.)\r?\n", text)  # Excel's own way to say it
    if declared:
        text, first_row = text[declared.end() :], 2
    head = text.lstrip("\r\n").partition("\n")[0]
    counts = {separator: len(_records(head, separator, refuse)[0]) for separator in _SEPARATORS}
    separator = declared[1] if declared else max(_SEPARATORS, key=lambda found: counts[found])
    records = [
        (row, record)
        for row, record in enumerate(_records(text, separator, refuse), first_row)
        if any(cell.strip() for cell in record)
    ]
    header = [name.strip() for name in records[0][1]]
    while header and not header[-1]:
        header.pop()
    ragged: dict[int, int] = {}
    rows: list[int] = []
    cells: list[list[str]] = []
    for row, record in records[1:]:
        if len(record) < len(header) or any(cell.strip() for cell in record[len(header) :]):
            ragged[row] = len(record)
        else:
            rows.append(row)
            cells.append(record[: len(header)])
    frame = pd.DataFrame(cells, index=pd.Index(rows), columns=pd.Index(header), dtype=object)
    return Table(_named(frame, refuse), ragged, len(header))


def _records(text: str, separator: str, refuse: type[GaitmbError]) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise refuse(
            f"the table cannot be divided into cells ({error})",
            expected="CSV with every opened quote closed",
            remedy="Look for a single quotation mark",
        ) from error


def _parquet(content: bytes, refuse: type[GaitmbError]) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(content))
        columns = [_cell_texts(column.to_pylist()) for column in table.columns]
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise refuse("the file is no complete Parquet table", remedy="Write or copy it again") from error
    header = [name.strip() for name in table.column_names]
    frame = pd.DataFrame(dict(enumerate(columns)), dtype=object)
    frame.index = pd.RangeIndex(2, 2 + table.num_rows)
    frame.columns = pd.Index(header)
    return Table(_named(frame, refuse), {}, len(header))


def _cell_texts(values: list[Any]) -> list[str]:
    """Numbers that a spreadsheet turned into floats are whole again where the whole column is."""
    whole = all(value.is_integer() for value in values if isinstance(value, float) and value == value)
    return [
        ""
        if value is None or value != value
        else str(int(value))
        if whole and isinstance(value, float)
        else str(value)
        for value in values
    ]


def _named(frame: pd.DataFrame, refuse: type[GaitmbError]) -> pd.DataFrame:
    names = list(frame.columns)
    empty = [
        not name and (number_ == 0 or not frame.iloc[:, number_].str.strip().any())
        for number_, name in enumerate(names)
    ]
    frame = frame.loc[:, ~np.array(empty, dtype=bool)]
    if "" in frame.columns:
        raise refuse("a column has values but no name", remedy="Name it in the header")
    if not frame.columns.is_unique:
        twice = int(frame.columns.duplicated().sum())
        raise refuse(
            f"{twice} column names stand in the header twice",
            expected="each name once",
            remedy="Rename or remove one of each",
        )
    return frame


def read_json(path: Path, refuse: type[GaitmbError]) -> Any:
    """Parse JSON strictly: no NaN or infinity, no key twice in an object, nothing after its end.

    Raises
    ------
    GaitmbError
        As `refuse`: there is no such file, or it is not strict JSON.
    """
    content = _content(path, _MAX_JSON_BYTES, refuse)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise refuse("an object of the JSON has a key twice", remedy="Write it again")
        return found

    def constant(name: str) -> None:
        raise refuse(
            f"the JSON holds {name}",
            expected="finite numbers",
            remedy="Leave the keypoint out, as 0,0,0",
        )

    try:
        return json.loads(_decode(content, refuse), object_pairs_hook=unique, parse_constant=constant)
    except RecursionError as error:
        raise refuse("the JSON is nested too deeply", expected="a list of keypoints") from error
    except ValueError as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise refuse(f"the file is no complete JSON{where}", remedy="Write or copy it again") from error
