"""A real video: a woman walks across, a man does acrobatics on a roof and jumps off it."""

import numpy as np
import pytest

from gaitmb.pose.detections import Detections
from gaitmb.pose.following import follow
from gaitmb.pose.hiding import face_circles
from gaitmb.pose.people import track

#: She comes from behind a tree at 1.6 s and meets the left edge of the picture at 6.4 s.
FULLY_VISIBLE_S = (1.6, 6.4)


@pytest.fixture(scope="module")
def seen(shared) -> Detections:
    pytest.importorskip("mediapipe", reason="the extra 'video' is not installed")
    from gaitmb.pose.estimators import detect_people

    model, video = shared / "models/pose_landmarker_full.task", shared / "video/two_people.mp4"
    if not (model.is_file() and video.is_file()):
        pytest.skip("the reference video or its model is not on this machine")
    return detect_people(video, model, workers=1).detections


@pytest.fixture(scope="module")
def followed(seen):
    return follow(seen)


def test_she_is_followed_while_she_is_fully_visible_and_he_never(seen, followed):
    assert followed.status == "ok"
    hips = (followed.landmarks.joint("left_hip") + followed.landmarks.joint("right_hip")) / 2
    time_s = followed.landmarks.time_s
    there = (time_s >= FULLY_VISIBLE_S[0]) & (time_s < FULLY_VISIBLE_S[1])
    # She walks on the lawn at a steady speed, from 1487 px to 100 px; he stands 450 px higher.
    way = np.interp(time_s, FULLY_VISIBLE_S, (1495, 92))
    hers = (np.abs(hips[:, 0] - way) < 70) & (np.abs(hips[:, 1] - 700) < 70)
    assert hers[there].mean() >= 0.95
    found = np.isfinite(hips[:, 0])
    assert hers[found & there].all()
    assert not found[time_s < 1.3].any()
    assert not found[time_s > 6.9].any()


def test_her_walk_is_found_with_a_plausible_cadence(followed):
    [(start_s, end_s)] = followed.quality["walking_bouts"]
    assert start_s < 2.0
    assert end_s > 6.0
    # Nine changes of the legs between 2.0 and 6.5 s, counted by eye on her ankles' paths.
    assert followed.quality["cadence_spm"] == pytest.approx(99, abs=6)
    assert followed.pose.skeleton.name == "h36m17"
    assert followed.pose.coverage > 0.95


def test_he_is_refused_as_not_walking_by_any_of_his_numbers(seen, followed):
    others = [one.number for one in track(seen) if one.number != followed.chosen]
    assert others
    refusals = [follow(seen, person=number) for number in others]
    assert {one.status for one in refusals} == {"refused"}
    assert all(one.pose is None for one in refusals)
    assert "not_walking" in {one.reasons[0].code for one in refusals}


@pytest.mark.parametrize("seed", range(3))
def test_her_face_is_covered_also_where_detection_drops_out(seen, followed, seed):
    rng = np.random.default_rng(seed)
    frames = list(seen.frames)
    for start in rng.integers(60, 175, 4):
        frames[start : start + 15] = [np.zeros((0, 33, 4), np.float32)] * 15
    circles = face_circles(Detections(seen.time_s, seen.size_px, tuple(frames)))
    face = followed.landmarks.positions[:, :11]
    for frame in np.flatnonzero(np.isfinite(face).all(axis=(1, 2))):
        covered = np.zeros(11, dtype=bool)
        for x, y, radius in circles[frame]:
            covered |= np.hypot(face[frame, :, 0] - x, face[frame, :, 1] - y) <= radius
        assert covered.all(), frame
