import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from gaitmb.data.evaluation import METRICS, ORDINAL_METRICS
from gaitmb.severity.comparison import compare
from gaitmb.severity.evaluation import evaluate
from gaitmb.severity.metrics import (
    class_positions,
    class_scores,
    confusion_by_participant,
    interval,
    metric_intervals,
    metric_values,
    resampled_confusions,
)

CASES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=60)


def _table(ratings, participants, sessions=None):
    n = len(ratings)
    return pd.DataFrame(
        {
            "participant_id": participants,
            "session_id": sessions if sessions is not None else ["1"] * n,
            "walk_id": [f"{i:03}" for i in range(n)],
            "rating": ratings,
        }
    )


@settings(max_examples=100, deadline=None)
@given(CASES)
def test_metrics_equal_scikit_learn(cases):
    rated, predicted = np.array(cases).T
    confusion = confusion_by_participant(rated, predicted, np.zeros(len(rated), int), 5)[0]
    ours = metric_values(confusion, np.arange(5.0))
    present = np.unique(rated)
    recalls = sk.recall_score(rated, predicted, labels=present, average=None, zero_division=0)
    theirs = {
        "weighted_f1": sk.f1_score(rated, predicted, average="weighted", zero_division=0),
        "macro_f1": sk.f1_score(rated, predicted, labels=present, average="macro", zero_division=0),
        "balanced_accuracy": recalls.mean(),
        "mae": sk.mean_absolute_error(rated, predicted),
        "within_one": np.mean(np.abs(rated - predicted) <= 1),
    }
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-12), name
    if len(set(rated) | set(predicted)) > 1:
        kappa = sk.cohen_kappa_score(rated, predicted, weights="quadratic", labels=range(5))
        assert ours["qwk"] == pytest.approx(kappa, abs=1e-12)
    else:
        assert np.isnan(ours["qwk"])
    scores = class_scores(confusion, list("01234"))
    columns = sk.precision_recall_fscore_support(rated, predicted, labels=range(5), zero_division=0)
    for number, score in enumerate(scores.values()):
        expected = [column[number] for column in columns]
        assert [score.precision, score.recall, score.f1, score.support] == pytest.approx(expected)


def test_a_class_nobody_was_rated_with_keeps_its_gap():
    rated, predicted = np.array([0, 1, 2, 2]), np.array([0, 2, 1, 2])
    confusion = confusion_by_participant(rated, predicted, np.zeros(4, int), 3)[0]
    values = metric_values(confusion, class_positions(["0", "1", "3"]))
    names = np.array([0, 1, 3])
    assert values["mae"] == 1.0
    assert values["within_one"] == 0.5
    assert values["qwk"] == pytest.approx(
        sk.cohen_kappa_score(names[rated], names[predicted], weights="quadratic", labels=range(4))
    )


def test_a_resample_is_the_metric_of_the_drawn_participants():
    rng = np.random.default_rng(3)
    who, rated, predicted = rng.integers(0, 6, (3, 80)) % np.array([[6], [3], [3]])
    counts = confusion_by_participant(rated, predicted, who, 3)
    # Replay the draw by hand and let scikit-learn judge the repeated rows.
    times = np.random.default_rng(5).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), 20)
    resampled = metric_values(resampled_confusions(counts, 20, seed=5), None)["weighted_f1"]
    for drawn, value in zip(times, resampled, strict=True):
        rows = np.repeat(np.arange(80), drawn[who])
        expected = sk.f1_score(rated[rows], predicted[rows], average="weighted", zero_division=0)
        assert value == pytest.approx(expected)


def _simulate(rng, participants):
    # Walks of a participant are right together: accuracy varies between people as Beta(4, 2).
    who = np.repeat(np.arange(participants), 4)
    skill = rng.beta(4, 2, participants)[who]
    rated = rng.integers(0, 2, len(who))
    return who, rated, np.where(rng.random(len(who)) < skill, rated, 1 - rated)


def test_the_interval_covers_the_truth_in_about_95_of_100_cohorts():
    rng = np.random.default_rng(0)
    covered, naive = 0, 0
    for repeat in range(300):
        who, rated, predicted = _simulate(rng, 30)
        for as_rows in (False, True):
            units = np.arange(len(who)) if as_rows else who
            counts = confusion_by_participant(rated, predicted, units, 2)
            found = metric_intervals(counts, ["0", "1"], ordinal=False, resamples=300, seed=repeat)
            hit = found["balanced_accuracy"].low <= 2 / 3 <= found["balanced_accuracy"].high
            naive, covered = (naive + hit, covered) if as_rows else (naive, covered + hit)
    assert 0.90 <= covered / 300 <= 0.99
    assert naive < covered  # walks as units promise too much


def test_the_interval_is_wider_with_fewer_participants():
    widths = []
    for participants in (8, 32, 128):
        who, rated, predicted = _simulate(np.random.default_rng(1), participants)
        counts = confusion_by_participant(rated, predicted, who, 2)
        found = metric_intervals(counts, ["0", "1"], ordinal=True, resamples=2000, seed=0)
        widths.append(found["weighted_f1"].high - found["weighted_f1"].low)
    assert widths[0] > 1.5 * widths[1] > 2 * widths[2]


def test_unordered_classes_get_a_reason_instead_of_ordinal_metrics():
    walks = _table(["N", "AR", "AL", "N"], list("ABCD"))
    level = evaluate(np.eye(3)[[0, 1, 2, 1]], walks, ["N", "AR", "AL"], ordinal=False)["walk"]
    for name in METRICS:
        figure = level.metrics[name]
        if name in ORDINAL_METRICS:
            assert figure.value is None
            assert figure.reason == "the classes N, AR, AL have no order"
        else:
            assert figure.low <= figure.value <= figure.high


def test_undefined_figures_say_why():
    assert "all one class" in interval(np.nan, np.ones(9), 5).reason
    assert interval(0.3, np.r_[np.ones(4), np.full(6, np.nan)], 5).low is None
    partly = interval(0.3, np.r_[np.ones(9), np.nan], 5)
    assert (partly.low, partly.reason) == (1.0, "1 of 10 resamples were undefined and left out")
    empty = metric_intervals(np.zeros((0, 2, 2)), ["0", "1"], ordinal=True, resamples=9, seed=0)
    assert {figure.reason for figure in empty.values()} == {"nothing at this level has a rating"}


def test_a_session_is_the_mean_of_its_walks_and_is_left_out_where_ratings_differ():
    walks = _table(["1", "1", "0", "1", "0", None], list("AABBCC"))
    chances = np.array([[0.6, 0.4], [0.1, 0.9], [1, 0], [1, 0], [0.7, 0.3], [0.2, 0.8]])
    levels = evaluate(chances, walks, ["0", "1"], ordinal=True)
    assert levels["walk"].n_scored == 5
    session = levels["participant_session"]
    assert (session.n_scored, session.n_excluded) == (2, 1)
    # A: mean 0.65 for class 1, right; C: its unrated walk makes it 0.55 for class 1, wrong.
    assert session.confusion == ((0, 1), (0, 1))
    # B has rated walks, but no session that can be scored.
    assert (levels["walk"].n_participants, session.n_participants) == (3, 2)


def test_evaluation_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(0)
    walks = _table(list("0120120120"), list("AABBCCDDEE"))
    chances = rng.dirichlet(np.ones(3), len(walks))
    order = rng.permutation(len(walks))
    for drawn in (False, True):
        first = evaluate(chances, walks, list("012"), ordinal=True, drawn=drawn)
        second = evaluate(chances[order], walks.iloc[order], list("012"), ordinal=True, drawn=drawn)
        assert {k: v.to_dict() for k, v in first.items()} == {k: v.to_dict() for k, v in second.items()}


def test_drawn_predictions_follow_the_probabilities():
    walks = _table(["0"] * 3000 + ["1"] * 3000, [f"{i:04}" for i in range(6000)])
    chances = np.tile([0.2, 0.8], (6000, 1))
    confusion = evaluate(chances, walks, ["0", "1"], ordinal=True, resamples=100, drawn=True)["walk"]
    assert np.array(confusion.confusion)[:, 1] == pytest.approx([2400, 2400], rel=0.03)


def test_the_paired_difference_is_narrower_than_two_separate_intervals():
    rng = np.random.default_rng(2)
    skill = np.repeat(rng.uniform(0.1, 0.9, 40), 4)
    walks = _table(list("0011") * 40, [f"{i:02}" for i in range(40) for _ in range(4)])
    rated = walks["rating"].astype(int).to_numpy()
    base = np.where(rng.random(160) < skill, rated, 1 - rated)
    better = np.where(rng.random(160) < 0.3, rated, base)
    ours, theirs = np.eye(2)[better], np.eye(2)[base]
    found = compare(ours, theirs, walks, ["0", "1"], seed=1)["walk"]
    alone = evaluate(ours, walks, ["0", "1"], ordinal=True, seed=1)["walk"].metrics["weighted_f1"]
    other = evaluate(theirs, walks, ["0", "1"], ordinal=True, seed=1)["walk"].metrics["weighted_f1"]
    assert found.value == pytest.approx(alone.value - other.value)
    assert found.low > 0
    assert found.high - found.low < 0.5 * ((alone.high - alone.low) + (other.high - other.low))
    itself = compare(ours, ours, walks, ["0", "1"])["participant_session"]
    assert (itself.value, itself.low, itself.high) == (None, None, None)
    assert compare(ours, ours, walks, ["0", "1"])["walk"].to_dict() == {
        "value": 0.0,
        "low": 0.0,
        "high": 0.0,
    }


def test_all_intervals_of_a_cohort_take_well_under_a_second():
    walks = _table(["0", "1", "2", "3"] * 100, [f"{i // 4:03}" for i in range(400)])
    chances = np.random.default_rng(0).dirichlet(np.ones(4), 400)
    start = time.process_time()
    evaluate(chances, walks, list("0123"), ordinal=True, resamples=2000)
    assert time.process_time() - start < 1.0
