"""From a cohort to a results folder: cross-validated severity, beside baselines, with intervals."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import gaitmb
from gaitmb.config import StudyConfig
from gaitmb.data.cohort import Cohort
from gaitmb.data.embedding import CLIP_COLUMNS, POOLINGS, EmbeddingTable
from gaitmb.data.evaluation import Evaluation, Interval, LevelMetrics
from gaitmb.data.walk import ID_COLUMNS, Failure
from gaitmb.errors import ConfigurationError, NothingUsableError, UnknownNameError
from gaitmb.workflow.doctor import library_versions
from gaitmb.workflow.prepare import (
    MIN_COVERAGE,
    PreparedWalk,
    named_encoder,
    prepare_walks,
)
from gaitmb.workflow.progress import Progress, silent
from gaitmb.workflow.weights import find_weights

if TYPE_CHECKING:
    from gaitmb.io.store import EmbeddingCache

__all__ = ["ClassifyResult", "classify", "cohort_digest", "count_walks", "without_repeats"]


_LIBRARIES = ("numpy", "pandas", "scikit-learn", "scipy", "torch")


@dataclass(frozen=True, eq=False)
class ClassifyResult:
    """What :func:`classify` found and where it put it."""

    folder: Path
    evaluation: Evaluation
    predictions: pd.DataFrame
    failures: tuple[Failure, ...]

    @property
    def exit_code(self) -> int:
        """0, or 3 where some walks could not be used."""
        return 3 if self.failures else 0


def classify(
    config: StudyConfig,
    *,
    out: Path | None = None,
    cache: Path | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> ClassifyResult:
    """Turn a cohort into cross-validated severity predictions, and store what was found.

    Parameters
    ----------
    config
        The settings, with the cohort's name or path.
    out
        Results folder; by default ``results/<cohort>-<digest>``.
    cache
        Folder of the embedding cache; by default :func:`gaitmb.io.store.default_cache_folder`.
    workers
        Worker processes; by default one per core. The result does not depend on it.
    progress
        Told about every walk and fold.

    Returns
    -------
    The evaluation, the predictions, what failed, and the folder that holds all of it.

    Raises
    ------
    ConfigurationError
        A setting, the manifest as a whole or the checkpoint is wrong.
    NothingUsableError
        No walk is left, or those left cannot be scored. ``failures.csv`` is written all the same.
    """
    import joblib

    from gaitmb.data.camera import VIEWS
    from gaitmb.io import store
    from gaitmb.io.cohorts import open_cohort
    from gaitmb.severity.models import CLASSIFIERS

    began = time.monotonic()
    progress("opening cohort and encoder", 0, 2)
    _require_known("classifier", config.severity.classifier, CLASSIFIERS)
    _require_known("pooling", config.severity.pooling, POOLINGS)
    if config.encoder.view is not None:
        _require_known("view", config.encoder.view, VIEWS)
    listing = open_cohort(config.cohort)
    cohort = listing.cohort
    if CLASSIFIERS[config.severity.classifier].ordinal and not cohort.scale.ordinal:
        raise ConfigurationError(
            f"the classifier {config.severity.classifier} for classes without an order",
            expected="classes whose order means more or less",
            remedy="Choose logistic",
        )
    progress("opening cohort and encoder", 1, 2)
    encoder = named_encoder(config.encoder.name, config.encoder.checkpoint, config.seed)
    manifest_digest = cohort_digest(cohort)
    digest = _sha256(config.digest, manifest_digest, encoder.weights_digest)
    folder = out or Path("results") / f"{_file_name(cohort.name)}-{digest[:8]}"
    store.claim_results(folder, _files_of(cohort))
    embeddings = store.EmbeddingCache((cache or store.default_cache_folder()).resolve())
    progress("opening cohort and encoder", 2, 2)

    n_workers = workers or joblib.cpu_count()
    failures = list(listing.failures)
    prepared: list[PreparedWalk] = []
    for outcome in prepare_walks(
        cohort.walks,
        config,
        cache_folder=embeddings.folder,
        results=folder.resolve(),
        workers=n_workers,
        progress=progress,
    ):
        if isinstance(outcome, Failure):
            failures.append(outcome)
        else:
            prepared.append(outcome)
    prepared, repeated = without_repeats(prepared)
    failures_table = store.failures_frame(failures := [*failures, *repeated])
    store.clear_results(folder)
    store.write_csv(folder / "failures.csv", failures_table)
    if not prepared:
        raise NothingUsableError(
            f"none of {count_walks(failures)} walks could be used",
            remedy=f"See {folder / 'failures.csv'}",
        )

    table = _embedding_table(prepared, embeddings)
    judged = _judge(prepared, table, cohort, config, n_workers, progress)
    evaluation = Evaluation(
        cohort=_cohort_section(cohort, prepared, failures),
        protocol={
            "name": config.severity.protocol,
            "n_folds": len(set(judged.folds.tolist())),
            "unit": "participant",
            "n_resamples": config.severity.resamples,
            "interval_level": 0.95,
        },
        encoder={
            "name": encoder.name,
            "trained": encoder.trained,
            "checkpoint_sha256": encoder.checkpoint_sha256,
            "weights_digest": encoder.weights_digest,
            "licence": _licence(config),
            "vector_length": int(table.vectors[0].size),
        },
        classifier=config.severity.classifier,
        metrics=judged.metrics,
        baselines=judged.baselines,
        comparisons=judged.comparisons,
        notes=(*_notes(prepared), *judged.notes),
        provenance={
            "gaitmb_version": gaitmb.__version__,
            "config": _without_places(config),
            "config_digest": config.digest,
            "manifest_digest": manifest_digest,
            "seed": config.seed,
            "hyper_parameters": judged.hyper_parameters,
            "libraries": {"python": platform.python_version(), **library_versions(_LIBRARIES)},
            "duration_s": round(time.monotonic() - began, 1),
        },
    )
    progress("writing results", 0, 1)
    predictions = _predictions_frame(prepared, judged)
    store.write_results(
        folder,
        evaluation=evaluation,
        predictions=predictions,
        failures=failures_table,
        walks=_walks_frame(prepared, cohort),
        gait_features=_features_frame(prepared),
        report=_report(evaluation, predictions, failures_table),
        embeddings=table,
        embeddings_sidecar={
            "encoder": evaluation.encoder,
            "rate_hz": config.encoder.rate_hz,
            "skeleton": "h36m17",
        },
    )
    progress("writing results", 1, 1)
    return ClassifyResult(folder, evaluation, predictions, tuple(failures))


def without_repeats(prepared: Sequence[PreparedWalk]) -> tuple[list[PreparedWalk], list[Failure]]:
    """Leave out recordings that stand under several walks: they would leak, or count twice.

    Clips are compared by their keys in the cache, digests of what was recorded. Of walks of one
    participant that agree in session and rating the first is kept; where they do not agree, or the
    participants differ, nobody can know which is right, and all are left out.

    Returns
    -------
    The walks that are kept, in order, and failures for the others.
    """
    groups: dict[tuple[str, ...], list[PreparedWalk]] = {}
    for item in prepared:
        groups.setdefault(tuple(clip.key for clip in item.clips), []).append(item)
    failures, left_out = [], set()
    for group in groups.values():
        said = {(*item.walk.id.key[:2], item.walk.rating, item.walk.medication) for item in group}
        for item in group[1:] if len(said) == 1 else group:
            if len(group) > 1:
                left_out.add(item.walk.id.key)
                reason = (
                    "its recording is that of another walk, and would count twice"
                    if len(said) == 1
                    else "its recording stands under another participant, session or rating too"
                )
                what_to_do = "List each recording once, under whom it shows"
                failures.append(
                    Failure(*item.walk.id.key, "read", reason, what_to_do, row=item.walk.row)
                )
    return [item for item in prepared if item.walk.id.key not in left_out], failures


def _notes(prepared: Sequence[PreparedWalk]) -> tuple[str, ...]:
    poor = [item.n_poor_clips for item in prepared if item.n_poor_clips]
    if not poor:
        return ()
    said = (
        f"{sum(poor)} clips of {len(poor)} walks were left out because less than {MIN_COVERAGE:.0%} of"
    )
    return (f"{said} their joints were seen; the walks are judged by their other clips.",)


@dataclass(frozen=True, eq=False)
class _Judged:
    classes: tuple[str, ...]
    probabilities: NDArray[np.float64]
    predicted: NDArray[np.str_]
    folds: NDArray[np.intp]
    metrics: Mapping[str, LevelMetrics]
    baselines: Mapping[str, Mapping[str, LevelMetrics]]
    comparisons: Mapping[str, Mapping[str, Interval]]
    hyper_parameters: Mapping[str, int]
    notes: tuple[str, ...]


def _judge(
    prepared: Sequence[PreparedWalk],
    table: EmbeddingTable,
    cohort: Cohort,
    config: StudyConfig,
    workers: int,
    progress: Progress,
) -> _Judged:
    """Cross-validate the classifier and the baselines through the same folds."""
    from gaitmb.severity.comparison import compare
    from gaitmb.severity.evaluation import cross_validate, evaluate
    from gaitmb.severity.splits import assign_folds

    settings = config.severity
    walks = pd.DataFrame(
        [(*item.walk.id.key, item.walk.rating) for item in prepared],
        columns=[*ID_COLUMNS, "rating"],
        dtype=object,
    )
    folds = assign_folds(
        walks["participant_id"],
        walks["rating"],
        protocol=settings.protocol,
        n_folds=settings.folds,
        seed=config.seed,
    )
    classes = tuple(name for name in cohort.scale.classes if name in set(walks["rating"]))
    of_clip = np.repeat(np.arange(len(prepared)), [len(item.clips) for item in prepared])
    measured = np.array([list(item.features.values()) for item in prepared], dtype=np.float64)
    each_walk = np.arange(len(prepared))
    inputs: dict[str, tuple[NDArray[Any], NDArray[np.intp]]] = {
        settings.classifier: (table.pooled(settings.pooling), of_clip),
        "majority": (np.zeros((len(prepared), 1)), each_walk),
        "prior": (np.zeros((len(prepared), 1)), each_walk),
        "gait_features": (measured, each_walk),
    }
    judging: dict[str, Any] = {"resamples": settings.resamples, "seed": config.seed}
    found, levels = {}, {}
    for name, (features, walk_of_row) in inputs.items():
        found[name] = cross_validate(
            features,
            walk_of_row,
            walks,
            classes=classes,
            classifier=name,
            folds=folds,
            inner_folds=settings.inner_folds,
            seed=config.seed,
            ordinal=cohort.scale.ordinal,
            n_jobs=1 if name in ("majority", "prior") else workers,
            progress=partial(progress, f"cross-validating {name}"),
        )
        levels[name] = evaluate(
            found[name].probabilities,
            walks,
            classes,
            ordinal=cohort.scale.ordinal,
            drawn=found[name].drawn,
            **judging,
        )
    ours = found.pop(settings.classifier)
    return _Judged(
        classes=classes,
        probabilities=ours.probabilities,
        predicted=ours.predicted,
        folds=folds,
        metrics=levels.pop(settings.classifier),
        baselines=levels,
        comparisons={
            name: compare(
                ours.probabilities,
                theirs.probabilities,
                walks,
                classes,
                baseline_drawn=theirs.drawn,
                **judging,
            )
            for name, theirs in found.items()
        },
        hyper_parameters=_counted(ours.chosen.values()),
        notes=ours.notes,
    )


def _counted(chosen: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many folds chose which hyper-parameters."""
    said = (", ".join(f"{name}={value}" for name, value in sorted(one.items())) for one in chosen)
    return dict(sorted(Counter(said).items()))


def _embedding_table(prepared: Sequence[PreparedWalk], cache: EmbeddingCache) -> EmbeddingTable:
    """Collect the clips' embeddings from the cache, in the order of the walks."""
    clips = [(item.walk.id.key, clip) for item in prepared for clip in item.clips]
    vectors: NDArray[np.float32] | None = None
    for row, (_, clip) in enumerate(clips):
        vector = cache.read(clip.key)
        if vector is None:
            raise ConfigurationError(
                "an embedding vanished from the cache while it was used", remedy="Run again"
            )
        if vectors is None:
            vectors = np.empty((len(clips), *vector.shape), dtype=np.float32)
        vectors[row] = vector
    frame = pd.DataFrame(
        [(*key, clip.start, clip.end) for key, clip in clips], columns=list(CLIP_COLUMNS)
    )
    return EmbeddingTable(frame, np.empty((0, 2, 1, 1), np.float32) if vectors is None else vectors)


def count_walks(failures: Iterable[Failure]) -> int:
    """How many walks a failures table is about; one may be in it for several reasons."""
    return len({(item.participant_id, item.session_id, item.walk_id, item.row) for item in failures})


def cohort_digest(cohort: Cohort) -> str:
    """SHA-256 of what a cohort says and of the content of its files, wherever they lie."""
    digest = hashlib.sha256(json.dumps([cohort.name, *dataclasses.astuple(cohort.scale)]).encode())
    for walk in cohort.walks:
        said = {name: getattr(walk, name) for name in walk.__dataclass_fields__}
        for place in ("id", "path", "row", "metadata"):
            del said[place]
        document = [*walk.id.key, walk.id.view, said, dict(walk.metadata)]
        digest.update(json.dumps(document, sort_keys=True).encode())
    contents = set()
    for path in _files_of(cohort):
        with path.open("rb") as file:
            contents.add(hashlib.file_digest(file, "sha256").hexdigest())
    digest.update("".join(sorted(contents)).encode())
    return digest.hexdigest()


def _files_of(cohort: Cohort) -> set[Path]:
    """Every file that the walks are read from, with the sidecars beside them."""
    files: set[Path] = set()
    for path in {walk.path for walk in cohort.walks if walk.path is not None}:
        if path.is_dir():
            files.update(path.glob("*.json"))
        else:
            files.update({path, path.with_suffix(".json")})
    return {path for path in files if path.is_file()}


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._") or "cohort"


def _licence(config: StudyConfig) -> str:
    """Terms of the encoder's weights; empty where unknown, or where they are random."""
    card = find_weights(config.encoder.name)[1]
    return card.licence if card is not None and config.encoder.checkpoint is None else ""


def _require_known(kind: str, name: str, known: Iterable[str]) -> None:
    if name not in (names := tuple(known)):
        raise UnknownNameError(kind, name, names)


def _without_places(config: StudyConfig) -> dict[str, Any]:
    """The settings as told to others: without paths, which say where somebody keeps what."""
    document = config.to_dict()
    document["cohort"] = Path(config.cohort.partition(":")[0]).name
    if document["encoder"]["checkpoint"] is not None:
        document["encoder"]["checkpoint"] = Path(document["encoder"]["checkpoint"]).name
    return document


def _cohort_section(
    cohort: Cohort, prepared: Sequence[PreparedWalk], failures: Sequence[Failure]
) -> dict[str, Any]:
    ratings = Counter(item.walk.rating for item in prepared if item.walk.rating is not None)
    return {
        "name": cohort.name,
        "synthetic": cohort.synthetic,
        "n_participants": len({item.walk.id.participant_id for item in prepared}),
        "n_sessions": len({item.walk.id.key[:2] for item in prepared}),
        "n_walks": len(prepared),
        "n_failed": count_walks(failures),
        "n_unrated": sum(item.walk.rating is None for item in prepared),
        "ratings": {name: ratings[name] for name in cohort.scale.classes if ratings[name]},
        "scale": dataclasses.asdict(cohort.scale) | {"classes": list(cohort.scale.classes)},
        "licence": cohort.licence,
        "citation": cohort.citation,
    }


def _predictions_frame(prepared: Sequence[PreparedWalk], judged: _Judged) -> pd.DataFrame:
    rows = []
    for number, item in enumerate(prepared):
        walk = item.walk
        probabilities = judged.probabilities[number].round(6).tolist()
        rows.append(
            {
                "participant_id": walk.id.participant_id,
                "session_id": walk.id.session_id,
                "medication": walk.medication,
                "walk_id": walk.id.walk_id,
                "rating": walk.rating or "",
                "predicted": str(judged.predicted[number]),
                **dict(zip((f"p{name}" for name in judged.classes), probabilities, strict=True)),
                "fold": int(judged.folds[number]),
                "n_clips": len(item.clips),
                "quality": item.quality,
            }
        )
    return pd.DataFrame(rows)


def _walks_frame(prepared: Sequence[PreparedWalk], cohort: Cohort) -> pd.DataFrame:
    rows = []
    for item in prepared:
        walk = item.walk
        rows.append(
            {
                **dict(zip(ID_COLUMNS, walk.id.key, strict=True)),
                "medication": walk.medication,
                "view": item.view,
                "rating": walk.rating or "",
                "n_frames": item.n_frames,
                "rate_hz": item.rate_hz,
                "quality": item.quality,
                "pose": item.pose,
                "pose_3d": item.pose_3d,
                "site": walk.site or "",
                "dataset": walk.dataset or "",
                "age": walk.age,
                "sex": walk.sex or "",
                "height_m": walk.height_m,
                "leg_length_m": walk.leg_length_m,
                "synthetic": cohort.synthetic,
                "n_poor_clips": item.n_poor_clips,
                **{f"meta_{name}": value for name, value in sorted(walk.metadata.items())},
            }
        )
    return pd.DataFrame(rows)


def _features_frame(prepared: Sequence[PreparedWalk]) -> pd.DataFrame:
    rows = [
        {
            **dict(zip(ID_COLUMNS, item.walk.id.key, strict=True)),
            **{
                name: f"{value:.6g}" if np.isfinite(value) else ""
                for name, value in item.features.items()
            },
        }
        for item in prepared
    ]
    return pd.DataFrame(rows)


def _report(evaluation: Evaluation, predictions: pd.DataFrame, failures: pd.DataFrame) -> str:
    from gaitmb.report import render_report

    return render_report(evaluation, predictions, failures)
