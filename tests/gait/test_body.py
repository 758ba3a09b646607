"""The frame of the walker: smoothing, gaps, spikes and views."""

import dataclasses

import numpy as np
import pytest

from gaitmb.data.camera import project
from gaitmb.data.skeleton import H36M17
from gaitmb.errors import QualityError
from gaitmb.gait.body import CUT_OFF_HZ, body_of, low_pass, view_kind
from gaitmb.simulate import WalkerParameters, simulate_walk


def test_the_low_pass_halves_the_power_at_its_cut_off_without_lag() -> None:
    time_s = np.arange(600) / 100
    wave = np.sin(2 * np.pi * CUT_OFF_HZ * time_s)
    smooth = low_pass(wave, 100.0)
    middle = slice(100, 500)
    assert smooth[middle].std() / wave[middle].std() == pytest.approx(np.sqrt(0.5), abs=0.01)
    lags = [np.dot(smooth[middle], np.roll(wave, lag)[middle]) for lag in range(-4, 5)]
    assert int(np.argmax(lags)) == 4


def test_short_gaps_are_bridged_and_long_ones_and_ends_stay_missing() -> None:
    track = np.sin(np.arange(120) / 10)
    track[[0, 1, 50, 51, 52]] = np.nan
    track[80:95] = np.nan
    smooth = low_pass(track, 30.0)
    assert np.isnan(smooth[:2]).all()
    assert np.isfinite(smooth[2:80]).all()
    assert np.isnan(smooth[80:95]).all()
    assert np.isfinite(smooth[95:]).all()


def test_a_piece_too_short_to_be_filtered_is_left_out() -> None:
    track = np.ones(60)
    track[10:20] = np.nan
    track[25:40] = np.nan
    assert np.isnan(low_pass(track, 30.0)[20:25]).all()


@pytest.mark.parametrize(
    ("view", "kind"),
    [("front", "front"), ("back", "front"), ("side_left", "side"), ("back_right", "oblique")],
)
def test_views_are_of_a_kind_whether_named_or_not(view: str, kind: str) -> None:
    picture = project(simulate_walk(WalkerParameters()).pose, view)
    assert view_kind(picture) == kind
    assert view_kind(dataclasses.replace(picture, view=None)) == kind


def test_forward_is_where_the_walker_goes_from_either_side_and_in_3d() -> None:
    pose = simulate_walk(WalkerParameters(stoop_deg=30)).pose
    for seen in (pose, project(pose, "side_left"), project(pose, "side_right", follow=False)):
        body = body_of(seen)
        assert body.joint("thorax")[:, 0].mean() > 0.1
        assert body.joint("thorax")[:, 2].min() > 0.3


def test_left_is_left_from_the_front_and_from_the_back() -> None:
    pose = simulate_walk(WalkerParameters()).pose
    for seen in (pose, project(pose, "front"), project(pose, "back")):
        assert body_of(seen).joint("left_shoulder")[:, 1].min() > 0.1


def test_an_axis_that_the_view_does_not_see_is_missing() -> None:
    pose = simulate_walk(WalkerParameters()).pose
    assert np.isnan(body_of(project(pose, "side_left")).joints[..., 1]).all()
    assert np.isnan(body_of(project(pose, "front")).joints[..., 0]).all()


def test_a_spike_of_the_tracker_leaves_no_trace() -> None:
    pose = simulate_walk(WalkerParameters()).pose
    positions = pose.positions.copy()
    ankle = H36M17.index("right_ankle")
    positions[70, ankle] += 900
    spiked = body_of(dataclasses.replace(pose, positions=positions)).joint("right_ankle")
    assert np.nanmax(np.abs(spiked - body_of(pose).joint("right_ankle"))) < 0.03


def test_a_walk_that_is_too_short_is_refused_with_what_is_needed() -> None:
    with pytest.raises(QualityError, match="at least 16"):
        body_of(simulate_walk(WalkerParameters()).pose.slice(0, 10))


def test_a_body_in_one_point_is_refused_in_3d_and_in_a_picture() -> None:
    pose = simulate_walk(WalkerParameters()).pose
    for seen in (pose, project(pose, "front")):
        with pytest.raises(QualityError, match="length"):
            body_of(dataclasses.replace(seen, positions=0 * seen.positions))
