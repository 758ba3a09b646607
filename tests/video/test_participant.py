"""A real clip of two people: the woman who walks across, and the man on the roof who does not."""

from pathlib import Path

import numpy as np
import pytest

from gaitmb.io.keypoints import read_pose
from gaitmb.workflow.estimate import estimate


@pytest.fixture(scope="module")
def seen_once(shared, pose_model, tmp_path_factory) -> dict:
    """Arguments with which the clip is looked at once for all tests."""
    return {
        "path": shared / "video" / "two_people.mp4",
        "model_file": pose_model,
        "cache": tmp_path_factory.mktemp("cache"),
    }


def _estimate(seen_once: dict, out: Path, **more: object):
    return estimate(**seen_once, out=out, **more)


def test_the_woman_who_walks_is_followed_and_nothing_of_the_man(seen_once, tmp_path):
    result = _estimate(seen_once, tmp_path)
    assert result.status == "ok"
    assert (tmp_path / "two_people_people.jpg").stat().st_size > 10_000
    pose = read_pose(tmp_path / "two_people_pose2d.npz")
    (start_s, end_s) = result.quality["pose_span_s"]
    assert end_s - start_s > 4
    assert pose.coverage > 0.95
    # She crosses the picture in one direction; he stays on his roof. A frame of his among hers would be
    # a leap of hundreds of pixels.
    across = pose.joint("pelvis")[:, 0]
    steps = np.diff(across[np.isfinite(across)])
    assert abs(across[-1] - across[0]) > 500
    assert np.abs(steps).max() < 40
    assert (np.sign(steps) == np.sign(across[-1] - across[0])).mean() > 0.9


def test_the_man_on_the_roof_is_refused_even_when_he_is_asked_for(seen_once, tmp_path):
    first = _estimate(seen_once, tmp_path)
    her = first.quality["person"]["track"]
    for person in range(1, first.quality["n_people"] + 1):
        if person == her:
            continue
        other = _estimate(seen_once, tmp_path / str(person), person=person)
        assert other.status == "refused"
        assert other.quality["reasons"]
        assert not (tmp_path / str(person) / "two_people_pose2d.npz").exists()
