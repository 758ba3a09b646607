"""Videos that tests make themselves."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from drawn_pictures import draw
from numpy.typing import NDArray

from gaitmb.errors import ConfigurationError
from gaitmb.pose import estimators
from gaitmb.pose.models import cached_model, fetch_model

av = pytest.importorskip("av", reason="the extra 'video' is not installed")


def _write(
    path: Path,
    n_frames: int = 60,
    *,
    codec: str = "libx264",
    size: tuple[int, int] = (320, 240),
    times_s: Sequence[float] | None = None,
    fps: int = 30,
    rotation: int = 0,
    gop: int = 15,
    pictures: Callable[[int], NDArray[np.uint8]] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    width, height = size
    with av.open(str(path), "w", options=options or {}) as container:
        extra = {"libx264": {"preset": "ultrafast"}, "libx265": {"x265-params": "log-level=none"}}
        stream = container.add_stream(codec, rate=fps, options=extra.get(codec, {}))
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv444p" if width % 2 else "yuv420p"
        stream.codec_context.gop_size = gop
        stream.codec_context.thread_count = 1
        # Fine enough for any time, also where the container would round to milliseconds.
        base = Fraction(1, 90_000) if times_s is not None else Fraction(1, fps)
        stream.codec_context.time_base = base
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(n_frames):
            picture = pictures(number) if pictures else draw(number, width, height)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.time_base = base
            frame.pts = number if times_s is None else round(times_s[number] / base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def write_video() -> Callable[..., Path]:
    """Write a video: ``write_video(path, n_frames, codec=, size=, times_s=, rotation=, ...)``."""
    return _write


@pytest.fixture(scope="session")
def good_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 frames of H.264 at 30 Hz in an MP4 whose index stands at the front."""
    path = tmp_path_factory.mktemp("video") / "good.mp4"
    return _write(path, options={"movflags": "faststart"})


@pytest.fixture(scope="session")
def pose_model(tmp_path_factory) -> Path:
    """The ``full`` model: the reference copy, the cached one, or the package index's."""
    pytest.importorskip("mediapipe", reason="the extra 'video' is not installed")
    try:
        estimators.require_mediapipe()
    except ConfigurationError as error:
        pytest.skip(error.found)
    reference = Path(__file__).resolve().parents[3] / "shared" / "models" / "pose_landmarker_full.task"
    if reference.is_file():
        return reference
    if (cached := cached_model("full")) is not None:
        return cached
    try:
        return fetch_model("full", folder=tmp_path_factory.mktemp("models"))
    except ConfigurationError as error:
        pytest.skip(error.found)
