"""Everybody in a video is seen; nobody hears of it; and limits, crashes and workers change nothing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gaitmb.errors import ReadError
from gaitmb.io.isolation import Limits
from gaitmb.pose import estimators
from gaitmb.pose.estimators import detect_people


@pytest.fixture(scope="session")
def street(shared, tmp_path_factory, write_video) -> Path:
    """Two seconds of a woman walking by and a man on a roof, small, as H.264."""
    from gaitmb.io.video import DecodeCounts, decode

    source = str(shared / "video" / "two_people.mp4")
    pictures = [
        picture for _, picture in decode(source, DecodeCounts(), start_s=2, end_s=4, max_side_px=884)
    ]
    height, width = pictures[0].shape[0] // 2 * 2, pictures[0].shape[1] // 2 * 2
    return write_video(
        tmp_path_factory.mktemp("street") / "street.mp4",
        len(pictures),
        size=(width, height),
        pictures=lambda number: pictures[number][:height, :width],
        options={"movflags": "faststart"},
    )


@pytest.fixture(scope="session")
def seen(street, pose_model):
    return detect_people(street, pose_model)


def middle_of(person):
    return person[[23, 24], :2].mean(axis=0)


def test_the_woman_who_walks_is_seen_in_nearly_every_frame(seen):
    # By eye, at half size: her hips are at x 700 at the start, 440 at the end, y about 360.
    expected = np.linspace(680, 380, 60)
    found = [
        any(abs(middle_of(person)[0] - x) < 60 and middle_of(person)[1] > 300 for person in people)
        for x, people in zip(expected, seen.detections.frames, strict=True)
    ]
    assert np.mean(found) >= 0.95


def test_the_man_on_the_roof_is_seen_as_somebody_else(seen):
    both = [len(people) >= 2 for people in seen.detections.frames]
    assert np.mean(both) >= 0.9


def test_nobody_is_seen_twice_in_most_frames(seen):
    assert np.mean(seen.detections.n_people <= 2) >= 0.9


def test_times_and_counts_are_those_of_the_video(seen):
    assert seen.detections.time_s == pytest.approx(np.arange(60) / 30, abs=1e-3)
    assert seen.counts.decoded == seen.info.frames_expected == 60
    assert seen.reasons == ()
    assert seen.detections.size_px == (884, 496)


def test_workers_and_chapters_do_not_change_a_landmark(street, pose_model, monkeypatch):
    monkeypatch.setattr(estimators, "_CHAPTER_S", 1.0)
    alone, together = (detect_people(street, pose_model, workers=n).detections for n in (1, 2))
    assert alone.n_people.tolist() == together.n_people.tolist()
    assert all(np.array_equal(a, b) for a, b in zip(alone.frames, together.frames, strict=True))


def test_half_a_file_gives_half_the_frames_and_says_so(street, pose_model, tmp_path):
    content = street.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(content[: len(content) // 3])
    seen = detect_people(path, pose_model)
    assert 10 <= len(seen.detections) < 30
    assert "truncated" in [reason.code for reason in seen.reasons]
    assert seen.info.frames_expected == 60


def test_a_worker_killed_by_its_limit_leaves_the_good_part(street, pose_model):
    seen = detect_people(street, pose_model, limits=Limits(total_s=4.0))
    if len(seen.detections) == 60:
        pytest.skip("this machine looks at 60 frames in 4 s")
    assert 0 < len(seen.detections) < 60
    assert seen.reasons[0].code == "time_limit"
    assert "kept" in seen.reasons[0].text


def test_hours_of_black_take_no_model_and_little_memory(write_video, pose_model, tmp_path):
    black = np.zeros((96, 128, 3), np.uint8)
    path = write_video(
        tmp_path / "night.mp4",
        3600,
        size=(128, 96),
        times_s=2.0 * np.arange(3600),
        gop=600,
        pictures=lambda _: black,
    )
    seen = detect_people(path, pose_model, limits=Limits(memory_mb=600))
    assert len(seen.detections) == 3600
    assert seen.detections.time_s[-1] == pytest.approx(7198, abs=1e-3)
    assert seen.detections.n_people.max() == 0


def test_4k_stays_within_600_mb(pose_model, write_video, tmp_path):
    ramp = np.repeat(np.linspace(0, 255, 3840).astype(np.uint8)[None, :, None], 3, axis=2)
    picture = np.repeat(ramp, 2160, axis=0)
    path = write_video(tmp_path / "4k.mp4", 8, size=(3840, 2160), pictures=lambda _: picture)
    seen = detect_people(path, pose_model, limits=Limits(memory_mb=600))
    assert len(seen.detections) == 8
    assert seen.reasons == ()
    assert seen.detections.size_px == (3840, 2160)


def test_240_frames_a_second_are_looked_at_60_times_a_second(write_video, pose_model, tmp_path):
    seen = detect_people(write_video(tmp_path / "slow.mp4", 48, fps=240), pose_model)
    assert seen.counts.decoded == 48
    assert len(seen.detections) == 12


def test_an_empty_street_has_nobody(write_video, pose_model, tmp_path):
    seen = detect_people(write_video(tmp_path / "empty.mp4", 20), pose_model)
    assert seen.detections.n_people.max() == 0


def test_what_is_not_a_model_is_refused_not_waited_for(good_video, tmp_path):
    path = tmp_path / "model.task"
    path.write_bytes(b"PK nothing")
    with pytest.raises(ReadError, match="crashed"):
        detect_people(good_video, path)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_no_connection_and_no_name_look_up_leave_the_machine(street, pose_model, tmp_path):
    trace = tmp_path / "trace.txt"
    code = (
        "import sys; from pathlib import Path; from gaitmb.pose.estimators import detect_people\n"
        "print(detect_people(Path(sys.argv[1]), Path(sys.argv[2])).network)"
    )
    command = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg,sendmmsg"]
    command += ["-o", str(trace), sys.executable, "-c", code, str(street), str(pose_model)]
    environment = {**os.environ, "https_proxy": "", "HTTPS_PROXY": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if "strace" in done.stderr and "ptrace" in done.stderr:
        pytest.skip("this system does not let strace trace")
    assert done.returncode == 0, done.stderr
    lines = trace.read_text("utf-8", "replace").splitlines()
    outward = [
        line
        for line in lines
        if "sa_family=AF_INET" in line and not re.search(r'"127\.0\.0\.1"|"::1"', line)
    ]
    assert outward == []
    # mediapipe did try, so that this is about something.
    assert any('"127.0.0.1"' in line for line in lines)
