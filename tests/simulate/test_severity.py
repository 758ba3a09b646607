"""Severity changes a walk in the published directions, on average and not for everybody."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaitmb.errors import ConfigurationError
from gaitmb.simulate import draw_habits, parameters_for, simulate_walk

LEVELS = (0, 1, 2, 3, 4)


@pytest.fixture(scope="module")
def people():
    """200 people at every severity."""
    return {
        level: [parameters_for(level, np.random.default_rng([level, seed])) for seed in range(200)]
        for level in LEVELS
    }


def mean_of(people, value):
    return np.array([np.mean([value(person) for person in people[level]]) for level in LEVELS])


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("speed_mps", -1),
        ("step_length_m", -1),
        ("foot_strike_deg", -1),
        ("push_off_deg", -1),
        ("toe_clearance_m", -1),
        ("double_support_pct", 1),
        ("stoop_deg", 1),
        ("elbow_flexion_deg", 1),
        ("stride_time_cv_pct", 1),
        ("stride_length_cv_pct", 1),
        ("turn_steps", 1),
    ],
)
def test_the_average_walk_changes_in_the_published_direction(people, name, direction):
    assert (direction * np.diff(mean_of(people, lambda person: getattr(person, name))) > 0).all()


def test_arms_swing_less_and_more_unequally(people):
    both = mean_of(people, lambda person: person.arm_swing_left_deg + person.arm_swing_right_deg)
    unequal = mean_of(
        people,
        lambda person: (
            abs(person.arm_swing_left_deg - person.arm_swing_right_deg)
            / (person.arm_swing_left_deg + person.arm_swing_right_deg)
        ),
    )
    assert (np.diff(both) < 0).all()
    assert (np.diff(unequal) > 0).all()


def test_people_at_one_level_overlap_with_those_at_the_next(people):
    for level in LEVELS[:-1]:
        now, worse = (
            np.array([person.speed_mps for person in people[number]]) for number in (level, level + 1)
        )
        slower = (worse[:, None] < now).mean()
        assert 0.6 < slower < 0.97


def test_freezing_comes_late(people):
    frozen = mean_of(people, lambda person: len(person.freezing))
    assert (frozen[:3] == 0).all()
    assert 0.05 < frozen[3] < frozen[4] < 0.95


def test_the_same_person_is_worse_on_the_same_side_every_day():
    person = draw_habits(np.random.default_rng(5))
    days = [parameters_for(2.0, np.random.default_rng(day), habits=person) for day in range(20)]
    worse = {day.arm_swing_left_deg < day.arm_swing_right_deg for day in days}
    assert worse == {person.worse_side == "left"}
    assert np.std([day.step_length_m for day in days]) > 0


@pytest.mark.parametrize("severity", [-0.1, 4.1, float("nan")])
def test_severities_off_the_scale_are_refused(severity):
    with pytest.raises(ConfigurationError, match="0 to 4"):
        parameters_for(severity, np.random.default_rng(0))


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 4), st.floats(1.4, 2.05), st.integers(0, 10_000))
def test_anybody_at_any_severity_can_walk(severity, height_m, seed):
    rng = np.random.default_rng(seed)
    walk = simulate_walk(parameters_for(severity, rng, height_m=height_m), duration_s=3, seed=rng)
    assert np.isfinite(walk.pose.positions).all()
    assert 0.2 < walk.parameters.speed_mps < 2
    if not walk.parameters.freezing:
        asked = walk.parameters.speed_mps
        assert walk.measures["speed_mps"] == pytest.approx(asked, rel=0.25)
