"""Bouts and turns of simulated people lie where they are known to be, and what is no walk is refused."""

import dataclasses

import numpy as np
import pytest

from gaitmb.data.camera import project
from gaitmb.data.skeleton import H36M17
from gaitmb.pose.people import track
from gaitmb.pose.swaps import mend_swaps
from gaitmb.pose.walking import assess
from gaitmb.simulate import WalkerParameters, add_detector_noise, simulate_walk

#: A walker before the camera: heading, and where they start (m to the right, m away).
VIEWS = {"side": (-90, (-2, 5.5)), "front": (180, (0, 9)), "back": (0, (0, 4))}


def report_on(stage, person, seed=0):
    [one] = track(stage.film(person, seed=seed).seen)
    return assess(one.pose)


@pytest.mark.parametrize("view", VIEWS)
def test_a_bout_begins_and_ends_where_walking_does(stage, view):
    heading, place = VIEWS[view]
    seconds = 3 if view == "side" else 4
    report = report_on(stage, stage.walker(seconds, heading).at(*place).stands_first(2).then_stands(2))
    assert report.status == "ok"
    [(start_s, end_s)] = report.bouts
    assert start_s == pytest.approx(2, abs=0.3)
    assert end_s == pytest.approx(2 + seconds, abs=0.3)


@pytest.mark.parametrize("view", ["side", "front"])
def test_sitting_down_ends_a_bout(stage, view):
    heading, place = VIEWS[view]
    report = report_on(stage, stage.walker(3, heading).at(*place).then_sits(3))
    [(start_s, end_s)] = report.bouts
    assert start_s == pytest.approx(0, abs=0.3)
    assert end_s == pytest.approx(3, abs=0.3)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("heading", "place"), [(180, (0, 9)), (0, (0, 4)), (-90, (-3.2, 7))])
def test_a_turn_is_found_where_the_pelvis_turns_and_does_not_end_the_bout(stage, heading, place, seed):
    turning = {
        "turn_at_s": 3,
        "turn_steps": 4 + seed % 3,
        "turn_side": ("left", "right")[seed % 2],
        "cadence_spm": 95 + 5 * seed,
    }
    walk = simulate_walk(WalkerParameters(**turning), duration_s=9, seed=seed)
    [(_, start_s, end_s)] = walk.episodes.to_numpy().tolist()
    report = report_on(stage, stage.walker(9 + 1 / 30, heading, seed, **turning).at(*place), seed)
    assert len(report.bouts) == 1
    [(found_s, until_s)] = report.turns
    assert found_s == pytest.approx(start_s, abs=0.3)
    assert until_s == pytest.approx(end_s, abs=0.3)


def test_a_straight_walk_past_the_camera_has_no_turn(stage):
    assert report_on(stage, stage.walker(4, -90).at(-2.4, 5)).turns == ()


def test_cadence_is_that_of_the_walker():
    for cadence in (80, 100, 120):
        walk = simulate_walk(WalkerParameters(cadence_spm=cadence), duration_s=6)
        seen = add_detector_noise(
            project(walk.pose, "side_left", follow=False), np.random.default_rng(1)
        )
        assert assess(seen).cadence_spm == pytest.approx(cadence, rel=0.04)


def refusal(report) -> str:
    assert report.status == "refused"
    assert report.bouts == ()
    [reason] = report.reasons
    assert reason.text
    return reason.code


def test_who_stands_sits_or_is_seen_too_shortly_or_too_small_is_refused(stage):
    stands = stage.walker(0.5, -90).at(0, 5).then_stands(5)
    assert refusal(report_on(stage, stands)) == "standing"
    sits = stage.walker(0.2, -90).at(0, 5).then_sits(5)
    assert refusal(report_on(stage, sits)) == "not_upright"
    walk = project(simulate_walk(WalkerParameters()).pose, "side_right", follow=False)
    assert refusal(assess(walk.slice(0, 6))) == "too_short"
    far = dataclasses.replace(walk, positions=0.05 * walk.positions)
    assert refusal(assess(far)) == "too_small"
    unsure = dataclasses.replace(walk, confidence=0.1 * walk.confidence)
    assert refusal(assess(unsure)) == "low_confidence"


def test_a_body_of_other_proportions_is_refused():
    walk = project(simulate_walk(WalkerParameters()).pose, "side_right", follow=False)
    positions = walk.positions.copy()
    for side in ("left", "right"):
        hip, knee, ankle = (H36M17.index(f"{side}_{joint}") for joint in ("hip", "knee", "ankle"))
        positions[:, ankle] = positions[:, knee] + 0.2 * (positions[:, ankle] - positions[:, knee])
        positions[:, knee] += 0.5 * (positions[:, knee] - positions[:, hip])
    assert refusal(assess(dataclasses.replace(walk, positions=positions))) == "implausible_body"


def test_legs_that_move_together_are_not_walking(stage):
    person = stage.walker(5, -90).at(0, 5)
    hop = 250 * np.abs(np.sin(2 * np.pi * 1.2 * np.arange(len(person.body)) / 30))
    still = np.repeat(person.body[:1], len(person.body), axis=0)
    person.body = still + hop[:, None, None] * [0, 0, 1]
    assert report_on(stage, person).status == "refused"


@pytest.mark.parametrize("view", ["side_right", "front", "back_left"])
@pytest.mark.parametrize("seed", range(4))
def test_exchanged_legs_are_exchanged_back_and_steady_ones_left_alone(view, seed):
    rng = np.random.default_rng(seed)
    walk = simulate_walk(WalkerParameters(cadence_spm=rng.uniform(80, 125)), duration_s=6, seed=seed)
    seen = add_detector_noise(project(walk.pose, view, follow=False), rng)
    height = float(np.nanmedian(np.ptp(np.nan_to_num(seen.positions[..., 1], nan=500), axis=1)))
    assert mend_swaps(seen, height)[1] == ()
    start = int(rng.integers(10, 140))
    end = start + int(rng.integers(1, 20))
    order = [0, 4, 5, 6, 1, 2, 3, *range(7, 17)]
    positions, confidence = seen.positions.copy(), seen.confidence.copy()
    positions[start:end], confidence[start:end] = (
        positions[start:end][:, order],
        confidence[start:end][:, order],
    )
    swapped = dataclasses.replace(seen, positions=positions, confidence=confidence)
    mended, swaps = mend_swaps(swapped, height)
    ankles = [H36M17.index("left_ankle"), H36M17.index("right_ankle")]
    apart = np.linalg.norm(np.diff(seen.positions[:, ankles], axis=1)[:, 0], axis=-1)
    wrong = np.linalg.norm(mended.positions - seen.positions, axis=-1)[:, ankles].max(axis=1)
    # Where the feet are side by side, an exchange changes nothing that matters.
    assert not (wrong[apart > 0.05 * height] > 0.02 * height).any()
    assert len(swaps) >= 1 or apart[start:end].max() < 0.1 * height
