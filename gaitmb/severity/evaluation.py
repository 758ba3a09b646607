"""Out-of-fold predictions by nested cross-validation, and their metrics at every level.

The way of a fold: rated clips of the training participants → scaling and reduction → hyper-parameters by
inner folds of the same participants → one fit → clips of the held-out participants → mean over the clips
of a walk. Nothing about a held-out participant enters anything before the last but one arrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter
from threadpoolctl import threadpool_limits

from gaitmb.data.evaluation import LevelMetrics
from gaitmb.errors import ConfigurationError, NothingUsableError
from gaitmb.severity.cases import cases_at, predicted_classes, rating_codes, walk_order
from gaitmb.severity.metrics import class_scores, confusion_by_participant, metric_intervals
from gaitmb.severity.models import Classifier, balanced_weights, classifier_named
from gaitmb.severity.splits import assign_folds, check_folds, check_rated, rare_class_notes

__all__ = ["OutOfFold", "cross_validate", "evaluate"]

_Array = NDArray[np.float64]

#: Smallest probability that the selection score takes at face value.
_FLOOR = 1e-3


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Predictions of every walk by models that never saw its participant.

    Parameters
    ----------
    probabilities
        Shape ``(n_walks, n_classes)``; each row sums to 1. A class that the training participants of a
        fold lack has 0 there.
    predicted
        Predicted class of each walk as text, shape ``(n_walks,)``.
    folds
        Fold in which each walk was held out, shape ``(n_walks,)``.
    chosen
        Hyper-parameters by fold.
    drawn
        Whether predictions are draws from the probabilities (the baseline ``prior``); :func:`evaluate`
        wants to know.
    notes
        Sentences on what limits the result, for the report.
    """

    probabilities: _Array
    predicted: NDArray[np.str_]
    folds: NDArray[np.intp]
    chosen: Mapping[int, Mapping[str, Any]]
    drawn: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Rows:
    # Clips sorted by walk, walks sorted by their ids; `codes` is -1 for a walk that is not rated.
    features: NDArray[Any]
    walk_of_clip: NDArray[np.intp]
    codes: NDArray[np.intp]
    participants: NDArray[np.intp]
    n_classes: int


def cross_validate(
    features: NDArray[Any],
    walk_of_clip: NDArray[np.integer[Any]],
    walks: pd.DataFrame,
    *,
    classes: Sequence[str],
    classifier: str,
    folds: NDArray[np.integer[Any]],
    inner_folds: int = 3,
    seed: int = 0,
    ordinal: bool = False,
    n_jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> OutOfFold:
    """Predict each walk by a model of the other participants.

    Parameters
    ----------
    features
        One row per clip, shape ``(n_clips, n_features)``; NaN only for classifiers that allow it.
    walk_of_clip
        Position in `walks` of each clip, shape ``(n_clips,)``.
    walks
        Columns `participant_id`, `session_id`, `walk_id`, `rating` (a class as text; None or NaN where
        not rated: the walk is predicted, not learnt from).
    classes
        All classes, in order.
    classifier
        A name of :data:`gaitmb.severity.models.CLASSIFIERS` or ``BASELINES``.
    folds
        Fold of each walk, shape ``(n_walks,)``, from :func:`gaitmb.severity.splits.assign_folds`.
    inner_folds
        Grouped folds within the training participants in which hyper-parameters are chosen.
    seed
        Of everything random.
    ordinal
        Whether the order of `classes` means more or less.
    n_jobs
        Processes to share the folds; does not change the result.
    progress
        Called with the numbers of finished and of all folds.

    Raises
    ------
    ConfigurationError
        A participant is split, shapes do not fit, features are missing where they must not be, or a
        classifier for ordered classes meets unordered ones.
    NothingUsableError
        There is one class, or one participant, or a fold leaves nothing rated to train on.
    UnknownNameError
        There is no such classifier.

    Notes
    -----
    Hyper-parameters are those of least log loss over walks, every class weighing the same and
    probabilities floored at 0.001; of equals the most cautious. Log loss is a proper score and, unlike
    F1, tells models apart that predict the same few walks. Weights count every walk once, whatever its
    number of clips.

    Examples
    --------
    >>> walks = pd.DataFrame({"participant_id": list("ABCD"), "session_id": "1", "walk_id": "1",
    ...                       "rating": ["0", "1", "0", "1"]})
    >>> found = cross_validate(np.array([[0.0], [9.0], [1.0], [8.0]]), np.arange(4), walks,
    ...                        classes=["0", "1"], classifier="logistic", folds=np.arange(4))
    >>> found.predicted.tolist()
    ['0', '1', '0', '1']
    """
    spec = classifier_named(classifier)
    codes = rating_codes(walks, classes)
    check_folds(walks["participant_id"], folds)
    check_rated(walks["participant_id"], walks["rating"])
    _check_features(features, walk_of_clip, len(walks), spec)
    if spec.ordinal and not ordinal:
        raise ConfigurationError(
            f"the classifier {spec.name} for the classes {', '.join(classes)}, which have no order",
            expected="classes whose order means more or less",
            remedy="Choose logistic",
        )
    order = walk_order(walks)
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(order))
    clips = np.argsort(place[walk_of_clip], kind="stable")
    rows = _Rows(
        features=features if np.array_equal(clips, np.arange(len(clips))) else features[clips],
        walk_of_clip=place[walk_of_clip[clips]],
        codes=codes[order],
        participants=np.unique(np.asarray(walks["participant_id"], str), return_inverse=True)[1][order],
        n_classes=len(classes),
    )
    of_walk = np.asarray(folds, dtype=np.intp)[order]
    numbers = [int(fold) for fold in np.unique(of_walk)]
    tasks = (joblib.delayed(_run_fold)(rows, spec, of_walk == n, inner_folds, seed, n) for n in numbers)
    results: Iterable[tuple[_Array, Mapping[str, Any], str]]
    if n_jobs == 1:
        results = (function(*arguments) for function, arguments, _ in tasks)
    else:
        results = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(tasks)
    probabilities = np.zeros((len(walks), len(classes)))
    chosen: dict[int, Mapping[str, Any]] = {}
    notes = dict.fromkeys(rare_class_notes(walks["participant_id"], walks["rating"]))
    for done, (number, (found, parameters, note)) in enumerate(zip(numbers, results, strict=True), 1):
        probabilities[order[of_walk == number]] = found
        chosen[number] = parameters
        notes.update({note: None} if note else {})
        if progress is not None:
            progress(done, len(numbers))
    predicted = np.empty(len(walks), dtype=np.intp)
    predicted[order] = predicted_classes(probabilities[order], "walk", drawn=spec.drawn, seed=seed)
    return OutOfFold(
        probabilities=probabilities,
        predicted=np.asarray(classes, dtype=str)[predicted],
        folds=np.asarray(folds, dtype=np.intp),
        chosen=chosen,
        drawn=spec.drawn,
        notes=tuple(notes),
    )


def _check_features(
    features: NDArray[Any],
    walk_of_clip: NDArray[np.integer[Any]],
    n_walks: int,
    spec: Classifier,
) -> None:
    if features.ndim != 2 or features.shape[0] != len(walk_of_clip) or features.shape[1] == 0:
        raise ConfigurationError(
            f"features of shape {features.shape} for {len(walk_of_clip)} clips",
            expected="one row of features per clip",
        )
    if len(walk_of_clip) and (walk_of_clip.min() < 0 or walk_of_clip.max() >= n_walks):
        raise ConfigurationError("a clip of no walk", expected=f"walks 0 to {n_walks - 1}")
    empty = n_walks - len(np.unique(walk_of_clip))
    if empty:
        raise ConfigurationError(
            f"{empty} of {n_walks} walks have no clip",
            expected="at least one clip of every walk",
            remedy="Leave such walks out and list them as failures",
        )
    # Sums are cheap to look at: one is finite only if all its terms are, short of an overflow.
    suspect = ~np.isfinite(features.sum(axis=1, dtype=np.float64))
    broken = np.isinf(features) if spec.missing else ~np.isfinite(features[suspect])
    n_broken = int(broken.any(axis=1).sum())
    if n_broken:
        raise ConfigurationError(
            f"{n_broken} of {len(features)} clips have features that are missing or infinite",
            expected=f"finite features for the classifier {spec.name}",
            remedy="Leave those clips out; measures with gaps are for gait_features",
        )


def _run_fold(
    rows: _Rows, spec: Classifier, held_out: NDArray[np.bool_], inner_folds: int, seed: int, number: int
) -> tuple[_Array, Mapping[str, Any], str]:
    training = ~held_out & (rows.codes >= 0)
    if not training.any():
        raise NothingUsableError(
            "a fold leaves no rated walk to train on",
            expected="rated participants in at least 2 folds",
            remedy="Use more folds, or the protocol loso",
        )
    own_seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    # Threads would change the order of sums, and with it the last digits, from machine to machine.
    with threadpool_limits(limits=1):
        parameters, note = _choose(rows, spec, training, inner_folds, own_seed)
        found = _predict(rows, spec, training, held_out, (parameters,), own_seed)[0]
    return found, parameters, note


def _choose(
    rows: _Rows, spec: Classifier, training: NDArray[np.bool_], inner_folds: int, seed: int
) -> tuple[Mapping[str, Any], str]:
    if len(spec.grid) == 1:
        return spec.grid[0], ""
    where = np.flatnonzero(training)
    names, codes = rows.participants[where].astype(str), rows.codes[where]
    n_folds = min(inner_folds, len(np.unique(names)))
    if n_folds < 2 or len(np.unique(codes)) < 2:
        return spec.grid[0], (
            "In at least one fold the training participants were too few, or their ratings too alike, "
            "to choose hyper-parameters: the most cautious were taken."
        )
    folds = assign_folds(names, codes.astype(str), protocol="kfold", n_folds=n_folds, seed=seed)
    found = np.zeros((len(spec.grid), len(where), rows.n_classes))
    for fold in range(n_folds):
        fitted, judged = training.copy(), np.zeros_like(training)
        fitted[where[folds == fold]] = False
        judged[where[folds == fold]] = True
        found[:, folds == fold] = _predict(rows, spec, fitted, judged, spec.grid, seed)
    weights = balanced_weights(codes, np.ones(len(codes)))
    given = found[:, np.arange(len(codes)), codes]
    losses = -np.log(np.maximum(given, _FLOOR)) @ weights / weights.sum()
    return spec.grid[int(np.argmin(losses.round(6)))], ""


def _predict(
    rows: _Rows,
    spec: Classifier,
    fitted: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    grid: Sequence[Mapping[str, Any]],
    seed: int,
) -> _Array:
    # Probabilities of the walks `predicted` by models of the walks `fitted`, one for each grid entry.
    learnt, asked = fitted[rows.walk_of_clip], predicted[rows.walk_of_clip]
    of_learnt, of_asked = rows.walk_of_clip[learnt], rows.walk_of_clip[asked]
    n_clips = np.bincount(rows.walk_of_clip, minlength=len(rows.codes))
    once = 1.0 / n_clips[of_learnt]
    labels = rows.codes[of_learnt]
    present = np.unique(labels)
    by_clip = np.zeros((len(grid), len(of_asked), rows.n_classes))
    if len(present) == 1:
        by_clip[:, :, present] = 1.0
    else:
        *preparation, (_, classifier) = spec.build(seed).steps
        known, new = rows.features[learnt], rows.features[asked]
        for _, step in preparation:
            weighted = {"sample_weight": once} if has_fit_parameter(step, "sample_weight") else {}
            known = step.fit_transform(known, **weighted)
            new = step.transform(new)
        extra: dict[str, Any] = {
            "sample_weight": balanced_weights(labels, once) if spec.balanced else once
        }
        if has_fit_parameter(classifier, "groups"):
            extra["groups"] = rows.participants[of_learnt]
        for number, parameters in enumerate(grid):
            model = clone(classifier).set_params(**parameters)
            by_clip[number][:, present] = model.fit(known, labels, **extra).predict_proba(new)
    by_walk = np.zeros((len(grid), len(rows.codes), rows.n_classes))
    for walks, clips in zip(by_walk, by_clip, strict=True):
        np.add.at(walks, of_asked, clips)
    by_walk = by_walk[:, predicted]
    return np.asarray(by_walk / by_walk.sum(axis=2, keepdims=True))


def evaluate(
    probabilities: _Array,
    walks: pd.DataFrame,
    classes: Sequence[str],
    *,
    ordinal: bool,
    resamples: int = 2000,
    seed: int = 0,
    drawn: bool = False,
) -> dict[str, LevelMetrics]:
    """Metrics with intervals per walk and per participant and session.

    Parameters
    ----------
    probabilities
        Out-of-fold, shape ``(n_walks, n_classes)``.
    walks, classes, ordinal
        As in :func:`cross_validate`; walks without a rating are not scored.
    resamples, seed
        Of the bootstrap over participants.
    drawn
        :attr:`OutOfFold.drawn`.

    Returns
    -------
    By level of :data:`gaitmb.data.evaluation.LEVELS`. A session's probabilities are the mean over all
    its walks; it is rated as its rated walks are, and left out and counted where those differ.

    Examples
    --------
    >>> walks = pd.DataFrame({"participant_id": ["A", "A", "B"], "session_id": "1",
    ...                       "walk_id": ["1", "2", "1"], "rating": ["0", "0", "1"]})
    >>> levels = evaluate(np.eye(2)[[0, 1, 1]], walks, ["0", "1"], ordinal=True)
    >>> levels["walk"].confusion, levels["participant_session"].n_scored
    (((1, 1), (0, 1)), 2)
    """
    levels = {}
    for level, cases in cases_at(probabilities, walks, classes, drawn=drawn, seed=seed).items():
        counts = confusion_by_participant(cases.rated, cases.predicted, cases.participants, len(classes))
        confusion = counts.sum(axis=0)
        levels[level] = LevelMetrics(
            metrics=metric_intervals(counts, classes, ordinal=ordinal, resamples=resamples, seed=seed),
            per_class=class_scores(confusion, classes),
            classes=tuple(classes),
            confusion=tuple(tuple(int(count) for count in row) for row in confusion),
            n_scored=len(cases.rated),
            n_participants=len(counts),
            n_excluded=cases.n_excluded,
        )
    return levels
