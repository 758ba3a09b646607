"""Metrics of a confusion matrix, and their intervals by bootstrap over participants.

Every metric is a function of confusion counts, so a resample of participants is a weighted sum of their
confusion matrices: 2,000 resamples are one matrix product.

Letters: ``K`` classes, ``P`` participants, ``R`` resamples; rows of a confusion are rated, columns
predicted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaitmb.data.evaluation import METRICS, ORDINAL_METRICS, ClassScore, Interval

__all__ = [
    "class_positions",
    "class_scores",
    "confusion_by_participant",
    "interval",
    "metric_intervals",
    "metric_values",
    "resampled_confusions",
]

_Array = NDArray[np.float64]

#: Width of every interval.
INTERVAL_LEVEL = 0.95


def class_positions(classes: Sequence[str]) -> _Array:
    """Where ordered classes lie on their scale, shape ``(K,)``.

    Whole numbers lie at their value, so that a scale of which only 0, 1 and 3 were rated keeps its gap;
    other names lie at their rank.

    Examples
    --------
    >>> class_positions(["0", "1", "3"]), class_positions(["mild", "severe"])
    (array([0., 1., 3.]), array([0., 1.]))
    """
    if all(name.isdecimal() for name in classes):
        return np.array([float(name) for name in classes])
    return np.arange(float(len(classes)))


def confusion_by_participant(
    rated: NDArray[np.integer[Any]],
    predicted: NDArray[np.integer[Any]],
    participants: NDArray[Any],
    n_classes: int,
) -> _Array:
    """Count rated against predicted classes for each participant.

    Parameters
    ----------
    rated, predicted
        Class numbers of each case, shape ``(n_cases,)``.
    participants
        Participant of each case, shape ``(n_cases,)``.
    n_classes
        ``K``.

    Returns
    -------
    Counts, shape ``(P, K, K)``, participants in sorted order.

    Examples
    --------
    >>> confusion_by_participant(np.array([0, 1]), np.array([0, 0]), np.array(["A", "A"]), 2)
    array([[[1., 0.],
            [1., 0.]]])
    """
    names, of_case = np.unique(participants, return_inverse=True)
    counts = np.zeros((len(names), n_classes, n_classes))
    np.add.at(counts, (of_case, rated, predicted), 1.0)
    return counts


def resampled_confusions(by_participant: _Array, resamples: int, seed: int) -> _Array:
    """Confusions of cohorts in which participants are drawn with replacement, shape ``(R, K, K)``.

    The same seed and number of participants draw the same participants, which is what pairs two
    classifiers.

    Examples
    --------
    >>> resampled_confusions(np.ones((3, 1, 1)), 2, seed=0).ravel()
    array([3., 3.])
    """
    n_participants, n_classes, _ = by_participant.shape
    rng = np.random.default_rng(seed)
    times = rng.multinomial(n_participants, np.full(n_participants, 1 / n_participants), resamples)
    flat = times @ by_participant.reshape(n_participants, -1)
    return np.asarray(flat.reshape(resamples, n_classes, n_classes))


def _ratio(above: Any, below: Any, otherwise: float) -> _Array:
    above, below = np.broadcast_arrays(np.asarray(above, float), np.asarray(below, float))
    result = np.full(above.shape, otherwise)
    np.divide(above, below, out=result, where=below != 0)
    return result


def _precision_recall_f1(confusion: _Array) -> tuple[_Array, _Array, _Array, _Array]:
    support, found = confusion.sum(axis=-1), confusion.sum(axis=-2)
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return (
        _ratio(hits, found, 0.0),
        _ratio(hits, support, 0.0),
        _ratio(2 * hits, support + found, 0.0),
        support,
    )


def metric_values(confusion: _Array, positions: _Array | None) -> dict[str, _Array]:
    """All metrics of one confusion or of many.

    Parameters
    ----------
    confusion
        Counts, shape ``(..., K, K)``.
    positions
        Of the classes on their scale, shape ``(K,)`` (:func:`class_positions`); None where they have no
        order, and then the ordinal metrics are left out.

    Returns
    -------
    By name, shape ``(...)``; NaN where undefined: nothing is rated, or (``qwk``) all cases are rated and
    predicted the same class, so that no disagreement was to be expected.

    Notes
    -----
    ``macro_f1`` and ``balanced_accuracy`` are means over the classes that are rated; a class never
    predicted has F1 0. ``qwk`` is Cohen's kappa with weights that grow with the square of the distance
    on the scale (Cohen 1968). ``within_one`` is the share at most one point off.

    Examples
    --------
    >>> values = metric_values(np.array([[2.0, 0.0], [1.0, 1.0]]), np.arange(2.0))
    >>> round(float(values["weighted_f1"]), 3), float(values["mae"]), float(values["qwk"])
    (0.733, 0.25, 0.5)
    """
    _, recall, f1, support = _precision_recall_f1(confusion)
    total = support.sum(axis=-1)
    n_rated = (support > 0).sum(axis=-1)
    values = {
        "weighted_f1": _ratio((f1 * support).sum(axis=-1), total, np.nan),
        "macro_f1": _ratio((f1 * (support > 0)).sum(axis=-1), n_rated, np.nan),
        "balanced_accuracy": _ratio((recall * (support > 0)).sum(axis=-1), n_rated, np.nan),
    }
    if positions is None:
        return values
    distance = np.abs(positions[:, None] - positions)
    expected = support[..., :, None] * confusion.sum(axis=-2)[..., None, :]
    observed = (confusion * distance**2).sum(axis=(-2, -1)) * total
    disagreement = _ratio(observed, (expected * distance**2).sum(axis=(-2, -1)), np.nan)
    return {
        **values,
        "qwk": 1.0 - disagreement,
        "mae": _ratio((confusion * distance).sum(axis=(-2, -1)), total, np.nan),
        "within_one": _ratio((confusion * (distance <= 1)).sum(axis=(-2, -1)), total, np.nan),
    }


def interval(value: float, resampled: _Array, n_participants: int) -> Interval:
    """Percentile interval (Efron & Tibshirani 1993) of a figure from its resamples.

    Parameters
    ----------
    value
        The figure in the whole cohort; NaN where undefined.
    resampled
        The figure in each resample, shape ``(R,)``; NaN where undefined there. Such resamples are left
        out and counted in the reason; where they are the majority, there is no interval.
    n_participants
        Participants drawn from; with fewer than two there is no interval.

    Examples
    --------
    >>> print(interval(0.5, np.linspace(0, 1, 101), 20))
    0.50 [0.03, 0.97]
    >>> interval(0.5, np.ones(10), 1).reason
    'no interval: 1 participant'
    """
    if not np.isfinite(value):
        return Interval(None, reason="undefined: the predictions and ratings are all one class")
    if n_participants < 2:
        return Interval(value, reason=f"no interval: {n_participants} participant")
    defined = resampled[np.isfinite(resampled)]
    lost = len(resampled) - len(defined)
    if lost > len(resampled) / 2:
        return Interval(value, reason=f"no interval: undefined in {lost} of {len(resampled)} resamples")
    tail = (1 - INTERVAL_LEVEL) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    reason = f"{lost} of {len(resampled)} resamples were undefined and left out" if lost else ""
    return Interval(float(value), float(low), float(high), reason)


def metric_intervals(
    by_participant: _Array,
    classes: Sequence[str],
    *,
    ordinal: bool,
    resamples: int,
    seed: int,
) -> dict[str, Interval]:
    """Every metric of :data:`gaitmb.data.evaluation.METRICS` with its interval.

    Parameters
    ----------
    by_participant
        Counts, shape ``(P, K, K)``.
    classes
        Names of the ``K`` classes.
    ordinal
        Whether they have an order; if not, ordinal metrics get a reason instead of a value.
    resamples, seed
        Of the bootstrap over participants.

    Examples
    --------
    >>> figures = metric_intervals(np.ones((4, 2, 2)), ["N", "AR"], ordinal=False, resamples=9, seed=0)
    >>> figures["qwk"].reason
    'the classes N, AR have no order'
    """
    n_participants = len(by_participant)
    if n_participants == 0:
        return dict.fromkeys(METRICS, Interval(None, reason="nothing at this level has a rating"))
    positions = class_positions(classes) if ordinal else None
    whole = metric_values(by_participant.sum(axis=0), positions)
    resampled = metric_values(resampled_confusions(by_participant, resamples, seed), positions)
    unordered = Interval(None, reason=f"the classes {', '.join(classes)} have no order")
    return {
        name: unordered
        if positions is None and name in ORDINAL_METRICS
        else interval(float(whole[name]), resampled[name], n_participants)
        for name in METRICS
    }


def class_scores(confusion: _Array, classes: Sequence[str]) -> dict[str, ClassScore]:
    """Precision, recall, F1 and support of each class; 0 where nothing was found or rated.

    Examples
    --------
    >>> class_scores(np.array([[2.0, 0.0], [1.0, 1.0]]), ["0", "1"])["1"]
    ClassScore(precision=1.0, recall=0.5, f1=0.666..., support=2)
    """
    columns = zip(*_precision_recall_f1(confusion), strict=True)
    return {
        name: ClassScore(float(precision), float(recall), float(f1), int(support))
        for name, (precision, recall, f1, support) in zip(classes, columns, strict=True)
    }
