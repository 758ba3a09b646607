import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from gaitmb.severity.reduction import ColumnScaler, GramPCA


@pytest.fixture
def wide():
    return np.random.default_rng(0).normal(3.0, 2.0, (30, 5000)).astype(np.float32)


def test_the_scaler_agrees_with_scikit_learn_and_keeps_float32(wide):
    weights = np.random.default_rng(1).uniform(0.2, 2, 30)
    ours = ColumnScaler().fit(wide, sample_weight=weights).transform(wide)
    theirs = StandardScaler().fit(wide, sample_weight=weights).transform(wide)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_a_constant_feature_becomes_zero():
    rows = np.column_stack([np.full(7, 0.1, np.float32), np.arange(7, dtype=np.float32)])
    assert (ColumnScaler().fit_transform(rows)[:, 0] == 0).all()


def test_components_agree_with_principal_component_analysis(wide):
    ours = GramPCA(n_components=6).fit(wide)
    theirs = PCA(n_components=6, svd_solver="full").fit(wide.astype(np.float64))
    alike = np.abs(ours.components_ @ theirs.components_.T)
    np.testing.assert_allclose(np.diag(alike), 1.0, atol=1e-4)
    np.testing.assert_allclose(ours.variances_ * 30 / 29, theirs.explained_variance_, rtol=1e-4)


@pytest.mark.parametrize("n_features", [3, 5000])
def test_all_components_keep_every_distance_between_rows(n_features, wide):
    rows = wide[:, :n_features].astype(np.float64)
    reducer = GramPCA().fit(rows)
    scores = reducer.transform(rows) * np.sqrt(reducer.variances_.sum())
    assert scores.shape[1] == min(29, n_features)
    np.testing.assert_allclose(
        np.linalg.norm(scores[0] - scores, axis=1), np.linalg.norm(rows[0] - rows, axis=1), rtol=1e-8
    )


def test_fit_transform_is_fit_and_then_transform(wide):
    np.testing.assert_allclose(GramPCA().fit_transform(wide), GramPCA().fit(wide).transform(wide))


def test_scores_have_total_variance_one_or_each_one(wide):
    assert GramPCA().fit_transform(wide).var(axis=0).sum() == pytest.approx(1, rel=1e-5)
    each = GramPCA(5, whiten=True).fit_transform(wide).var(axis=0)
    np.testing.assert_allclose(each, 1, rtol=1e-4)


def test_a_row_of_weight_two_is_the_row_twice(wide):
    twice = np.r_[wide, wide[:4]]
    weights = np.r_[np.full(4, 2.0), np.ones(26)]
    repeated = GramPCA(8).fit(twice).transform(wide)
    weighted = GramPCA(8).fit(wide, sample_weight=weights).transform(wide)
    # A direction may point either way.
    np.testing.assert_allclose(np.abs(repeated), np.abs(weighted), atol=2e-5)


def test_identical_rows_give_finite_scores():
    assert np.isfinite(GramPCA().fit_transform(np.ones((4, 9), np.float32))).all()


def test_both_can_be_cloned():
    assert clone(GramPCA(3, whiten=True)).get_params() == {"n_components": 3, "whiten": True}
    assert clone(ColumnScaler()).get_params() == {}
