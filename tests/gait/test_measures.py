"""Measures of gait against a simulated walker who knows the answers, and where they must be refused."""

import dataclasses
import math

import numpy as np
import pytest

from gaitmb.data.camera import project
from gaitmb.data.pose import PoseSequence, mirror, resample
from gaitmb.data.skeleton import H36M17
from gaitmb.gait.measures import FEATURES, MEASURES, GaitMeasures, measure_gait
from gaitmb.gait.registry import SIDED
from gaitmb.simulate import SimulatedWalk, WalkerParameters, add_detector_noise, simulate_walk

VIEWS = ("3d", "side", "front", "oblique")

WALKERS = {
    "healthy": WalkerParameters(),
    "stooped": WalkerParameters(stoop_deg=35, step_length_m=0.45, cadence_spm=100),
    "one arm": WalkerParameters(arm_swing_left_deg=8),
    "limping": WalkerParameters(
        step_length_m=0.45, step_length_asymmetry_pct=40, step_time_asymmetry_pct=20, cadence_spm=90
    ),
}


def seen(walk: SimulatedWalk, view: str) -> PoseSequence:
    return walk.pose if view == "3d" else project(walk.pose, view)


def close(a: GaitMeasures, b: GaitMeasures, relative: float, absolute: float) -> None:
    """The same values within tolerances, missing in the same places."""
    for name in MEASURES:
        assert b.values[name] == pytest.approx(
            a.values[name], rel=relative, abs=absolute, nan_ok=True
        ), name


@pytest.mark.parametrize("view", ["3d", "side_left"])
@pytest.mark.parametrize("name", WALKERS)
def test_measures_agree_with_what_was_simulated(name: str, view: str) -> None:
    walk = simulate_walk(WALKERS[name], duration_s=10, seed=1)
    measured = measure_gait(seen(walk, view), height_m=WALKERS[name].height_m).values
    truth = walk.measures
    assert measured["cadence_spm"] == pytest.approx(truth["cadence_spm"], abs=1)
    assert measured["step_length_m"] == pytest.approx(truth["step_length_m"], abs=0.03)
    assert measured["speed_mps"] == pytest.approx(truth["speed_mps"], rel=0.06)
    assert measured["trunk_lean_deg"] == pytest.approx(truth["trunk_lean_deg"], abs=1)
    assert measured["double_support_pct"] == pytest.approx(truth["double_support_pct"], abs=10)
    assert measured["elbow_flexion_deg"] == pytest.approx(truth["elbow_flexion_deg"], abs=2)
    assert measured["hip_range_deg"] == pytest.approx(truth["hip_range_deg"], abs=4)
    assert measured["knee_range_deg"] == pytest.approx(truth["knee_range_deg"], abs=6)
    for side in ("left", "right"):
        assert measured[f"arm_swing_{side}_deg"] == pytest.approx(truth[f"arm_swing_deg_{side}"], abs=2)
    step_time = truth["step_time_asymmetry_pct"]
    assert measured["step_time_asymmetry_pct"] == pytest.approx(step_time, abs=4)


def test_step_lengths_of_each_side_are_exact_in_3d() -> None:
    walk = simulate_walk(WALKERS["limping"], duration_s=10)
    measured = measure_gait(walk.pose)
    for side in ("left", "right"):
        in_metres = measured.values[f"step_length_{side}_ll"] * _leg_m(walk)
        assert in_metres == pytest.approx(walk.measures[f"step_length_{side}_m"], abs=0.01)
    assert measured.values["step_length_asymmetry_ll"] > 0


def _leg_m(walk: SimulatedWalk) -> float:
    hip, knee, ankle = (walk.pose.joint(f"left_{joint}")[0] for joint in ("hip", "knee", "ankle"))
    return float(np.linalg.norm(hip - knee) + np.linalg.norm(knee - ankle)) / 1000


def test_a_detector_does_not_spoil_the_rhythm() -> None:
    walk = simulate_walk(WALKERS["healthy"], duration_s=10)
    noisy = add_detector_noise(project(walk.pose, "side_right"), np.random.default_rng(3))
    measured = measure_gait(noisy, height_m=1.70).values
    assert measured["cadence_spm"] == pytest.approx(walk.measures["cadence_spm"], abs=1)
    assert measured["step_length_m"] == pytest.approx(walk.measures["step_length_m"], abs=0.04)
    assert measured["trunk_lean_deg"] == pytest.approx(walk.measures["trunk_lean_deg"], abs=1.5)


@pytest.mark.parametrize("view", ["front", "back"])
def test_cadence_and_step_width_come_from_the_front_and_the_back(view: str) -> None:
    walk = simulate_walk(WALKERS["healthy"], duration_s=10)
    measured = measure_gait(project(walk.pose, view))
    assert measured.values["cadence_spm"] == pytest.approx(110, abs=1)
    assert measured.values["step_width_ll"] == pytest.approx(0.10 / _leg_m(walk), abs=0.04)
    assert "front" in measured.reasons["step_length_ll"]
    assert "front" in measured.reasons["knee_range_deg"]


@pytest.mark.parametrize("view", ["3d", "side_right", "front", "back_right"])
def test_every_value_is_finite_or_has_a_reason(view: str) -> None:
    measured = measure_gait(seen(simulate_walk(WALKERS["healthy"]), view))
    assert set(measured.values) == set(MEASURES)
    missing = {name for name, value in measured.values.items() if not math.isfinite(value)}
    assert missing == set(measured.reasons)
    invalid = {name for name, m in MEASURES.items() if m.validity(measured.view) == "invalid"}
    assert invalid <= missing


def test_arms_that_swing_unequally_are_told_by_their_signs() -> None:
    weak_left = measure_gait(simulate_walk(WalkerParameters(arm_swing_left_deg=8)).pose).values
    weak_right = measure_gait(simulate_walk(WalkerParameters(arm_swing_right_deg=8)).pose).values
    # Zifchock's symmetry angle of 8 against 36 degrees.
    expected = 100 * (45 - math.degrees(math.atan(36 / 8))) / 90
    assert weak_left["arm_swing_asymmetry_pct"] == pytest.approx(expected, abs=2)
    assert weak_right["arm_swing_asymmetry_pct"] == pytest.approx(-expected, abs=2)
    assert weak_left["arm_swing_asymmetry_abs_pct"] == pytest.approx(-expected, abs=2)


def test_a_stiff_knee_shows_on_its_side() -> None:
    pose = simulate_walk(WALKERS["healthy"], duration_s=8).pose
    positions = pose.positions.copy()
    hip, knee, ankle = (H36M17.index(f"left_{joint}") for joint in ("hip", "knee", "ankle"))
    positions[:, knee] = (positions[:, hip] + positions[:, ankle]) / 2
    measured = measure_gait(dataclasses.replace(pose, positions=positions)).values
    assert measured["knee_range_left_deg"] < 3
    assert measured["knee_range_asymmetry_deg"] < -40


def test_nothing_depends_on_where_and_in_which_direction_one_walks() -> None:
    pose = simulate_walk(WALKERS["limping"], duration_s=8).pose
    turn = np.array([[0.6, 0.8, 0], [-0.8, 0.6, 0], [0, 0, 1]])
    moved = dataclasses.replace(pose, positions=pose.positions @ turn + np.array([3e3, -5e3, 200]))
    close(measure_gait(pose), measure_gait(moved), 1e-6, 1e-6)


def test_a_picture_moved_and_enlarged_measures_the_same() -> None:
    for view in ("side_left", "front"):
        pose = project(simulate_walk(WALKERS["limping"], duration_s=8).pose, view)
        moved = dataclasses.replace(pose, positions=2.5 * pose.positions + np.array([300.0, -80.0]))
        close(measure_gait(pose), measure_gait(moved), 1e-6, 1e-6)


def test_a_larger_body_differs_in_metres_alone() -> None:
    pose = simulate_walk(WALKERS["limping"], duration_s=8).pose
    small, large = (
        measure_gait(p) for p in (pose, dataclasses.replace(pose, positions=1.5 * pose.positions))
    )
    assert large.values["step_length_m"] == pytest.approx(1.5 * small.values["step_length_m"])
    for name in FEATURES:
        assert large.values[name] == pytest.approx(small.values[name], abs=1e-6, nan_ok=True), name


@pytest.mark.parametrize("view", ["3d", "side_left", "front"])
def test_a_mirror_exchanges_left_and_right(view: str) -> None:
    pose = seen(simulate_walk(WALKERS["limping"], duration_s=8), view)
    straight, mirrored = measure_gait(pose).values, measure_gait(mirror(pose)).values
    for sided in SIDED:
        left, right = sided.name("left"), sided.name("right")
        assert mirrored[left] == pytest.approx(straight[right], abs=1e-6, nan_ok=True), left
        signed = sided.name("asymmetry")
        assert mirrored[signed] == pytest.approx(-straight[signed], abs=1e-5, nan_ok=True), signed
    for name in ("cadence_spm", "step_width_ll", "trunk_lean_deg", "trunk_sway_deg", "pelvis_bob_ll"):
        assert mirrored[name] == pytest.approx(straight[name], abs=1e-6, nan_ok=True), name
    for name in ("trunk_lateral_lean_deg", "pelvis_obliquity_deg", "shoulder_obliquity_deg"):
        assert mirrored[name] == pytest.approx(-straight[name], abs=1e-6, nan_ok=True), name


@pytest.mark.parametrize("view", ["3d", "side_right"])
def test_30_and_60_frames_a_second_measure_the_same(view: str) -> None:
    pose = seen(simulate_walk(WALKERS["limping"], duration_s=10, rate_hz=60), view)
    at_60, at_30 = measure_gait(pose).values, measure_gait(resample(pose, 30)).values
    tolerances = {
        "cadence_spm": 0.5, "step_time_s": 0.01, "stance_pct": 1.5, "double_support_pct": 3,
        "step_length_ll": 0.01, "speed_ll_per_s": 0.02, "step_length_asymmetry_ll": 0.03,
        "knee_range_deg": 3, "hip_range_deg": 2, "arm_swing_deg": 1, "trunk_lean_deg": 0.2,
    }  # fmt: skip
    for name, tolerance in tolerances.items():
        assert at_30[name] == pytest.approx(at_60[name], abs=tolerance), name


def test_frames_at_uneven_times_are_brought_to_even_ones() -> None:
    pose = simulate_walk(WALKERS["healthy"], duration_s=8, rate_hz=60).pose
    kept = np.sort(np.random.default_rng(0).permutation(pose.n_frames)[: pose.n_frames * 2 // 3])
    uneven = dataclasses.replace(
        pose, positions=pose.positions[kept], confidence=pose.confidence[kept], time_s=pose.time_s[kept]
    )
    assert measure_gait(uneven).values["cadence_spm"] == pytest.approx(110, abs=1)


def test_a_turn_leaves_the_straight_ways_to_be_measured() -> None:
    walk = simulate_walk(WalkerParameters(turn_at_s=5), duration_s=10)
    for view in ("3d", "side_right", "front"):
        measured = measure_gait(seen(walk, view))
        assert measured.values["cadence_spm"] == pytest.approx(110, abs=2)
    assert measure_gait(walk.pose).values["knee_range_deg"] == pytest.approx(
        walk.measures["knee_range_deg"], abs=6
    )


def test_metres_need_a_length_and_otherwise_say_so() -> None:
    pose = project(simulate_walk(WALKERS["healthy"]).pose, "side_left")
    assert "leg length" in measure_gait(pose).reasons["speed_mps"]
    by_leg, by_height = measure_gait(pose, leg_length_m=0.8347), measure_gait(pose, height_m=1.70)
    assert by_leg.values["step_length_m"] == pytest.approx(by_height.values["step_length_m"])


def test_few_strides_give_no_variability() -> None:
    measured = measure_gait(simulate_walk(WALKERS["healthy"], n_strides=1.7).pose)
    assert 1 <= measured.n_strides < 3
    assert "strides" in measured.reasons["stride_time_cv_pct"]
    assert math.isfinite(measured.values["cadence_spm"])


def test_variability_is_that_of_the_walk() -> None:
    even = measure_gait(simulate_walk(WALKERS["healthy"], duration_s=30).pose).values
    walk = simulate_walk(WalkerParameters(stride_time_cv_pct=5), duration_s=60, seed=2)
    assert even["stride_time_cv_pct"] < 1
    assert measure_gait(walk.pose).values["stride_time_cv_pct"] == pytest.approx(
        walk.measures["stride_time_cv_pct"], abs=1
    )


def test_someone_who_stands_has_no_measures_but_a_reason_for_each() -> None:
    pose = simulate_walk(WALKERS["healthy"]).pose
    still = dataclasses.replace(pose, positions=np.repeat(pose.positions[:1], pose.n_frames, axis=0))
    measured = measure_gait(still)
    assert all(math.isnan(value) for value in measured.values.values())
    assert set(measured.reasons) == set(MEASURES)
    assert list(measured.features) == list(FEATURES)


def test_the_registry_says_what_a_clinician_needs_to_know() -> None:
    units = {"s", "deg", "pct", "spm", "ll", "ll_per_s", "m", "mps", "1"}
    for name, measure in MEASURES.items():
        assert measure.name == name
        assert measure.unit in units
        assert measure.unit == "1" or name.endswith(measure.unit)
        assert len(measure.definition) > 15
        assert any(character.isdigit() for character in measure.source), "a source has a year"
        assert measure.views
        assert set(measure.views) | set(measure.limited) <= set(VIEWS)
        assert not set(measure.views) & set(measure.limited)
    assert set(FEATURES) < set(MEASURES)
    assert len(FEATURES) == len(set(FEATURES)) > 60


def test_real_walks_of_motion_capture_have_human_measures(shared) -> None:
    archive = np.load(shared / "data/mocap/cmu_h36m17_30fps.npz")
    starts = np.concatenate([[0], np.cumsum(archive["n_frames"])])
    cadences = []
    for number, trial in enumerate(archive["trial"]):
        if not str(trial).startswith(("cmu_07", "cmu_08")):
            continue
        metres = archive["position_m"][starts[number] : starts[number + 1]].astype(float)
        walk = simulate_walk(WALKERS["healthy"], duration_s=1).pose
        pose = PoseSequence(
            1000 * np.stack([metres[..., 0], -metres[..., 2], metres[..., 1]], axis=-1),
            np.ones(metres.shape[:2]), np.arange(len(metres)) / 30, H36M17, walk.coordinates,
        )  # fmt: skip
        measured = measure_gait(pose)
        if measured.n_strides >= 2:
            cadences.append(measured.values["cadence_spm"])
            assert 55 < measured.values["stance_pct"] < 70
            assert 0.3 < measured.values["step_length_ll"] < 1.3
            assert 30 < measured.values["knee_range_deg"] < 85
    assert len(cadences) > 10
    assert 90 < float(np.median(cadences)) < 130
