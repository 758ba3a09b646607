"""What cleaning does to signals whose answer is known."""

import numpy as np
import pytest

from gaitmb.data.pose import CoordinateSystem, PoseSequence
from gaitmb.data.skeleton import H36M17
from gaitmb.errors import ReadError
from gaitmb.pose.cleaning import CUTOFF_HZ, FILLED_CONFIDENCE, clean, jitter_px


def wave(hz: float, *, rate_hz=120.0, seconds=4.0, missing=(), amplitude=10.0) -> PoseSequence:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    path = 100 + amplitude * np.sin(2 * np.pi * hz * time_s)
    confidence = np.full((len(time_s), 17), 0.9)
    for start_s, end_s in missing:
        confidence[(time_s >= start_s) & (time_s < end_s)] = 0
    positions = np.repeat(np.stack([path, path], axis=1)[:, None], 17, axis=1)
    return PoseSequence(positions, confidence, time_s, H36M17, CoordinateSystem.IMAGE_PX)


def amplitude(pose: PoseSequence, hz: float) -> float:
    """Of a frequency in the middle of the nose's path, and without its phase."""
    middle = slice(pose.n_frames // 4, -pose.n_frames // 4)
    path = pose.joint("nose")[middle, 0]
    turn = np.exp(-2j * np.pi * hz * pose.time_s[middle])
    return float(2 * np.abs(((path - path.mean()) * turn).mean()))


def test_half_the_power_is_left_at_the_stated_cut_off():
    assert amplitude(clean(wave(CUTOFF_HZ), 120.0), CUTOFF_HZ) == pytest.approx(
        10 / np.sqrt(2), rel=0.03
    )


def test_a_gait_passes_and_jitter_does_not():
    assert amplitude(clean(wave(1.0), 120.0), 1.0) == pytest.approx(10, rel=0.01)
    assert amplitude(clean(wave(20.0), 120.0), 20.0) < 0.5


def test_there_is_no_lag():
    walk = wave(1.0)
    cleaned = clean(walk, 120.0)
    middle = slice(120, -120)
    assert cleaned.positions[middle] == pytest.approx(walk.positions[middle], abs=0.1)


def test_short_gaps_are_filled_and_never_called_seen():
    cleaned = clean(wave(0.5, missing=[(1.0, 1.15)]), 30.0)
    gap = (cleaned.time_s > 1.0) & (cleaned.time_s < 1.14)
    assert np.isfinite(cleaned.positions[gap]).all()
    assert (cleaned.confidence[gap] <= FILLED_CONFIDENCE).all()
    assert (cleaned.confidence[gap] > 0).all()
    seen = (cleaned.time_s < 0.99) | (cleaned.time_s > 1.16)
    assert cleaned.confidence[seen] == pytest.approx(0.9)


def test_long_gaps_stay_and_nothing_is_invented_at_the_ends():
    cleaned = clean(wave(0.5, missing=[(0, 0.5), (1.0, 1.5), (3.5, 9)]), 30.0)
    for start_s, end_s in ((0, 0.49), (1.01, 1.49), (3.51, 9)):
        gap = (cleaned.time_s > start_s) & (cleaned.time_s < end_s)
        assert np.isnan(cleaned.positions[gap]).all()
        assert (cleaned.confidence[gap] == 0).all()


@pytest.mark.parametrize("rate_hz", [25.0, 30.0, 50.0])
def test_the_rate_is_the_one_asked_for_whatever_the_video_had(rate_hz):
    rng = np.random.default_rng(3)
    walk = wave(1.0, rate_hz=40.0)
    time_s = np.cumsum(rng.uniform(0.017, 0.067, walk.n_frames))
    path = 100 + 10 * np.sin(2 * np.pi * time_s)
    positions = np.repeat(np.stack([path, path], axis=1)[:, None], 17, axis=1)
    uneven = PoseSequence(positions, walk.confidence, time_s, H36M17, CoordinateSystem.IMAGE_PX)
    cleaned = clean(uneven, rate_hz)
    assert np.diff(cleaned.time_s) == pytest.approx(1 / rate_hz)
    inner = slice(10, -10)
    wanted = 100 + 10 * np.sin(2 * np.pi * cleaned.time_s[inner])
    assert cleaned.joint("nose")[inner, 0] == pytest.approx(wanted, abs=0.7)


def test_jitter_is_what_the_filter_takes_away():
    rng = np.random.default_rng(0)
    walk = wave(0.5)
    noisy = PoseSequence(
        walk.positions + rng.normal(0, 2, walk.positions.shape),
        walk.confidence, walk.time_s, H36M17, CoordinateSystem.IMAGE_PX,
    )  # fmt: skip
    assert jitter_px(walk) < 0.05
    # Of white noise at 120 Hz in two dimensions, a cut-off of 6 Hz takes away nine tenths.
    assert jitter_px(noisy) == pytest.approx(2 * np.sqrt(2) * np.sqrt(0.9), rel=0.05)


def test_a_rate_of_nothing_is_refused():
    with pytest.raises(ReadError, match="rate of 0"):
        clean(wave(1.0), 0.0)
