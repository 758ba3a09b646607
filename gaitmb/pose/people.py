"""Who is who, and who is the participant: people are tracked through the walk, then one is chosen.

Tracking goes in three steps: people of one frame are assigned to those of the frames before by where
their trunk and limbs should be by now; where two came close, the assignment is undone if their paths go
on more steadily the other way round; and whoever leaves at an edge of the picture and comes back there
as the only one who could is the same person.

The participant is whoever walks, not whoever is first or largest (:mod:`gaitmb.pose.walking`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from gaitmb.data.pose import CoordinateSystem, PoseSequence
from gaitmb.data.skeleton import BLAZEPOSE33
from gaitmb.errors import ConfigurationError
from gaitmb.io.video import Reason
from gaitmb.pose.detections import N_KEYPOINTS, Detections
from gaitmb.pose.walking import WalkingReport, assess

__all__ = ["Box", "Choice", "Track", "choose", "sightings", "track"]

_TRUNK = [
    BLAZEPOSE33.index(name) for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
]
#: How far, in body sizes, a person may be from where they should be, and its growth while unseen.
_GATE, _GATE_PER_S, _WIDEST_GATE = 0.16, 0.7, 0.5
#: Larger or smaller than before by more than this is somebody else, or two people seen as one.
_SIZE_RATIO = 1.5
#: Somebody unseen for longer is not expected any more where they were.
_PATIENCE_S = 1.2
#: Who is seen for less than this, or in less than half of its frames, is taken for a ghost.
_LEAST_S = 0.4
#: Time over which a velocity is fitted.
_FIT_S = 0.5
#: Trunks nearer than this, in body sizes, may have been exchanged.
_CLOSE = 0.35
#: A sighting off the way of so many before and after, by so many sizes and times the usual, is none.
_NEIGHBOURS, _JUMP, _JUMP_RATIO = 3, 0.13, 4.0
#: Someone may come back to the picture after at most this long.
_RETURN_S = 20.0
#: Share of the picture at its edges in which people leave it.
_EDGE = 0.06
#: Somebody else with more than this share of the evidence makes the choice ambiguous.
_RIVAL = 0.4


@dataclass(frozen=True)
class Box:
    """A box around the participant at one moment: ``x, y, w, h`` in pixels, `at_s` in seconds.

    Examples
    --------
    >>> Box.parse("100,50,80,200@2.5")
    Box(x=100.0, y=50.0, w=80.0, h=200.0, at_s=2.5)
    >>> Box.parse("100,50,80")
    Traceback (most recent call last):
    gaitmb.errors.ConfigurationError: the box '100,50,80'; expected x,y,w,h@seconds...
    """

    x: float
    y: float
    w: float
    h: float
    at_s: float

    @staticmethod
    def parse(text: str) -> Box:
        """Read ``x,y,w,h@t``.

        Raises
        ------
        ConfigurationError
            The text is something else, or the box is empty.
        """
        place, _, at_s = text.partition("@")
        try:
            x, y, w, h = (float(value) for value in place.split(","))
            values = (x, y, w, h, float(at_s))
        except ValueError:
            values = (np.nan,) * 5
        if not np.isfinite(values).all() or values[2] <= 0 or values[3] <= 0:
            raise ConfigurationError(
                f"the box {text!r}", expected="x,y,w,h@seconds, such as 100,50,80,200@2.5"
            )
        return Box(*values)


@dataclass(frozen=True, eq=False)
class Track:
    """One person through the whole video.

    Parameters
    ----------
    number
        From 1, in the order in which people appear.
    pose
        BlazePose-33 in ``image_px`` over all frames of the video; missing where not seen. A landmark
        outside the picture is the model's guess and is missing.
    boxes_px
        Left, top, right and bottom of the landmarks, also of those outside, shape ``(T, 4)``; NaN where
        the person is not seen.
    returned_s
        When the person came back after having left the picture; empty for most.
    """

    number: int
    pose: PoseSequence
    boxes_px: NDArray[np.float64]
    returned_s: tuple[float, ...] = ()

    @property
    def seen(self) -> NDArray[np.bool_]:
        """In which frames the person was seen, shape ``(T,)``."""
        return np.isfinite(self.boxes_px[:, 0])

    @property
    def span_s(self) -> tuple[float, float]:
        """First and last time at which the person was seen."""
        frames = np.flatnonzero(self.seen)
        return float(self.pose.time_s[frames[0]]), float(self.pose.time_s[frames[-1]])

    @property
    def size_px(self) -> float:
        """Median height of the person's box."""
        return float(np.nanmedian(self.boxes_px[:, 3] - self.boxes_px[:, 1]))


@dataclass(frozen=True, eq=False)
class Choice:
    """The participant, and why; or why nobody could be chosen.

    Parameters
    ----------
    track
        The participant; None where refused.
    why
        One line.
    status
        ``ok`` or ``refused``.
    reasons
        Why it is refused.
    reports
        What :func:`~gaitmb.pose.walking.assess` says of each track, in their order.
    """

    track: Track | None
    why: str
    status: str
    reasons: tuple[Reason, ...]
    reports: tuple[WalkingReport, ...]


@dataclass
class _Path:
    """A track while it is built: frame numbers, and everything the model said of the person."""

    frames: list[int] = field(default_factory=list)
    people: list[NDArray[np.float64]] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)

    def middles(self) -> NDArray[np.float64]:
        return np.array([person[_TRUNK, :2].mean(axis=0) for person in self.people])

    def sizes(self) -> NDArray[np.float64]:
        return np.array([_size(person) for person in self.people])

    def size(self) -> float:
        return float(np.median([_size(person) for person in self.people[-15:]]))


def track(detections: Detections) -> list[Track]:
    """Tell people apart and follow each through the video.

    Parameters
    ----------
    detections
        Everybody seen, frame by frame.

    Returns
    -------
    In the order in which people appear; without ghosts, who are seen for less than 0.4 s.

    Examples
    --------
    >>> person = np.random.default_rng(0).uniform(50, 250, (33, 4)).astype(np.float32)
    >>> person[:, 3] = 0.9
    >>> step = np.array([4, 0, 0, 0], np.float32)
    >>> frames = tuple(np.stack([person + n * step, person + 300 - n * step]) for n in range(30))
    >>> both = track(Detections(np.arange(30) / 30, (640, 640), frames))
    >>> [round(float(np.diff(one.pose.joint("nose")[:, 0]).mean())) for one in both]
    [4, -4]
    """
    time_s = detections.time_s
    paths = _exchange_back(_assign(detections), time_s)
    paths = [_without_jumps(path, time_s) for path in paths]
    paths = [path for path in paths if _is_somebody(path, time_s)]
    paths = _reunite(paths, time_s, detections.size_px)
    paths.sort(key=lambda path: (path.frames[0], path.middles()[0][0]))
    return [_finished(path, number, detections) for number, path in enumerate(paths, 1)]


def sightings(
    detections: Detections,
) -> list[tuple[NDArray[np.int64], list[NDArray[np.float64]]]]:
    """Everybody's frames and landmarks, also those of ghosts, before anybody is reunited.

    For :mod:`gaitmb.pose.hiding`, to which a person who is seen for a moment matters as much.
    """
    paths = _exchange_back(_assign(detections), detections.time_s)
    return [(np.array(path.frames, dtype=np.int64), path.people) for path in paths]


def choose(tracks: Sequence[Track], *, person: int | None = None, box: Box | None = None) -> Choice:
    """Choose the participant: the one who walks.

    The evidence is the time for which a person walks, weighed with the square root of their size. Who
    has less than 0.4 of the best evidence is no rival.

    Parameters
    ----------
    tracks
        Everybody, from :func:`track`.
    person
        Number of the track to take instead.
    box
        Or a box around the participant at one moment.

    Raises
    ------
    ConfigurationError
        There is no such person, or nobody in the box.

    Examples
    --------
    >>> choose([]).reasons[0].code
    'nobody'
    """
    reports = tuple(assess(one.pose) for one in tracks)
    if not tracks:
        nobody = Reason("nobody", "nobody is seen for long enough to be followed")
        return Choice(None, "", "refused", (nobody,), reports)
    if person is not None or box is not None:
        chosen = _named(tracks, person) if box is None else _in_box(tracks, box)
        why = "chosen by number" if box is None else "chosen by a box"
        return Choice(chosen, why, "ok", (), reports)
    largest = max(one.size_px for one in tracks)
    evidence = [
        report.walking_s * np.sqrt(one.size_px / largest)
        for one, report in zip(tracks, reports, strict=True)
    ]
    order = sorted(range(len(tracks)), key=lambda number: -evidence[number])
    best = order[0]
    if evidence[best] <= 0:
        longest = max(range(len(tracks)), key=lambda number: int(tracks[number].seen.sum()))
        reasons = reports[longest].reasons
        if len(tracks) > 1:
            reasons = (Reason("not_walking", f"none of the {len(tracks)} people seen walks"),)
        return Choice(None, "", "refused", reasons, reports)
    rivals = [n for n in order[1:] if evidence[n] > _RIVAL * evidence[best]]
    if rivals:
        numbers = sorted(tracks[n].number for n in (best, *rivals))
        text = (
            f"several people walk for similarly long ({', '.join(map(str, numbers))} on the contact "
            "sheet); say who is meant with --person or --box"
        )
        return Choice(None, "", "refused", (Reason("several_candidates", text),), reports)
    seconds = f"walks for {reports[best].walking_s:.1f} s"
    why = f"the only person seen, {seconds}" if len(tracks) == 1 else f"{seconds}; nobody else does"
    if any(reports[n].walking_s > 0 for n in order[1:]):
        why = f"{seconds}; others for {max(reports[n].walking_s for n in order[1:]):.1f} s at most"
    return Choice(tracks[best], why, "ok", (), reports)


def _named(tracks: Sequence[Track], person: int | None) -> Track:
    for one in tracks:
        if one.number == person:
            return one
    raise ConfigurationError(
        f"there is no person {person} in the video",
        expected=f"1 to {len(tracks)}" if len(tracks) > 1 else "1, the only one",
        remedy="Look at the contact sheet",
    )


def _in_box(tracks: Sequence[Track], box: Box) -> Track:
    """Who fills the box best at that moment, by intersection over union."""
    best, overlap = None, 0.1
    for one in tracks:
        seen = np.flatnonzero(one.seen)
        nearest = seen[np.argmin(np.abs(one.pose.time_s[seen] - box.at_s))]
        if abs(one.pose.time_s[nearest] - box.at_s) > 0.5:
            continue
        left, top, right, bottom = one.boxes_px[nearest]
        width = max(0.0, min(right, box.x + box.w) - max(left, box.x))
        height = max(0.0, min(bottom, box.y + box.h) - max(top, box.y))
        union = (right - left) * (bottom - top) + box.w * box.h - width * height
        if width * height > overlap * union:
            best, overlap = one, width * height / union
    if best is None:
        raise ConfigurationError(
            f"nobody is followed in that box at {box.at_s:g} s",
            expected="a box around a person, in pixels of the upright picture",
            remedy="Look at the contact sheet and take --person",
        )
    return best


def _assign(detections: Detections) -> list[_Path]:
    """Assign the people of each frame to those before: the cheapest pairs within the gate."""
    paths: list[_Path] = []
    for frame, people in enumerate(detections.frames):
        now_s = detections.time_s[frame]
        open_paths = [
            path
            for path in paths
            if now_s - detections.time_s[path.frames[-1]] <= _patience_s(path, detections.time_s)
        ]
        persons = [np.asarray(person, dtype=np.float64) for person in people]
        taken: set[int] = set()
        if open_paths and persons:
            costs = np.array(
                [[_cost(path, person, detections.time_s, now_s) for person in persons]
                 for path in open_paths]
            )  # fmt: skip
            # What is beyond the gate costs as much as being unseen, so that it never pays.
            rows, columns = linear_sum_assignment(np.minimum(costs, 1.0))
            for row, column in zip(rows, columns, strict=True):
                if costs[row, column] < 1:
                    open_paths[row].frames.append(frame)
                    open_paths[row].people.append(persons[column])
                    taken.add(int(column))
        paths += [_Path([frame], [one]) for n, one in enumerate(persons) if n not in taken]
    return paths


def _patience_s(path: _Path, time_s: NDArray[np.float64]) -> float:
    """How long somebody is waited for: longer, the longer they have been seen."""
    known_s = float(time_s[path.frames[-1]] - time_s[path.frames[0]])
    return min(_PATIENCE_S, 0.15 + known_s)


def _cost(path: _Path, person: NDArray[np.float64], time_s: NDArray[np.float64], now_s: float) -> float:
    """How far a person is from where the path should be by now; 1 at the gate."""
    size = path.size()
    ratio = _size(person) / size
    unseen_s = now_s - time_s[path.frames[-1]]
    if not 1 / _SIZE_RATIO < ratio < _SIZE_RATIO:
        return 2.0
    moved = _velocity(path, time_s, len(path.frames)) * unseen_s
    # Who is not seen any more may have stopped.
    moved *= min(1.0, 0.6 / max(unseen_s, 1e-9))
    apart = np.linalg.norm(person[:, :2] - path.people[-1][:, :2] - moved, axis=-1) / size
    gate = min(_GATE + _GATE_PER_S * unseen_s, _WIDEST_GATE)
    cost = (0.7 * apart[_TRUNK].mean() + 0.3 * apart.mean()) / gate + 0.3 * abs(np.log(ratio))
    # Whoever is known for longer goes first: a ghost must not take a person's sightings.
    return float(cost) + 0.3 * (len(path.frames) < 5)


def _velocity(path: _Path, time_s: NDArray[np.float64], end: int) -> NDArray[np.float64]:
    """Pixels per second of the trunk over the half second before the sighting `end`, shape (2,)."""
    frames = np.array(path.frames[max(0, end - 40) : end])
    lately = time_s[frames] >= time_s[frames[-1]] - _FIT_S
    # After a gap there is little of late; what came before the gap still tells the way.
    frames = frames[lately] if lately.sum() >= 6 else frames[-6:]
    frames = frames[time_s[frames] >= time_s[frames[-1]] - 2 * _PATIENCE_S]
    if len(frames) < 4 or np.ptp(time_s[frames]) < 0.1:
        return np.zeros(2)
    people = path.people[end - len(frames) : end]
    middles = np.array([person[_TRUNK, :2].mean(axis=0) for person in people])
    since_s = time_s[frames] - time_s[frames].mean()
    return np.asarray(since_s @ middles / (since_s @ since_s))


def _exchange_back(paths: list[_Path], time_s: NDArray[np.float64]) -> list[_Path]:
    """Undo exchanges: where two paths came close, let them go on the way that is steadier."""
    for first, second in itertools.combinations(range(len(paths)), 2):
        a, b = paths[first], paths[second]
        for start, end in _meetings(a, b, time_s):
            before = [_state(path, time_s, start, before=True) for path in (a, b)]
            after = [_state(path, time_s, end, before=False) for path in (a, b)]
            if any(state is None for state in (*before, *after)):
                continue
            size = (a.size() + b.size()) / 2
            kept = _jump(before[0], after[0], size) + _jump(before[1], after[1], size)
            crossed = _jump(before[0], after[1], size) + _jump(before[1], after[0], size)
            if crossed < 0.5 * kept and kept - crossed > 0.3:
                _exchange(a, b, (start + end + 1) // 2)
    return paths


def _meetings(a: _Path, b: _Path, time_s: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Frame ranges, first and last, in which two people were close or one hid the other."""
    frames = np.arange(max(a.frames[0], b.frames[0]), min(a.frames[-1], b.frames[-1]) + 1)
    if len(frames) < 2:
        return []
    tracks = [
        np.stack([np.interp(frames, path.frames, axis) for axis in path.middles().T], axis=1)
        for path in (a, b)
    ]
    apart = np.linalg.norm(tracks[0] - tracks[1], axis=1) / min(a.size(), b.size())
    close = frames[apart < _CLOSE]
    if not len(close):
        return []
    parts = np.split(close, np.flatnonzero(np.diff(time_s[close]) > _FIT_S) + 1)
    return [(int(part[0]), int(part[-1])) for part in parts]


_State = tuple[float, NDArray[np.float64], NDArray[np.float64], float]


def _state(path: _Path, time_s: NDArray[np.float64], frame: int, *, before: bool) -> _State | None:
    """Time, place, velocity and size of a person in the half second before or after a frame."""
    frames = np.array(path.frames)
    if before:
        near = (frames < frame) & (time_s[frames] >= time_s[frame] - 2 * _FIT_S)
        near &= np.cumsum(near[::-1])[::-1] <= 20
    else:
        near = (frames > frame) & (time_s[frames] <= time_s[frame] + 2 * _FIT_S)
        near &= np.cumsum(near) <= 20
    numbers = np.flatnonzero(near)
    if len(numbers) < 4:
        return None
    middles = np.array([path.people[n][_TRUNK, :2].mean(axis=0) for n in numbers])
    times = time_s[frames[numbers]]
    since_s = times - times.mean()
    velocity = since_s @ middles / (since_s @ since_s)
    size = float(np.median([_size(path.people[n]) for n in numbers]))
    return float(times.mean()), middles.mean(axis=0), velocity, size


def _jump(before: _State | None, after: _State | None, size: float) -> float:
    """How unsteady a path is that goes on from one state to the other, in body sizes."""
    if before is None or after is None:
        return 0.0
    passed_s = after[0] - before[0]
    met = before[1] + before[2] * passed_s / 2 - (after[1] - after[2] * passed_s / 2)
    turned = (after[2] - before[2]) * 0.5
    bend = float(np.linalg.norm(met) + np.linalg.norm(turned)) / size
    return bend + 2 * abs(float(np.log(after[3] / before[3])))


def _exchange(a: _Path, b: _Path, frame: int) -> None:
    cut_a, cut_b = (int(np.searchsorted(path.frames, frame)) for path in (a, b))
    a.frames[cut_a:], b.frames[cut_b:] = b.frames[cut_b:], a.frames[cut_a:]
    a.people[cut_a:], b.people[cut_b:] = b.people[cut_b:], a.people[cut_a:]


def _without_jumps(path: _Path, time_s: NDArray[np.float64]) -> _Path:
    """Without sightings in which the trunk is off the way that those before and after agree upon.

    The model sometimes makes one body of two people; such a moment must not be anybody's.
    """
    if len(path.frames) < 2 * _NEIGHBOURS + 1:
        return path
    trunks = np.array([person[_TRUNK, :2] for person in path.people])
    times = time_s[path.frames]
    off = np.zeros(len(times))
    for number in range(_NEIGHBOURS, len(times) - _NEIGHBOURS):
        before, after = (
            slice(number - _NEIGHBOURS, number),
            slice(number + 1, number + 1 + _NEIGHBOURS),
        )
        start_s, end_s = np.median(times[before]), np.median(times[after])
        share = (times[number] - start_s) / (end_s - start_s)
        ends = [np.median(trunks[part], axis=0) for part in (before, after)]
        expected = ends[0] + share * (ends[1] - ends[0])
        off[number] = np.linalg.norm(trunks[number] - expected, axis=-1).max() / path.size()
    usual = np.array([np.median(off[max(0, n - 8) : n + 9]) for n in range(len(off))])
    kept = np.flatnonzero(off <= np.maximum(_JUMP, _JUMP_RATIO * usual))
    return _Path([path.frames[n] for n in kept], [path.people[n] for n in kept], path.returned)


def _is_somebody(path: _Path, time_s: NDArray[np.float64]) -> bool:
    seen_s = time_s[path.frames[-1]] - time_s[path.frames[0]]
    whole = path.frames[-1] - path.frames[0] + 1
    return bool(seen_s >= _LEAST_S and len(path.frames) >= max(6, whole / 2))


def _reunite(paths: list[_Path], time_s: NDArray[np.float64], size_px: tuple[int, int]) -> list[_Path]:
    """Join whoever left at an edge with who alone comes in there later and could be the same."""
    paths = sorted(paths, key=lambda path: path.frames[0])
    joined = True
    while joined:
        joined = False
        for later in paths:
            earlier = [one for one in paths if _may_return(one, later, time_s, size_px)]
            if len(earlier) != 1:
                continue
            rivals = [one for one in paths if _may_return(earlier[0], one, time_s, size_px)]
            if rivals[0] is not later:
                continue
            earlier[0].returned.append(later.frames[0])
            earlier[0].frames += later.frames
            earlier[0].people += later.people
            paths = [one for one in paths if one is not later]
            joined = True
            break
    return paths


def _may_return(
    earlier: _Path, later: _Path, time_s: NDArray[np.float64], size_px: tuple[int, int]
) -> bool:
    away_s = time_s[later.frames[0]] - time_s[earlier.frames[-1]]
    if not 0 < away_s <= _RETURN_S:
        return False
    left = _edge(earlier.people[-3:], size_px)
    sizes = (np.median(earlier.sizes()[-15:]), np.median(later.sizes()[:15]))
    alike = 1 / _SIZE_RATIO < sizes[1] / sizes[0] < _SIZE_RATIO
    return bool(left and left == _edge(later.people[:3], size_px) and alike)


def _edge(people: list[NDArray[np.float64]], size_px: tuple[int, int]) -> str:
    """At which side of the picture somebody comes or goes; empty in its middle."""
    width, height = size_px
    places = np.concatenate([person[:, :2] for person in people])
    low, high = places.min(axis=0), places.max(axis=0)
    if low[0] < _EDGE * width or high[0] > (1 - _EDGE) * width:
        return "left" if low[0] < width - high[0] else "right"
    return "bottom" if high[1] > (1 + _EDGE) * height else ""


def _size(person: NDArray[np.float64]) -> float:
    """Size of a person that hardly changes with the pose of the limbs, in pixels."""
    trunk = person[_TRUNK, :2]
    length = np.linalg.norm(trunk[:2].mean(axis=0) - trunk[2:].mean(axis=0))
    return max(float(np.ptp(person[:, :2], axis=0).max()), 2.0 * float(length), 1.0)


def _finished(path: _Path, number: int, detections: Detections) -> Track:
    keypoints = np.full((len(detections), N_KEYPOINTS, 4), np.nan)
    keypoints[path.frames] = path.people
    low, high = keypoints[..., :2].min(axis=1), keypoints[..., :2].max(axis=1)
    inside = (keypoints[..., :2] >= 0) & (keypoints[..., :2] < detections.size_px)
    confidence = np.where(inside.all(axis=-1), np.clip(keypoints[..., 3], 0, 1), 0)
    pose = PoseSequence(
        keypoints[..., :2],
        np.nan_to_num(confidence),
        detections.time_s,
        BLAZEPOSE33,
        CoordinateSystem.IMAGE_PX,
        size_px=detections.size_px,
    )
    returned_s = tuple(round(float(detections.time_s[frame]), 3) for frame in path.returned)
    return Track(number, pose, np.concatenate([low, high], axis=1), returned_s)
