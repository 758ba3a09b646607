"""The CARE-PD reader: published layout, one row per real walk, pickles that run nothing."""

import os
import pickle

import numpy as np
import pytest

from gaitmb.data.camera import heading
from gaitmb.data.skeleton import H36M17
from gaitmb.errors import ManifestError, ReadError
from gaitmb.io.cohorts.care_pd import READER

# Somebody who faces +z, y up, metres; the left is at +x.
BODY = {
    "pelvis": (0, 0.95), "right_hip": (-0.1, 0.93), "right_knee": (-0.1, 0.5),
    "right_ankle": (-0.1, 0.08), "left_hip": (0.1, 0.93), "left_knee": (0.1, 0.5),
    "left_ankle": (0.1, 0.08), "spine": (0, 1.2), "thorax": (0, 1.42), "nose": (0, 1.57),
    "head": (0, 1.65), "left_shoulder": (0.18, 1.42), "left_elbow": (0.22, 1.12),
    "left_wrist": (0.23, 0.87), "right_shoulder": (-0.18, 1.42), "right_elbow": (-0.22, 1.12),
    "right_wrist": (-0.23, 0.87),
}  # fmt: skip

WORLD = "h36m_3d_world_floorXZZplus_30f_or_longer.npz"


def walk(n_frames=60, shift=0.0):
    joints = np.zeros((n_frames, 17, 3), np.float32)
    joints[..., :2] = [BODY[name] for name in H36M17.joints]
    joints[..., 2] = np.arange(n_frames)[:, None] / 30 * 1.1 + shift
    return joints


def smpl(updrs=None, medication=None, fps=150, other=None):
    return {
        "pose": np.zeros((300, 72)),
        "trans": np.zeros((300, 3)),
        "beta": np.zeros((1, 10)),
        "fps": fps,
        "UPDRS_GAIT": updrs,
        "medication": medication,
        "other": other,
    }


@pytest.fixture
def release(tmp_path):
    """Two datasets as they are published: joints by walk below, labels in pickles above."""
    bmclab = {f"SUB01__SUB01_on_walk_1_down{n}": walk(60, n * 0.01) for n in range(5)}
    bmclab |= {"SUB01__SUB01_off_walk_1_down0": walk(50), "SUB02__SUB02_off_walk_1_down0": walk(40)}
    bmclab["SUB02__SUB02_off_walk_1_Trimmed_down0"] = walk(35)
    pdgam = {
        "SUB01__001-12-1_w0": walk(80),
        "SUB01__001-12-1_w1": walk(31),
        "SUB01__001-13-1_w0": walk(33),
    }
    for dataset, arrays in (("BMCLab", bmclab), ("PD-GaM", pdgam)):
        folder = tmp_path / "h36m" / dataset
        folder.mkdir(parents=True)
        np.savez(folder / WORLD, **arrays)
        np.savez(folder / "h36m_3d_world_30f_or_longer.npz", **arrays)
        np.savez(folder / "h36m_3d_world2cam2img_sideright_30f_or_longer.npz", raw=np.zeros((3, 17, 2)))
    labels = {
        "BMCLab": {
            "SUB01": {
                "SUB01_on_walk_1": smpl(np.int64(1), "ON"),
                "SUB01_off_walk_1": smpl(2, "off", other="freezer"),
            },
            "SUB02": {"SUB02_off_walk_1": smpl(None, "OFF")},
        },
        "PD-GaM": {
            "SUB01": {"001-12-1_w0": smpl(0), "001-12-1_w1": smpl(0), "001-13-1_w0": smpl(1)},
        },
    }
    for dataset, document in labels.items():
        (tmp_path / f"{dataset}.pkl").write_bytes(pickle.dumps(document))
    (tmp_path / "folds.pkl").write_bytes(pickle.dumps({1: {"train": ["SUB01"], "eval": ["SUB02"]}}))
    return tmp_path


def test_each_real_walk_is_there_once_with_its_rating_and_medication(release):
    listing = READER.list_walks(release)
    assert listing.failures == ()
    assert [(*w.id.key, w.rating, w.medication, w.dataset) for w in listing.cohort.walks] == [
        ("BMCLab-SUB01", "off", "SUB01_off_walk_1", "2", "off", "BMCLab"),
        ("BMCLab-SUB01", "on", "SUB01_on_walk_1", "1", "on", "BMCLab"),
        ("BMCLab-SUB02", "off", "SUB02_off_walk_1", None, "off", "BMCLab"),
        ("PD-GaM-SUB01", "na-001-12-1", "001-12-1_w0", "0", "na", "PD-GaM"),
        ("PD-GaM-SUB01", "na-001-12-1", "001-12-1_w1", "0", "na", "PD-GaM"),
        ("PD-GaM-SUB01", "na-001-13-1", "001-13-1_w0", "1", "na", "PD-GaM"),
    ]
    assert listing.cohort.walks[0].metadata["other"] == "freezer"


def test_walks_are_in_the_world_of_gaitmb(release):
    first = READER.list_walks(release).cohort.walks[1]
    pose = READER.load(first)
    assert (pose.n_frames, pose.rate_hz, pose.coverage) == (60, pytest.approx(30), 1.0)
    forward = heading(pose)
    right = np.cross(forward, [0, 0, 1])
    np.testing.assert_allclose((pose.joint("right_hip") - pose.joint("left_hip")) @ right, 200, atol=0.1)
    np.testing.assert_allclose(pose.joint("head")[:, 2], 1650, atol=0.1)
    # The first of the five sub-samplings, not another one.
    np.testing.assert_allclose(pose.joint("pelvis")[0] @ forward, 0, atol=0.1)


def test_rates_are_those_of_the_published_arrays(release):
    rates = {w.dataset: w.fps for w in READER.list_walks(release).cohort.walks}
    assert rates == {"BMCLab": 30.0, "PD-GaM": 25.0}
    kul = release / "h36m" / "KUL-DT-T"
    kul.mkdir()
    np.savez(kul / WORLD, A__1_down0=walk())
    walks = READER.list_walks(release).cohort.walks
    assert {w.fps for w in walks if w.dataset == "KUL-DT-T"} == {100 / 3}


def test_one_dataset_or_one_file_is_a_cohort_too(release):
    folder = release / "h36m" / "BMCLab"
    expected = [w.id.key for w in READER.list_walks(folder).cohort.walks]
    assert len(expected) == 3
    assert [w.id.key for w in READER.list_walks(folder / WORLD).cohort.walks] == expected


@pytest.mark.parametrize("nested", [True, False])
def test_pickles_of_joints_are_read(tmp_path, nested):
    record = {"joints": walk(45), "fps": 60, "UPDRS_GAIT": 3, "medication": "on"}
    document = {"P1": {"w1": record}} if nested else {"P1__w1": record}
    path = tmp_path / "Clinic.pkl"
    path.write_bytes(pickle.dumps(document))
    (listed,) = READER.list_walks(tmp_path).cohort.walks
    assert (*listed.id.key, listed.rating) == ("Clinic-P1", "on", "w1", "3")
    pose = READER.load(listed)
    assert (pose.n_frames, pose.rate_hz) == (45, pytest.approx(60))


@pytest.mark.parametrize("rating", [2.5, 5, "mild"])
def test_ratings_off_the_scale_are_failures(tmp_path, rating):
    document = {"P1": {"w1": {"joints": walk(), "UPDRS_GAIT": rating}, "w2": {"joints": walk()}}}
    (tmp_path / "Clinic.pkl").write_bytes(pickle.dumps(document))
    listing = READER.list_walks(tmp_path)
    assert [w.id.walk_id for w in listing.cohort.walks] == ["w2"]
    (failure,) = listing.failures
    assert failure.column == "UPDRS_GAIT"
    assert str(rating) in failure.reason


class Attack:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch '{self.mark}'",)


@pytest.mark.parametrize("place", ["Clinic.pkl", "BMCLab.pkl"])
def test_malicious_pickles_do_not_run(release, place):
    mark = release / "it ran"
    (release / place).write_bytes(pickle.dumps({"P1": {"w1": Attack(mark)}}))
    with pytest.raises(ManifestError, match=r"a pickle that asks for 'posix\.system'"):
        READER.list_walks(release)
    assert not mark.exists()


def test_pickled_objects_in_archives_do_not_run(tmp_path):
    mark = tmp_path / "it ran"
    np.savez(tmp_path / WORLD, P1__w1=np.array([Attack(mark)], dtype=object))
    (listed,) = READER.list_walks(tmp_path).cohort.walks
    with pytest.raises(ReadError, match="pickled objects"):
        READER.load(listed)
    assert not mark.exists()


def _flag(content, offset, value):
    """Set a field of two bytes in the directory at the end of an archive and in its first entry."""
    for start, place in ((b"PK\x03\x04", offset), (b"PK\x01\x02", offset + 2)):
        at = content.index(start) + place
        content = content[:at] + value.to_bytes(2, "little") + content[at + 2 :]
    return content


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:90] + bytes(60) + content[150:],
        lambda content: _flag(content, 8, 99),
        lambda content: _flag(content, 6, 1),
        lambda content: content[: len(content) // 2],
    ],
    ids=["deflated data", "unknown compression", "encrypted", "cut off"],
)
def test_a_damaged_archive_is_a_read_error(tmp_path, damage):
    path = tmp_path / WORLD
    np.savez_compressed(path, P1__w1=walk())
    (listed,) = READER.list_walks(tmp_path).cohort.walks
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ReadError, match="no complete NumPy archive"):
        READER.load(listed)


def test_an_array_far_larger_than_a_walk_is_not_unpacked(tmp_path):
    np.savez_compressed(tmp_path / WORLD, P1__w1=np.zeros(200_000_000, np.uint8))
    (listed,) = READER.list_walks(tmp_path).cohort.walks
    with pytest.raises(ReadError, match="too large"):
        READER.load(listed)


@pytest.mark.parametrize("kind", ["S4", "c16", "bool"])
def test_joints_that_are_no_numbers_are_refused(tmp_path, kind):
    document = {"P1": {"w1": {"joints": np.zeros((30, 17, 3), kind)}}}
    (tmp_path / "Clinic.pkl").write_bytes(pickle.dumps(document))
    (listed,) = READER.list_walks(tmp_path).cohort.walks
    with pytest.raises(ReadError, match="has type"):
        READER.load(listed)


@pytest.mark.parametrize(
    ("joints", "reason"),
    [
        (np.zeros((50, 22, 3)), r"shape \(50, 22, 3\)"),
        (walk() * 1000, "metres"),
        (walk()[..., [0, 2, 1]], "y up"),
        (walk() * [1, -1, 1], "y up"),
        (np.full((50, 17, 3), np.nan), "y up"),
        (np.zeros((0, 17, 3)), "shape"),
    ],
)
def test_arrays_that_are_no_upright_walker_in_metres_are_refused(tmp_path, joints, reason):
    np.savez(tmp_path / WORLD, P1__w1=joints)
    (listed,) = READER.list_walks(tmp_path).cohort.walks
    with pytest.raises(ReadError, match=reason):
        READER.load(listed)


def test_what_is_no_care_pd_data_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="no CARE-PD data"):
        READER.list_walks(tmp_path)
    (tmp_path / "labels.pkl").write_bytes(pickle.dumps({"P1": {"w1": smpl(1)}}))
    with pytest.raises(ManifestError, match="without a walk of 17 joints"):
        READER.list_walks(tmp_path)
    (tmp_path / WORLD).write_bytes(b"no archive")
    with pytest.raises(ManifestError, match="no complete NumPy archive"):
        READER.list_walks(tmp_path)
