"""The virtual camera agrees with what anybody sees who stands where it stands."""

import numpy as np
import pytest

from gaitmb.data.camera import VIEWS, heading, project, to_camera
from gaitmb.data.pose import CoordinateSystem, PoseSequence, mirror
from gaitmb.data.skeleton import COCO17, H36M17
from gaitmb.errors import CoordinateError, QualityError, UnknownNameError

# A person who faces +y: x to their right, z up, millimetres.
STANDING = {
    "pelvis": (0, 0, 950),
    "right_hip": (130, 0, 950),
    "right_knee": (130, 20, 500),
    "right_ankle": (130, 0, 80),
    "left_hip": (-130, 0, 950),
    "left_knee": (-130, 20, 500),
    "left_ankle": (-130, 0, 80),
    "spine": (0, 0, 1180),
    "thorax": (0, 0, 1420),
    "nose": (0, 110, 1580),
    "head": (0, 60, 1640),
    "left_shoulder": (-180, 0, 1420),
    "left_elbow": (-200, -20, 1130),
    "left_wrist": (-200, 40, 900),
    "right_shoulder": (180, 0, 1420),
    "right_elbow": (200, -20, 1130),
    "right_wrist": (200, 40, 900),
}


def walk(facing_deg=0.0, speed_mps=1.2, duration_s=4.0, rate_hz=30.0, treadmill=False):
    """A person who glides in the direction they face; ``facing_deg`` turns them to their left."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    positions = np.tile(
        np.array([STANDING[joint] for joint in H36M17.joints], float), (len(time_s), 1, 1)
    )
    if not treadmill:
        positions[..., 1] += (1000 * speed_mps * time_s)[:, None]
    angle = np.deg2rad(facing_deg)
    turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return PoseSequence(
        positions @ turn + [500.0, -300.0, 0.0],
        np.ones(positions.shape[:2]),
        time_s,
        H36M17,
        CoordinateSystem.WORLD_MM,
    )


FACINGS = (0, 37, 90, 180, 250)


@pytest.mark.parametrize("treadmill", [False, True])
@pytest.mark.parametrize("facing_deg", FACINGS)
def test_the_heading_is_the_way_the_walker_faces(facing_deg, treadmill):
    angle = np.deg2rad(facing_deg)
    expected = [-np.sin(angle), np.cos(angle), 0]
    np.testing.assert_allclose(heading(walk(facing_deg, treadmill=treadmill)), expected, atol=1e-9)


@pytest.mark.parametrize("follow", [True, False])
@pytest.mark.parametrize("treadmill", [True, False])
@pytest.mark.parametrize("facing_deg", FACINGS)
def test_from_the_front_the_right_side_of_the_walker_is_at_the_left_of_the_picture(
    facing_deg, treadmill, follow
):
    picture = project(walk(facing_deg, treadmill=treadmill), "front", follow=follow)
    for joint in ("hip", "shoulder", "ankle"):
        assert (picture.joint(f"right_{joint}")[:, 0] < picture.joint(f"left_{joint}")[:, 0]).all()
    back = project(walk(facing_deg, treadmill=treadmill), "back", follow=follow)
    assert (back.joint("right_hip")[:, 0] > back.joint("left_hip")[:, 0]).all()


def test_from_the_right_side_the_walker_goes_to_the_right_of_the_picture():
    path = project(walk(63), "side_right", follow=False).joint("pelvis")
    assert np.diff(path[:, 0]).min() > 0
    assert np.ptp(path[:, 1]) < 1e-6
    assert np.diff(project(walk(63), "side_left", follow=False).joint("pelvis")[:, 0]).max() < 0


@pytest.mark.parametrize(
    ("view", "near"),
    [("side_right", "right"), ("side_left", "left"), ("back_right", "right"), ("front_left", "left")],
)
def test_the_side_that_a_view_names_is_the_near_one(view, near):
    camera = to_camera(walk(20), view)
    depth = {side: camera.joint(f"{side}_hip")[:, 2] for side in ("left", "right")}
    far = "left" if near == "right" else "right"
    assert (depth[near] < depth[far]).all()


@pytest.mark.parametrize("view", VIEWS)
def test_the_nose_points_at_cameras_in_front_and_away_from_those_behind(view):
    camera = to_camera(walk(110), view)
    nearer = camera.joint("head")[:, 2] - camera.joint("nose")[:, 2]
    sign = {"front": 1, "back": -1, "side": 0}[view.partition("_")[0]]
    assert (np.sign(nearer.round(6)) == sign).all()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("follow", [True, False])
def test_the_head_is_above_the_ankles_and_everything_is_within_the_picture(view, follow):
    picture = project(walk(200), view, follow=follow)
    assert (picture.joint("head")[:, 1] < picture.joint("left_ankle")[:, 1]).all()
    assert picture.view == view
    assert picture.size_px == (1920, 1080)
    assert picture.positions.min() >= 0
    assert (picture.positions <= [1920, 1080]).all()


def test_who_comes_closer_gets_larger():
    picture = project(walk(0), "front", follow=False)
    height = picture.joint("left_ankle")[:, 1] - picture.joint("head")[:, 1]
    assert np.diff(height).min() > 0
    assert np.diff(-project(walk(0), "back", follow=False).joint("right_ankle")[:, 1]).min() > 0


def test_a_following_camera_keeps_a_steady_walker_in_its_middle_without_lag():
    picture = project(walk(10), "side_right", follow=True)
    np.testing.assert_allclose(picture.joint("pelvis"), np.tile([960.0, 540.0], (120, 1)), atol=1e-6)


def test_a_following_camera_does_not_swallow_the_sway_of_each_stride():
    pose = walk(0, duration_s=6)
    positions = pose.positions.copy()
    positions[..., 0] += 40 * np.sin(2 * np.pi * 2.0 * pose.time_s)[:, None]
    swaying = PoseSequence(positions, pose.confidence, pose.time_s, H36M17, pose.coordinates)
    pelvis = to_camera(swaying, "front").joint("pelvis")[30:-30, 0]
    assert np.ptp(pelvis) == pytest.approx(80, rel=0.05)


def test_perspective_halves_what_is_twice_as_far():
    pose = walk(treadmill=True)
    camera = to_camera(pose, "front")
    shoulder = camera.joint("left_shoulder")[0]
    x, y = project(pose, "front").joint("left_shoulder")[0] - [960, 540]
    assert x / y == pytest.approx(shoulder[0] / shoulder[1])
    half = project(pose, "front", size_px=(960, 540)).joint("left_shoulder")[0] - [480, 270]
    np.testing.assert_allclose(half, [x / 2, y / 2])


def test_missing_joints_stay_missing_and_gaps_of_the_pelvis_do_not_move_the_others():
    pose = walk(45)
    confidence = pose.confidence.copy()
    confidence[10:20, H36M17.index("pelvis")] = 0
    confidence[:, H36M17.index("left_wrist")] = 0
    gappy = PoseSequence(pose.positions, confidence, pose.time_s, H36M17, pose.coordinates)
    picture, whole = project(gappy, "front"), project(pose, "front")
    assert (picture.valid == gappy.valid).all()
    np.testing.assert_allclose(
        picture.positions[picture.valid], whole.positions[picture.valid], atol=1e-6
    )


@pytest.mark.parametrize("follow", [True, False])
@pytest.mark.parametrize(("view", "other"), [("side_right", "side_left"), ("back_right", "back_left")])
def test_the_mirror_image_from_the_right_is_the_walk_from_the_left_mirrored(view, other, follow):
    pose = walk(30)
    seen = mirror(project(pose, view, follow=follow))
    expected = project(mirror(pose), other, follow=follow)
    assert seen.view == expected.view
    np.testing.assert_allclose(seen.positions, expected.positions, atol=1e-6)


def test_turning_the_room_changes_nothing():
    np.testing.assert_allclose(
        project(walk(0), "back_right").positions, project(walk(123), "back_right").positions, atol=1e-6
    )


def test_a_single_frame_can_be_seen():
    assert project(walk().slice(0, 1), "front").n_frames == 1


def test_what_cannot_be_seen_is_refused_with_the_reason():
    pose = walk()
    with pytest.raises(UnknownNameError, match="Did you mean 'front'"):
        project(pose, "frnt")
    with pytest.raises(CoordinateError, match="image_px"):
        project(project(pose, "front"), "front")
    with pytest.raises(CoordinateError, match="coco17"):
        to_camera(
            PoseSequence(pose.positions, pose.confidence, pose.time_s, COCO17, pose.coordinates), "front"
        )
    unseen = pose.confidence.copy()
    unseen[:, H36M17.index("pelvis")] = 0
    with pytest.raises(QualityError, match="pelvis is never seen"):
        project(PoseSequence(pose.positions, unseen, pose.time_s, H36M17, pose.coordinates), "front")
