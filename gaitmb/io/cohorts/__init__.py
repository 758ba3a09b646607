"""Cohorts: one reader per public dataset, the built-in demo, and manifests of one's own.

A reader lists the walks of a cohort without opening more than it must, and loads one walk at a time, in
any process. To add one: a module here with a :class:`CohortReader` named ``READER``, its name in
:data:`COHORT_MODULES`, and a case in the contract test.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from gaitmb.data.cohort import Cohort
from gaitmb.data.pose import PoseSequence
from gaitmb.data.walk import Failure, Walk
from gaitmb.errors import ManifestError, UnknownNameError

__all__ = [
    "COHORT_MODULES",
    "CohortListing",
    "CohortReader",
    "cohort_reader",
    "load_walk",
    "open_cohort",
]

#: Name of a cohort to the module that reads it.
COHORT_MODULES: Mapping[str, str] = MappingProxyType(
    {
        "calgary": "gaitmb.io.cohorts.calgary",
        "care_pd": "gaitmb.io.cohorts.care_pd",
        "demo": "gaitmb.io.cohorts.demo",
        "manifest": "gaitmb.io.manifest",
        "shida2023": "gaitmb.io.cohorts.shida2023",
    }
)


@dataclass(frozen=True)
class CohortListing:
    """What a reader found: the walks, and those it had to leave out with the reason."""

    cohort: Cohort
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class CohortReader:
    """How the walks of one kind of cohort are listed and loaded.

    Parameters
    ----------
    name
        Name in :data:`COHORT_MODULES`.
    title
        What it reads, in a line.
    licence, citation
        Terms of the data and how to cite them; empty where the cohort is the user's own.
    needs_path
        Whether the cohort lies in a folder or file that the user names.
    list_walks
        From that path (None where `needs_path` is false) to the listing.
    load
        From a walk of the listing to its pose: any skeleton, ``image_px`` or ``world_mm``, at the rate
        it was recorded.
    """

    name: str
    title: str
    licence: str
    citation: str
    needs_path: bool
    list_walks: Callable[[Path | None], CohortListing]
    load: Callable[[Walk], PoseSequence]


def cohort_reader(name: str) -> CohortReader:
    """Look a cohort reader up by its name.

    Raises
    ------
    UnknownNameError
        There is no reader of that name.
    """
    if name not in COHORT_MODULES:
        raise UnknownNameError("cohort", name, COHORT_MODULES)
    reader: CohortReader = importlib.import_module(COHORT_MODULES[name]).READER
    return reader


def open_cohort(spec: str) -> CohortListing:
    """List the walks of a cohort.

    Parameters
    ----------
    spec
        A built-in name (``demo``), ``name:folder`` (``calgary:data/calgary``), or a manifest's path.

    Raises
    ------
    ManifestError
        There is nothing at the path, or it cannot be read as a cohort.
    UnknownNameError
        The name before the colon is not a reader's.

    Examples
    --------
    >>> cohort = open_cohort("demo").cohort
    >>> cohort.name, cohort.synthetic, cohort.walks[0].reader
    ('demo', True, 'demo')
    """
    name, colon, folder = spec.partition(":")
    if colon and len(name) > 1 and not Path(spec).exists():
        return cohort_reader(name).list_walks(Path(folder))
    if spec in COHORT_MODULES and not Path(spec).is_file():
        reader = cohort_reader(spec)
        if reader.needs_path:
            raise ManifestError(f"the cohort {spec!r} without its folder", remedy=f"Write {spec}:FOLDER")
        return reader.list_walks(None)
    if Path(spec).suffix or Path(spec).exists():
        return cohort_reader("manifest").list_walks(Path(spec))
    raise UnknownNameError("cohort", spec, set(COHORT_MODULES) - {"manifest"})


def load_walk(walk: Walk) -> PoseSequence:
    """Load one walk through the reader that listed it.

    Raises
    ------
    ReadError
        Its file cannot be read as what it should be.

    Examples
    --------
    >>> walk = open_cohort("demo").cohort.walks[0]
    >>> load_walk(walk).coordinates.value
    'image_px'
    """
    return cohort_reader(walk.reader).load(walk)
