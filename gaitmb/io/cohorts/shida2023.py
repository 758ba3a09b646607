"""Full-body walks of people with Parkinson's disease, ON and OFF medication (Shida 2023).

C3D files ``SUBnn_{on,off}_walk_k.c3d`` at 150 Hz and an information sheet ``PDGinfo`` with the rating of
item 3.10 in each state; read by :mod:`gaitmb.io.mocap`. Somebody without a rating is predicted, not
scored.
"""

from __future__ import annotations

import importlib
import io
import math
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from gaitmb.data.cohort import UPDRS_GAIT, Cohort
from gaitmb.data.pose import PoseSequence
from gaitmb.data.walk import Walk, WalkId
from gaitmb.errors import ManifestError, MissingExtraError, ReadError
from gaitmb.io.cohorts import CohortListing, CohortReader
from gaitmb.io.mocap import read_c3d

__all__ = ["READER"]

_FILE = re.compile(r"SUB(\d+)_(on|off)_walk_(\d+)\.c3d", re.IGNORECASE)

_RATINGS = {"on": "ON - UPDRS-III - walking", "off": "OFF - UPDRS-III - walking"}

_NOT_RATED = ("", "-", "–", "na", "n/a", "nan", "none")


def list_walks(path: Path | None) -> CohortListing:
    """List the walks of a folder that holds the C3D files, in folders or not, and the sheet.

    Raises
    ------
    ManifestError
        There is no such folder, file or sheet, a column is lacking, or a rating is not on the scale.
    MissingExtraError
        The sheet is a spreadsheet, and what reads those is not installed.
    """
    if path is None or not path.is_dir():
        raise ManifestError("no folder of the Shida 2023 data", expected="shida2023:FOLDER")
    found = [
        (match.groups(), file)
        for file in path.rglob("*")
        if (match := _FILE.fullmatch(file.name)) and file.is_file()
    ]
    if not found:
        raise ManifestError("a folder without its walks", expected="SUB01_off_walk_1.c3d and others")
    people = _people(path)
    walks = []
    for (number, state, run), file in sorted(found):
        person = people.get(int(number), {})
        state = state.lower()
        height_cm, age = _number(person.get("Height (cm)", "")), _number(person.get("Age", ""))
        sex = person.get("Gender", "")[:1].upper()
        walks.append(
            Walk(
                WalkId(f"SUB{int(number):02d}", state, str(int(run))),
                "shida2023",
                path=file,
                rating=_rating(person.get(_RATINGS[state], "")),
                medication=state,
                height_m=height_cm / 100 if height_cm else None,
                dataset="shida2023",
                sex=sex if sex in ("M", "F") else None,
                age=age,
            )
        )
    return CohortListing(
        Cohort("shida2023", walks, UPDRS_GAIT, licence=READER.licence, citation=READER.citation)
    )


def _people(path: Path) -> dict[int, Mapping[str, str]]:
    """Rows of the information sheet by the number in their ID; cells as text, blank where empty."""
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
    table = _table(sheets[0])
    table.columns = [re.sub(r"\s+", " ", str(column)).strip() for column in table.columns]
    lacking = [column for column in ("ID", *_RATINGS.values()) if column not in table.columns]
    if lacking:
        raise ManifestError(f"an information sheet without {', '.join(map(repr, lacking))}")
    people: dict[int, Mapping[str, str]] = {}
    for row in table.to_dict("records"):
        cells = {str(column): str(cell).strip() for column, cell in row.items()}
        number = re.fullmatch(r"\D*(\d+)(\.0*)?", cells["ID"])
        if number is None:
            continue
        if int(number[1]) in people:
            raise ManifestError("an information sheet with one ID twice", expected="a row for each")
        people[int(number[1])] = cells
    return people


def _table(sheet: Path) -> pd.DataFrame:
    if sheet.suffix.lower() == ".xlsx":
        try:
            importlib.import_module("openpyxl")
        except ImportError as error:
            raise MissingExtraError("an information sheet as .xlsx", "excel") from error
        try:
            return pd.read_excel(sheet, dtype=str, keep_default_na=False, engine="openpyxl")
        except Exception as error:  # a damaged spreadsheet fails in whatever part comes first
            raise ManifestError(
                "an information sheet that cannot be read", remedy="Save it as CSV"
            ) from error
    try:
        data = sheet.read_bytes()
        encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        text = data.decode(encoding, "replace")
        separator = max(",;\t", key=text.partition("\n")[0].count)
        return pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise ManifestError(
            "an information sheet that is no table", remedy="Save it as CSV, with commas"
        ) from error


def _rating(cell: str) -> str | None:
    if cell.lower() in _NOT_RATED:
        return None
    value = _number(cell)
    if value is None or not value.is_integer() or str(int(value)) not in UPDRS_GAIT.classes:
        raise ManifestError(
            f"a rating of {cell[:12]!r} in the information sheet", expected="0 to 4, or a blank"
        )
    return str(int(value))


def _number(cell: str) -> float | None:
    try:
        value = float(cell.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


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
