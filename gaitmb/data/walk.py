"""WalkId and Walk: one pass of a participant before one camera, before its file is opened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

__all__ = ["ID_COLUMNS", "MEDICATIONS", "Failure", "Walk", "WalkId"]

MEDICATIONS = ("on", "off", "na")

#: What names a walk in every table, in the order of :attr:`WalkId.key`.
ID_COLUMNS = ("participant_id", "session_id", "walk_id")


@dataclass(frozen=True, order=True)
class WalkId:
    """Who walked, on which visit, and which pass it was.

    Examples
    --------
    >>> WalkId("P03", "off", "02", view="side").bids
    'sub-P03_ses-off_task-walk_acq-side_run-02'
    """

    participant_id: str
    session_id: str
    walk_id: str
    view: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What is unique in a cohort, and the order of every output."""
        return (self.participant_id, self.session_id, self.walk_id)

    @property
    def bids(self) -> str:
        """The walk's BIDS name; characters that BIDS does not allow are left out."""
        entities = (
            ("sub", self.participant_id),
            ("ses", self.session_id),
            ("task", "walk"),
            ("acq", self.view),
            ("run", self.walk_id),
        )
        clean = ((key, re.sub(r"[^A-Za-z0-9]", "", value)) for key, value in entities)
        return "_".join(f"{key}-{value}" for key, value in clean if value)


@dataclass(frozen=True)
class Walk:
    """One row of a cohort.

    Parameters
    ----------
    id
        Participant, session and walk.
    reader
        Name of the cohort reader that can load it (``gaitmb.io.cohorts``).
    path
        The file that holds it; None where the reader needs none.
    rating
        The class it was rated with, as text (``"0"`` … ``"4"`` for `updrs_gait`); None where it was not
        rated: such a walk is predicted, not scored.
    medication
        ``on``, ``off`` or ``na``.
    fps
        Frame rate for files that carry no time; None where the file says it.
    skeleton
        Name of the skeleton for files that do not say it; None where they do.
    height_m, leg_length_m
        Of the participant; None where unknown.
    site, dataset, sex, age
        As the cohort gives them; None where unknown.
    row
        Row in the manifest, counted as a spreadsheet does (the header is row 1); 0 where there is none.
    metadata
        Every further column, as text.
    """

    id: WalkId
    reader: str
    path: Path | None = None
    rating: str | None = None
    medication: str = "na"
    fps: float | None = None
    skeleton: str | None = None
    height_m: float | None = None
    leg_length_m: float | None = None
    site: str | None = None
    dataset: str | None = None
    sex: str | None = None
    age: float | None = None
    row: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    def __reduce__(self) -> tuple[object, ...]:
        # A mapping proxy cannot be pickled, and walks travel to worker processes.
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        values["metadata"] = dict(self.metadata)
        return _rebuild, (values,)


def _rebuild(values: dict[str, object]) -> Walk:
    return Walk(**values)  # type: ignore[arg-type]  # the values of a Walk, by name


@dataclass(frozen=True, order=True)
class Failure:
    """Why one walk could not be used: a row of the failures table.

    `participant_id`, `session_id` and `walk_id` are what the cohort said, possibly empty; `stage` is one
    of ``manifest``, ``read``, ``quality``, ``embed``, ``measure``; `column` is set where one cell of the
    manifest is at fault.
    """

    participant_id: str
    session_id: str
    walk_id: str
    stage: str
    reason: str
    what_to_do: str
    row: int = 0
    column: str = ""
