"""The classifiers and baselines by name, each a scikit-learn pipeline with the grid it is tuned on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from gaitmb.errors import UnknownNameError
from gaitmb.severity.estimators import (
    CalibratedSVC,
    OrdinalLogistic,
    ParticipantForest,
    SmallNetwork,
)
from gaitmb.severity.reduction import ColumnScaler, GramPCA

__all__ = ["BASELINES", "CLASSIFIERS", "Classifier", "balanced_weights", "classifier_named"]


@dataclass(frozen=True)
class Classifier:
    """A way to classify features, as the registries hold it.

    Parameters
    ----------
    name
        Its name in :data:`CLASSIFIERS` or :data:`BASELINES`.
    summary
        One sentence for reports.
    build
        Makes the unfitted pipeline from a seed. Its last step is called ``classify``; what stands before
        it must not depend on the hyper-parameters, because it is fitted once for the whole grid.
    grid
        Hyper-parameters of the step ``classify`` to choose from, the most cautious first; one entry
        means that nothing is tuned.
    ordinal
        Whether it needs classes that have an order.
    balanced
        Whether every class gets the same total weight.
    missing
        Whether features may be missing (NaN).
    drawn
        Whether its prediction is a seeded draw from its probabilities, not the most probable class.
    """

    name: str
    summary: str
    build: Callable[[int], Any]
    grid: tuple[Mapping[str, Any], ...] = ({},)
    ordinal: bool = False
    balanced: bool = True
    missing: bool = False
    drawn: bool = False


def _reduced(classifier: Any, **reduction: Any) -> Any:
    return Pipeline(
        [("scale", ColumnScaler()), ("reduce", GramPCA(**reduction)), ("classify", classifier)]
    )


def _logistic(seed: int) -> Any:
    return _reduced(LogisticRegression(max_iter=5000))


def _svm(seed: int) -> Any:
    return _reduced(CalibratedSVC(random_state=seed))


def _random_forest(seed: int) -> Any:
    return _reduced(ParticipantForest(random_state=seed), n_components=40)


def _ordinal(seed: int) -> Any:
    return _reduced(OrdinalLogistic())


def _mlp(seed: int) -> Any:
    return _reduced(SmallNetwork(random_state=seed), n_components=20, whiten=True)


def _gait_features(seed: int) -> Any:
    imputer = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return Pipeline(
        # Not tuned: on real walks the size of its leaves changed weighted F1 by less than 0.02.
        [("impute", imputer), ("classify", ParticipantForest(n_trees=200, random_state=seed))]
    )


def _majority(seed: int) -> Any:
    return Pipeline([("classify", DummyClassifier(strategy="most_frequent"))])


def _prior(seed: int) -> Any:
    return Pipeline([("classify", DummyClassifier(strategy="prior"))])


_PENALTIES = tuple({"C": c} for c in (0.1, 1.0, 10.0, 100.0))
_LEAVES = tuple({"leaf_share": share} for share in (0.05, 0.0))

#: Classifiers of embeddings (or of any complete features).
CLASSIFIERS: dict[str, Classifier] = {
    entry.name: entry
    for entry in (
        Classifier("logistic", "multinomial logistic regression, L2", _logistic, _PENALTIES),
        Classifier("svm", "support vector machine, RBF kernel, calibrated", _svm, _PENALTIES),
        Classifier("random_forest", "random forest of participants", _random_forest, _LEAVES),
        Classifier("ordinal", "cumulative logistic regression", _ordinal, _PENALTIES, ordinal=True),
        Classifier(
            "mlp", "small neural networks", _mlp, tuple({"alpha": a} for a in (100.0, 10.0, 1.0))
        ),
    )
}

#: What a classifier has to beat, evaluated through the same folds.
BASELINES: dict[str, Classifier] = {
    entry.name: entry
    for entry in (
        Classifier("majority", "the commonest class of the training walks", _majority, balanced=False),
        Classifier(
            "prior",
            "a draw from the classes of the training walks",
            _prior,
            balanced=False,
            drawn=True,
        ),
        Classifier(
            "gait_features",
            "random forest on measures of gait",
            _gait_features,
            missing=True,
        ),
    )
}


def classifier_named(name: str) -> Classifier:
    """Look a classifier or baseline up by its name.

    Raises
    ------
    UnknownNameError
        There is none of that name; the nearest one is named.

    Examples
    --------
    >>> classifier_named("ordinal").ordinal
    True
    >>> [step for step, _ in classifier_named("svm").build(0).steps]
    ['scale', 'reduce', 'classify']
    """
    known = {**CLASSIFIERS, **BASELINES}
    if name not in known:
        raise UnknownNameError("classifier", name, known)
    return known[name]


def balanced_weights(labels: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights in which every class has the same total, and the sum is kept.

    Parameters
    ----------
    labels
        Class of each row, shape ``(n_rows,)``.
    weights
        Weight of each row before balancing, shape ``(n_rows,)``.

    Examples
    --------
    >>> balanced_weights(np.array([0, 0, 0, 1]), np.ones(4))
    array([0.66666667, 0.66666667, 0.66666667, 2.        ])
    """
    codes = np.unique(labels, return_inverse=True)[1]
    totals = np.bincount(codes, weights)
    return np.asarray(weights * (weights.sum() / len(totals) / totals)[codes])
