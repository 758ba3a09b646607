"""Clips: all of a walk is kept, and where in the picture it was changes nothing."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaitmb.data.pose import CoordinateSystem, PoseSequence
from gaitmb.data.skeleton import COCO17, H36M17
from gaitmb.errors import ConfigurationError, CoordinateError, QualityError
from gaitmb.motion.clips import MIN_FRAMES, clip_windows, screen_clip


def _pose(positions: np.ndarray, confidence: np.ndarray | None = None) -> PoseSequence:
    frames = len(positions)
    confidence = np.ones((frames, 17)) if confidence is None else confidence
    time_s = np.arange(frames) / 30
    return PoseSequence(positions, confidence, time_s, H36M17, CoordinateSystem.IMAGE_PX)


@given(n_frames=st.integers(MIN_FRAMES, 5000), max_frames=st.integers(2 * MIN_FRAMES - 1, 243))
def test_clips_cover_a_walk_without_gap_overlap_or_stub(n_frames: int, max_frames: int) -> None:
    windows = clip_windows(n_frames, max_frames)
    lengths = [end - start for start, end in windows]
    assert [frame for start, end in windows for frame in range(start, end)] == list(range(n_frames))
    assert MIN_FRAMES <= min(lengths) <= max(lengths) <= max_frames
    assert max(lengths) - min(lengths) <= 1


def test_fewer_than_the_least_frames_are_refused() -> None:
    with pytest.raises(QualityError, match="15 frames"):
        clip_windows(15)
    assert clip_windows(16) == [(0, 16)]


def test_clips_too_short_to_divide_a_walk_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="at most 30 frames"):
        clip_windows(100, max_frames=2 * MIN_FRAMES - 2)


def test_normalisation_is_the_published_one(shared: Path) -> None:
    with np.load(shared / "golden/functions.npz") as golden:
        given_clip, expected = golden["crop_scale_in"], golden["crop_scale_out"]
    clip = screen_clip(_pose(given_clip[..., :2], given_clip[..., 2]))
    seen = given_clip[..., 2] > 0
    assert 0 < seen.sum() < seen.size
    np.testing.assert_allclose(clip[seen], expected[seen], atol=1e-5)
    # The published function leaves a missing joint wherever its pixel (0, 0) falls in the box; here it
    # is 0, 0, 0, as masked joints are in pretraining.
    assert not clip[~seen].any()


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(0.1, 10),
    shift=st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000)),
)
def test_a_shifted_or_enlarged_picture_gives_the_same_clip(
    seed: int, scale: float, shift: tuple[float, float]
) -> None:
    random = np.random.default_rng(seed)
    positions = random.uniform(0, 1000, (20, 17, 2))
    confidence = random.uniform(0, 1, (20, 17)) * (random.uniform(size=(20, 17)) > 0.2)
    clip = screen_clip(_pose(positions, confidence))
    moved = screen_clip(_pose(positions * scale + np.array(shift), confidence))
    np.testing.assert_allclose(moved, clip, atol=1e-5)
    np.testing.assert_allclose(np.abs(clip[..., :2]).max(), 1, atol=1e-6)
    assert not clip[confidence == 0].any()


def test_what_cannot_be_normalised_is_refused_and_never_nan() -> None:
    with pytest.raises(QualityError, match="no joint"):
        screen_clip(_pose(np.full((20, 17, 2), np.nan)))
    with pytest.raises(QualityError, match="one point"):
        screen_clip(_pose(np.full((20, 17, 2), 7.0)))


def test_another_skeleton_or_3d_is_refused() -> None:
    flat = _pose(np.random.default_rng(0).uniform(size=(20, 17, 2)))
    coco = PoseSequence(flat.positions, flat.confidence, flat.time_s, COCO17, CoordinateSystem.IMAGE_PX)
    with pytest.raises(CoordinateError):
        screen_clip(coco)
    world = PoseSequence(
        np.zeros((20, 17, 3)), flat.confidence, flat.time_s, H36M17, CoordinateSystem.WORLD_MM
    )
    with pytest.raises(CoordinateError):
        screen_clip(world)
