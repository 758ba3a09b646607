"""What every cohort reader keeps to: one test for all of them."""

import dataclasses
import importlib.util
import pickle

import numpy as np
import pytest

from gaitmb.data.camera import heading
from gaitmb.data.pose import CoordinateSystem, to_h36m17
from gaitmb.data.walk import MEDICATIONS, Walk
from gaitmb.errors import GaitmbError
from gaitmb.io.cohorts import COHORT_MODULES, CohortListing, cohort_reader, load_walk, open_cohort


@pytest.fixture(scope="module")
def folders(tmp_path_factory, marker_walk, write_c3d, kinect_walk, write_calgary):
    """A small cohort of each kind that lies in a folder or file."""
    calgary = tmp_path_factory.mktemp("calgary")
    for participant in (2, 10):
        for run, condition in ((1, "N"), (2, "N"), (3, "AR")):
            joints = kinect_walk(seed=10 * participant + run)
            name = f"subject{participant}_Seq_{run}_Gen_F_GeometricPositions_{condition}.csv"
            write_calgary(calgary / name, joints)

    shida = tmp_path_factory.mktemp("shida")
    for number in (1, 2):
        path = shida / f"SUB{number:02d}_off" / f"SUB{number:02d}_off_walk_1.c3d"
        write_c3d(path, marker_walk(stoop_deg=5.0 * number))
    (shida / "PDGinfo.csv").write_text(
        "ID,ON - UPDRS-III - walking,OFF - UPDRS-III - walking\n1,0,1\n2,1,2\n"
    )

    care_pd = tmp_path_factory.mktemp("care_pd")
    joints = _upright(to_h36m17(load_walk(open_cohort(f"shida2023:{shida}").cohort.walks[0])).positions)
    np.savez(
        care_pd / "h36m_3d_world_floorXZZplus_30f_or_longer.npz", P1__w1=joints, P2__w1=joints + 0.1
    )

    manifest = tmp_path_factory.mktemp("manifest")
    for name in ("a", "b"):
        write_c3d(manifest / f"{name}.c3d", marker_walk(stoop_deg=5.0 if name == "a" else 0.0))
    (manifest / "cohort.csv").write_text(
        "participant_id,session_id,walk_id,path,rating\nB,off,1,b.c3d,2\nA,off,1,a.c3d,1\n"
    )
    return {
        "calgary": f"calgary:{calgary}",
        "shida2023": f"shida2023:{shida}",
        "care_pd": f"care_pd:{care_pd}",
        "manifest": str(manifest / "cohort.csv"),
        "demo": "demo",
    }


def _upright(world_mm):
    """Metres with y up, as CARE-PD has them."""
    return world_mm[..., [1, 2, 0]] / 1000


@pytest.fixture(params=sorted(COHORT_MODULES))
def name(request):
    if importlib.util.find_spec(COHORT_MODULES[request.param]) is None:
        pytest.skip(f"the reader {request.param} is not there yet")
    return request.param


@pytest.fixture
def listing(name, folders) -> CohortListing:
    return open_cohort(folders[name])


def some(listing: CohortListing) -> list[Walk]:
    walks = listing.cohort.walks
    return [walks[0], walks[-1]]


def test_readers_say_what_they_read_on_which_terms(name):
    reader = cohort_reader(name)
    assert reader.name == name
    assert reader.title
    if name not in ("manifest", "demo"):
        assert reader.licence
        assert reader.citation


def test_walks_are_sorted_and_each_is_there_once(listing):
    keys = [walk.id.key for walk in listing.cohort.walks]
    assert len(keys) > 1
    assert keys == sorted(set(keys))
    assert listing.failures == ()


def test_the_listing_is_the_same_every_time(name, folders, listing):
    assert open_cohort(folders[name]) == listing


def test_walks_carry_what_the_flow_needs(name, listing):
    for walk in listing.cohort.walks:
        assert walk.reader == name
        assert walk.rating is None or walk.rating in listing.cohort.scale.classes
        assert walk.medication in MEDICATIONS
        assert all(isinstance(value, str) for value in walk.metadata.values())
    ratings = {}
    for walk in listing.cohort.walks:
        ratings.setdefault(walk.id.key[:2], set()).add(walk.rating)
    assert all(len(values) == 1 for values in ratings.values())


def test_the_cohort_says_its_terms_as_its_reader_does(name, listing):
    reader = cohort_reader(name)
    assert (listing.cohort.licence, listing.cohort.citation) == (reader.licence, reader.citation)
    assert listing.cohort.synthetic == (name == "demo")


def test_loaded_walks_become_h36m_with_ascending_times(listing):
    for walk in some(listing):
        pose = to_h36m17(load_walk(walk))
        assert pose.n_frames > 15
        assert pose.coverage > 0.8
        assert (np.diff(pose.time_s) > 0).all()
        assert np.isfinite(pose.positions[pose.valid]).all()


def test_up_is_up_and_right_is_right(listing):
    for walk in some(listing):
        pose = to_h36m17(load_walk(walk))
        if pose.coordinates is not CoordinateSystem.WORLD_MM:
            head, ankle = pose.joint("head")[:, 1], pose.joint("left_ankle")[:, 1]
            seen = np.isfinite(head) & np.isfinite(ankle)
            assert (head < ankle)[seen].all()
            continue
        above = pose.joint("head")[:, 2] - pose.joint("left_ankle")[:, 2]
        assert (above[np.isfinite(above)] > 500).all()
        right = np.cross(heading(pose), [0, 0, 1])
        for joint in ("hip", "knee", "shoulder"):
            aside = (pose.joint(f"right_{joint}") - pose.joint(f"left_{joint}")) @ right
            assert np.nanmedian(aside) > 50, joint


def test_walks_travel_to_other_processes_and_give_the_same_there(listing):
    for walk in some(listing):
        travelled = pickle.loads(pickle.dumps(walk))  # noqa: S301  # what joblib does
        assert travelled == walk
        np.testing.assert_array_equal(load_walk(travelled).positions, load_walk(walk).positions)


def test_errors_name_neither_participant_nor_file(name, listing, tmp_path):
    walk = listing.cohort.walks[0]
    if walk.path is None:
        pytest.skip("a cohort without files")
    damaged = tmp_path / walk.path.name
    damaged.write_bytes(b"\0" * 700)
    for path in (damaged, tmp_path / "absent" / walk.path.name):
        with pytest.raises(GaitmbError) as error:
            load_walk(dataclasses.replace(walk, path=path))
        text = str(error.value)
        assert walk.path.name not in text
        assert str(tmp_path) not in text
        assert walk.id.participant_id not in text.split() or len(walk.id.participant_id) < 3


def test_nothing_at_the_path_is_an_error_without_the_path(name, tmp_path):
    if not cohort_reader(name).needs_path:
        pytest.skip("a built-in cohort")
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(GaitmbError) as error:
            cohort_reader(name).list_walks(path)
        assert str(tmp_path) not in str(error.value)
