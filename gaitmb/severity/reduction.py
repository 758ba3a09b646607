"""Scaling and reduction of features that are far wider than they are long.

An embedding has 17,408 features and a cohort a few hundred walks. All that the walks can say about
each other is then in their Gram matrix, so that principal components come from an ``(n, n)``
eigenproblem, exactly. Both transformers weight rows, so that a walk counts once whatever its number of
clips, and work in blocks of columns, so that the features are never copied to float64 as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

__all__ = ["ColumnScaler", "GramPCA"]

_BLOCK = 2048


def _blocks(n_columns: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, n_columns, _BLOCK))


def _row_shares(sample_weight: Any, n_rows: int) -> NDArray[np.float64]:
    if sample_weight is None:
        return np.full(n_rows, 1.0 / n_rows)
    weights = np.asarray(sample_weight, dtype=np.float64)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


class ColumnScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Bring each feature to mean 0 and standard deviation 1 over weighted rows.

    Differs from scikit-learn's StandardScaler only in memory: float32 stays float32, and the float64
    that the moments need is spent on one block of columns at a time. A constant feature becomes 0.

    Attributes
    ----------
    mean_, scale_
        Mean and standard deviation (1 for a constant feature), shape ``(n_features,)``.

    Examples
    --------
    >>> ColumnScaler().fit_transform(np.array([[1.0, 5.0], [3.0, 5.0]]))
    array([[-1.,  0.],
           [ 1.,  0.]])
    """

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:  # noqa: N803
        """Take mean and standard deviation from `X`, shape ``(n_rows, n_features)``."""
        X = validate_data(self, X, dtype=(np.float64, np.float32))  # noqa: N806
        shares = _row_shares(sample_weight, len(X))
        mean = np.empty(X.shape[1])
        scale = np.empty(X.shape[1])
        for block in _blocks(X.shape[1]):
            columns = X[:, block].astype(np.float64)
            mean[block] = shares @ columns
            scale[block] = np.sqrt(shares @ (columns - mean[block]) ** 2)
        # Rounding leaves a constant feature with a tiny deviation, which would be blown up to 1.
        constant = scale <= 10 * np.finfo(X.dtype).eps * np.abs(mean)
        self.mean_, self.scale_ = mean, np.where(constant, 1.0, scale)
        self._constant = constant
        return self

    def transform(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Scaled copy of `X`, shape and dtype as given."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)  # noqa: N806
        scaled: NDArray[Any] = np.subtract(X, self.mean_.astype(X.dtype))
        scaled /= self.scale_.astype(X.dtype)
        scaled[:, self._constant] = 0
        return scaled


class GramPCA(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Principal components through the Gram matrix of the rows.

    Parameters
    ----------
    n_components
        How many to keep; None for all that the rows span. Never more than their rank, which is at most
        one less than the number of rows.
    whiten
        True brings every component to variance 1. False divides all by one number, so that their
        variances sum to 1 and a penalty means the same whatever the number of features.

    Attributes
    ----------
    components_
        Unit directions, shape ``(k, n_features)``, in the dtype of the features.
    variances_
        Variance along each, descending, shape ``(k,)``, before rescaling.
    mean_
        Weighted mean of the rows, shape ``(n_features,)``.

    Notes
    -----
    With all components, a linear model with an L2 penalty is the same as on the features themselves: its
    solution lies in the span of the rows.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(5, 3000))
    >>> scores = GramPCA().fit_transform(rows)
    >>> scores.shape, round(float(scores.var(axis=0).sum()), 6)
    ((5, 4), 1.0)
    """

    def __init__(self, n_components: int | None = None, *, whiten: bool = False) -> None:
        self.n_components = n_components
        self.whiten = whiten

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:  # noqa: N803
        """Find the components of `X`, shape ``(n_rows, n_features)``."""
        self.fit_transform(X, y, sample_weight)
        return self

    def fit_transform(
        self,
        X: Any,  # noqa: N803
        y: Any = None,
        sample_weight: Any = None,
    ) -> NDArray[np.float64]:
        """Find the components and return the scores of the same rows, shape ``(n_rows, k)``."""
        X = validate_data(self, X, dtype=(np.float64, np.float32), ensure_min_samples=2)  # noqa: N806
        roots = np.sqrt(_row_shares(sample_weight, len(X)))
        self.mean_ = np.concatenate(
            [roots**2 @ X[:, block].astype(np.float64) for block in _blocks(X.shape[1])]
        )
        gram = np.zeros((len(X), len(X)))
        for block in _blocks(X.shape[1]):
            centred = self._centred(X, block) * roots.astype(X.dtype)[:, None]
            gram += centred @ centred.T
        variances, vectors = np.linalg.eigh(gram)
        variances, vectors = variances[::-1], vectors[:, ::-1]
        floor = max(variances[0], 0.0) * len(X) * np.finfo(X.dtype).eps
        kept = max(1, int((variances > floor).sum()))
        kept = min(kept, len(X) - 1, X.shape[1], self.n_components or kept)
        variances = np.maximum(variances[:kept], 0.0)
        inverse = np.zeros(kept)
        np.divide(1.0, np.sqrt(variances), out=inverse, where=variances > 0)
        # eigh leaves the sign open; the strongest row decides it.
        strongest = np.argmax(np.abs(vectors[:, :kept]).round(9), axis=0)
        vectors = vectors[:, :kept] * np.sign(vectors[strongest, np.arange(kept)])
        self.variances_ = variances
        directions = (roots[:, None] * vectors * inverse).astype(X.dtype)
        self.components_ = np.empty((kept, X.shape[1]), dtype=X.dtype)
        for block in _blocks(X.shape[1]):
            self.components_[:, block] = directions.T @ self._centred(X, block)
        unit = np.sqrt(variances if self.whiten else np.full(kept, variances.sum()))
        self._unit = np.where(unit > 0, unit, 1.0)
        return self._scores(X)

    def transform(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Scores of `X` on the components, shape ``(n_rows, k)``."""
        check_is_fitted(self)
        return self._scores(validate_data(self, X, dtype=(np.float64, np.float32), reset=False))

    def _scores(self, X: NDArray[Any]) -> NDArray[np.float64]:  # noqa: N803
        scores = np.zeros((len(X), len(self.variances_)))
        for block in _blocks(X.shape[1]):
            scores += self._centred(X, block) @ self.components_[:, block].T
        return scores / self._unit

    def _centred(self, X: NDArray[Any], block: slice) -> NDArray[Any]:  # noqa: N803
        return np.asarray(X[:, block] - self.mean_[block].astype(X.dtype))
