"""OpenPose's and AlphaPose's JSON give the walker's keypoints, or a reason why not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gaitmb.data.pose import to_h36m17
from gaitmb.data.skeleton import COCO17, HALPE26
from gaitmb.errors import QualityError, ReadError
from gaitmb.io.openpose import read_openpose

#: Where the keypoints of a person who stands at (0, 0) are, in pixels, by COCO-17's order.
BODY = np.stack([np.linspace(-30, 30, 17), np.linspace(0, 200, 17)], axis=1)


def person(x: float, y: float = 300.0, score: float = 0.9, body: np.ndarray = BODY) -> list[float]:
    return np.column_stack([body + np.array([x, y]), np.full(len(body), score)]).ravel().tolist()


def result(frame: int, keypoints: list[float], **more: Any) -> dict[str, Any]:
    return {"image_id": f"{frame}.jpg", "category_id": 1, "keypoints": keypoints, "score": 2.5, **more}


@pytest.fixture
def stored(tmp_path: Path):
    def store(document: object, name: str = "walk.json") -> Path:
        (tmp_path / name).write_text(document if isinstance(document, str) else json.dumps(document))
        return tmp_path / name

    return store


def test_alphapose_results_become_pixels_over_time(stored):
    path = stored([result(frame, person(100 + 5 * frame)) for frame in range(4)])
    pose = read_openpose(path, fps=25, size_px=(1920, 1080), view="front")
    assert pose.skeleton is COCO17
    assert pose.coordinates == "image_px"
    assert (pose.size_px, pose.view) == ((1920, 1080), "front")
    np.testing.assert_allclose(pose.time_s, [0, 0.04, 0.08, 0.12])
    np.testing.assert_allclose(pose.positions[2], BODY + np.array([110, 300]))
    assert (pose.confidence == 0.9).all()


def test_frames_are_in_the_order_of_their_numbers_not_of_their_entries(stored):
    path = stored([result(frame, person(100 + 5 * frame)) for frame in (10, 9, 8, 11)])
    pose = read_openpose(path, fps=25)
    np.testing.assert_allclose(pose.joint("nose")[:, 0], [110, 115, 120, 125])


def test_frames_without_the_walker_are_missing_and_keep_their_time(stored):
    path = stored([result(frame, person(100)) for frame in (3, 4, 7)])
    pose = read_openpose(path, fps=10)
    np.testing.assert_allclose(pose.time_s, [0, 0.1, 0.2, 0.3, 0.4])
    assert pose.valid.all(axis=1).tolist() == [True, True, False, False, True]


def test_a_keypoint_of_score_zero_is_missing_and_scores_above_one_count_as_one(stored):
    keypoints = person(100, score=4.0)
    keypoints[:3] = [0, 0, 0]
    pose = read_openpose(stored([result(0, keypoints), result(1, keypoints)]), fps=10)
    assert np.isnan(pose.joint("nose")).all()
    assert pose.confidence[0, 1:].tolist() == [1.0] * 16


def openpose_frames(n_frames: int, key: str = "pose_keypoints_2d", people: str = "people") -> list[Any]:
    return [{"version": 1.3, people: [{"person_id": [-1], key: person(9 * n)}]} for n in range(n_frames)]


@pytest.mark.parametrize(
    "document",
    [
        openpose_frames(3),
        {f"{n}.jpg": frame for n, frame in enumerate(openpose_frames(3))},
        {f"v_{n:012}.png": frame for n, frame in enumerate(openpose_frames(3, "joints", "bodies"))},
        [{"image_id": n, "keypoints": person(9 * n)} for n in range(3)],
    ],
    ids=["list of frames", "open", "cmu", "numbers"],
)
def test_every_layout_of_one_file_says_the_same(stored, document):
    pose = read_openpose(stored(document), fps=30)
    np.testing.assert_allclose(pose.joint("nose")[:, 0], [-30, -21, -12])


def test_a_folder_of_openpose_frames_is_one_walk(stored, tmp_path):
    for n, frame in enumerate(openpose_frames(12)):
        stored(frame, f"cam2_{n:012}_keypoints.json")
    pose = read_openpose(tmp_path, fps=30)
    np.testing.assert_allclose(pose.joint("nose")[:, 0], -30 + 9 * np.arange(12))
    stored(openpose_frames(1)[0], "cam3_000000000099_keypoints.json")
    with pytest.raises(ReadError, match="several recordings"):
        read_openpose(tmp_path, fps=30)


def test_an_empty_folder_and_a_name_without_number_are_refused(tmp_path, stored):
    with pytest.raises(ReadError, match="without JSON"):
        read_openpose(tmp_path, fps=30)
    stored(openpose_frames(1)[0], "first.json")
    with pytest.raises(ReadError, match="number"):
        read_openpose(tmp_path, fps=30)


# --- Skeletons ----------------------------------------------------------------------------------------


def test_halpe_26_is_told_by_its_number_of_keypoints(stored):
    body = np.column_stack([np.arange(26.0), np.arange(0, 260, 10.0)])
    pose = read_openpose(stored([result(0, person(0, body=body))]), fps=30)
    assert pose.skeleton is HALPE26
    np.testing.assert_allclose(pose.joint("pelvis"), [[19, 490]])


@pytest.mark.parametrize(
    ("n_keypoints", "places"),
    [
        # OpenPose's documented orders of BODY_25 and COCO
        (25, {"nose": 0, "right_shoulder": 2, "left_hip": 12, "right_ankle": 11, "left_ear": 18}),
        (18, {"nose": 0, "right_shoulder": 2, "left_hip": 11, "right_ankle": 10, "left_ear": 17}),
    ],
)
def test_openposes_own_models_are_read_by_name(stored, n_keypoints, places):
    body = np.column_stack([np.arange(float(n_keypoints)), np.arange(n_keypoints) * 10.0])
    pose = read_openpose(stored([{"people": [{"pose_keypoints_2d": person(0, 0, 1, body)}]}]), fps=30)
    assert pose.skeleton is COCO17
    for joint, place in places.items():
        assert pose.joint(joint)[0, 0] == place
    assert to_h36m17(pose).valid.all()


@pytest.mark.parametrize("n_keypoints", [1, 15, 21, 68])
def test_other_numbers_of_keypoints_are_refused(stored, n_keypoints):
    body = np.column_stack([np.arange(float(n_keypoints)), np.arange(n_keypoints) * 10.0])
    with pytest.raises(ReadError, match=f"{n_keypoints} keypoints per person"):
        read_openpose(stored([result(0, person(0, 0, 1, body))]), fps=30)


def test_a_skeleton_other_than_the_manifest_says_is_refused(stored):
    path = stored([result(0, person(0))])
    assert read_openpose(path, fps=30, skeleton="coco17").n_frames == 1
    with pytest.raises(ReadError, match="the keypoints are coco17; expected halpe26"):
        read_openpose(path, fps=30, skeleton="halpe26")


def test_no_frame_rate_and_normalised_keypoints_are_refused(stored):
    path = stored([result(0, person(0))])
    with pytest.raises(ReadError, match="column fps"):
        read_openpose(path, fps=None)
    with pytest.raises(ReadError, match="normalised"):
        read_openpose(stored([result(0, person(0.5, 0.5, 0.9, BODY / 1000))]), fps=30)


# --- Who is the walker --------------------------------------------------------------------------------


def test_somebody_who_passes_by_is_left_out_by_place(stored):
    entries = [result(n, person(100 + 4 * n)) for n in range(40)]
    entries += [result(n, person(900 - 20 * n)) for n in range(10, 25)]  # crosses from the other side
    pose = read_openpose(stored(entries[::-1]), fps=30)
    np.testing.assert_allclose(pose.joint("nose")[:, 0], 70 + 4 * np.arange(40))


def test_two_who_pass_each_other_are_not_exchanged(stored):
    entries = [result(n, person(100 + 10 * n)) for n in range(60)]
    entries += [
        result(n, person(655 - 10 * n)) for n in range(20, 45)
    ]  # side by side at frames 27 and 28
    pose = read_openpose(stored(entries), fps=30)
    np.testing.assert_allclose(pose.joint("nose")[:, 0], 70 + 10 * np.arange(60))


def test_track_identities_are_followed_even_through_a_cut_in_the_video(stored):
    entries = [result(n, person(100 if n < 10 else 1500), idx=[9, 7]) for n in range(20)]
    with pytest.raises(QualityError):
        read_openpose(stored([{**entry, "idx": None} for entry in entries]), fps=30)
    pose = read_openpose(stored([*entries, result(3, person(500), idx=2.0)]), fps=30)
    assert pose.valid.all()
    assert pose.n_frames == 20


def test_one_person_whose_identity_changes_stays_one_person(stored):
    entries = [result(n, person(100 + 4 * n), idx=1 if n < 10 else 5) for n in range(20)]
    assert read_openpose(stored(entries), fps=30).valid.all()


@pytest.mark.parametrize("tracked", [False, True])
def test_two_people_in_equal_view_are_refused_rather_than_guessed(stored, tracked):
    entries = []
    for n in range(20):
        for place, x in enumerate((100, 900)):
            more = {"idx": place} if tracked else {}
            if place == 0 or n % 2 == 0:
                entries.append(result(n, person(x), **more))
    with pytest.raises(QualityError, match="20 frames and another in 10"):
        read_openpose(stored(entries), fps=30)


def test_somebody_else_after_a_jump_is_not_the_same_person(stored):
    entries = [result(n, person(100 if n < 12 else 900)) for n in range(20)]
    with pytest.raises(QualityError, match="another"):
        read_openpose(stored(entries), fps=30)


def test_nobody_at_all_is_a_matter_of_quality(stored):
    for document in ({"people": []}, [result(0, person(0, score=0))], []):
        with pytest.raises(QualityError, match="nobody"):
            read_openpose(stored(document), fps=30)


# --- Damage -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("[", "no complete JSON"),
        ('[{"image_id": 1, "keypoints": [1, 2', "no complete JSON"),
        ("[] []", "no complete JSON"),
        ("[" * 100_000, "nested too deeply|no complete JSON"),
        ("[NaN]", "holds NaN"),
        ('[{"image_id": 0, "keypoints": [0, 0, Infinity]}]', "holds Infinity"),
        ('[{"image_id": 0, "keypoints": [1e999, 0, 1]}]', "beyond any picture"),
        ('[{"image_id": 0, "keypoints": [1' + "0" * 400 + ", 0, 1]}]", "too large"),
        ('[{"image_id": 0, "keypoints": [1' + "0" * 9000 + ", 0, 1]}]", "no complete JSON"),
        ('[{"image_id": 0, "image_id": 1, "keypoints": [0, 0, 1]}]', "key twice"),
        ('[{"image_id": 0, "keypoints": [1, 2]}]', "flat list"),
        ('[{"image_id": 0, "keypoints": [[1, 2, 1]]}]', "flat list"),
        ('[{"image_id": 0, "keypoints": [true, false, true]}]', "flat list"),
        ('[{"image_id": 0, "keypoints": ["1", "2", "1"]}]', "flat list"),
        ('[{"image_id": 0, "keypoints": []}]', "flat list"),
        ('[{"image_id": 0}]', "flat list"),
        ('[{"image_id": 0, "keypoints": [1, 2, 300]}]', "score of 300"),
        ('[{"image_id": null, "keypoints": [0, 0, 1]}]', "image_id"),
        ('[{"image_id": "a", "keypoints": [0, 0, 1]}]', "number"),
        ('[{"people": {}}]', "no list of keypoints"),
        ('{"people": [1]}', "no list of keypoints"),
        ("{}", "nobody"),
        ("3", "no list of keypoints"),
        ('"people"', "no list of keypoints"),
        ("[[]]", "no list of keypoints"),
    ],
)
def test_json_that_is_something_else_is_refused_with_its_reason(stored, text, reason):
    with pytest.raises((ReadError, QualityError), match=reason):
        read_openpose(stored(text), fps=30)


def test_frame_numbers_that_claim_days_do_not_take_the_memory(stored):
    entries = [result(n, person(0)) for n in (0, 1, 2, 10**12)]
    assert read_openpose(stored(entries), fps=30).n_frames == 3
    slow = [result(n, person(0)) for n in range(0, 10**6, 10**4)]
    with pytest.raises(ReadError, match="at most 200000"):
        read_openpose(stored(slow), fps=1_000_000)


def test_a_crowd_is_refused(stored):
    with pytest.raises(QualityError, match="101 people"):
        read_openpose(stored([result(0, person(10 * n)) for n in range(101)]), fps=30)


def test_mutilated_bytes_and_other_encodings_are_read_or_refused(tmp_path):
    document = json.dumps([result(0, person(0))])
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le"):
        (tmp_path / "a.json").write_bytes(document.encode(encoding))
        assert read_openpose(tmp_path / "a.json", fps=30).n_frames == 1
    (tmp_path / "a.json").write_bytes(b"\xff\xfa" + document.encode())
    with pytest.raises(ReadError):
        read_openpose(tmp_path / "a.json", fps=30)
    with pytest.raises(ReadError, match="no such file"):
        read_openpose(tmp_path / "gone.json", fps=30)
