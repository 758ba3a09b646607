"""What comes out of a video is what is in it: every frame, when it is shown, the right way up."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from drawn_pictures import CORNERS, corners_of, draw, number_of

from gaitmb.errors import ReadError
from gaitmb.io.isolation import Limits, WorkerLost, run_isolated
from gaitmb.io.video import DecodeCounts, decode, examine, judge_decoding, probe_video, read_pictures


def read(path, **keywords):
    """All about one video: what it declares, its frames, the counts, the codes of what is wrong."""
    info, counts = examine(str(path)), DecodeCounts()
    frames = list(decode(str(path), counts, **keywords))
    return info, frames, counts, [reason.code for reason in judge_decoding(info, counts)]


@pytest.mark.parametrize(
    ("codec", "suffix", "name"),
    [
        ("libx264", "mp4", "h264"),
        ("libx264", "mov", "h264"),
        ("libx264", "mkv", "h264"),
        ("libx265", "mp4", "hevc"),
        ("libvpx-vp9", "webm", "vp9"),
        ("libsvtav1", "mp4", "av1"),
        ("mjpeg", "avi", "mjpeg"),
        ("mpeg4", "avi", "mpeg4"),
    ],
)
def test_every_frame_comes_out_of_every_format(write_video, tmp_path, codec, suffix, name):
    info, frames, counts, reasons = read(
        write_video(tmp_path / f"walk.{suffix}", 30, codec=codec, options={})
    )
    assert info.codec in (name, "libdav1d")
    assert [number_of(picture) for _, picture in frames] == list(range(30))
    assert [time_s for time_s, _ in frames] == pytest.approx(np.arange(30) / 30, abs=6e-4)
    assert (info.frames_expected, counts.decoded, reasons) == (30, 30, [])
    assert info.fps == pytest.approx(30, abs=0.05)


def test_uneven_times_are_kept(write_video, tmp_path):
    steps = np.random.default_rng(3).uniform(0.017, 0.067, 59)
    times_s = np.concatenate([[0.0], np.cumsum(steps)])
    _, frames, _, reasons = read(write_video(tmp_path / "phone.mp4", 60, times_s=times_s))
    assert [time_s for time_s, _ in frames] == pytest.approx(times_s, abs=1e-4)
    assert reasons == []


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_turned_picture_comes_out_upright(write_video, tmp_path, quarter_turns):
    stored = lambda number: np.rot90(draw(number, 240, 320), -quarter_turns)  # noqa: E731
    size = (320, 240) if quarter_turns % 2 else (240, 320)
    path = write_video(
        tmp_path / "phone.mp4", 5, size=size, rotation=90 * quarter_turns, pictures=stored
    )
    info, frames, counts, _ = read(path)
    assert info.size_px == (240, 320)
    assert info.rotation == 360 - 90 * quarter_turns
    assert not info.mirrored
    assert not counts.mirrored
    assert corners_of(frames[0][1]) == list(CORNERS)
    assert [number_of(picture) for _, picture in frames] == list(range(5))


@pytest.mark.parametrize(("fps", "size"), [(240, (64, 48)), (10, (64, 48)), (30, (321, 241))])
def test_unusual_rates_and_odd_sizes(write_video, tmp_path, fps, size):
    info, frames, _, reasons = read(write_video(tmp_path / "walk.mp4", 24, fps=fps, size=size))
    assert info.fps == pytest.approx(fps, rel=1e-3)
    assert frames[0][1].shape == (size[1], size[0], 3)
    assert len(frames) == 24
    assert reasons == []


def test_a_large_picture_is_scaled_down_while_it_is_converted(write_video, tmp_path):
    path = write_video(tmp_path / "4k.mp4", 2, size=(3840, 2160))
    info, frames, _, _ = read(path, max_side_px=1920)
    assert info.size_px == (3840, 2160)
    assert frames[0][1].shape == (1080, 1920, 3)


def test_a_header_that_says_zero_frames_is_not_believed(write_video, tmp_path):
    path = write_video(tmp_path / "walk.avi", 30, codec="mjpeg")
    content = bytearray(path.read_bytes())
    for chunk, offset in ((b"avih", 8 + 16), (b"strh", 8 + 32)):
        place = content.index(chunk) + offset
        content[place : place + 4] = bytes(4)
    path.write_bytes(content)
    _, frames, _, reasons = read(path)
    assert len(frames) == 30
    assert reasons == []


def test_a_part_begins_and_ends_where_it_is_asked_to(good_video):
    counts = DecodeCounts()
    frames = list(decode(str(good_video), counts, start_s=0.49, count_from_s=0.99, end_s=1.49))
    assert [number_of(picture) for _, picture in frames] == list(range(15, 45))
    assert counts.decoded == 15


# Damage


def test_a_file_cut_in_half_is_partial_and_says_how_much_is_there(good_video, tmp_path):
    content = good_video.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(content[: len(content) // 2])
    info, frames, counts, reasons = read(path)
    assert info.frames_expected == 60
    assert 15 <= len(frames) < 45
    assert [number_of(picture) for _, picture in frames] == list(range(len(frames)))
    assert "truncated" in reasons
    text = judge_decoding(info, counts)[0].text
    assert f"{counts.decoded} of 60" in text
    assert "\n" not in text


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "libx264"), ("avi", "mjpeg")])
def test_other_containers_cut_in_half_are_noticed_too(write_video, tmp_path, suffix, codec):
    whole = write_video(tmp_path / f"walk.{suffix}", 60, codec=codec).read_bytes()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(whole[: len(whole) // 2])
    info, frames, _, reasons = read(path)
    assert 10 < len(frames) < 50
    assert "truncated" in reasons
    assert info.frames_expected >= 55


def test_flipped_bytes_cost_frames_but_never_go_unnoticed(good_video, tmp_path):
    content = bytearray(good_video.read_bytes())
    middle = len(content) // 2
    for place in range(middle, middle + 900, 30):
        content[place] ^= 0xFF
    path = tmp_path / "flipped.mp4"
    path.write_bytes(content)
    _, frames, counts, reasons = read(path)
    assert counts.damaged + counts.failed > 0
    assert "damaged" in reasons
    sound = [(round(30 * time_s), number_of(picture)) for time_s, picture in frames]
    assert all(said == shown for said, shown in sound)
    assert 20 <= len(sound) < 60


def test_a_pause_in_the_recording_is_reported(write_video, tmp_path):
    times_s = [n / 30 + (3.0 if n >= 30 else 0.0) for n in range(60)]
    _, frames, counts, reasons = read(write_video(tmp_path / "walk.mp4", 60, times_s=times_s))
    assert len(frames) == 60
    assert reasons == ["gap"]
    assert counts.gaps == pytest.approx([29 / 30], abs=1e-2)


def no_index(content: bytes) -> bytes:
    return content[: content.rfind(b"moov") - 4]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "0 bytes"),
        (b"Dear diary, today I walked.\n" * 40, "not a video"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n", "not a video"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "not a video"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n", "not a video"),
    ],
)
def test_what_is_not_a_video_is_refused_in_one_line(tmp_path, content, says):
    path = tmp_path / "walk.mp4"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=says) as refusal:
        probe_video(path)
    assert "\n" not in str(refusal.value)
    assert str(tmp_path) not in str(refusal.value)


def test_a_recording_that_was_broken_off_is_refused(write_video, tmp_path):
    path = write_video(tmp_path / "walk.mp4", 10)
    path.write_bytes(no_index(path.read_bytes()))
    with pytest.raises(ReadError, match="index"):
        probe_video(path)


def test_sound_without_a_picture_is_refused(tmp_path):
    import av

    path = tmp_path / "walk.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(ReadError, match="sound"):
        probe_video(path)


def test_a_stamp_sized_picture_is_refused(write_video, tmp_path):
    with pytest.raises(ReadError, match="16×16"):
        probe_video(write_video(tmp_path / "walk.mp4", 6, size=(16, 16)))


# Apart from this process


def test_pictures_come_from_another_process(good_video):
    pictures = read_pictures(good_video, [1.0, 0.5, 9.0])
    assert [number_of(picture) for _, picture in pictures] == [15, 30, 59]


def test_a_probe_says_the_same_as_an_examination_here(good_video):
    assert probe_video(good_video) == examine(str(good_video))


def test_a_worker_that_says_nothing_is_killed():
    with pytest.raises(WorkerLost, match="stood still") as lost:
        list(run_isolated("gaitmb.io.isolation:idle_task", {"seconds": 60}, Limits(silence_s=1)))
    assert lost.value.code == "time_limit"


def test_a_worker_that_takes_too_much_memory_is_killed():
    with pytest.raises(WorkerLost, match="memory") as lost:
        list(run_isolated("gaitmb.io.isolation:greedy_task", {"mb": 600}, Limits(memory_mb=300)))
    assert lost.value.code == "memory_limit"


def test_what_a_worker_sent_before_it_crashed_is_kept():
    messages = []
    with pytest.raises(WorkerLost) as lost:
        messages.extend(run_isolated("gaitmb.io.isolation:crash_task", {"after": 3}))
    assert lost.value.code == "crashed"
    assert [message.values["number"] for message in messages] == [0, 1, 2]


def test_only_gaitmb_itself_runs_in_a_worker():
    with pytest.raises(WorkerLost):
        list(run_isolated("os:listdir", {}))


def test_a_worker_ends_with_its_caller(tmp_path):
    psutil = pytest.importorskip("psutil")
    code = (
        "import os; from gaitmb.io.isolation import run_isolated\n"
        "messages = run_isolated('gaitmb.io.isolation:idle_task', {'seconds': 60, 'greet': True})\n"
        "print(next(messages).values['pid'], flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    worker = int(done.stdout)
    psutil.wait_procs([psutil.Process(worker)] if psutil.pid_exists(worker) else [], timeout=10)
    assert not psutil.pid_exists(worker) or psutil.Process(worker).status() == "zombie"


def test_the_worker_sees_no_proxy_but_a_dead_one(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://example.org:3128")
    monkeypatch.setenv("NO_PROXY", "*")
    [message] = run_isolated("gaitmb.io.isolation:network_state", {})
    assert message.values["network"] in ("none", "dead_proxy")
    assert message.values["https_proxy"].startswith("http://127.0.0.1:")
    assert message.values["no_proxy"] == ""
    assert message.values["reached"] is False


def test_missing_frames_are_counted_against_the_most_that_is_implied(good_video):
    info = examine(str(good_video))
    reasons = judge_decoding(replace(info, frames_expected=60), DecodeCounts(decoded=59))
    assert [(reason.code, reason.text) for reason in reasons] == [
        ("frames_missing", "59 of 60 frames could be decoded")
    ]
