"""What every classifier and baseline has to keep, whatever it is."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import f1_score

from gaitmb.errors import ConfigurationError, NothingUsableError, UnknownNameError
from gaitmb.severity.evaluation import cross_validate
from gaitmb.severity.models import BASELINES, CLASSIFIERS, classifier_named
from gaitmb.severity.splits import assign_folds

LEARNERS = [*CLASSIFIERS, "gait_features"]
EVERY = [*LEARNERS, "majority", "prior"]


@pytest.fixture(autouse=True)
def small_models(monkeypatch):
    """Fewer trees and iterations keep to the same contract in a third of the time."""
    for registry, name, smaller in (
        (CLASSIFIERS, "random_forest", {"n_trees": 30}),
        (CLASSIFIERS, "mlp", {"max_iter": 30, "n_networks": 2}),
        (BASELINES, "gait_features", {"n_trees": 30}),
    ):
        grid = tuple({**parameters, **smaller} for parameters in registry[name].grid)
        monkeypatch.setitem(registry, name, replace(registry[name], grid=grid))


def _folds(walks, n_folds=3):
    return assign_folds(walks["participant_id"], walks["rating"], protocol="kfold", n_folds=n_folds)


def _predict(features, walks, name, folds=None, walk_of_clip=None, **settings):
    return cross_validate(
        features,
        np.arange(len(walks)) if walk_of_clip is None else walk_of_clip,
        walks,
        classes=["0", "1", "2"],
        classifier=name,
        folds=_folds(walks) if folds is None else folds,
        inner_folds=2,
        ordinal=True,
        **settings,
    )


def _weighted_f1(found, walks):
    return f1_score(walks["rating"], found.predicted, average="weighted", zero_division=0)


@pytest.mark.parametrize("name", EVERY)
def test_probabilities_are_probabilities_and_repeat_exactly(name, cohort):
    features, walks = cohort()
    found = _predict(features, walks, name)
    assert found.probabilities.shape == (len(walks), 3)
    assert (found.probabilities >= 0).all()
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-12)
    assert set(found.chosen) == {0, 1, 2}
    again = _predict(features, walks, name)
    assert found.probabilities.tobytes() == again.probabilities.tobytes()
    assert found.predicted.tolist() == again.predicted.tolist()


@pytest.mark.parametrize("name", EVERY)
def test_rows_may_come_in_any_order(name, cohort):
    features, walks = cohort()
    found = _predict(features, walks, name)
    order = np.random.default_rng(0).permutation(len(walks))
    shuffled = _predict(features[order], walks.iloc[order].reset_index(drop=True), name)
    assert found.probabilities[order].tobytes() == shuffled.probabilities.tobytes()
    assert found.predicted[order].tolist() == shuffled.predicted.tolist()
    # The clips of walks may come in any order too.
    clips = _predict(features[order], walks, name, walk_of_clip=order)
    assert clips.probabilities.tobytes() == found.probabilities.tobytes()


@pytest.mark.parametrize("name", LEARNERS)
def test_perfect_features_are_learnt(name, cohort):
    features, walks = cohort(features=3, noise=0.1)
    features += 10 * features[:, :1]
    assert _weighted_f1(_predict(features, walks, name), walks) > 0.95


@pytest.mark.parametrize("name", LEARNERS)
def test_shuffled_ratings_give_chance(name, cohort):
    scores = []
    for seed in range(3):
        features, walks = cohort(features=5, noise=0.1, seed=seed)
        walks["rating"] = np.random.default_rng(seed).permutation(walks["rating"])
        scores.append(_weighted_f1(_predict(features, walks, name), walks))
    assert np.mean(scores) < 0.47  # three equal classes: 1/3 and what chance adds


@pytest.mark.parametrize("name", LEARNERS)
def test_knowing_who_walks_does_not_help(name):
    # Every column is the participant's alone, and so is the rating: only a leak could use them.
    rng = np.random.default_rng(1)
    people = np.repeat(np.arange(15), 4)
    walks = pd.DataFrame(
        {
            "participant_id": [f"P{p:02}" for p in people],
            "session_id": "1",
            "walk_id": np.tile(list("abcd"), 15),
            "rating": rng.permutation(np.repeat(list("012"), 5))[people],
        }
    )
    features = rng.normal(size=(15, 20))[people] + 0.01 * rng.normal(size=(60, 20))
    kept_apart = _weighted_f1(_predict(features, walks, name, _folds(walks, 5)), walks)
    walks["participant_id"] = [f"P{i:02}" for i in range(60)]  # what a split by walk would do
    leaking = _weighted_f1(_predict(features, walks, name, _folds(walks, 5)), walks)
    assert kept_apart < 0.6
    assert leaking > 0.75


@pytest.mark.parametrize("name", LEARNERS)
def test_a_held_out_walk_changes_nothing_for_the_others_held_out(name, cohort):
    # If anything were scaled, reduced or imputed outside the fold, this outlier would be felt.
    features, walks = cohort()
    folds = _folds(walks)
    found = _predict(features, walks, name, folds).probabilities
    held = np.flatnonzero(folds == 0)
    features[held[0]] *= 1e4
    changed = _predict(features, walks, name, folds).probabilities
    np.testing.assert_allclose(changed[held[1:]], found[held[1:]], atol=1e-12)


@pytest.mark.parametrize("name", LEARNERS)
def test_cutting_a_walk_into_equal_clips_changes_nothing(name, cohort):
    features, walks = cohort(features=8)
    found = _predict(features, walks, name)
    clips = np.r_[np.arange(len(walks)), np.arange(0, len(walks), 3)]
    twice = _predict(features[clips], walks, name, walk_of_clip=clips)
    assert dict(twice.chosen) == dict(found.chosen)
    # Trees break ties between equally good cuts by the last digit of sums, which differs.
    near = 0.15 if name in ("random_forest", "gait_features") else 5e-3
    np.testing.assert_allclose(twice.probabilities, found.probabilities, atol=near)


@pytest.mark.parametrize("name", ["majority", "prior"])
def test_baselines_count_walks_not_clips(name, cohort):
    features, walks = cohort()
    walks["rating"] = np.where(np.arange(len(walks)) % 3 == 0, "1", "0")
    clips = np.r_[np.arange(len(walks)), np.repeat(np.flatnonzero(walks["rating"] == "1"), 9)]
    found = _predict(features[clips], walks, name, walk_of_clip=clips).probabilities
    np.testing.assert_allclose(found, _predict(features, walks, name).probabilities)


@pytest.mark.parametrize("name", EVERY)
def test_a_class_that_training_lacks_gets_probability_zero_and_a_note(name, cohort):
    features, walks = cohort(participants=9)
    walks["rating"] = np.where(walks["participant_id"] == "P04", "2", walks["rating"].replace("2", "0"))
    found = _predict(features, walks, name)
    alone = (walks["participant_id"] == "P04").to_numpy()
    assert (found.probabilities[alone, 2] == 0).all()
    assert any("Class 2" in note for note in found.notes)
    assert not any("P04" in note for note in found.notes)


@pytest.mark.parametrize("name", EVERY)
def test_unrated_walks_are_predicted_and_teach_nothing(name, cohort):
    features, walks = cohort()
    walks["rating"] = walks["rating"].astype(object)
    walks.loc[walks["participant_id"] == "P03", "rating"] = None
    folds = _folds(walks)
    found = _predict(features, walks, name, folds)
    assert np.isfinite(found.probabilities).all()
    unrated = walks["rating"].isna().to_numpy()
    features[unrated] += 50.0
    changed = _predict(features, walks, name, folds)
    np.testing.assert_array_equal(changed.probabilities[~unrated], found.probabilities[~unrated])


@pytest.mark.parametrize("name", EVERY)
def test_one_class_and_one_participant_are_explained(name, cohort):
    features, walks = cohort()
    folds = _folds(walks)
    with pytest.raises(NothingUsableError, match="rated 1"):
        _predict(features, walks.assign(rating="1"), name, folds)
    with pytest.raises(NothingUsableError, match="1 participant"):
        _predict(features, walks.assign(participant_id="A"), name, np.zeros(len(walks), int))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_missing_features_of_an_embedding_are_refused(name, cohort):
    features, walks = cohort()
    features[[3, 5], 2] = np.nan
    with pytest.raises(ConfigurationError, match="2 of 48 clips"):
        _predict(features, walks, name)


def test_measures_with_gaps_are_imputed_within_the_fold(cohort):
    features, walks = cohort(features=6, noise=0.1)
    features[::5, 0] = np.nan
    features[1, :] = np.nan
    features[:, 3] = np.nan
    found = _predict(features, walks, "gait_features")
    assert np.isfinite(found.probabilities).all()
    assert _weighted_f1(found, walks) > 0.55


@pytest.mark.parametrize("name", EVERY)
def test_pipelines_can_be_cloned_and_carry_every_entry_of_their_grid(name):
    spec = classifier_named(name)
    pipeline = clone(spec.build(7))
    for parameters in spec.grid:
        pipeline.set_params(**{f"classify__{key}": value for key, value in parameters.items()})
    assert pipeline.steps[-1][0] == "classify"
    assert str(clone(pipeline)) == str(pipeline)


@pytest.mark.parametrize("name", LEARNERS)
def test_the_pipeline_works_by_itself(name, cohort):
    features, walks = cohort(features=3, noise=0.1)
    pipeline = classifier_named(name).build(0).fit(features, walks["rating"])
    assert pipeline.score(features, walks["rating"]) > 0.9


def test_an_unknown_classifier_names_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'logistic'"):
        classifier_named("logistik")


def test_registries_are_known_by_the_names_of_their_entries():
    assert list(CLASSIFIERS) == ["logistic", "svm", "random_forest", "ordinal", "mlp"]
    assert list(BASELINES) == ["majority", "prior", "gait_features"]
    assert all(name == entry.name for name, entry in {**CLASSIFIERS, **BASELINES}.items())
