"""Simulated detector noise has the published figures' size, smoothness and confidence."""

import json

import numpy as np
import pytest

from gaitmb.data.camera import project
from gaitmb.data.pose import CoordinateSystem, PoseSequence
from gaitmb.data.skeleton import COCO17, H36M17
from gaitmb.errors import CoordinateError, QualityError
from gaitmb.simulate import WalkerParameters, add_detector_noise, simulate_walk
from gaitmb.simulate.detector import _NOISE


@pytest.fixture(scope="module")
def still():
    """A person 700 px tall who stands in front of the camera for 200 s."""
    pose = project(simulate_walk(WalkerParameters()).pose, "side_right")
    one = pose.positions[0] - pose.positions[0].min(axis=0)
    one *= 700 / np.ptp(one[:, 1])
    positions = np.repeat(one[None], 6000, axis=0)
    return PoseSequence(
        positions, np.ones((6000, 17)), np.arange(6000) / 30, H36M17, CoordinateSystem.IMAGE_PX
    )


@pytest.fixture(scope="module")
def noisy(still):
    return add_detector_noise(still, np.random.default_rng(0))


def displacement_px(noisy, still):
    return np.linalg.norm(noisy.positions - still.positions, axis=-1)


def test_displacements_are_a_few_pixels_at_full_hd(noisy, still):
    moved = displacement_px(noisy, still)
    assert 1.5 < np.nanmedian(moved) < 4.5
    assert np.nanmax(moved) < 20


def test_wrists_are_seen_worse_than_the_pelvis(noisy, still):
    spread = np.nanmean(displacement_px(noisy, still), axis=0)
    assert spread[H36M17.index("right_wrist")] > 1.3 * spread[H36M17.index("pelvis")]


def test_noise_grows_with_the_person(still):
    near = PoseSequence(
        2 * still.positions, still.confidence, still.time_s, H36M17, CoordinateSystem.IMAGE_PX
    )
    small = add_detector_noise(still, np.random.default_rng(1))
    large = add_detector_noise(near, np.random.default_rng(1))
    ratio = np.nanmean(displacement_px(large, near)) / np.nanmean(displacement_px(small, still))
    assert ratio == pytest.approx(2)


def test_errors_are_smooth_in_time_but_for_a_jitter(noisy, still):
    error = (noisy.positions - still.positions)[..., 0]
    step = np.nanstd(np.diff(error, axis=0))
    apart = np.nanstd(error[30:] - error[:-30])
    # Errors a second apart are independent, from frame to frame there is little but the jitter:
    # 0.002 of half the box, 350 px, twice.
    assert step < 0.6 * apart
    assert step == pytest.approx(0.002 * 350 * np.sqrt(2), rel=0.4)


def test_confidence_falls_with_displacement(noisy, still):
    moved, sure = displacement_px(noisy, still), noisy.confidence
    seen = noisy.valid
    close, far = moved[seen] < np.quantile(moved[seen], 0.2), moved[seen] > np.quantile(moved[seen], 0.8)
    assert sure[seen][close].mean() > sure[seen][far].mean() + 0.1
    # At no displacement the formula gives 1, less the mean and the clipped half of the scatter.
    assert 0.85 < sure[seen][moved[seen] < 0.3].mean() < 1


def test_a_few_joints_are_dropped_for_some_frames(noisy):
    missing = ~noisy.valid
    assert 0.003 < missing.mean() < 0.008
    starts = (np.diff(missing.astype(int), axis=0) > 0).sum()
    assert 3 < missing.sum() / starts < 6


def test_missing_joints_stay_missing_and_nothing_else_changes(still):
    confidence = still.confidence[:60].copy()
    confidence[10:20, 3] = 0
    pose = PoseSequence(
        still.positions[:60],
        confidence,
        still.time_s[:60],
        H36M17,
        still.coordinates,
        (1920, 1080),
        "front",
    )
    seen = add_detector_noise(pose, np.random.default_rng(0))
    assert not seen.valid[10:20, 3].any()
    assert (seen.size_px, seen.view) == ((1920, 1080), "front")
    np.testing.assert_array_equal(seen.time_s, pose.time_s)


def test_the_table_holds_the_published_figures(shared):
    figures = json.loads((shared / "golden" / "detector_noise.json").read_text())
    weight = np.array(figures["joint_gaussian_weight"])[:, None]
    published = np.hstack([figures["joint_noise_mean"], figures["joint_noise_std"], weight])
    np.testing.assert_allclose(_NOISE, published, atol=6e-5)


def test_only_a_picture_of_h36m_joints_is_taken(still):
    world = simulate_walk(WalkerParameters()).pose
    with pytest.raises(CoordinateError):
        add_detector_noise(world, np.random.default_rng(0))
    coco = PoseSequence(
        still.positions[:20], still.confidence[:20], still.time_s[:20], COCO17, still.coordinates
    )
    with pytest.raises(CoordinateError, match="h36m17"):
        add_detector_noise(coco, np.random.default_rng(0))


def test_nobody_in_the_picture_is_an_error(still):
    empty = PoseSequence(
        still.positions[:20], np.zeros((20, 17)), still.time_s[:20], H36M17, still.coordinates
    )
    with pytest.raises(QualityError):
        add_detector_noise(empty, np.random.default_rng(0))
