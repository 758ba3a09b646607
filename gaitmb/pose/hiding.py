"""Where faces are, in every frame: circles to hide, also where the pose model lost somebody for a while.

A circle too many costs a blurred patch of wall; a face too many costs a participant's privacy. So
circles are generous, everybody's are taken, also those of people seen for a moment only, and each lasts
before, between and after the sightings it comes from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gaitmb.data.skeleton import BLAZEPOSE33
from gaitmb.pose.detections import Detections
from gaitmb.pose.people import sightings

__all__ = ["BEYOND_S", "Circle", "face_circles"]

#: A face is hidden this long before the first and after the last of its sightings.
BEYOND_S = 0.7
#: The same of somebody who was seen for a moment only, and may be nobody.
_GHOST_BEYOND_S = 0.25
#: By how much a circle grows per second away from a sighting, in radii, and the most.
_GROWTH_PER_S, _MOST_GROWTH = 1.5, 0.8
#: The fastest that a face is expected to go on, in radii per second.
_FASTEST = 6.0
#: Who is lost may be whoever is found within this time and this many radii; the way between is hidden.
_LINK_S, _LINK_RADII = 1.5, 16.0
#: Seen for less than this, somebody may be a ghost.
_TRUSTED_S = 0.2
#: Shoulders over hips by this share of the trunk's length, or else nobody knows which end is up.
_UPRIGHT = 0.5
_HEAD = list(range(11))  # nose, eyes, ears and mouth
_SHOULDERS = [BLAZEPOSE33.index("left_shoulder"), BLAZEPOSE33.index("right_shoulder")]
_HIPS = [BLAZEPOSE33.index("left_hip"), BLAZEPOSE33.index("right_hip")]

#: x, y and radius in pixels.
Circle = tuple[float, float, float]


def face_circles(detections: Detections) -> list[list[Circle]]:
    """Circles that cover every head in each frame.

    Between two sightings of a person the circle moves in a straight line and grows by how long nobody
    looked. Before the first and after the last it stays, and goes on, for 0.7 s. Between the end of one
    person's sightings and the beginning of another's that may be the same, the whole way is hidden. Of
    somebody who is not upright everything is hidden in that frame.

    Parameters
    ----------
    detections
        Everybody seen; ghosts as well.

    Returns
    -------
    One list of circles per frame.

    Examples
    --------
    >>> person = np.zeros((1, 33, 4), np.float32)
    >>> person[0, :11, :2] = 100, 50
    >>> person[0, 11:13, :2], person[0, 23:25, :2] = (100, 80), (100, 150)
    >>> nobody = np.zeros((0, 33, 4), np.float32)
    >>> seen = Detections(np.arange(5) / 10, (200, 200), (nobody, person, nobody, person, nobody))
    >>> [len(circles) > 0 for circles in face_circles(seen)]
    [True, True, True, True, True]
    """
    time_s = detections.time_s
    circles: list[list[Circle]] = [[] for _ in time_s]
    ways = []
    for frames, people in sightings(detections):
        seen_s = time_s[frames]
        heads = np.array([_head(person) for person in people])
        trusted = seen_s[-1] - seen_s[0] >= _TRUSTED_S
        _cover(seen_s, heads, BEYOND_S if trusted else _GHOST_BEYOND_S, circles, time_s)
        for frame, person in zip(frames, people, strict=True):
            if not _is_upright(person):
                circles[frame].append(_whole(person))
        if trusted:
            ways.append((seen_s, heads))
    for ended, last in ways:
        for begun, first in ways:
            if ended[-1] < begun[0] <= ended[-1] + _LINK_S:
                _cover_way(ended[-1], last[-1], begun[0], first[0], circles, time_s)
    return circles


def _is_upright(person: NDArray[np.float64]) -> bool:
    shoulders, hips = person[_SHOULDERS, :2].mean(axis=0), person[_HIPS, :2].mean(axis=0)
    trunk = float(np.linalg.norm(shoulders - hips))
    return bool(hips[1] - shoulders[1] > _UPRIGHT * trunk and person[_HEAD, 1].min() < shoulders[1])


def _whole(person: NDArray[np.float64]) -> Circle:
    low, high = person[:, :2].min(axis=0), person[:, :2].max(axis=0)
    middle = (low + high) / 2
    return float(middle[0]), float(middle[1]), 0.55 * float((high - low).max())


def _head(person: NDArray[np.float64]) -> Circle:
    """A circle around a head, no smaller than the trunk's length demands."""
    shoulders, hips = person[_SHOULDERS, :2].mean(axis=0), person[_HIPS, :2].mean(axis=0)
    trunk = float(np.linalg.norm(shoulders - hips))
    head = person[_HEAD, :2]
    low, high = head.min(axis=0), head.max(axis=0)
    middle = (low + high) / 2
    across = float(np.linalg.norm(person[_SHOULDERS[0], :2] - person[_SHOULDERS[1], :2]))
    # A head is about half as high as the trunk is long; the landmarks are of the face, and the middle of
    # the head lies a little further up.
    radius = max(0.38 * trunk, 0.5 * across, 0.6 * float(np.linalg.norm(high - low)), 8.0)
    up = middle - shoulders
    middle = middle + 0.15 * radius * up / max(float(np.linalg.norm(up)), 1e-6)
    return float(middle[0]), float(middle[1]), radius


def _cover(
    seen_s: NDArray[np.float64],
    heads: NDArray[np.float64],
    beyond_s: float,
    circles: list[list[Circle]],
    time_s: NDArray[np.float64],
) -> None:
    speeds = _speeds(heads, seen_s)
    first = int(np.searchsorted(time_s, seen_s[0] - beyond_s - 1e-9))
    last = int(np.searchsorted(time_s, seen_s[-1] + beyond_s + 1e-9))
    for frame in range(first, last):
        now_s = float(time_s[frame])
        x, y, radius = (float(np.interp(now_s, seen_s, heads[:, axis])) for axis in range(3))
        away_s = float(np.abs(seen_s - now_s).min())
        near = np.abs(seen_s - now_s) <= 0.1 + away_s
        radius = max(radius, float(np.median(heads[near, 2]))) * _grown(away_s)
        circles[frame].append((x, y, radius))
        if now_s < seen_s[0] or now_s > seen_s[-1]:
            edge = 0 if now_s < seen_s[0] else -1
            step = speeds[edge] * (now_s - seen_s[edge])
            circles[frame] += [(x + share * step[0], y + share * step[1], radius) for share in (0.5, 1)]


def _cover_way(
    ended_s: float,
    last: NDArray[np.float64],
    begun_s: float,
    first: NDArray[np.float64],
    circles: list[list[Circle]],
    time_s: NDArray[np.float64],
) -> None:
    radius = float(max(last[2], first[2]))
    length = float(np.linalg.norm(first[:2] - last[:2]))
    least = float(min(last[2], first[2]))
    if length > _LINK_RADII * least:
        return
    n_circles = max(2, int(np.ceil(length / least)) + 1)
    for frame in np.flatnonzero((time_s > ended_s) & (time_s < begun_s)):
        away_s = min(time_s[frame] - ended_s, begun_s - time_s[frame])
        for share in np.linspace(0, 1, n_circles):
            x, y = last[:2] + share * (first[:2] - last[:2])
            circles[frame].append((float(x), float(y), min(radius, 1.5 * least) * _grown(away_s)))


def _grown(away_s: float) -> float:
    return 1 + min(_GROWTH_PER_S * away_s, _MOST_GROWTH)


def _speeds(heads: NDArray[np.float64], seen_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixels per second at the first and at the last sightings, shape (2, 2)."""
    speeds = np.zeros((2, 2))
    for row, near in enumerate((seen_s <= seen_s[0] + 0.3, seen_s >= seen_s[-1] - 0.3)):
        if near.sum() >= 3:
            since_s = seen_s[near] - seen_s[near].mean()
            speed = since_s @ heads[near, :2] / (since_s @ since_s)
            most = _FASTEST * float(np.median(heads[near, 2]))
            speeds[row] = speed * min(1.0, most / max(float(np.linalg.norm(speed)), 1e-9))
    return speeds
