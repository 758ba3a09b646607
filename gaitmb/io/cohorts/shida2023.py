"""Full-body walks of people with Parkinson's disease, ON and OFF medication (Shida 2023).

C3D files ``SUBnn_{on,off}_walk_k.c3d`` at 150 Hz and an information sheet ``PDGinfo`` with the rating of
item 3.10 in each state; read by :mod:`gaitmb.io.mocap`. Somebody without a rating is predicted, not
scored. C3D files named otherwise, as those of standing, are no walks.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gaitmb.data.cohort import UPDRS_GAIT, Cohort
from gaitmb.data.pose import PoseSequence
from gaitmb.data.walk import Failure, Walk, WalkId
from gaitmb.errors import ManifestError, MissingExtraError, ReadError
from gaitmb.io.cohorts import CohortListing, CohortReader
from gaitmb.io.mocap import read_c3d
from gaitmb.io.textfiles import Table, number, read_table

__all__ = ["READER"]

_FILE = re.compile(r"SUB(\d+)_(on|off)_walk_(\d+)\.c3d", re.IGNORECASE)

_RATINGS = {"on": "ON - UPDRS-III - walking", "off": "OFF - UPDRS-III - walking"}

_NOT_RATED = ("", "-", "–", "na", "n/a", "nan", "none")


@dataclass(frozen=True)
class _Person:
    """Rows of the sheet with one ID, and their cells by column: those of the first."""

    rows: tuple[int, ...]
    cells: Mapping[str, str]


def list_walks(path: Path | None) -> CohortListing:
    r"""List the walks of a folder that holds the C3D files, in folders or not, and the sheet.

    Somebody who is not in the sheet is unrated. The walks that a rating off the scale belongs to, those
    of somebody who is in the sheet twice, and the second file of a walk become failures, and so does a
    row of the sheet whose cells are not as many as its header's.

    Raises
    ------
    ManifestError
        There is no such folder, file or sheet, or the sheet is no table or lacks a column.
    MissingExtraError
        The sheet is a spreadsheet, and what reads those is not installed.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "SUB01_off_walk_1.c3d").touch()
    >>> (folder / "SUB02_off_walk_1.c3d").touch()
    >>> _ = (folder / "PDGinfo.csv").write_text(
    ...     "ID,ON - UPDRS-III - walking,OFF - UPDRS-III - walking\nSUB01,1,2\nSUB02,1,7\n")
    >>> listing = list_walks(folder)
    >>> [(walk.id.key, walk.rating) for walk in listing.cohort.walks]
    [(('SUB01', 'off', '1'), '2')]
    >>> [(failure.row, failure.reason) for failure in listing.failures]
    [(3, 'a rating of 7 in row 3 of the information sheet; expected 0 to 4, or blank')]
    """
    if path is None or not path.is_dir():
        raise ManifestError("no folder of the Shida 2023 data", expected="shida2023:FOLDER")
    found = [
        (int(match[1]), match[2].lower(), int(match[3]), file)
        for file in path.rglob("*")
        if (match := _FILE.fullmatch(file.name)) and file.is_file()
    ]
    if not found:
        raise ManifestError("a folder without its walks", expected="SUB01_off_walk_1.c3d and others")
    people, failures = _people(path)
    walks: dict[WalkId, Walk] = {}
    for participant, state, run, file in sorted(found):
        walk_id = WalkId(f"SUB{participant:02d}", state, str(run))
        person = people.get(participant, _Person((0,), {}))
        rating, problem = _rating(person.cells.get(_RATINGS[state], ""))
        if walk_id in walks:
            failures.append(
                Failure(*walk_id.key, "read", "a second file of the same walk", "Nothing: one is used")
            )
        elif len(person.rows) > 1:
            reason = f"rows {' and '.join(map(str, person.rows))} of the information sheet have one ID"
            advice = "Find out which is right, and remove the others"
            failures.append(Failure(*walk_id.key, "manifest", reason, advice, person.rows[0], "ID"))
        elif problem:
            reason = (
                f"{problem} in row {person.rows[0]} of the information sheet; expected 0 to 4, or blank"
            )
            advice = "Correct the sheet"
            failures.append(
                Failure(*walk_id.key, "manifest", reason, advice, person.rows[0], _RATINGS[state])
            )
        else:
            walks[walk_id] = _walk(walk_id, file, rating, person.cells)
    cohort = Cohort(
        "shida2023", walks.values(), UPDRS_GAIT, licence=READER.licence, citation=READER.citation
    )
    return CohortListing(cohort, tuple(failures))


def _walk(walk_id: WalkId, file: Path, rating: str | None, cells: Mapping[str, str]) -> Walk:
    height_cm = number(cells.get("Height (cm)", ""))
    sex = cells.get("Gender", "")[:1].upper()
    return Walk(
        walk_id,
        "shida2023",
        path=file,
        rating=rating,
        medication=walk_id.session_id,
        height_m=height_cm / 100 if height_cm else None,
        dataset="shida2023",
        sex=sex if sex in ("M", "F") else None,
        age=number(cells.get("Age", "")),
    )


def _people(path: Path) -> tuple[dict[int, _Person], list[Failure]]:
    """Who is in the information sheet by the number in their ID, and the rows that cannot be divided."""
    sheets = sorted(
        file
        for file in path.rglob("*")
        if file.name.lower().startswith("pdginfo") and file.suffix.lower() in (".csv", ".xlsx")
    )
    if not sheets:
        raise ManifestError(
            "a folder without the information sheet",
            expected="PDGinfo.csv or PDGinfo.xlsx",
            remedy="Put it beside the folders of the walks",
        )
    xlsx = sheets[0].suffix.lower() == ".xlsx"
    table = _spreadsheet(sheets[0]) if xlsx else read_table(sheets[0], ManifestError)
    columns = [re.sub(r"\s+", " ", str(column)).strip() for column in table.cells.columns]
    needed = ("ID", *_RATINGS.values())
    if lacking := [column for column in needed if column not in columns]:
        raise ManifestError(f"an information sheet without {', '.join(map(repr, lacking))}")
    if twice := [column for column in needed if columns.count(column) > 1]:
        raise ManifestError(f"an information sheet with {', '.join(map(repr, twice))} twice")
    people: dict[int, _Person] = {}
    for row, record in zip(table.cells.index, table.cells.to_numpy().tolist(), strict=True):
        cells = {column: cell.strip() for column, cell in zip(columns, record, strict=True)}
        participant = re.fullmatch(r"\D*(\d+)(\.0*)?", cells["ID"])
        if participant is not None:
            first = people.get(int(participant[1]), _Person((), cells))
            people[int(participant[1])] = _Person((*first.rows, int(row)), first.cells)
    ragged = [
        Failure(
            "", "", "", "manifest",
            f"row {row} of the information sheet has {n_cells} cells; expected {table.n_columns}",
            "Fill up or quote its cells: until then, whoever is in it counts as unrated", row,
        )
        for row, n_cells in table.ragged.items()
    ]  # fmt: skip
    return people, ragged


def _spreadsheet(sheet: Path) -> Table:
    try:
        importlib.import_module("openpyxl")
    except ImportError as error:
        raise MissingExtraError("an information sheet as .xlsx", "excel") from error
    try:
        cells = pd.read_excel(sheet, dtype=str, keep_default_na=False, engine="openpyxl")
    except Exception as error:  # a damaged spreadsheet fails in whatever part comes first
        raise ManifestError(
            "an information sheet that cannot be read", remedy="Save it as CSV"
        ) from error
    cells.index = pd.RangeIndex(2, 2 + len(cells))
    return Table(cells.astype(str), {}, len(cells.columns))


def _rating(cell: str) -> tuple[str | None, str]:
    """The rating, None without one; and what is wrong with the cell, empty where nothing is."""
    if cell.lower() in _NOT_RATED:
        return None, ""
    value = number(cell)
    if value is None:
        return None, "a rating that is text"
    if not value.is_integer() or str(int(value)) not in UPDRS_GAIT.classes:
        return None, f"a rating of {value:g}"
    return str(int(value)), ""


def load(walk: Walk) -> PoseSequence:
    """Load one walk; see :func:`gaitmb.io.mocap.read_c3d`.

    Raises
    ------
    ReadError
        It cannot be opened, is damaged, or holds other markers.
    """
    if walk.path is None:
        raise ReadError("a walk without a file", expected="a C3D file")
    return read_c3d(walk.path)


READER = CohortReader(
    name="shida2023",
    title="Full-body kinematics of walking in Parkinson's disease, ON and OFF (C3D, 150 Hz)",
    licence="CC BY 4.0",
    citation="Shida TKF, Costa TM, de Oliveira CEN, et al. A public data set of walking full-body "
    "kinematics and kinetics in individuals with Parkinson's disease. Frontiers in Neuroscience, 2023, "
    "17:992585. doi 10.3389/fnins.2023.992585",
    needs_path=True,
    list_walks=list_walks,
    load=load,
)
