"""Every face is covered, also in the frames in which the model lost its owner."""

import numpy as np
import pytest

from gaitmb.pose.detections import Detections
from gaitmb.pose.hiding import face_circles

FACE = slice(0, 11)
NOBODY = np.zeros((0, 33, 4), np.float32)


def uncovered(circles, faces) -> int:
    """Frames in which a landmark of a face, (T, 11, 2) with NaN where there is none, is in no circle."""
    n_open = 0
    for here, face in zip(circles, faces, strict=True):
        face = face[np.isfinite(face).all(axis=1)]
        covered = np.zeros(len(face), dtype=bool)
        for x, y, radius in here:
            covered |= np.hypot(face[:, 0] - x, face[:, 1] - y) <= radius
        n_open += not covered.all()
    return n_open


@pytest.mark.parametrize("seed", range(5))
def test_faces_stay_covered_through_dropouts_of_half_a_second(stage, seed):
    scene = stage.film(
        stage.walker(5, -90, seed).at(-2.5, 4.5),
        stage.walker(5, 90, seed + 9).at(2.5, 5.5),
        seed=seed,
    )
    rng = np.random.default_rng(seed)
    frames = list(scene.seen.frames)
    for start in rng.integers(10, 130, 4):
        frames[start : start + 15] = [NOBODY] * len(frames[start : start + 15])
    circles = face_circles(Detections(scene.seen.time_s, scene.seen.size_px, tuple(frames)))
    for person in scene.people_px:
        faces = person[:, FACE, :2].copy()
        outside = (faces < 0) | (faces >= scene.seen.size_px)
        faces[outside.any(axis=-1)] = np.nan
        assert uncovered(circles, faces) == 0


def test_of_somebody_upside_down_everything_is_hidden():
    rng = np.random.default_rng(0)
    person = rng.uniform(100, 300, (1, 33, 4)).astype(np.float32)
    person[0, 11:13, 1], person[0, 23:25, 1] = 280, 120
    [[*circles]] = face_circles(Detections(np.zeros(1), (640, 480), (person,)))
    whole = max(circles, key=lambda circle: circle[2])
    apart = np.hypot(person[0, :, 0] - whole[0], person[0, :, 1] - whole[1])
    assert (apart <= 1.3 * whole[2]).all()
    assert whole[2] > 90


def test_a_frame_far_from_any_sighting_has_no_circle_so_that_all_of_it_is_hidden(stage):
    seen = stage.film(stage.walker(2, -90).at(-1, 5)).seen
    frames = (*seen.frames, *[NOBODY] * 90)
    circles = face_circles(Detections(np.arange(len(frames)) / 30, seen.size_px, frames))
    assert circles[30]
    assert not circles[-1]
