"""Classifiers that scikit-learn does not have in the form that few participants ask for.

Each is fitted with a weight for every row, which holds both the balance of the classes and "a walk
counts once", and repeats exactly. Whatever is drawn or held out inside `fit` is drawn or held out by
participant, given as `groups`; without them every row stands for itself.
"""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from gaitmb.severity.splits import assign_folds

__all__ = ["CalibratedSVC", "OrdinalLogistic", "ParticipantForest", "SmallNetwork"]

_Probabilities = NDArray[np.float64]


class _Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    def _start(
        self,
        X: Any,  # noqa: N803
        y: Any,
        sample_weight: Any,
    ) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
        X, y = validate_data(self, X, y, dtype=np.float64)  # noqa: N806
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("the classifier needs at least 2 classes, got 1 class")
        return X, codes, _check_sample_weight(sample_weight, X, dtype=np.float64)

    def _rows(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, dtype=np.float64, reset=False))

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Most probable class of each row, shape ``(n_rows,)``; the first of equals."""
        return np.asarray(self.classes_[np.argmax(self.predict_proba(X), axis=1)])


class OrdinalLogistic(_Classifier):
    """Cumulative logistic regression: one direction of severity, and a threshold between neighbours.

    Parameters
    ----------
    C
        Inverse strength of the L2 penalty on the direction; thresholds are not penalised.

    Attributes
    ----------
    classes_
        Classes of the training rows in sorted order, which must be their order of severity.
    coef_, thresholds_
        Direction, shape ``(n_features,)``, and ascending thresholds, shape ``(n_classes - 1,)``.

    Notes
    -----
    The binary problems "worse than class k" of Frank & Hall (2001) are fitted together with one shared
    direction, which is the all-threshold logistic loss of Rennie & Srebro (2005). It is convex and its
    thresholds come out ordered, so that differences of ``P(y > k)`` are probabilities as they stand.

    Examples
    --------
    >>> rows, grades = np.arange(6.0)[:, None], [0, 0, 1, 1, 2, 2]
    >>> OrdinalLogistic(C=100.0).fit(rows, grades).predict(rows).tolist()
    [0, 0, 1, 1, 2, 2]
    """

    def __init__(self, C: float = 1.0) -> None:  # noqa: N803
        self.C = C

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Fit to `X`, shape ``(n_rows, n_features)``, and its classes `y`."""
        X, codes, weights = self._start(X, y, sample_weight)  # noqa: N806
        n_thresholds = len(self.classes_) - 1
        sign = np.where(codes[:, None] > np.arange(n_thresholds), 1.0, -1.0)

        def loss(packed: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            direction, thresholds = packed[: X.shape[1]], packed[X.shape[1] :]
            margin = sign * ((X @ direction)[:, None] - thresholds)
            slope = -weights[:, None] * sign * expit(-margin)
            value = weights @ np.logaddexp(0.0, -margin).sum(axis=1)
            value += direction @ direction / (2 * self.C)
            gradient = np.concatenate([X.T @ slope.sum(axis=1) + direction / self.C, -slope.sum(axis=0)])
            return float(value), gradient

        above = np.array([weights[codes > k].sum() for k in range(n_thresholds)]) / weights.sum()
        start = np.concatenate([np.zeros(X.shape[1]), np.log((1 - above) / above)])
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000})
        self.coef_ = found.x[: X.shape[1]]
        self.thresholds_ = np.sort(found.x[X.shape[1] :])
        return self

    def predict_proba(self, X: Any) -> _Probabilities:  # noqa: N803
        """Probability of each class, shape ``(n_rows, n_classes)``."""
        above = expit((self._rows(X) @ self.coef_)[:, None] - self.thresholds_)
        padded = np.pad(above, ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
        return np.asarray(-np.diff(padded, axis=1))


class ParticipantForest(_Classifier):
    """Random forest (Breiman 2001) whose trees are each grown on a bootstrap of whole participants.

    Rows of a participant are alike, so trees that draw rows all see everybody; and drawing rows lets a
    walk count more often because it was cut into more clips.

    Parameters
    ----------
    n_trees
        Number of trees; probabilities are the mean over them.
    leaf_share
        Smallest share of the total weight that a leaf may hold.
    random_state
        Seed of the draws.

    Examples
    --------
    >>> rows = np.arange(8.0)[:, None]
    >>> forest = ParticipantForest(20).fit(rows, [0, 0, 0, 0, 1, 1, 1, 1])
    >>> forest.predict([[0.0], [7.0]])
    array([0, 1])
    """

    def __init__(
        self, n_trees: int = 100, leaf_share: float = 0.0, random_state: int | None = 0
    ) -> None:
        self.n_trees = n_trees
        self.leaf_share = leaf_share
        self.random_state = random_state

    def fit(
        self,
        X: Any,  # noqa: N803
        y: Any,
        sample_weight: Any = None,
        groups: Any = None,
    ) -> Self:
        """Fit to `X`, shape ``(n_rows, n_features)``, classes `y` and participants `groups`."""
        X, codes, weights = self._start(X, y, sample_weight)  # noqa: N806
        X = np.ascontiguousarray(X, dtype=np.float32)  # noqa: N806
        members = np.arange(len(X)) if groups is None else np.unique(groups, return_inverse=True)[1]
        n_members = int(members.max()) + 1
        rng = np.random.default_rng(self.random_state)
        self.trees_: list[Any] = []
        while len(self.trees_) < self.n_trees:
            times = rng.multinomial(n_members, np.full(n_members, 1 / n_members))[members]
            seed = int(rng.integers(2**31 - 1))
            tree = DecisionTreeClassifier(
                max_features="sqrt", min_weight_fraction_leaf=self.leaf_share, random_state=seed
            )
            # Rows of weight 0 are ignored but keep the columns of all classes.
            self.trees_.append(tree.fit(X, codes, weights * times, check_input=False))
        return self

    def predict_proba(self, X: Any) -> _Probabilities:  # noqa: N803
        """Probability of each class, shape ``(n_rows, n_classes)``."""
        rows = np.ascontiguousarray(self._rows(X), dtype=np.float32)
        total = np.zeros((len(rows), len(self.classes_)))
        for tree in self.trees_:
            total += tree.predict_proba(rows, check_input=False)
        return np.asarray(total / len(self.trees_))


class CalibratedSVC(_Classifier):
    """Support vector machine with probabilities calibrated on participants it was not fitted to.

    Parameters
    ----------
    C
        Inverse strength of the penalty.
    kernel
        ``rbf`` or ``linear``.
    gamma
        Inverse width of the RBF kernel, for features whose variances sum to 1. (scikit-learn's ``scale``
        would count a walk more often the more clips it has.)
    n_folds
        Grouped folds within the training rows that give out-of-fold decision values.
    random_state
        Seed of those folds.

    Notes
    -----
    A multinomial logistic regression from out-of-fold decision values to classes; for two classes that
    is the scaling of Platt (1999). Folds whose training part lacks a class give no decision value for
    it, and are left out; where none remains, probabilities are the softmax of the decision values.

    Examples
    --------
    >>> rows = np.arange(8.0)[:, None]
    >>> svc = CalibratedSVC().fit(rows, [0, 0, 0, 0, 1, 1, 1, 1])
    >>> svc.predict([[0.0], [7.0]])
    array([0, 1])
    """

    def __init__(
        self,
        C: float = 1.0,  # noqa: N803
        kernel: str = "rbf",
        gamma: float = 1.0,
        n_folds: int = 3,
        random_state: int | None = 0,
    ) -> None:
        self.C = C
        self.kernel = kernel
        self.gamma = gamma
        self.n_folds = n_folds
        self.random_state = random_state

    def fit(
        self,
        X: Any,  # noqa: N803
        y: Any,
        sample_weight: Any = None,
        groups: Any = None,
    ) -> Self:
        """Fit to `X`, shape ``(n_rows, n_features)``, classes `y` and participants `groups`."""
        X, codes, weights = self._start(X, y, sample_weight)  # noqa: N806
        names = np.arange(len(X)) if groups is None else np.unique(groups, return_inverse=True)[1]
        self.svc_ = self._svc().fit(X, codes, weights)
        self.calibration_ = None
        n_folds = min(self.n_folds, len(np.unique(names)))
        if n_folds < 2:
            return self
        # Which classes a participant has decides their fold, not how many clips there are of each.
        pairs = np.unique(np.column_stack([names, codes]), axis=0).astype(str)
        of_pair = assign_folds(
            pairs[:, 0], pairs[:, 1], protocol="kfold", n_folds=n_folds, seed=self.random_state or 0
        )
        fold_of = {int(name): fold for name, fold in zip(pairs[:, 0], of_pair, strict=True)}
        folds = np.array([fold_of[int(name)] for name in names])
        values = np.full((len(X), len(self.classes_)), np.nan)
        for fold in range(n_folds):
            fitted = folds != fold
            if len(np.unique(codes[fitted])) == len(self.classes_):
                svc = self._svc().fit(X[fitted], codes[fitted], weights[fitted])
                values[~fitted] = _decisions(svc, X[~fitted])
        seen = np.isfinite(values[:, 0])
        if len(np.unique(codes[seen])) == len(self.classes_):
            self.calibration_ = LogisticRegression(max_iter=1000)
            self.calibration_.fit(values[seen], codes[seen], weights[seen])
        return self

    def predict_proba(self, X: Any) -> _Probabilities:  # noqa: N803
        """Probability of each class, shape ``(n_rows, n_classes)``."""
        values = _decisions(self.svc_, self._rows(X))
        if self.calibration_ is None:
            return np.asarray(softmax(values, axis=1))
        return np.asarray(self.calibration_.predict_proba(values))

    def _svc(self) -> Any:
        return SVC(C=self.C, kernel=self.kernel, gamma=self.gamma, decision_function_shape="ovr")


def _decisions(svc: Any, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    # One column per class also where there are two, of which scikit-learn gives a single one.
    values = np.asarray(svc.decision_function(rows))
    return np.column_stack([-values, values]) / 2 if values.ndim == 1 else values


class SmallNetwork(_Classifier):
    """Mean of a few small networks, each one hidden layer fitted by L-BFGS.

    Parameters
    ----------
    alpha
        Strength of the L2 penalty.
    hidden
        Units of the hidden layer.
    n_networks
        Networks with different starts whose probabilities are averaged.
    max_iter
        Iterations after which fitting stops, by design also before it has converged: a further guard
        against learning the training participants by heart.
    random_state
        Seed of the starts.

    Examples
    --------
    >>> rows = np.linspace(-1, 1, 8)[:, None]
    >>> network = SmallNetwork(alpha=0.01).fit(rows, [0, 0, 0, 0, 1, 1, 1, 1])
    >>> network.predict([[-1.0], [1.0]])
    array([0, 1])
    """

    def __init__(
        self,
        alpha: float = 1.0,
        hidden: int = 16,
        n_networks: int = 3,
        max_iter: int = 100,
        random_state: int | None = 0,
    ) -> None:
        self.alpha = alpha
        self.hidden = hidden
        self.n_networks = n_networks
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Fit to `X`, shape ``(n_rows, n_features)``, and its classes `y`."""
        X, codes, weights = self._start(X, y, sample_weight)  # noqa: N806
        self.networks_: list[Any] = []
        for seed in np.random.default_rng(self.random_state).integers(2**31 - 1, size=self.n_networks):
            network = MLPClassifier(
                (self.hidden,),
                activation="tanh",
                solver="lbfgs",
                alpha=self.alpha,
                max_iter=self.max_iter,
                random_state=int(seed),
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                self.networks_.append(network.fit(X, codes, weights))
        return self

    def predict_proba(self, X: Any) -> _Probabilities:  # noqa: N803
        """Probability of each class, shape ``(n_rows, n_classes)``."""
        rows = self._rows(X)
        return np.asarray(np.mean([network.predict_proba(rows) for network in self.networks_], axis=0))
