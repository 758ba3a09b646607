"""CARE-PD: walks of nine cohorts of people with Parkinson's disease, as H36M-17 joints.

What is read is what the benchmark publishes: ``h36m/<dataset>/h36m_3d_world_….npz`` with one array
``(T, 17, 3)`` per walk (metres, y up) under ``<participant>__<walk>``, and beside or above it
``<dataset>.pkl`` with ``{participant: {walk: {"UPDRS_GAIT": …, "medication": …, …}}}``. A pickle that
holds the joints themselves, under the same names or nested in the same way, is read as well. Pickles are
read by :mod:`gaitmb.io.plain_pickle` only.

A folder is one cohort, whatever datasets it holds; participants are named ``<dataset>-<participant>``
and :attr:`~gaitmb.data.walk.Walk.dataset` tells them apart. One row per real walk: of the temporal
sub-samplings ``_down0``, ``_down1`` … only the first is used, and ``Trimmed`` copies are not.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gaitmb.data.cohort import UPDRS_GAIT, Cohort
from gaitmb.data.pose import CoordinateSystem, PoseSequence
from gaitmb.data.skeleton import H36M17
from gaitmb.data.walk import Failure, Walk, WalkId
from gaitmb.errors import ManifestError, ReadError
from gaitmb.io.archives import array_names, as_numbers, open_archive, read_array
from gaitmb.io.cohorts import CohortListing, CohortReader
from gaitmb.io.plain_pickle import read_plain_pickle

__all__ = ["READER"]

#: Rates at which the H36M-17 arrays are published: every nth frame of the recording's, n = rate // 30,
#: so that 100 Hz became 33.3 Hz and not 30.
_RATE_HZ: Mapping[str, float] = MappingProxyType(
    {
        "BMCLab": 150 / 5,
        "DNE": 60 / 2,
        "E-LC": 120 / 4,
        "KUL-DT-T": 100 / 3,
        "PD-GaM": 25.0,
    }
)
_DEFAULT_RATE_HZ = 30.0

_WORLD = "h36m_3d_world_*.npz"
_LEVELLED = "floorXZZplus"

_JOINTS = ("joints", "h36m", "keypoints3d", "pose")
_LABELS = ("UPDRS_GAIT", "medication", "other", "fps")


@dataclass(frozen=True)
class _Entry:
    """One walk in a file, under the names by which it is found again."""

    participant: str
    walk: str
    key: str
    labels: Mapping[str, object]


def list_walks(path: Path | None) -> CohortListing:
    """List the walks of a folder of datasets, of one dataset, or of one file.

    A walk whose rating is not 0 to 4 becomes a failure; one without a rating is unrated. Walks of one
    participant and medication state that were rated differently are different sessions.

    Raises
    ------
    ManifestError
        There is nothing to read at the path, or a file is not what it should be.
    """
    files = _pose_files(path) if path is not None else []
    if not files:
        raise ManifestError(
            "no CARE-PD data", expected=f"care_pd:FOLDER with {_WORLD}, or a pickle of H36M-17 joints"
        )
    walks: list[Walk] = []
    failures: list[Failure] = []
    for file in files:
        dataset = _dataset(file)
        try:
            entries = _entries(file)
        except ReadError as error:
            raise ManifestError(error.found, expected=error.expected, remedy=error.remedy) from error
        listed, left_out = _listed(dataset, file, entries)
        walks += listed
        failures += left_out
    if not walks and not failures:
        raise ManifestError("files without a walk of 17 joints", expected="H36M-17 joints by walk")
    cohort = Cohort("care_pd", walks, UPDRS_GAIT, licence=READER.licence, citation=READER.citation)
    return CohortListing(cohort, tuple(failures))


def _pose_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = sorted(path.rglob(_WORLD))
    levelled = {file.parent for file in found if _LEVELLED in file.name}
    found = [file for file in found if file.parent not in levelled or _LEVELLED in file.name]
    names = {_dataset(file) for file in found}
    # A pickle named as a dataset that is there already holds its labels.
    return found + [file for file in sorted(path.rglob("*.pkl")) if _dataset(file) not in names]


def _dataset(file: Path) -> str:
    return file.parent.name if file.match(_WORLD) else file.stem


def _entries(file: Path) -> list[_Entry]:
    """Walks of a file by key; of temporal sub-samplings the first, and no trimmed copies."""
    if file.suffix.lower() == ".npz":
        labels = _labels(file)
        with open_archive(file) as archive:
            found = [(*_split(key), key) for key in array_names(archive)]
        entries = [
            _Entry(participant, walk, key, labels.get((participant, walk.partition("_down")[0]), {}))
            for participant, walk, key in found
        ]
    else:
        entries = [
            _Entry(participant, walk, key, _described(record))
            for participant, walk, key, record in _nested(_document(file))
            if _array(record) is not None
        ]
    chosen = [
        dataclasses.replace(entry, walk=entry.walk.partition("_down")[0])
        for entry in entries
        if entry.walk.partition("_down")[2] in ("", "0") and "trimmed" not in entry.walk.lower()
    ]
    return sorted(chosen, key=lambda entry: entry.key)


def _split(key: str) -> tuple[str, str]:
    participant, _, walk = key.partition("__")
    return participant, walk or participant


def _labels(file: Path) -> Mapping[tuple[str, str], Mapping[str, object]]:
    """Labels by participant and walk from the pickle of the dataset, if one is beside or above."""
    for folder in list(file.resolve().parents)[:3]:
        candidate = folder / f"{_dataset(file)}.pkl"
        if candidate.is_file():
            return {
                (participant, walk): _described(record)
                for participant, walk, _, record in _nested(read_plain_pickle(candidate))
            }
    return {}


def _described(record: Mapping[str, object]) -> Mapping[str, object]:
    """What a record says beside its arrays, which may be large."""
    return {name: record[name] for name in _LABELS if name in record}


def _nested(document: object) -> Iterator[tuple[str, str, str, Mapping[str, object]]]:
    """Participant, walk, key and record of a pickle, flat by key or nested by participant."""
    if not isinstance(document, dict):
        raise ReadError("a pickle that is no dict", expected="a dict by participant")
    for outer, inner in document.items():
        if isinstance(inner, np.ndarray):
            yield *_split(str(outer)), str(outer), {_JOINTS[0]: inner}
        elif isinstance(inner, dict) and any(name in inner for name in _JOINTS):
            yield *_split(str(outer)), str(outer), inner
        elif isinstance(inner, dict):
            for walk, record in inner.items():
                value = {_JOINTS[0]: record} if isinstance(record, np.ndarray) else record
                if isinstance(value, dict):
                    yield str(outer), str(walk), f"{outer}__{walk}", value


def _array(record: Mapping[str, object]) -> NDArray[np.float64] | None:
    """The H36M-17 joints of a record; None where it holds another body model."""
    for name in _JOINTS:
        value = record.get(name)
        if isinstance(value, np.ndarray) and value.ndim == 3 and value.shape[1:] == (17, 3):
            return value
    return None


def _listed(dataset: str, file: Path, entries: list[_Entry]) -> tuple[list[Walk], list[Failure]]:
    sessions = _sessions(entries)
    walks, failures = [], []
    for entry in entries:
        walk_id = WalkId(f"{dataset}-{entry.participant}", sessions[entry.key], entry.walk)
        rating, fits = _rating(entry)
        if not fits:
            failures.append(
                Failure(
                    *walk_id.key, "manifest", f"a rating of {rating!r}; expected 0 to 4 or none",
                    "Correct the labels", column="UPDRS_GAIT",
                )
            )  # fmt: skip
            continue
        other = entry.labels.get("other")
        walks.append(
            Walk(
                walk_id,
                "care_pd",
                path=file,
                rating=rating,
                medication=_medication(entry),
                fps=_fps(dataset, file, entry),
                dataset=dataset,
                metadata={"entry": entry.key} | ({"other": other} if isinstance(other, str) else {}),
            )
        )
    return walks, failures


def _sessions(entries: list[_Entry]) -> dict[str, str]:
    """Session by key of the walk: medication, or as fine as it takes for one rating per session."""
    finer: tuple[Callable[[_Entry], str], ...] = (
        lambda entry: "",
        # As PD-GaM names walks: a recording, then the piece of it.
        lambda entry: "-" + entry.walk.partition("_")[0],
        lambda entry: "-" + entry.walk,
    )
    named: dict[str, str] = {}
    for participant in sorted({entry.participant for entry in entries}):
        own = [entry for entry in entries if entry.participant == participant]
        for suffix in finer:
            ratings: dict[str, set[str | None]] = {}
            for entry in own:
                ratings.setdefault(_medication(entry) + suffix(entry), set()).add(_rating(entry)[0])
            if all(len(values - {None}) < 2 for values in ratings.values()):
                break
        named |= {entry.key: _medication(entry) + suffix(entry) for entry in own}
    return named


def _rating(entry: _Entry) -> tuple[str | None, bool]:
    """The rating as text, None without one, and whether it is on the scale."""
    value = entry.labels.get("UPDRS_GAIT")
    if value is None or str(value).strip().lower() in ("", "nan", "none"):
        return None, True
    try:
        number = float(str(value))
    except ValueError:
        return str(value)[:12], False
    text = str(int(number)) if math.isfinite(number) and number.is_integer() else f"{number:g}"
    return text, text in UPDRS_GAIT.classes


def _medication(entry: _Entry) -> str:
    text = str(entry.labels.get("medication") or "").strip().lower()
    match = re.search(r"\b(on|off)\b", text)
    return match[1] if match else "na"


def _fps(dataset: str, file: Path, entry: _Entry) -> float:
    if file.suffix.lower() != ".npz":
        try:
            fps = float(str(entry.labels.get("fps")))
        except ValueError:
            fps = math.nan
        if 10 <= fps <= 1000:
            return fps
    return _RATE_HZ.get(dataset, _DEFAULT_RATE_HZ)


def load(walk: Walk) -> PoseSequence:
    """Load one walk: metres with y up to millimetres with z up.

    Raises
    ------
    ReadError
        It cannot be opened, holds something else than 17 joints in metres, or nobody upright.
    """
    if walk.path is None:
        raise ReadError("a walk without a file", expected="an .npz or a pickle")
    joints = _joints(walk.path, walk.metadata.get("entry", ""))
    if joints.ndim != 3 or joints.shape[1:] != (17, 3) or not len(joints):
        raise ReadError(f"joints of shape {joints.shape}", expected="(frames, 17, 3)")
    ankles = (joints[:, H36M17.index("left_ankle")] + joints[:, H36M17.index("right_ankle")]) / 2
    upright = joints[:, H36M17.index("head")] - ankles
    upright = upright[np.isfinite(upright).all(axis=1)]
    tall = np.median(upright, axis=0) if len(upright) else np.zeros(3)
    if not 0.7 < tall[1] < 2.5 or tall[1] < 0.7 * np.linalg.norm(tall):
        raise ReadError(
            f"a head {tall[1]:.3g} above the ankles along y", expected="a walker in metres, y up"
        )
    # y up to z up without a change of handedness.
    positions = joints[..., [2, 0, 1]] * 1000
    rate_hz = walk.fps or _DEFAULT_RATE_HZ
    return PoseSequence(
        np.where(np.isinf(positions), np.nan, positions),
        np.ones(positions.shape[:2]),
        np.arange(len(positions)) / rate_hz,
        H36M17,
        CoordinateSystem.WORLD_MM,
    )


def _joints(file: Path, key: str) -> NDArray[np.float64]:
    if file.suffix.lower() == ".npz":
        with open_archive(file) as archive:
            return as_numbers(read_array(archive, key, "the walk's array"), "the walk's array")
    for _, _, name, record in _nested(_document(file)):
        array = _array(record)
        if name == key and array is not None:
            return as_numbers(array, "the walk's array")
    raise ReadError("a pickle without this walk", expected="the file that was listed")


def _document(file: Path) -> object:
    try:
        stamp = file.stat()
    except OSError as error:
        raise ReadError("a file that cannot be opened", expected="a readable file") from error
    return _remembered(file, stamp.st_mtime_ns, stamp.st_size)


@functools.lru_cache(maxsize=1)
def _remembered(file: Path, _changed_ns: int, _size: int) -> object:
    """The last pickle, which its walks are taken from one by one."""
    return read_plain_pickle(file)


READER = CohortReader(
    name="care_pd",
    title="CARE-PD, nine cohorts of gait in Parkinson's disease (H36M-17 joints)",
    licence="CC BY-NC 4.0 and the terms of use at neurips2025.care-pd.ca/terms-of-use; its cohorts keep "
    "their own licences",
    citation="CARE-PD: A Multi-Site Anonymized Clinical Dataset for Parkinson's Disease Gait "
    "Assessment. NeurIPS 2025 Datasets and Benchmarks. arXiv:2510.04312. Cite its cohorts, too.",
    needs_path=True,
    list_walks=list_walks,
    load=load,
)
