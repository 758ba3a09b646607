"""The Calgary reader: level whatever the sensor's tilt, and no movement twice."""

import re

import numpy as np
import pytest

from gaitmb.data.camera import heading
from gaitmb.data.skeleton import H36M17
from gaitmb.errors import ManifestError, QualityError, ReadError
from gaitmb.io.cohorts.calgary import READER


def name(participant, run, condition="N", sex="F"):
    return f"subject{participant}_Seq_{run}_Gen_{sex}_GeometricPositions_{condition}.csv"


def only(folder):
    (walk,) = READER.list_walks(folder).cohort.walks
    return walk


@pytest.mark.parametrize("tilt_deg", [-6, 0, 10, 14])
def test_walks_are_level_whichever_way_the_sensor_is_tilted(
    tmp_path, kinect_walk, write_calgary, tilt_deg
):
    write_calgary(tmp_path / name(1, 1), kinect_walk(tilt_deg))
    pose = READER.load(only(tmp_path))
    pelvis = pose.joint("pelvis")
    rise = np.polyfit(pelvis[:, 1], pelvis[:, 2], 1)[0]
    assert abs(np.degrees(np.arctan(rise))) < 0.3
    # The body: 0.87 m from ankles to pelvis, 1.57 m to the head, and 2.8 m walked in 4 s.
    ankles = (pose.joint("left_ankle") + pose.joint("right_ankle")) / 2
    assert np.median(pelvis[:, 2] - ankles[:, 2]) == pytest.approx(870, abs=15)
    assert np.median(pose.joint("head")[:, 2] - ankles[:, 2]) == pytest.approx(1570, abs=15)
    assert np.ptp(pelvis[:, 1]) == pytest.approx(2780, abs=40)
    assert np.percentile(ankles[:, 2], 5) == pytest.approx(0, abs=20)


def test_the_walker_comes_closer_with_the_right_side_on_the_right(tmp_path, kinect_walk, write_calgary):
    write_calgary(tmp_path / name(1, 1), kinect_walk())
    pose = READER.load(only(tmp_path))
    forward = heading(pose)
    np.testing.assert_allclose(forward, [0, -1, 0], atol=0.02)
    right = np.cross(forward, [0, 0, 1])
    for joint in ("hip", "shoulder", "wrist", "ankle"):
        assert ((pose.joint(f"right_{joint}") - pose.joint(f"left_{joint}")) @ right > 0).all()
    assert (pose.n_frames, round(pose.rate_hz, 6), pose.coverage) == (120, 30.0, 1.0)
    assert (pose.confidence[:, H36M17.index("nose")] < 1).all()


def test_what_file_names_say_is_what_walks_are(tmp_path, kinect_walk, write_calgary):
    write_calgary(tmp_path / name(3, 5, "AL", "M"), kinect_walk())
    (tmp_path / "index.csv").write_text("file,participant\n")
    (tmp_path / "subject3_Seq_5_Gen_M_GaitCycle_AL.csv").write_text("another table")
    walk = only(tmp_path)
    assert walk.id.key == ("03", "AL", "5")
    assert (walk.rating, walk.sex) == ("AL", "M")


def test_the_same_content_is_used_once_and_the_others_are_failures(tmp_path, kinect_walk, write_calgary):
    joints = kinect_walk()
    for participant, run in ((10, 1), (4, 1), (4, 2)):
        write_calgary(tmp_path / name(participant, run), joints)
    write_calgary(tmp_path / name(10, 2), kinect_walk(seed=5))
    listing = READER.list_walks(tmp_path)
    assert [walk.id.key for walk in listing.cohort.walks] == [("04", "N", "1"), ("10", "N", "2")]
    assert [(f.participant_id, f.walk_id) for f in listing.failures] == [("04", "2"), ("10", "1")]
    assert all("leak across folds" in failure.reason for failure in listing.failures)


def test_empty_files_and_experimental_runs_are_failures_with_their_reason(
    tmp_path, kinect_walk, write_calgary
):
    write_calgary(tmp_path / name(1, 1), kinect_walk())
    write_calgary(tmp_path / name(1, 7), kinect_walk(seed=2))
    (tmp_path / name(1, 2)).touch()
    reasons = {failure.walk_id: failure.reason for failure in READER.list_walks(tmp_path).failures}
    assert reasons.keys() == {"2", "7"}
    assert "empty" in reasons["2"]
    assert "experimental" in reasons["7"]


def test_a_sex_that_file_names_contradict_is_unknown(tmp_path, kinect_walk, write_calgary):
    write_calgary(tmp_path / name(8, 1, sex="M"), kinect_walk())
    write_calgary(tmp_path / name(8, 3, "AR", sex="F"), kinect_walk(seed=1))
    walks = READER.list_walks(tmp_path).cohort.walks
    assert [walk.sex for walk in walks] == [None, None]
    assert all("contradictory" in walk.metadata["sex"] for walk in walks)


def test_joints_at_the_origin_are_missing(tmp_path, kinect_walk, write_calgary):
    joints = kinect_walk()
    joints[40:43, 14] = 0
    write_calgary(tmp_path / name(1, 1), joints)
    valid = READER.load(only(tmp_path)).valid[:, H36M17.index("left_wrist")]
    assert np.flatnonzero(~valid).tolist() == [40, 41, 42]


def test_a_bystander_whom_the_sensor_takes_for_the_walker_is_left_out(
    tmp_path, kinect_walk, write_calgary
):
    joints = kinect_walk(0)
    alone = joints.copy()
    bystander = joints[0] + [1.8, 0, 0.1]
    joints[:6], joints[50:56], joints[110:] = bystander, bystander, bystander
    write_calgary(tmp_path / name(1, 1), joints)
    write_calgary(tmp_path / name(2, 1), alone)
    mixed, walker = (READER.load(walk) for walk in READER.list_walks(tmp_path).cohort.walks)
    assert mixed.n_frames == 104
    assert np.flatnonzero(~mixed.valid.any(axis=1)).tolist() == list(range(44, 50))
    seen = mixed.valid[:, 0]
    steps = np.linalg.norm(np.diff(mixed.joint("pelvis")[seen], axis=0), axis=1)
    assert steps.max() < 250
    np.testing.assert_allclose(
        np.ptp(mixed.joint("pelvis")[seen], axis=0),
        np.ptp(walker.slice(6, 110).joint("pelvis"), axis=0),
        atol=15,
    )


def test_who_stands_is_refused_by_how_far_they_came(tmp_path, kinect_walk, write_calgary):
    write_calgary(tmp_path / name(1, 1), np.repeat(kinect_walk()[:1], 120, axis=0))
    with pytest.raises(QualityError, match=r"0\.0 m closer"):
        READER.load(only(tmp_path))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: text.replace("Foot Left", "Left Foot"), "another header"),
        (lambda text: text.rsplit(",", 1)[0], "ragged"),
        (lambda text: text[: text.rindex("\n", 0, -1)][:-40], "ragged"),
        (lambda text: text.replace("\n", ",1\n"), "header"),
        (lambda text: re.sub(r"(?<=\d)\n", ",1\n", text), "shape"),
        (lambda text: text[:-20] + "nan" + text[-16:], "finite|ragged"),
        (lambda text: text[: text.index("\n")], "shape"),
        (lambda text: text.replace("0", "zero", 1), "text"),
    ],
)  # fmt: skip
def test_damaged_tables_are_refused(tmp_path, kinect_walk, write_calgary, damage, reason):
    path = write_calgary(tmp_path / name(1, 1), kinect_walk())
    path.write_text(damage(path.read_text()))
    with pytest.raises(ReadError, match=reason):
        READER.load(only(tmp_path))


def test_a_number_that_is_not_finite_is_refused(tmp_path, kinect_walk, write_calgary):
    joints = kinect_walk()
    joints[3, 3, 2] = np.inf
    write_calgary(tmp_path / name(1, 1), joints)
    with pytest.raises(ReadError, match="not finite"):
        READER.load(only(tmp_path))


def test_a_folder_without_walks_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="without Calgary files"):
        READER.list_walks(tmp_path)
    with pytest.raises(ManifestError, match="no folder"):
        READER.list_walks(tmp_path / "absent")


def test_of_the_real_files_159_are_walks_and_nine_are_not(shared):
    listing = READER.list_walks(shared / "data/calgary")
    assert (len(listing.cohort.walks), len(listing.failures)) == (159, 9)
    assert len(listing.cohort.participants) == 27
    assert listing.cohort.classes == ("N", "AR", "AL")
    copies = [f.participant_id for f in listing.failures if "another walk" in f.reason]
    assert copies == ["06", *["10"] * 6, "22"]
    (empty,) = (f for f in listing.failures if "empty" in f.reason)
    assert (empty.participant_id, empty.walk_id) == ("21", "4")
    assert {walk.sex for walk in listing.cohort.walks if walk.id.participant_id == "08"} == {None}


def test_real_walkers_are_level_and_walk_to_the_sensor(shared):
    walks = READER.list_walks(shared / "data/calgary").cohort.walks
    drift_deg, n_standing = [], 0
    for walk in walks[::3]:
        try:
            pose = READER.load(walk)
        except QualityError:
            n_standing += 1
            continue
        forward = heading(pose)
        assert forward[1] < -0.9
        right = np.cross(forward, [0, 0, 1])
        assert np.nanmedian((pose.joint("right_hip") - pose.joint("left_hip")) @ right) > 100
        pelvis = pose.joint("pelvis")[pose.valid[:, 0]]
        drift_deg.append(np.degrees(np.arctan(np.polyfit(pelvis[:, 1], pelvis[:, 2], 1)[0])))
    assert n_standing <= 3
    assert np.median(np.abs(drift_deg)) < 0.5
    assert np.percentile(np.abs(drift_deg), 90) < 2
