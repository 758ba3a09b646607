"""Cohort: the walks of a study, sorted, with the scale they were rated on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from gaitmb.data.walk import Walk
from gaitmb.errors import ManifestError

__all__ = ["UPDRS_GAIT", "Cohort", "RatingScale"]


@dataclass(frozen=True)
class RatingScale:
    """The classes a walk can be rated with, in order.

    Parameters
    ----------
    name
        ``updrs_gait``, or the name of a set of named classes.
    classes
        All that are allowed, in order.
    ordinal
        Whether the order means more or less; if not, ordinal metrics do not exist.
    """

    name: str
    classes: tuple[str, ...]
    ordinal: bool


#: MDS-UPDRS part III item 3.10, gait.
UPDRS_GAIT = RatingScale("updrs_gait", ("0", "1", "2", "3", "4"), ordinal=True)


@dataclass(frozen=True)
class Cohort:
    """Walks in a fixed order, whatever the order they were listed in.

    Parameters
    ----------
    name
        Short name for folders and headings.
    walks
        The walks; sorted here by participant, session and walk.
    scale
        What they were rated on.
    synthetic
        Whether the motion was simulated; said wherever results are shown.
    licence, citation
        Terms of the data and how to cite them; empty where unknown.

    Raises
    ------
    ManifestError
        Two walks have the same identity, or a rating is not on the scale.

    Examples
    --------
    >>> from gaitmb.data.walk import WalkId
    >>> cohort = Cohort("two", [Walk(WalkId("B", "on", "1"), "manifest", rating="1"),
    ...                         Walk(WalkId("A", "on", "1"), "manifest", rating="0")])
    >>> [walk.id.participant_id for walk in cohort.walks], cohort.classes
    (['A', 'B'], ('0', '1'))
    """

    name: str
    walks: tuple[Walk, ...]
    scale: RatingScale = UPDRS_GAIT
    synthetic: bool = False
    licence: str = ""
    citation: str = ""

    def __init__(
        self,
        name: str,
        walks: Iterable[Walk],
        scale: RatingScale = UPDRS_GAIT,
        *,
        synthetic: bool = False,
        licence: str = "",
        citation: str = "",
    ) -> None:
        ordered = tuple(sorted(walks, key=lambda walk: walk.id.key))
        values = {
            "name": name,
            "walks": ordered,
            "scale": scale,
            "synthetic": synthetic,
            "licence": licence,
            "citation": citation,
        }
        for field, value in values.items():
            object.__setattr__(self, field, value)
        if len({walk.id.key for walk in ordered}) < len(ordered):
            raise ManifestError(
                "two walks have the same participant, session and walk",
                expected="each walk once",
            )
        for walk in ordered:
            if walk.rating is not None and walk.rating not in scale.classes:
                raise ManifestError(
                    f"a rating of {walk.rating!r}",
                    expected=f"one of {', '.join(scale.classes)} ({scale.name})",
                )

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Classes that occur, in the order of the scale."""
        present = {walk.rating for walk in self.walks}
        return tuple(name for name in self.scale.classes if name in present)

    @property
    def participants(self) -> tuple[str, ...]:
        """Identities of the participants, sorted."""
        return tuple(sorted({walk.id.participant_id for walk in self.walks}))
