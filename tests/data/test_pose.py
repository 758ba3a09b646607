"""What holds for every pose: missing is missing, mirrored twice is itself, resampled it still moves."""

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaitmb.data.pose import CoordinateSystem, PoseSequence, mirror, resample, to_h36m17
from gaitmb.data.skeleton import H36M17, SKELETONS
from gaitmb.errors import CoordinateError, ReadError

steady = settings(deadline=None, derandomize=True, max_examples=50)


@st.composite
def poses(
    draw: st.DrawFn, min_frames: int = 1, coordinates: CoordinateSystem | None = None
) -> PoseSequence:
    """Random walks of any skeleton with uneven times and missing joints."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_frames = draw(st.integers(min_frames, 12))
    skeleton = draw(st.sampled_from(list(SKELETONS.values())))
    system = coordinates or draw(st.sampled_from(list(CoordinateSystem)))
    confidence = rng.uniform(0.01, 1, (n_frames, len(skeleton)))
    confidence[rng.random(confidence.shape) < draw(st.sampled_from([0.0, 0.2, 1.0]))] = 0
    return PoseSequence(
        rng.uniform(-900, 900, (n_frames, len(skeleton), system.n_dims)),
        confidence,
        5 + np.cumsum(rng.uniform(0.005, 0.2, n_frames)),
        skeleton,
        system,
        size_px=(640, 480),
        view=draw(st.sampled_from([None, "front", "side_left", "back_right"])),
    )


def straight(time_s: np.ndarray, confidence: np.ndarray | None = None) -> PoseSequence:
    """Every joint at 100 pixels per second to the right."""
    positions = np.zeros((len(time_s), 17, 2))
    positions[..., 0] = 100 * time_s[:, None]
    shape = positions.shape[:2]
    return PoseSequence(
        positions,
        np.ones(shape) if confidence is None else confidence,
        time_s,
        H36M17,
        CoordinateSystem.IMAGE_PX,
    )


def same(one: PoseSequence, other: PoseSequence) -> None:
    np.testing.assert_allclose(one.positions, other.positions, atol=1e-9)
    np.testing.assert_allclose(one.confidence, other.confidence, atol=1e-12)
    np.testing.assert_allclose(one.time_s, other.time_s)
    assert (one.skeleton, one.coordinates, one.view) == (other.skeleton, other.coordinates, other.view)


# --- Invariants ---------------------------------------------------------------------------------------


@steady
@given(poses())
def test_a_joint_without_confidence_has_no_position_and_the_other_way_round(pose):
    assert (np.isnan(pose.positions).all(axis=-1) == (pose.confidence == 0)).all()
    assert (np.isnan(pose.positions).any(axis=-1) == (pose.confidence == 0)).all()
    assert pose.coverage == pytest.approx(pose.valid.mean())


def test_half_a_position_is_no_position():
    positions = np.zeros((1, 17, 2))
    positions[0, 3, 1] = np.nan
    pose = PoseSequence(positions, np.ones((1, 17)), np.zeros(1), H36M17, CoordinateSystem.SCREEN)
    assert np.isnan(pose.joint("right_ankle")).all()
    assert np.flatnonzero(~pose.valid[0]).tolist() == [3]


@steady
@given(poses())
def test_a_pose_is_a_copy_that_nobody_can_change(pose):
    for name in ("positions", "confidence", "time_s"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(pose, name)[...] = 0
    source = np.zeros((1, 17, 2))
    copy = PoseSequence(source, np.ones((1, 17)), np.zeros(1), H36M17, CoordinateSystem.SCREEN)
    source[:] = 1
    assert (copy.positions == 0).all()


@steady
@given(poses())
def test_a_pose_travels_to_another_process_unchanged(pose):
    same(pickle.loads(pickle.dumps(pose)), pose)  # noqa: S301 - made here


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"positions": np.zeros((2, 16, 2))}, "shape"),
        ({"positions": np.zeros((2, 17, 3))}, "shape"),
        ({"confidence": np.ones((3, 17))}, "shape"),
        ({"time_s": np.array([0.0, 0.0])}, "ascend"),
        ({"time_s": np.array([1.0, 0.0])}, "ascend"),
        ({"time_s": np.array([0.0, np.nan])}, "ascend"),
        ({"positions": np.full((2, 17, 2), np.inf)}, "infinity"),
        ({"confidence": np.full((2, 17), 1.5)}, "confidence of 1.5"),
    ],
)
def test_what_is_no_walk_is_refused(change, reason):
    pose = straight(np.array([0.0, 1.0]))
    with pytest.raises(ReadError, match=reason):
        dataclasses.replace(pose, **change)


@pytest.mark.parametrize("confidence", [-0.5, 0.0, np.nan])
def test_confidence_that_is_not_positive_means_missing(confidence):
    pose = dataclasses.replace(straight(np.array([0.0, 1.0])), confidence=np.full((2, 17), confidence))
    assert pose.coverage == 0


@steady
@given(poses())
def test_slices_are_half_open_and_cover_the_walk(pose):
    middle = pose.n_frames // 2
    first, second = pose.slice(0, middle), pose.slice(middle, pose.n_frames)
    assert first.n_frames + second.n_frames == pose.n_frames
    np.testing.assert_array_equal(np.concatenate([first.time_s, second.time_s]), pose.time_s)


def test_coordinates_of_another_system_are_refused():
    pose = straight(np.arange(2.0))
    pose.require(CoordinateSystem.SCREEN, CoordinateSystem.IMAGE_PX)
    with pytest.raises(CoordinateError, match="image_px; expected screen"):
        pose.require(CoordinateSystem.SCREEN)


# --- Mirror -------------------------------------------------------------------------------------------


@steady
@given(poses())
def test_mirrored_twice_is_the_walk_itself(pose):
    same(mirror(mirror(pose)), pose)


@steady
@given(poses())
def test_mirroring_may_be_done_before_or_after_the_joints_are_derived(pose):
    same(mirror(to_h36m17(pose)), to_h36m17(mirror(pose)))


def test_a_mirror_image_is_reflected_within_the_picture_and_seen_from_the_other_side():
    pose = dataclasses.replace(straight(np.arange(2.0)), size_px=(640, 480), view="side_left")
    reflected = mirror(pose)
    assert reflected.joint("left_knee")[:, 0].tolist() == [640, 540]
    assert reflected.view == "side_right"
    with pytest.raises(CoordinateError, match="size_px"):
        mirror(dataclasses.replace(pose, size_px=None))


# --- Resample -----------------------------------------------------------------------------------------


@steady
@given(poses(min_frames=2), st.sampled_from([7.0, 25.0, 30.0, 59.94]))
def test_resampled_times_are_even_and_within_the_walk(pose, rate_hz):
    even = resample(pose, rate_hz)
    np.testing.assert_allclose(np.diff(even.time_s), 1 / rate_hz, atol=1e-3 / rate_hz)
    assert even.time_s[0] == pose.time_s[0]
    assert even.time_s[-1] <= pose.time_s[-1] + 1e-3 / rate_hz
    assert pose.time_s[-1] - even.time_s[-1] < (1 + 1e-3) / rate_hz


@steady
@given(poses(min_frames=2), st.sampled_from([10.0, 30.0]))
def test_resampling_twice_changes_nothing_more(pose, rate_hz):
    once = resample(pose, rate_hz)
    same(resample(once, rate_hz), once)


@steady
@given(poses(min_frames=2), st.floats(5, 120))
def test_resampled_joints_stay_between_the_frames_they_come_from(pose, rate_hz):
    even = resample(pose, rate_hz)
    for joint in range(len(pose.skeleton)):
        seen = pose.positions[pose.valid[:, joint], joint]
        if len(seen) == 0:
            assert not even.valid[:, joint].any()
            continue
        found = even.positions[even.valid[:, joint], joint]
        assert (found >= seen.min(axis=0) - 1e-9).all()
        assert (found <= seen.max(axis=0) + 1e-9).all()
    assert even.confidence.max(initial=0) <= pose.confidence.max() + 1e-12


@steady
@given(st.integers(0, 2**32 - 1), st.sampled_from([12.5, 30.0, 100.0]))
def test_even_motion_stays_even_however_unevenly_it_was_sampled(seed, rate_hz):
    steps_s = np.random.default_rng(seed).uniform(0.01, 0.2, 20)
    even = resample(straight(np.cumsum(steps_s)), rate_hz)
    assert even.coverage == 1
    np.testing.assert_allclose(even.joint("pelvis")[:, 0], 100 * even.time_s, rtol=1e-9)


def test_a_long_gap_stays_a_gap_and_a_short_one_is_bridged():
    time_s = np.array([0.0, 0.1, 0.2, 1.0, 1.1])
    even = resample(straight(time_s), 10)
    assert even.valid.all(axis=1).tolist() == [True] * 3 + [False] * 7 + [True] * 2
    confidence = np.ones((5, 17))
    confidence[1, 4] = 0
    assert resample(straight(np.arange(5) / 20, confidence), 20.0 / 1.5).valid.all()


def test_a_walk_that_has_the_rate_is_returned_as_it_is():
    pose = straight(np.arange(50) / 29.97)
    assert resample(pose, 29.97) is pose
    assert resample(pose.slice(0, 1), 10).n_frames == 1


@pytest.mark.parametrize("rate_hz", [0.0, -30.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(rate_hz):
    with pytest.raises(ReadError, match="frame rate"):
        resample(straight(np.arange(3.0)), rate_hz)
