"""Nested cross-validation: what the inner selection sees, and what is refused."""

import time
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import cohen_kappa_score
from sklearn.pipeline import Pipeline

from gaitmb.errors import ConfigurationError
from gaitmb.severity.estimators import CalibratedSVC, OrdinalLogistic
from gaitmb.severity.evaluation import cross_validate
from gaitmb.severity.models import CLASSIFIERS, balanced_weights
from gaitmb.severity.splits import assign_folds


def _run(features, walks, name="logistic", **settings):
    arguments = {
        "walk_of_clip": np.arange(len(walks)),
        "classes": ["0", "1", "2"],
        "folds": assign_folds(walks["participant_id"], walks["rating"], protocol="loso"),
        "inner_folds": 2,
        "ordinal": True,
        **settings,
    }
    return cross_validate(features, arguments.pop("walk_of_clip"), walks, classifier=name, **arguments)


class Spy(ClassifierMixin, BaseEstimator):
    """Remembers which participants it was fitted to and asked about; column 0 says who walks."""

    log: list[tuple[float, frozenset[float], frozenset[float]]] = []  # noqa: RUF012

    def __init__(self, setting: float = 0.0) -> None:
        self.setting = setting

    def fit(self, X, y, sample_weight=None, groups=None):  # noqa: N803
        self.classes_ = np.unique(y)
        self.seen_ = frozenset(X[:, 0].tolist())
        assert len(set(zip(X[:, 0].tolist(), groups.tolist(), strict=True))) == len(self.seen_)
        return self

    def predict_proba(self, X):  # noqa: N803
        Spy.log.append((self.setting, self.seen_, frozenset(X[:, 0].tolist())))
        chances = np.full((len(X), len(self.classes_)), 1.0)
        chances[:, 0] += self.setting
        return chances / chances.sum(axis=1, keepdims=True)


def test_hyperparameters_are_chosen_among_training_participants_alone(cohort, monkeypatch):
    features, walks = cohort(participants=6)
    features[:, 0] = walks["participant_id"].str[1:].astype(float)
    grid = ({"setting": 0.0}, {"setting": 5.0})
    spy = replace(
        CLASSIFIERS["logistic"], name="spy", build=lambda _: Pipeline([("classify", Spy())]), grid=grid
    )
    monkeypatch.setitem(CLASSIFIERS, "spy", spy)
    monkeypatch.setattr(Spy, "log", [])
    found = _run(features, walks, "spy")
    everybody = frozenset(range(6))
    outer = [entry for entry in Spy.log if len(entry[1]) == 5]
    inner = [entry for entry in Spy.log if len(entry[1]) < 5]
    assert len(outer) == 6
    assert len(inner) == 6 * 2 * 2
    for number, (_, fitted, asked) in enumerate(outer):
        assert asked == {number}
        assert fitted == everybody - asked
        for _, inner_fitted, inner_asked in inner[4 * number : 4 * number + 4]:
            assert not inner_fitted & inner_asked
            assert inner_fitted | inner_asked == fitted
    # All classes weigh the same, so leaning towards one of them is never the better choice.
    assert [dict(chosen) for chosen in found.chosen.values()] == [{"setting": 0.0}] * 6


def test_ratings_of_held_out_walks_are_never_used(cohort):
    features, walks = cohort(participants=9)
    folds = assign_folds(walks["participant_id"], walks["rating"], protocol="kfold", n_folds=3)
    found = _run(features, walks, folds=folds)
    held = folds == 1
    walks.loc[held, "rating"] = np.random.default_rng(0).permutation(walks.loc[held, "rating"])
    changed = _run(features, walks, folds=folds)
    np.testing.assert_array_equal(changed.probabilities[held], found.probabilities[held])


def test_the_number_of_workers_changes_nothing(cohort):
    features, walks = cohort(participants=6)
    told: list[tuple[int, int]] = []
    alone = _run(features, walks, progress=lambda done, total: told.append((done, total)))
    together = _run(features, walks, n_jobs=2)
    assert alone.probabilities.tobytes() == together.probabilities.tobytes()
    assert told == [(number, 6) for number in range(1, 7)]


def test_a_split_participant_is_refused(cohort):
    features, walks = cohort(participants=4)
    with pytest.raises(ConfigurationError, match="4 participants are in more than one fold"):
        _run(features, walks, folds=np.arange(len(walks)))


def test_a_walk_without_clips_is_refused(cohort):
    features, walks = cohort(participants=4)
    with pytest.raises(ConfigurationError, match="1 of 16 walks have no clip"):
        _run(features[1:], walks, walk_of_clip=np.arange(1, 16))


def test_a_rating_that_is_no_class_is_refused(cohort):
    features, walks = cohort(participants=4)
    with pytest.raises(ConfigurationError, match="rated '2'; expected one of the classes 0, 1"):
        _run(features, walks, classes=["0", "1"])


def test_the_ordinal_classifier_needs_an_order(cohort):
    features, walks = cohort(participants=4)
    with pytest.raises(ConfigurationError, match="no order"):
        _run(features, walks, "ordinal", ordinal=False)


def test_two_participants_are_enough_to_run_and_the_limits_are_noted(cohort):
    features, walks = cohort(participants=2)
    found = _run(features, walks)
    assert np.isfinite(found.probabilities).all()
    assert any("most cautious" in note for note in found.notes)


def test_the_ordinal_classifier_uses_the_order(cohort):
    features, walks = cohort(participants=12, classes=3, features=3, noise=4.0)
    in_order = _run(features, walks, "ordinal")
    # The same walks with the middle class at the end: no direction of severity is left.
    names = {"0": "0", "1": "2", "2": "1"}
    renamed = walks.assign(rating=walks["rating"].map(names))
    shuffled = _run(features, renamed, "ordinal")
    assert cohen_kappa_score(walks["rating"], in_order.predicted) > 0.1 + cohen_kappa_score(
        renamed["rating"], shuffled.predicted
    )


def test_cumulative_probabilities_are_coherent():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 4))
    grades = np.digitize(rows[:, 0] + rng.normal(size=60), [-1, 0, 1])
    model = OrdinalLogistic().fit(rows, grades)
    assert (np.diff(model.thresholds_) > 0).all()
    chances = model.predict_proba(10 * rng.normal(size=(200, 4)))
    assert (chances >= 0).all()
    np.testing.assert_allclose(chances.sum(axis=1), 1)


def test_the_calibration_of_the_support_vector_machine_holds_participants_out():
    # Everybody has a column of their own and a rating of their own: nothing can be known of others.
    people = np.repeat(np.arange(12), 4)
    rows = np.eye(12)[people]
    labels = people % 2
    apart = CalibratedSVC(C=100.0).fit(rows, labels, groups=people).predict_proba(rows)
    fooled = CalibratedSVC(C=100.0).fit(rows, labels, groups=np.arange(48)).predict_proba(rows)
    right = np.arange(48), labels
    assert fooled[right].mean() > 0.8
    assert apart[right].mean() < 0.6


def test_balanced_weights_give_every_class_the_same_total():
    labels = np.array([0, 0, 0, 2, 2, 1])
    weights = balanced_weights(labels, np.array([1.0, 0.5, 0.5, 1, 1, 1]))
    assert [weights[labels == name].sum() for name in range(3)] == pytest.approx([5 / 3] * 3)


def test_leaving_one_of_24_participants_out_of_wide_embeddings_is_quick(cohort):
    features, walks = cohort(participants=24, features=17408, noise=1.0)
    start = time.process_time()
    _run(features.astype(np.float32), walks, inner_folds=3)
    assert time.process_time() - start < 30
