"""The walker does what was asked of it, and what people do."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gaitmb.data.pose import mirror
from gaitmb.errors import ConfigurationError
from gaitmb.simulate import Freezing, WalkerParameters, simulate_walk

SIDES = ("left", "right")

HEALTHY = WalkerParameters(height_m=1.75)
SHUFFLING = WalkerParameters(
    cadence_spm=100,
    step_length_m=0.32,
    double_support_pct=38,
    foot_strike_deg=3,
    push_off_deg=28,
    toe_clearance_m=0.01,
    knee_flexion_deg=15,
    stoop_deg=28,
)


def contacts(walk, event="initial_contact", side=None):
    rows = walk.events[walk.events["event"] == event]
    return (rows if side is None else rows[rows["side"] == side])["time_s"].to_numpy()


def standing(walk, side):
    """Whether heel or ball of a foot is at rest, between every two frames."""
    feet = walk.feet_mm[:, SIDES.index(side)]
    speed = np.linalg.norm(np.diff(feet, axis=0), axis=-1) * walk.pose.rate_hz
    return speed.min(axis=1) < 1.0


@pytest.mark.parametrize("parameters", [HEALTHY, SHUFFLING], ids=["healthy", "shuffling"])
@pytest.mark.parametrize("side", SIDES)
def test_a_foot_has_a_point_at_rest_exactly_between_its_contacts(parameters, side):
    walk = simulate_walk(parameters, duration_s=4, rate_hz=200)
    changes = np.flatnonzero(np.diff(standing(walk, side).astype(int))) + 1
    seen_s = walk.pose.time_s[changes]
    told_s = walk.events[walk.events["side"] == side]["time_s"].to_numpy()
    away_s = np.abs(seen_s[:, None] - told_s)
    assert len(told_s) >= 6
    # Two frames; what happens in the first and last frames may be seen in part only.
    assert away_s.min(axis=0)[(told_s > 0.05) & (told_s < 3.95)].max() < 0.0101
    assert away_s.min(axis=1)[(seen_s > 0.05) & (seen_s < 3.95)].max() < 0.0101


@pytest.mark.parametrize("side", SIDES)
def test_the_ankle_is_at_rest_while_the_foot_is_flat(side):
    walk = simulate_walk(HEALTHY, duration_s=4, rate_hz=200)
    ankle = walk.pose.joint(f"{side}_ankle")
    speed = np.linalg.norm(np.diff(ankle, axis=0), axis=1) * 200
    still = (speed < 1.0).mean()
    assert 0.15 < still < 0.35
    # Standing, the ankle is as high as the foot: 0.039 of the height.
    assert ankle[:-1][speed < 1.0][:, 2] == pytest.approx(68.25, abs=0.01)


def test_feet_stay_on_or_above_the_floor_and_toes_clear_it():
    walk = simulate_walk(HEALTHY, duration_s=4, rate_hz=120)
    assert walk.feet_mm[..., 2].min() > -3
    assert 150 < walk.pose.joint("left_ankle")[:, 2].max() < 300


def test_contacts_alternate_and_each_foot_leaves_after_the_other_has_landed():
    walk = simulate_walk(HEALTHY, duration_s=6)
    steps = walk.events[walk.events["event"] == "initial_contact"]
    assert (steps["side"].to_numpy()[1:] != steps["side"].to_numpy()[:-1]).all()
    cycle = [tuple(row) for row in walk.events[["side", "event"]].to_numpy()]
    start = cycle.index(("right", "initial_contact"))
    assert cycle[start : start + 4] == [
        ("right", "initial_contact"),
        ("left", "final_contact"),
        ("left", "initial_contact"),
        ("right", "final_contact"),
    ]


@pytest.mark.parametrize("cadence", [70, 96.5, 110, 140])
def test_cadence_is_that_of_the_contacts(cadence):
    walk = simulate_walk(WalkerParameters(cadence_spm=cadence), duration_s=8)
    times = contacts(walk)
    assert 60 * (len(times) - 1) / (times[-1] - times[0]) == pytest.approx(cadence, abs=1e-3)
    assert walk.measures["cadence_spm"] == pytest.approx(cadence)


def test_step_length_is_the_way_from_ankle_to_ankle():
    walk = simulate_walk(HEALTHY, duration_s=6, rate_hz=120)
    ankles = {side: walk.pose.joint(f"{side}_ankle") for side in SIDES}
    rows = walk.events[(walk.events["event"] == "initial_contact") & (walk.events["time_s"] < 5.6)]
    # The foot is flat a quarter of a second after its contact.
    places = [
        np.interp(time + 0.25, walk.pose.time_s, ankles[side][:, 1])
        for side, time in zip(rows["side"], rows["time_s"], strict=True)
    ]
    assert np.diff(places) == pytest.approx(700, abs=0.1)
    apart = ankles["right"][:, 0].max() - ankles["left"][:, 0].min()
    assert apart == pytest.approx(100, abs=0.1)


def test_speed_is_the_way_of_the_pelvis_over_time():
    walk = simulate_walk(HEALTHY, n_strides=5)
    way_m = (walk.pose.joint("pelvis")[-1] - walk.pose.joint("pelvis")[0])[1] / 1000
    assert way_m / walk.pose.duration_s == pytest.approx(walk.measures["speed_mps"], abs=0.03)
    assert walk.measures["speed_mps"] == pytest.approx(0.70 * 110 / 60)


@pytest.mark.parametrize("share", [15, 24, 40])
def test_double_support_is_as_asked(share):
    walk = simulate_walk(WalkerParameters(double_support_pct=share), duration_s=6, rate_hz=200)
    both = standing(walk, "left") & standing(walk, "right")
    stride = slice(*np.searchsorted(walk.pose.time_s, contacts(walk, side="left")[[0, 4]]))
    assert 100 * both[stride].mean() == pytest.approx(share, abs=1.5)
    assert walk.measures["double_support_pct"] == pytest.approx(share)
    assert walk.measures["stance_pct"] == pytest.approx(50 + share / 2)


def test_bones_keep_their_length(bone_lengths):
    for parameters in (HEALTHY, SHUFFLING, dataclasses.replace(HEALTHY, tremor_left_m=0.03)):
        lengths = bone_lengths(simulate_walk(parameters, duration_s=4).pose)
        assert np.ptp(lengths, axis=0).max() < 0.01


def test_knees_and_hips_move_as_in_healthy_people(flexion_deg):
    walk = simulate_walk(HEALTHY, duration_s=5, rate_hz=100)
    knee = flexion_deg(walk.pose, "right_hip", "right_knee", "right_ankle")
    assert 3 < knee.min() < 8
    assert 52 < knee.max() < 70
    assert 45 < walk.measures["knee_range_deg"] < 65
    assert 38 < walk.measures["hip_range_deg"] < 52
    assert np.ptp(knee) == pytest.approx(walk.measures["knee_range_deg_right"], abs=1)
    bob = np.ptp(walk.pose.joint("pelvis")[:, 2])
    assert 20 < bob < 60


def test_knees_bend_forwards_and_elbows_backwards():
    for parameters in (HEALTHY, SHUFFLING):
        pose = simulate_walk(parameters).pose
        for side in SIDES:
            knee = (
                pose.joint(f"{side}_knee")
                - (pose.joint(f"{side}_hip") + pose.joint(f"{side}_ankle")) / 2
            )
            hand = pose.joint(f"{side}_shoulder") + pose.joint(f"{side}_wrist")
            elbow = pose.joint(f"{side}_elbow") - hand / 2
            assert (knee[:, 1] > 0).all()
            assert (elbow[:, 1] < 0).all()


def test_arms_swing_with_the_opposite_leg_as_far_as_asked():
    walk = simulate_walk(WalkerParameters(arm_swing_left_deg=40, arm_swing_right_deg=15), rate_hz=60)
    angle = {}
    for side in SIDES:
        line = walk.pose.joint(f"{side}_wrist") - walk.pose.joint(f"{side}_shoulder")
        angle[side] = np.degrees(np.arctan2(line[:, 1], -line[:, 2]))
    assert np.ptp(angle["left"]) == pytest.approx(40, abs=0.5)
    assert np.ptp(angle["right"]) == pytest.approx(15, abs=0.5)
    foot = walk.pose.joint("right_ankle")[:, 1] - walk.pose.joint("pelvis")[:, 1]
    assert np.corrcoef(angle["left"], foot)[0, 1] > 0.7
    assert np.corrcoef(angle["right"], foot)[0, 1] < -0.7
    assert walk.measures["arm_swing_asymmetry_pct"] > 0


@pytest.mark.parametrize("stoop", [-3, 0, 12, 35])
def test_the_trunk_leans_as_asked(stoop):
    pose = simulate_walk(WalkerParameters(stoop_deg=stoop)).pose
    line = pose.joint("thorax") - pose.joint("pelvis")
    assert np.degrees(np.arctan2(line[:, 1], line[:, 2])) == pytest.approx(stoop, abs=1e-6)


def test_the_body_is_as_tall_as_asked():
    pose = simulate_walk(WalkerParameters(height_m=1.60, stoop_deg=0)).pose
    assert 1450 < pose.joint("head")[:, 2].mean() < 1600


def test_the_longer_and_slower_side_is_the_one_asked_for():
    parameters = WalkerParameters(step_length_asymmetry_pct=20, step_time_asymmetry_pct=-10)
    walk = simulate_walk(parameters, duration_s=8)
    assert walk.measures["step_length_left_m"] == pytest.approx(0.77)
    assert walk.measures["step_length_right_m"] == pytest.approx(0.63)
    assert walk.measures["step_length_asymmetry_pct"] == pytest.approx(20)
    assert walk.measures["step_time_asymmetry_pct"] == pytest.approx(-10)
    rows = walk.events[walk.events["event"] == "initial_contact"]
    lasted = np.diff(rows["time_s"])
    left = rows["side"].to_numpy()[1:] == "left"
    assert lasted[left].mean() / lasted[~left].mean() == pytest.approx(0.95 / 1.05)


def test_a_mirrored_walker_is_the_mirror_image_of_the_walk():
    parameters = WalkerParameters(
        step_length_asymmetry_pct=15,
        step_time_asymmetry_pct=8,
        arm_swing_left_deg=10,
        tremor_right_m=0.01,
        turn_at_s=2.0,
    )
    walk, other = simulate_walk(parameters), simulate_walk(parameters.mirrored)
    np.testing.assert_allclose(mirror(walk.pose).positions, other.pose.positions, atol=0.1)


def test_half_a_stride_later_a_symmetric_walker_is_its_own_mirror_image():
    # At 120 steps per minute half a stride is 15 frames.
    walk = simulate_walk(WalkerParameters(cadence_spm=120, step_length_m=0.6))
    later = walk.pose.positions[15:] - [0, 600, 0]
    np.testing.assert_allclose(mirror(walk.pose).positions[:-15], later, atol=1e-6)


def test_the_frame_rate_does_not_change_the_motion():
    slow, fast = (simulate_walk(HEALTHY, duration_s=3, rate_hz=rate) for rate in (30, 120))
    np.testing.assert_allclose(fast.pose.positions[::4], slow.pose.positions, atol=1e-6)
    assert fast.measures == pytest.approx(slow.measures, nan_ok=True)


def test_a_heading_turns_the_whole_walk():
    ahead, aside = (simulate_walk(WalkerParameters(heading_deg=angle)).pose for angle in (0, 90))
    x, y, z = np.moveaxis(ahead.positions, -1, 0)
    np.testing.assert_allclose(aside.positions, np.stack([-y, x, z], axis=-1), atol=1e-6)


def test_variability_is_about_as_asked():
    parameters = WalkerParameters(stride_time_cv_pct=4, stride_length_cv_pct=8)
    walk = simulate_walk(parameters, duration_s=300, rate_hz=2, seed=3)
    assert walk.measures["stride_time_cv_pct"] == pytest.approx(4, abs=0.7)
    assert walk.measures["stride_length_cv_pct"] == pytest.approx(8, abs=1.4)
    assert walk.measures["speed_mps"] == pytest.approx(
        walk.measures["step_length_m"] * walk.measures["cadence_spm"] / 60
    )


def test_freezing_stops_progress_and_trembles_in_its_band():
    parameters = dataclasses.replace(SHUFFLING, freezing=(Freezing(2.0, 2.0),), freezing_hz=6)
    walk = simulate_walk(parameters, duration_s=8, rate_hz=60)
    start, end = walk.episodes.loc[0, ["start_s", "end_s"]]
    assert end - start == pytest.approx(2.0)
    inside = slice(*np.searchsorted(walk.pose.time_s, [start, end]))
    assert np.ptp(walk.pose.joint("pelvis")[inside, 1]) < 1
    assert not ((walk.events["time_s"] > start) & (walk.events["time_s"] < end)).any()
    ankle = walk.pose.joint("left_ankle")[inside, 2]
    power = np.abs(np.fft.rfft(ankle - ankle.mean())) ** 2
    strongest = np.fft.rfftfreq(len(ankle), 1 / 60)[power.argmax()]
    assert strongest == pytest.approx(6, abs=0.6)
    assert walk.measures["freezing_s"] == pytest.approx(2.0)
    assert walk.measures["cadence_spm"] == pytest.approx(100)


def test_after_freezing_the_contacts_are_still_where_the_feet_land():
    parameters = dataclasses.replace(SHUFFLING, freezing=(Freezing(1.0, 1.0),))
    walk = simulate_walk(parameters, duration_s=5, rate_hz=200)
    end = walk.episodes.loc[0, "end_s"]
    changes = np.flatnonzero(np.diff(standing(walk, "left").astype(int))) + 1
    seen_s = walk.pose.time_s[changes]
    told_s = walk.events[walk.events["side"] == "left"]["time_s"].to_numpy()
    told_s = told_s[(told_s > end) & (told_s < 4.98)]
    assert len(told_s) >= 3
    nearest = np.abs(seen_s[:, None] - told_s).min(axis=0)
    assert nearest.max() < 0.011


def test_every_freezing_begins_with_both_feet_on_the_ground_and_goes_no_further():
    episodes = (Freezing(1.0, 1.0), Freezing(4.0, 0.8), Freezing(6.5, 1.2))
    walk = simulate_walk(dataclasses.replace(SHUFFLING, freezing=episodes), duration_s=10, rate_hz=100)
    assert walk.measures["freezing_s"] == pytest.approx(3.0)
    lowest = walk.feet_mm[..., 2].min(axis=2)
    way = np.abs(np.diff(walk.pose.joint("pelvis")[:, 1]))
    for start, end in walk.episodes[["start_s", "end_s"]].to_numpy():
        inside = slice(*np.searchsorted(walk.pose.time_s, [start, end]))
        assert lowest[inside].max() < 1
        assert way[inside].sum() < 1


@pytest.mark.parametrize(("side", "sign"), [("left", 1), ("right", -1)])
def test_a_turn_turns_the_pelvis_by_half_a_circle(side, sign):
    parameters = WalkerParameters(turn_at_s=1.5, turn_steps=5, turn_side=side)
    walk = simulate_walk(parameters, duration_s=7)
    across = walk.pose.joint("right_hip") - walk.pose.joint("left_hip")
    heading = np.degrees(np.unwrap(np.arctan2(across[:, 1], across[:, 0])))
    assert heading[-30:].mean() - heading[:30].mean() == pytest.approx(180 * sign, abs=3)
    forward = np.diff(walk.pose.joint("pelvis")[:, 1])
    assert forward[:30].mean() > 30
    assert forward[-30:].mean() < -30
    assert 1.0 < walk.measures["turn_duration_s"] < 3.5
    assert walk.measures["step_length_m"] == pytest.approx(0.70)


def test_a_hand_trembles_at_its_frequency():
    still, shaken = (
        simulate_walk(WalkerParameters(tremor_left_m=size, tremor_hz=5), duration_s=4, rate_hz=100).pose
        for size in (0.0, 0.02)
    )
    np.testing.assert_array_equal(still.joint("right_wrist"), shaken.joint("right_wrist"))
    shake = (shaken.joint("left_wrist") - still.joint("left_wrist"))[:, 1]
    power = np.abs(np.fft.rfft(shake - shake.mean())) ** 2
    assert np.fft.rfftfreq(len(shake), 0.01)[power.argmax()] == pytest.approx(5, abs=0.3)
    assert 10 < np.abs(shake).max() < 25


def test_a_seed_gives_the_same_walk_and_another_seed_another():
    parameters = WalkerParameters(stride_time_cv_pct=3)
    first, again, other = (simulate_walk(parameters, seed=seed).pose for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.positions, again.positions)
    assert not np.allclose(first.positions, other.positions)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"cadence_spm": 20}, "cadence_spm"),
        ({"step_length_m": 1.0, "height_m": 1.5}, "longer than the legs"),
        ({"leg_length_m": 1.2}, "of the height"),
        ({"turn_side": "up"}, "left or right"),
        ({"turn_steps": 1}, "2 or more"),
        ({"freezing": (Freezing(1.0, 0.0),)}, "above 0"),
        ({"stoop_deg": float("nan")}, "stoop_deg"),
    ],
)
def test_impossible_walkers_are_refused(values, words):
    with pytest.raises(ConfigurationError, match=words):
        WalkerParameters(**values)


@pytest.mark.parametrize(
    "length", [{"duration_s": 0.0}, {"duration_s": 1e6}, {"duration_s": 1, "n_strides": 2}]
)
def test_impossible_lengths_are_refused(length):
    with pytest.raises(ConfigurationError):
        simulate_walk(HEALTHY, **length)


def test_steps_that_the_legs_cannot_reach_are_refused():
    flat_footed = WalkerParameters(step_length_m=0.88, push_off_deg=5, foot_strike_deg=0)
    with pytest.raises(ConfigurationError, match="reach"):
        simulate_walk(flat_footed)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.builds(
        WalkerParameters,
        height_m=st.floats(1.3, 2.1),
        cadence_spm=st.floats(60, 150),
        step_length_m=st.floats(0.1, 0.55),
        step_length_asymmetry_pct=st.floats(-25, 25),
        step_time_asymmetry_pct=st.floats(-20, 20),
        double_support_pct=st.floats(12, 45),
        step_width_m=st.floats(0, 0.25),
        foot_strike_deg=st.floats(0, 25),
        push_off_deg=st.floats(15, 65),
        toe_clearance_m=st.floats(0.002, 0.06),
        knee_flexion_deg=st.floats(3, 30),
        arm_swing_left_deg=st.floats(0, 70),
        elbow_flexion_deg=st.floats(10, 100),
        stoop_deg=st.floats(-5, 45),
        stride_time_cv_pct=st.floats(0, 8),
        stride_length_cv_pct=st.floats(0, 12),
        turn_at_s=st.none() | st.floats(0, 2),
        freezing=st.sampled_from([(), (Freezing(0.5, 1.0),)]),
    ),
    st.integers(0, 1000),
)
def test_any_reasonable_walker_stays_a_person(bone_lengths, flexion_deg, parameters, seed):
    walk = simulate_walk(parameters, duration_s=3, seed=seed)
    pose = walk.pose
    assert np.isfinite(pose.positions).all()
    assert np.ptp(bone_lengths(pose), axis=0).max() < 0.01
    assert walk.feet_mm[..., 2].min() > -20
    assert (pose.joint("thorax")[:, 2] > pose.joint("pelvis")[:, 2]).all()
    assert (pose.joint("pelvis")[:, 2] > pose.joint("left_knee")[:, 2]).all()
    steps = np.linalg.norm(np.diff(pose.positions, axis=0), axis=-1) * 30 / 1000
    assert steps.max() < 15
    for side in SIDES:
        assert flexion_deg(pose, f"{side}_hip", f"{side}_knee", f"{side}_ankle").max() < 130
    assert walk.events["time_s"].is_monotonic_increasing
    sides = walk.events[walk.events["event"] == "initial_contact"]["side"].to_numpy()
    assert (sides[1:] != sides[:-1]).all()
