"""One video in, three files out: whole or not at all, and the quality file says what happened."""

import errno
import json
import zipfile

import numpy as np
import pytest

from gaitmb.cli import main
from gaitmb.data.camera import project
from gaitmb.data.skeleton import BLAZEPOSE33, H36M17
from gaitmb.data.walk import Walk, WalkId
from gaitmb.errors import QualityError, ReadError
from gaitmb.io.keypoints import read_pose
from gaitmb.io.video import DecodeCounts, Reason, examine
from gaitmb.pose import estimators
from gaitmb.pose.detections import Detections
from gaitmb.pose.estimators import VideoDetections
from gaitmb.simulate import WalkerParameters, simulate_walk
from gaitmb.workflow import estimate as workflow
from gaitmb.workflow.estimate import estimate, estimate_walk, see_video
from gaitmb.workflow.prepare import _recorded

FAULT = Reason("frames_missing", "59 of 60 frames could be decoded")


def two_seconds_of_walking():
    """BlazePose landmarks of a simulated walk in a picture of 320 by 240, (60, 33, 4)."""
    walk = simulate_walk(WalkerParameters(cadence_spm=140), duration_s=59 / 30)
    joints = project(walk.pose, "side_right", follow=False, size_px=(320, 240)).positions
    names = [name if name in H36M17.joints else "nose" for name in BLAZEPOSE33.joints]
    for number, name in enumerate(BLAZEPOSE33.joints):
        side = "left" if "left" in name else "right"
        if "heel" in name or "foot" in name:
            names[number] = f"{side}_ankle"
        elif "pinky" in name or "index" in name or "thumb" in name:
            names[number] = f"{side}_wrist"
    people = np.full((60, 33, 4), 0.9, np.float32)
    people[..., :2] = joints[:, [H36M17.index(name) for name in names]]
    return people


WALKING = two_seconds_of_walking()


def a_person(frame: int, who: int):
    return WALKING[frame] + np.array([0, 70 * who, 0, 0], np.float32)


class Eyes:
    """Stands in for the pose model: says how many people are there, and counts how often it looks."""

    def __init__(self, n_people: int, reasons=()):
        self.n_people, self.reasons, self.calls = n_people, reasons, 0

    def __call__(self, path, model, **_):
        self.calls += 1
        people = [
            np.array([a_person(n, who) for who in range(self.n_people)]).reshape(-1, 33, 4)
            for n in range(60)
        ]
        return VideoDetections(
            Detections(np.arange(60) / 30, (320, 240), tuple(people)),
            examine(str(path)),
            DecodeCounts(decoded=60),
            tuple(self.reasons),
            "none",
            {"decode": 0.1, "pose": 0.2},
        )


@pytest.fixture
def look(monkeypatch, tmp_path):
    """Replace the pose model: ``look(n_people, reasons)``."""
    model = tmp_path / "model.task"
    with zipfile.ZipFile(model, "w") as archive:
        archive.writestr("pose_detector.tflite", b"")
        archive.writestr("pose_landmarks_detector.tflite", b"")
    monkeypatch.setattr("gaitmb.pose.models.find_model", lambda *_, **__: model)
    monkeypatch.setenv("GAITMB_CACHE", str(tmp_path / "cache"))

    def install(n_people, reasons=()):
        eyes = Eyes(n_people, reasons)
        monkeypatch.setattr(estimators, "detect_people", eyes)
        return eyes

    return install


def files(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def quality_of(folder):
    return json.loads((folder / "good_quality.json").read_text())


def test_a_walk_becomes_a_pose_with_the_original_landmarks(look, good_video, tmp_path):
    look(1)
    out = tmp_path / "out"
    result = estimate(good_video, out=out)
    assert result.status == "ok"
    assert result.exit_code == 0
    pose = read_pose(out / "good_pose2d.npz")
    assert pose.skeleton.name == "h36m17"
    assert 55 <= pose.n_frames <= 60
    assert files(out) == ["good_people.jpg", "good_pose2d.npz", "good_quality.json"]
    assert pose.size_px == (320, 240)
    with np.load(out / "good_pose2d.npz") as archive:
        assert archive["landmarks"].shape == (60, 33, 2)
        assert archive["landmarks_confidence"].shape == (60, 33)
        assert archive["landmarks_time_s"] == pytest.approx(np.arange(60) / 30)
    quality = quality_of(out)
    assert quality["status"] == "ok"
    assert quality["frames_decoded"] == quality["frames_expected"] == 60
    assert quality["fps"] == pytest.approx(30)
    assert quality["rotation"] == 0
    assert quality["person"]["track"] == 1


def test_equal_videos_give_equal_files(look, good_video, tmp_path):
    look(1)
    for folder in ("a", "b"):
        estimate(good_video, out=tmp_path / folder, cache=tmp_path / f"cache-{folder}")
    for name in files(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_damaged_video_is_partial(look, good_video, tmp_path):
    look(1, [FAULT])
    assert estimate(good_video, out=tmp_path / "out").status == "partial"
    assert quality_of(tmp_path / "out")["reasons"] == [{"code": FAULT.code, "text": FAULT.text}]


@pytest.mark.parametrize(("n_people", "code"), [(0, "nobody"), (2, "several_candidates")])
def test_a_refused_walk_has_no_pose_not_even_an_old_one(look, good_video, tmp_path, n_people, code):
    out = tmp_path / "out"
    out.mkdir()
    (out / "good_pose2d.npz").write_bytes(b"of another run")
    look(n_people)
    result = estimate(good_video, out=out)
    assert result.status == "refused"
    assert result.exit_code == 3
    sheet = ["good_people.jpg"] if n_people else []
    assert files(out) == [*sheet, "good_quality.json"]
    assert quality_of(out)["reasons"][0]["code"] == code


def test_what_is_not_a_video_has_a_quality_file_that_says_so(look, tmp_path):
    look(1)
    path = tmp_path / "good.mp4"
    path.write_text("no video")
    with pytest.raises(ReadError):
        estimate(path, out=tmp_path / "out")
    assert quality_of(tmp_path / "out")["status"] == "refused"


def test_the_second_run_does_not_look_again_and_says_the_same(look, good_video):
    eyes = look(1, [FAULT])
    first, second = see_video(good_video), see_video(good_video)
    assert eyes.calls == 1
    assert second.info == first.info
    assert second.counts == first.counts
    assert second.reasons == first.reasons
    assert np.array_equal(first.detections.frames[7], second.detections.frames[7])


def test_a_spoiled_cache_entry_is_looked_at_again(look, good_video, tmp_path):
    eyes = look(1)
    see_video(good_video)
    [entry] = (tmp_path / "cache" / "detections").rglob("*.npz")
    entry.write_bytes(entry.read_bytes()[:-100])
    see_video(good_video)
    assert eyes.calls == 2


def test_what_was_lost_to_a_limit_is_not_remembered(look, good_video):
    eyes = look(1, [Reason("time_limit", "reading took longer than 5 s")])
    see_video(good_video)
    see_video(good_video)
    assert eyes.calls == 2


def test_a_full_disk_leaves_no_torn_file(look, good_video, tmp_path, monkeypatch):
    look(1)
    out = tmp_path / "out"
    see_video(good_video)

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        estimate(good_video, out=out)
    assert files(out) == []


def test_an_interrupt_leaves_nothing_and_the_next_run_goes_on(look, good_video, tmp_path, monkeypatch):
    eyes = look(1)
    out = tmp_path / "out"
    write = workflow._pose_file

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, "_pose_file", interrupted)
    assert main(["estimate", str(good_video), "--out", str(out)]) == 130
    assert files(out) == []
    monkeypatch.setattr(workflow, "_pose_file", write)
    assert main(["estimate", str(good_video), "--out", str(out)]) == 0
    assert eyes.calls == 1


def test_the_command_prints_the_quality_as_json(look, good_video, tmp_path, capsys):
    look(2)
    assert main(["estimate", str(good_video), "--out", str(tmp_path / "out"), "--json"]) == 3
    assert json.loads(capsys.readouterr().out) == quality_of(tmp_path / "out")


def test_a_row_of_a_cohort_that_is_a_video_is_estimated(look, good_video, tmp_path):
    look(1)
    walk = Walk(WalkId("P1", "off", "1"), reader="manifest", path=good_video)
    pose = _recorded(walk, tmp_path / "cache")
    assert pose.skeleton.name == "h36m17"


def test_a_refused_video_is_a_failure_with_a_reason_and_a_remedy(look, good_video):
    look(2)
    with pytest.raises(QualityError, match="several people") as refusal:
        estimate_walk(good_video)
    assert "contact sheet" in refusal.value.remedy
