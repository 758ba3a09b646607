"""Contacts of the feet, against a simulated walker who knows them and against force plates."""

import dataclasses
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from gaitmb.data.camera import project
from gaitmb.data.pose import CoordinateSystem, PoseSequence, mirror, resample
from gaitmb.data.skeleton import COCO17, H36M17
from gaitmb.errors import CoordinateError
from gaitmb.gait.events import EVENT_COLUMNS, detect_events
from gaitmb.io.mocap import read_c3d
from gaitmb.simulate import WalkerParameters, simulate_walk

STYLES = {
    "healthy": WalkerParameters(),
    "slow": WalkerParameters(cadence_spm=90, step_length_m=0.5),
    "fast": WalkerParameters(cadence_spm=130, step_length_m=0.8),
    "shuffling": WalkerParameters(
        cadence_spm=105, step_length_m=0.25, double_support_pct=35, stoop_deg=25,
        toe_clearance_m=0.01, foot_strike_deg=2, push_off_deg=20,
    ),
    "asymmetric": WalkerParameters(step_length_asymmetry_pct=20, step_time_asymmetry_pct=15),
    "variable": WalkerParameters(stride_time_cv_pct=5, stride_length_cv_pct=6),
    "swaying": WalkerParameters(step_width_m=0.22, trunk_sway_deg=6),
}  # fmt: skip


def errors_ms(truth: pd.DataFrame, found: pd.DataFrame, event: str) -> list[float]:
    """Found minus true time of every true contact that was found within a quarter of a second."""
    errors = []
    for row in truth[truth.event == event].itertuples():
        times = found[(found.event == event) & (found.side == row.side)].time_s.to_numpy()
        if len(times):
            error = times[np.abs(times - row.time_s).argmin()] - row.time_s
            errors += [1000 * error] if abs(error) < 0.25 else []
    return errors


@pytest.mark.parametrize("event", ["initial_contact", "final_contact"])
@pytest.mark.parametrize("view", ["3d", "side_left", "side_right"])
def test_contacts_over_all_styles_have_little_bias_and_spread(view: str, event: str) -> None:
    errors: list[float] = []
    n_true = 0
    for number, style in enumerate(STYLES.values()):
        walk = simulate_walk(style, duration_s=8, seed=number)
        pose = walk.pose if view == "3d" else project(walk.pose, view)
        errors += errors_ms(walk.events, detect_events(pose), event)
        n_true += int((walk.events.event == event).sum())
    assert len(errors) > 0.9 * n_true
    assert abs(np.mean(errors)) < 10
    assert np.std(errors) < 25


def test_the_front_tells_contacts_with_half_the_confidence() -> None:
    errors: list[float] = []
    for number, style in enumerate(STYLES.values()):
        walk = simulate_walk(style, duration_s=8, seed=number)
        found = detect_events(project(walk.pose, "front"))
        errors += errors_ms(walk.events, found, "initial_contact")
        assert found.confidence.max() <= 0.5
    assert abs(np.mean(errors)) < 20
    assert np.std(errors) < 30


def test_the_table_has_its_columns_in_time_order_and_sides_take_turns() -> None:
    found = detect_events(simulate_walk(STYLES["healthy"]).pose)
    assert tuple(found.columns) == EVENT_COLUMNS
    assert found.time_s.is_monotonic_increasing
    assert found.confidence.between(0, 1, inclusive="right").all()
    contacts = found[found.event == "initial_contact"].side.tolist()
    assert all(a != b for a, b in pairwise(contacts))


def test_times_are_on_the_clock_of_the_pose() -> None:
    pose = simulate_walk(STYLES["healthy"]).pose
    later = dataclasses.replace(pose, time_s=pose.time_s + 100)
    np.testing.assert_allclose(detect_events(later).time_s, detect_events(pose).time_s + 100, atol=1e-9)


def test_a_mirror_exchanges_the_sides_and_nothing_else() -> None:
    pose = simulate_walk(STYLES["asymmetric"]).pose
    found, mirrored = detect_events(pose), detect_events(mirror(pose))
    np.testing.assert_allclose(mirrored.time_s, found.time_s, atol=1e-9)
    assert mirrored.side.tolist() == [{"left": "right", "right": "left"}[s] for s in found.side]


@pytest.mark.parametrize("rate_hz", [15, 60, 120, 240])
def test_contacts_hardly_depend_on_the_frame_rate(rate_hz: float) -> None:
    walk = simulate_walk(STYLES["healthy"], rate_hz=240, duration_s=6)
    found = detect_events(resample(walk.pose, rate_hz))
    for event in ("initial_contact", "final_contact"):
        errors = errors_ms(walk.events, found, event)
        assert len(errors) >= 8
        assert abs(np.mean(errors)) < 25
        assert np.std(errors) < 20


def test_a_view_that_is_not_named_is_told_by_the_shoulders() -> None:
    walk = simulate_walk(STYLES["healthy"], duration_s=6)
    for view in ("front", "side_left"):
        named = project(walk.pose, view)
        unnamed = dataclasses.replace(named, view=None)
        pd.testing.assert_frame_equal(detect_events(unnamed), detect_events(named))


def still(n_frames: int = 150) -> np.ndarray:
    return np.repeat(simulate_walk(STYLES["healthy"]).pose.positions[:1], n_frames, axis=0)


def hopping() -> np.ndarray:
    positions = still()
    time_s = np.arange(len(positions)) / 30
    positions[:, :, 2] += 100 * np.abs(np.sin(3 * np.pi * time_s))[:, None]
    return positions


def swaying() -> np.ndarray:
    positions = still()
    time_s = np.arange(len(positions)) / 30
    feet = [H36M17.index("left_ankle"), H36M17.index("right_ankle")]
    lean = 120 * np.sin(np.pi * time_s)
    rest = [joint for joint in range(17) if joint not in feet]
    positions[:, rest, 1] += lean[:, None]
    return positions


def rocking() -> np.ndarray:
    """Both feet slide to and fro, one a quarter of a period behind the other."""
    positions = still(240)
    time_s = np.arange(len(positions)) / 30
    for side, behind in (("left", 0.0), ("right", 0.25)):
        wave = 250 * np.sin(2 * np.pi * (time_s / 1.2 - behind))
        positions[:, H36M17.index(f"{side}_ankle"), 1] = wave
        positions[:, H36M17.index(f"{side}_knee"), 1] = wave / 2
    return positions


def one_step() -> np.ndarray:
    positions = simulate_walk(STYLES["healthy"]).pose.positions.copy()
    positions[28:] = positions[28]
    return positions


def without_feet() -> np.ndarray:
    positions = simulate_walk(STYLES["healthy"]).pose.positions.copy()
    positions[:, [H36M17.index("left_ankle"), H36M17.index("right_ankle")]] = np.nan
    return positions


def backwards() -> np.ndarray:
    return simulate_walk(STYLES["healthy"]).pose.positions[::-1]


def three_times_too_fast() -> np.ndarray:
    return simulate_walk(STYLES["healthy"], duration_s=10).pose.positions[::3]


NO_WALKS = {
    "standing": still,
    "standing, badly seen": lambda: still() + np.random.default_rng(0).normal(0, 20, (150, 17, 3)),
    "hopping": hopping,
    "swaying": swaying,
    "rocking": rocking,
    "one step": one_step,
    "missing feet": without_feet,
    "noise": lambda: np.random.default_rng(1).normal(0, 500, (300, 17, 3)),
    "noise in the shape of a body": lambda: (
        still(300) + np.random.default_rng(2).normal(0, 150, (300, 17, 3))
    ),
    "too short": lambda: simulate_walk(STYLES["healthy"]).pose.positions[:12],
    "backwards": backwards,
    "330 steps a minute": three_times_too_fast,
}  # fmt: skip


@pytest.mark.parametrize("view", ["3d", "side_right"])
@pytest.mark.parametrize("name", NO_WALKS)
def test_what_is_no_walk_has_no_contacts(name: str, view: str) -> None:
    positions = NO_WALKS[name]()
    pose = PoseSequence(
        positions, np.ones(positions.shape[:2]), np.arange(len(positions)) / 30, H36M17,
        CoordinateSystem.WORLD_MM,
    )  # fmt: skip
    assert detect_events(pose if view == "3d" else project(pose, view)).empty


def test_a_gap_in_one_ankle_costs_the_contacts_in_it_and_no_others() -> None:
    walk = simulate_walk(STYLES["healthy"], duration_s=10)
    positions = walk.pose.positions.copy()
    positions[120:150, H36M17.index("left_ankle")] = np.nan
    found = detect_events(dataclasses.replace(walk.pose, positions=positions))
    left = found[found.side == "left"].time_s
    assert not left.between(120 / 30, 149 / 30).any()
    assert len(errors_ms(walk.events, found, "initial_contact")) >= 12


def test_other_skeletons_and_coordinates_are_refused() -> None:
    zeros, times = np.zeros((40, 17, 2)), np.arange(40) / 30
    with pytest.raises(CoordinateError, match="h36m17"):
        detect_events(PoseSequence(zeros, np.ones((40, 17)), times, COCO17, CoordinateSystem.IMAGE_PX))
    with pytest.raises(CoordinateError, match="screen"):
        detect_events(PoseSequence(zeros, np.ones((40, 17)), times, H36M17, CoordinateSystem.SCREEN))


# Times at which a plate's force passes 20 N, from the trials' analog channels, in seconds after the
# first frame in which the reader sees the body; only level walking and whole strikes.
PLATES = {
    "Gait.c3d": {"initial_contact": [("right", 0.754), ("left", 1.239)],
                 "final_contact": [("right", 1.325)]},
    "PlugInC3D.c3d": {"initial_contact": [("right", 1.101), ("left", 1.796)],
                      "final_contact": [("right", 1.896), ("left", 2.456)]},
    "sub_labels.c3d": {"initial_contact": [("left", 1.041)], "final_contact": [("left", 2.016),
                                                                              ("right", 2.692)]},
}  # fmt: skip


@pytest.mark.parametrize("event", ["initial_contact", "final_contact"])
def test_contacts_agree_with_force_plates(shared, event: str) -> None:
    errors: list[float] = []
    for name, strikes in PLATES.items():
        truth = pd.DataFrame(strikes[event], columns=["side", "time_s"]).assign(event=event)
        errors += errors_ms(truth, detect_events(read_c3d(shared / "data/c3d" / name)), event)
    assert len(errors) == 5
    assert abs(np.mean(errors)) < 15
    assert np.abs(errors).max() < 60
