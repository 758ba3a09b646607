"""The demo cohort: the same on every machine, synthetic, and neither trivial nor hopeless."""

import dataclasses
import hashlib
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gaitmb.data.camera import project
from gaitmb.data.pose import CoordinateSystem
from gaitmb.errors import ReadError
from gaitmb.io.cohorts import load_walk, open_cohort
from gaitmb.io.cohorts.demo import demo_walk


@pytest.fixture(scope="module")
def cohort():
    return open_cohort("demo").cohort


@pytest.fixture(scope="module")
def truths(cohort):
    return [demo_walk(walk) for walk in cohort.walks]


def test_24_participants_walk_twice_off_and_twice_on_medication(cohort):
    assert len(cohort.walks) == 96
    assert len(cohort.participants) == 24
    for participant in cohort.participants:
        walks = [walk for walk in cohort.walks if walk.id.participant_id == participant]
        assert Counter(walk.medication for walk in walks) == {"off": 2, "on": 2}
        assert {walk.id.view for walk in walks} == {"side_right", "side_left"}
        assert len({(walk.height_m, walk.leg_length_m, walk.age, walk.sex) for walk in walks}) == 1


def test_it_says_that_it_is_synthetic(cohort):
    assert cohort.synthetic
    assert all(walk.metadata["synthetic"] == "true" for walk in cohort.walks)
    assert "not data of people" in cohort.citation


def test_ratings_0_to_3_all_occur_and_medication_helps(cohort):
    assert cohort.classes == ("0", "1", "2", "3")
    assert min(Counter(walk.rating for walk in cohort.walks).values()) >= 10
    mean = {
        state: np.mean([int(walk.rating) for walk in cohort.walks if walk.medication == state])
        for state in ("off", "on")
    }
    assert mean["off"] > mean["on"] + 0.3


def test_walks_are_what_a_detector_saw_from_the_side(cohort):
    for walk in cohort.walks[:4]:
        pose = load_walk(walk)
        assert pose.coordinates is CoordinateSystem.IMAGE_PX
        assert pose.view == walk.id.view
        assert pose.size_px == (1920, 1080)
        assert pose.rate_hz == pytest.approx(30)
        assert 120 <= pose.n_frames <= 151
        assert 0.97 < pose.coverage <= 1
        true = project(demo_walk(walk).pose, walk.id.view)
        assert np.nanmedian(np.abs(pose.positions - true.positions)) < 5


def test_the_walk_goes_to_the_right_of_a_camera_at_its_right(cohort):
    pose = load_walk(cohort.walks[0])
    assert pose.view == "side_right"
    assert np.nanmean(pose.joint("nose") - pose.joint("thorax"), axis=0)[0] > 0


def test_other_processes_see_the_same_numbers(cohort):
    code = (
        "import hashlib\n"
        "from gaitmb.io.cohorts import load_walk, open_cohort\n"
        "walk = open_cohort('demo').cohort.walks[37]\n"
        "print(hashlib.sha256(load_walk(walk).positions.tobytes()).hexdigest())\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=True,
    )
    here = hashlib.sha256(load_walk(cohort.walks[37]).positions.tobytes()).hexdigest()
    assert result.stdout.strip() == here


def test_no_two_walks_are_the_same(truths):
    assert len({walk.pose.positions.tobytes() for walk in truths}) == 96


def test_measures_differ_with_the_rating_in_the_published_direction(cohort, truths):
    ratings = np.array([int(walk.rating) for walk in cohort.walks])
    for name, sign in (
        ("speed_mps", -1),
        ("step_length_m", -1),
        ("double_support_pct", 1),
        ("trunk_lean_deg", 1),
    ):
        values = np.array([walk.measures[name] for walk in truths])
        means = np.array([np.nanmean(values[ratings == rating]) for rating in range(4)])
        assert (sign * np.diff(means) > 0).all(), name


def test_ratings_follow_from_true_measures_well_but_not_perfectly(cohort, truths):
    ratings = np.array([int(walk.rating) for walk in cohort.walks])
    people = np.array([walk.id.participant_id for walk in cohort.walks])
    names = (
        "cadence_spm", "step_length_m", "double_support_pct", "trunk_lean_deg",
        "arm_swing_deg_left", "arm_swing_deg_right", "arm_swing_asymmetry_pct",
    )  # fmt: skip
    features = np.array([[walk.measures[name] for name in names] for walk in truths])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=1000))
    predicted = cross_val_predict(model, features, ratings, groups=people, cv=GroupKFold(8))
    assert 0.5 < f1_score(ratings, predicted, average="weighted") < 0.9


def test_a_walk_of_another_cohort_is_refused(cohort):
    walk = cohort.walks[0]
    for change in ({"participant_id": "D99"}, {"participant_id": "X"}, {"walk_id": "03"}):
        stranger = dataclasses.replace(walk, id=dataclasses.replace(walk.id, **change))
        with pytest.raises(ReadError):
            load_walk(stranger)
