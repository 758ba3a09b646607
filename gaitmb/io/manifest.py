"""Manifests: a cohort of one's own as a table with one row per walk.

Every problem of every row is reported at once, by row and column; the rows without one go on. Reasons
name rows, never identities or paths, because they end up on terminals.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd

from gaitmb.data.cohort import UPDRS_GAIT, Cohort
from gaitmb.data.pose import PoseSequence
from gaitmb.data.skeleton import SKELETONS
from gaitmb.data.walk import MEDICATIONS, Failure, Walk, WalkId
from gaitmb.errors import ManifestError, ReadError
from gaitmb.io import recordings
from gaitmb.io.cohorts import CohortListing, CohortReader
from gaitmb.io.textfiles import number, read_table

__all__ = ["COLUMNS", "READER", "REQUIRED_COLUMNS", "list_walks", "load"]

REQUIRED_COLUMNS = ("participant_id", "session_id", "walk_id", "path", "rating")
_IDS = REQUIRED_COLUMNS[:3]
#: What BIDS and pandas write for nothing; an empty cell means the same.
_NOTHING = ("na", "n/a", "nan")


class _Problem(NamedTuple):
    column: str
    reason: str
    what_to_do: str


# --- Cells: what is wrong with one, as (reason, what to do), or None -----------------------------------

_Verdict = tuple[str, str] | None
_Rows = dict[int, dict[str, str]]  # row of the spreadsheet -> column -> cell
_Problems = dict[int, list["_Problem"]]


def _check_id(cell: str) -> _Verdict:
    if not cell.strip():
        return "the identity is blank", "Fill it in"
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in cell.strip()):
        return "the identity holds a control character", "Type it again"
    return None


def _check_rating(cell: str) -> _Verdict:
    text = cell.strip()
    if cell and not text:
        return "the rating is blank", "Leave the cell empty or write n/a where the walk was not rated"
    if text.lower() in ("", *_NOTHING):
        return None
    value = number(text)
    if value is None:
        return "the rating is text; expected 0, 1, 2, 3 or 4", "Write the item's score alone"
    if value != int(value):
        return f"a rating of {value:g}; expected a whole number from 0 to 4", "Write what was rated"
    if str(int(value)) not in UPDRS_GAIT.classes:
        return f"a rating of {value:g}; expected 0, 1, 2, 3 or 4", "Write the score of item 3.10"
    return None


def _check_medication(cell: str) -> _Verdict:
    if cell.strip().lower() in ("", *_NOTHING, *MEDICATIONS):
        return None
    return "an unknown medication state; expected on, off or na", "Write one of them"


def _skeleton_name(cell: str) -> str:
    return re.sub(r"[^a-z0-9]", "", cell.lower())


def _check_skeleton(cell: str) -> _Verdict:
    name = _skeleton_name(cell)
    if cell.strip().lower() in ("", *_NOTHING) or name in SKELETONS:
        return None
    near = difflib.get_close_matches(name, list(SKELETONS), n=1, cutoff=0.5)
    advice = f"Did you mean {near[0]}?" if near else "Leave it empty where the file says it"
    return f"an unknown skeleton; expected one of {', '.join(SKELETONS)}", advice


def _between(low: float, high: float, unit: str, *, whole: bool = False) -> Callable[[str], _Verdict]:
    def check(cell: str) -> _Verdict:
        if cell.strip().lower() in ("", *_NOTHING):
            return None
        value = number(cell)
        if value is None:
            return "no number", "Write a number without its unit, or leave the cell empty"
        if not low <= value <= high:
            advice = "Write it in metres" if unit == "m" and low <= value / 100 <= high else "Check it"
            like = "; it looks like centimetres" if advice == "Write it in metres" else ""
            return f"{value:g}; expected {low:g} to {high:g} {unit}{like}", advice
        if whole and value != int(value):
            return f"{value:g}; expected a whole number of {unit}", "Check it"
        return None

    return check


def _anything(_cell: str) -> _Verdict:
    return None


#: Every column that has a meaning, and what is wrong with a cell of it. `width` and `height` are
#: those of the picture, for normalised keypoints.
COLUMNS: Mapping[str, Callable[[str], _Verdict]] = MappingProxyType(
    {
        **dict.fromkeys(_IDS, _check_id),
        "path": _anything,  # needs the manifest's folder: gaitmb.io.recordings
        "rating": _check_rating,
        "medication": _check_medication,
        "view": _anything,
        "fps": _between(5, 1000, "Hz"),
        "skeleton": _check_skeleton,
        "height_m": _between(0.5, 2.5, "m"),
        "leg_length_m": _between(0.2, 1.5, "m"),
        "site": _anything,
        "age": _between(0, 120, "years"),
        "sex": _anything,
        "dataset": _anything,
        "width": _between(16, 20_000, "pixels", whole=True),
        "height": _between(16, 20_000, "pixels", whole=True),
    }
)
_IN_METADATA = ("width", "height")


def _cell_problems(table: _Rows) -> _Problems:
    """Every cell that its column does not allow."""
    import pandera.pandas as pa
    from pandera.errors import SchemaErrors

    def fits(check: Callable[[str], _Verdict]) -> Callable[[pd.Series], pd.Series]:
        return lambda column: column.map(lambda cell: check(cell) is None).astype(bool)

    frame = pd.DataFrame.from_dict(table, orient="index", dtype=object)
    checks = {name: check for name, check in COLUMNS.items() if name in frame}
    schema = pa.DataFrameSchema(
        {name: pa.Column(object, pa.Check(fits(check), name=name)) for name, check in checks.items()}
    )
    problems: _Problems = {}
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases[["index", "column"]].drop_duplicates()
        for row, column in zip(cases["index"].tolist(), cases["column"].tolist(), strict=True):
            verdict = COLUMNS[column](table[int(row)][column])
            if verdict is None:  # pragma: no cover - the schema holds nothing but these checks
                raise
            _add(problems, int(row), column, *verdict)
    return problems


def _add(problems: _Problems, row: int, column: str, reason: str, what_to_do: str) -> None:
    problems.setdefault(row, []).append(_Problem(column, reason, what_to_do))


# --- Rows against each other --------------------------------------------------------------------------


def _person(identity: str) -> str:
    """Equal for two spellings of one: case, blanks, hyphens, leading zeros, Unicode forms."""
    text = unicodedata.normalize("NFKC", identity).casefold()
    text = "".join(letter for letter in text if unicodedata.category(letter) not in ("Cf", "Cc"))
    text = re.sub(r"[\u2010-\u2015\u2212_]", "-", re.sub(r"\s", "", text))
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", text)


def _session(cells: Mapping[str, str]) -> tuple[str, str]:
    return _person(cells["participant_id"]), cells["session_id"].strip().casefold()


def _listed(rows: Sequence[int]) -> str:
    shown = ", ".join(map(str, rows[:5])) + (" …" if len(rows) > 5 else "")
    return f"row {shown}" if len(rows) == 1 else f"rows {shown}"


def _groups(keys: Mapping[int, object]) -> list[list[int]]:
    found: dict[object, list[int]] = {}
    for row, key in keys.items():
        found.setdefault(key, []).append(row)
    return [rows for rows in found.values() if len(rows) > 1]


def _identity_problems(table: _Rows) -> _Problems:
    """One participant in two spellings, one session in two medication states, one walk twice."""
    problems: _Problems = {}
    named = {row: cells for row, cells in table.items() if cells["participant_id"].strip()}
    for rows in _groups({row: _person(cells["participant_id"]) for row, cells in named.items()}):
        for row, others in _unequal(rows, lambda row: named[row]["participant_id"]):
            _add(
                problems,
                row,
                "participant_id",
                f"the participant is spelled differently in {_listed(others)} (case, blanks, hyphens or "
                "leading zeros)",
                "Use one spelling per participant; for two people, names that differ in more",
            )
    for rows in _groups({row: _session(cells) for row, cells in named.items()}):
        for row, others in _unequal(rows, lambda row: _medication(named[row])):
            _add(
                problems,
                row,
                "medication",
                f"the medication state is another in {_listed(others)} of the same session",
                "Give one session one state, or two sessions two names",
            )
    complete = {row: cells for row, cells in named.items() if all(cells[name].strip() for name in _IDS)}
    walks = {
        row: (*_session(cells), cells["walk_id"].strip().casefold()) for row, cells in complete.items()
    }
    for rows in _groups(walks):
        for row in rows:
            others = [other for other in rows if other != row]
            _add(
                problems,
                row,
                "walk_id",
                f"the same participant, session and walk stand in {_listed(others)}",
                "Give each walk of a session its own walk_id",
            )
    return problems


def _unequal(rows: list[int], value: Callable[[int], object]) -> Iterator[tuple[int, list[int]]]:
    """Each row with those of the others that differ from it."""
    if len({value(row) for row in rows}) == 1:
        return
    for row in rows:
        others = [other for other in rows if value(other) != value(row)]
        if others:
            yield row, others


def _medication(cells: Mapping[str, str]) -> str:
    text = cells.get("medication", "").strip().lower()
    return "na" if text in ("", *_NOTHING) else text


def _rating(cell: str) -> str | None:
    value = number(cell)
    return None if value is None or value != int(value) else str(int(value))


def _recording_problems(table: _Rows, recorded: Mapping[int, Path], bad: set[int]) -> _Problems:
    """One recording in several rows: under two people, with two labels, or simply twice."""

    def label(row: int) -> object:
        return _session(table[row]), _medication(table[row]), _rating(table[row]["rating"])

    problems: _Problems = {}
    for rows in recordings.same_content(recorded):
        person = {row: _person(table[row]["participant_id"]) for row in rows}
        alike = len({label(row) for row in rows}) == 1
        usable = [row for row in rows if row not in bad]
        kept = min(
            usable, key=lambda row: ([table[row][name].strip() for name in _IDS], row), default=None
        )
        for row in rows:
            if alike and row == kept:
                continue
            others = [other for other in rows if other != row]
            strangers = [other for other in others if person[other] != person[row]]
            same_path = any(recorded[other] == recorded[row] for other in strangers or others)
            what = "the same path" if same_path else "a file of the same content"
            if strangers:
                reason = f"{what} stands in {_listed(strangers)} for another participant"
                advice = "Find out whose it is, and list it once"
            elif not alike:
                reason = f"{what} stands in {_listed(others)} with another session, medication or rating"
                advice = "Find out which is right, and list it once"
            else:
                reason = f"{what} stands in {_listed(others)}"
                advice = "List each recording once, or give the row its own file"
            _add(problems, row, "path", reason, advice)
    return problems


# --- The cohort ---------------------------------------------------------------------------------------


def _read(path: Path) -> tuple[_Rows, _Problems]:
    table = read_table(path, ManifestError)
    # A column is known by its name in any case; one that is not is the user's own and stays as it is.
    names = [str(name).lower() if str(name).lower() in COLUMNS else str(name) for name in table.cells]
    missing = [name for name in REQUIRED_COLUMNS if name not in names]
    if missing:
        # Where hardly a name is known the first row is data, and data are not to be shown.
        unknown = [name for name in names if name not in COLUMNS] if len(missing) < 4 else []
        near = {name: difflib.get_close_matches(name, unknown, n=1, cutoff=0.5) for name in missing}
        hints = [f"Did you mean {name} by {found[0]!r}?" for name, found in near.items() if found]
        raise ManifestError(
            f"the manifest has no column {', '.join(missing)}",
            expected=f"the columns {', '.join(REQUIRED_COLUMNS)}",
            remedy=" ".join(hints) or "Name the columns in the first row",
        )
    if len(set(names)) < len(names):
        raise ManifestError("a column is there twice, in upper and lower case", expected="each once")
    if table.cells.empty and not table.ragged:
        raise ManifestError("the manifest has no rows", expected="one row per walk below the header")
    ragged: _Problems = {}
    for row, n_cells in table.ragged.items():
        reason = f"{n_cells} cells; expected {table.n_columns}, as in the header"
        advice = "Fill up or quote the cells (a decimal comma between commas needs quotation marks)"
        _add(ragged, row, "", reason, advice)
    rows = zip(table.cells.index.tolist(), table.cells.to_numpy().tolist(), strict=True)
    return {int(row): dict(zip(names, cells, strict=True)) for row, cells in rows}, ragged


def list_walks(path: Path | None) -> CohortListing:
    r"""List the walks of a manifest, and every reason why a row of it cannot be used.

    Parameters
    ----------
    path
        CSV (comma, semicolon or tab; UTF-8 or UTF-16) or Parquet, with :data:`REQUIRED_COLUMNS`, any of
        :data:`COLUMNS`, and any others, which are kept as metadata. Recordings lie in its folder or
        below; relative paths start there.

    Returns
    -------
    The walks, named after the file's stem; and one failure per problem of a row that was left out. An
    empty rating (or ``n/a``) is allowed: the walk is predicted, not scored.

    Raises
    ------
    ManifestError
        The file as a whole is no manifest.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.json").write_text("[]")
    >>> _ = (folder / "mine.csv").write_text(
    ...     "participant_id,session_id,walk_id,path,rating\nP1,on,1,a.json,2\nP2,on,1,b.json,5\n")
    >>> listing = list_walks(folder / "mine.csv")
    >>> [walk.rating for walk in listing.cohort.walks]
    ['2']
    >>> [(failure.row, failure.reason) for failure in listing.failures]
    [(3, 'a rating of 5; expected 0, 1, 2, 3 or 4'), (3, 'there is no such file')]
    """
    if path is None:
        raise ManifestError("a manifest without its path", remedy="Write --cohort PATH")
    table, ragged = _read(path)
    recorded: dict[int, Path] = {}
    misplaced: _Problems = {}
    for row, cells in table.items():
        found = recordings.locate(cells["path"], path.parent)
        if isinstance(found, Path):
            recorded[row] = found
        else:
            _add(misplaced, row, "path", *found)
    parts = [ragged, _cell_problems(table) if table else {}, misplaced, _identity_problems(table)]
    parts.append(_recording_problems(table, recorded, {row for part in parts for row in part}))
    bad = sorted({row for part in parts for row in part})
    failures = []
    for row in bad:
        cells = table.get(row, {})
        participant, session, walk = (cells.get(name, "").strip() for name in _IDS)
        failures += [
            Failure(
                participant,
                session,
                walk,
                stage="manifest",
                reason=problem.reason,
                what_to_do=problem.what_to_do,
                row=row,
                column=problem.column,
            )
            for part in parts
            for problem in part.get(row, [])
        ]
    walks = [_walk(row, cells, recorded[row]) for row, cells in table.items() if row not in bad]
    return CohortListing(Cohort(path.stem, walks, UPDRS_GAIT), tuple(failures))


def _walk(row: int, cells: dict[str, str], path: Path) -> Walk:
    text = {name: cell.strip() for name, cell in cells.items()}
    given = {
        name: None if text.get(name, "").lower() in ("", *_NOTHING) else text[name] for name in COLUMNS
    }

    def value(name: str) -> float | None:
        cell = given[name]
        return None if cell is None else number(cell)

    skeleton = given["skeleton"]
    return Walk(
        WalkId(text["participant_id"], text["session_id"], text["walk_id"], given["view"] or ""),
        reader="manifest",
        path=path,
        rating=_rating(text["rating"]),
        medication=_medication(text),
        fps=value("fps"),
        skeleton=None if skeleton is None else _skeleton_name(skeleton),
        height_m=value("height_m"),
        leg_length_m=value("leg_length_m"),
        site=given["site"],
        dataset=given["dataset"],
        sex=given["sex"],
        age=value("age"),
        row=row,
        metadata={
            name: cell for name, cell in text.items() if name not in COLUMNS or name in _IN_METADATA
        },
    )


def load(walk: Walk) -> PoseSequence:
    """Load one walk of a manifest, by what kind of file it is.

    Raises
    ------
    ReadError
        The file is of an unknown kind, or cannot be read as what it should be.
    """
    if walk.path is None:
        raise ReadError("a walk without a file", expected="a path in the manifest")
    sides = [number(walk.metadata.get(name, "")) for name in _IN_METADATA]
    width, height = sides
    size_px = None if width is None or height is None else (int(width), int(height))
    return recordings.read_recording(
        walk.path, fps=walk.fps, skeleton=walk.skeleton, size_px=size_px, view=walk.id.view or None
    )


READER = CohortReader(
    name="manifest",
    title="A table of one's own: one row per walk",
    licence="",
    citation="",
    needs_path=True,
    list_walks=list_walks,
    load=load,
)
