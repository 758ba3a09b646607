"""Review copies: no face, no sound, nothing of the file they come from."""

import numpy as np
import pytest
from drawn_pictures import draw

from gaitmb.cli import main
from gaitmb.errors import QualityError
from gaitmb.io.video import DecodeCounts, decode, examine, read_pictures
from gaitmb.pose import estimators
from gaitmb.pose.detections import Detections
from gaitmb.pose.estimators import VideoDetections
from gaitmb.workflow.deidentify import deidentify

av = pytest.importorskip("av", reason="the extra 'video' is not installed")

SECRET = b"Kaspar Hauser 1828"


def somebody(x: float, y: float) -> np.ndarray:
    """An upright person of 120 pixels whose face is at (x, y)."""
    person = np.zeros((33, 4), np.float32)
    person[:, :2] = x, y
    for joints, below in (
        ((11, 12), 18),
        ((23, 24), 60),
        ((25, 26), 85),
        ((27, 28, 29, 30, 31, 32), 110),
    ):
        for joint in joints:
            person[joint, :2] = x + (6 if joint % 2 else -6), y + below
    person[13:23, 1] += 45
    person[:, 3] = 0.9
    return person


@pytest.fixture
def seen(monkeypatch, tmp_path):
    """Replace the pose model by what it saw: ``seen(frames)``."""
    model = tmp_path / "model.task"
    model.write_bytes(b"x")
    monkeypatch.setattr("gaitmb.pose.models.find_model", lambda *_, **__: model)
    monkeypatch.setenv("GAITMB_CACHE", str(tmp_path / "cache"))

    def install(frames):
        def look(path, *_, **__):
            time_s = np.arange(len(frames)) / 30
            return VideoDetections(
                Detections(time_s, (320, 240), tuple(np.asarray(f).reshape(-1, 33, 4) for f in frames)),
                examine(str(path)), DecodeCounts(decoded=len(frames)), (), "none", {},
            )  # fmt: skip

        monkeypatch.setattr(estimators, "detect_people", look)

    return install


@pytest.fixture
def marked_video(tmp_path):
    """60 frames with sound, and a name in every place a container has for one."""
    path = tmp_path / "marked.mp4"
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as container:
        for key in ("title", "artist", "comment", "location", "make"):
            container.metadata[key] = SECRET.decode()
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        sound = container.add_stream("aac", rate=16000)
        for number in range(60):
            frame = av.VideoFrame.from_ndarray(draw(number, 320, 240), format="rgb24")
            container.mux(stream.encode(frame))
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        samples.sample_rate = 16000
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
        container.mux(stream.encode(None))
    assert SECRET in path.read_bytes()
    return path


def test_sound_and_metadata_stay_behind(seen, marked_video, tmp_path):
    seen([somebody(100 + n, 60) for n in range(60)])
    copy = deidentify(marked_video, out=tmp_path / "out")
    assert copy.path.name == "marked_deidentified.mp4"
    assert copy.n_frames == 60
    assert SECRET not in copy.path.read_bytes()
    with av.open(str(copy.path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert container.streams.video[0].codec_context.name == "h264"
        kept = {**container.metadata, **container.streams.video[0].metadata}
        assert set(kept) <= {
            "major_brand", "minor_version", "compatible_brands", "language", "handler_name", "vendor_id",
        }  # fmt: skip


def test_the_face_is_gone_and_the_rest_is_there_in_every_frame(seen, write_video, tmp_path):
    """The face is a fine chequerboard, and so is the wall; the model loses the person now and then."""
    rows, columns = np.mgrid[:240, :320]
    board = np.where((rows // 2 + columns // 2) % 2, 230, 20).astype(np.uint8)
    picture = np.repeat(board[..., None], 3, axis=2)
    video = write_video(tmp_path / "board.mp4", 60, pictures=lambda _: picture, options={})
    lost = {*range(10, 20), *range(30, 33), *range(52, 60)}
    seen([np.zeros((0, 33, 4)) if n in lost else somebody(100 + n, 60) for n in range(60)])
    copy = deidentify(video, out=tmp_path / "out")
    counts = DecodeCounts()
    frames = [shown for _, shown in decode(str(copy.path), counts)]
    assert len(frames) == 60
    for number, shown in enumerate(frames):
        face = shown[52:69, 92 + number : 109 + number, 0].astype(float)
        assert face.std() < 40, number  # of about 105 before
        assert shown[180:220, 20:300, 0].astype(float).std() > 70, number


def test_where_nobody_is_found_for_long_the_whole_picture_is_hidden(seen, good_video, tmp_path):
    seen([somebody(150, 60) if n < 15 else np.zeros((0, 33, 4)) for n in range(60)])
    copy = deidentify(good_video, out=tmp_path / "out")
    assert 20 <= copy.n_whole <= 28
    [(_, last)] = read_pictures(copy.path, [1.9])
    [(_, before)] = read_pictures(good_video, [1.9])
    assert np.abs(last.astype(int) - before).mean() > 1
    assert np.abs(np.diff(last[..., 0].astype(int), axis=1)).mean() < 4


def test_a_skeleton_copy_holds_no_pixel_of_the_picture(seen, good_video, tmp_path):
    seen([somebody(100 + n, 60) for n in range(60)])
    copy = deidentify(good_video, out=tmp_path / "out", skeleton_only=True)
    assert copy.path.name == "good_skeleton.mp4"
    [(_, shown)] = read_pictures(copy.path, [1.0])
    assert shown.shape == (240, 320, 3)
    assert shown[60:170, 100:160].max() > 150
    assert shown[:, 200:].max() < 30


def test_a_skeleton_of_nobody_is_refused_and_leaves_nothing(seen, good_video, tmp_path):
    seen([np.zeros((0, 33, 4))] * 60)
    out = tmp_path / "out"
    with pytest.raises(QualityError, match="nobody is seen"):
        deidentify(good_video, out=out, skeleton_only=True)
    assert list(out.iterdir()) == []


def test_the_command_says_what_it_wrote_and_that_faces_are_not_all(seen, good_video, tmp_path, capsys):
    seen([somebody(100 + n, 60) for n in range(60)])
    assert main(["deidentify", str(good_video), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "60 frames" in said
    assert "Look through it" in said


def test_a_browser_can_begin_before_the_copy_is_loaded(seen, good_video, tmp_path):
    seen([somebody(100 + n, 60) for n in range(60)])
    content = deidentify(good_video, out=tmp_path / "out").path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
