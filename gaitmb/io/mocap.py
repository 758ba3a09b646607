"""Motion capture with markers, C3D and TRC, to H36M-17 in the world.

A file is read in three steps: its points (:mod:`gaitmb.io.c3d`, or here for TRC); the landmarks of the
body that its marker set shows, by one table per set (:data:`MARKER_SETS`); and the joints that follow
from the landmarks by rules that hold for every set (:func:`joints_from_landmarks`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gaitmb.data.pose import CoordinateSystem, PoseSequence
from gaitmb.data.skeleton import H36M17
from gaitmb.errors import ReadError
from gaitmb.io.c3d import Points, mm_per_unit, parse_c3d, without_absent

__all__ = ["MARKER_SETS", "MarkerSet", "joints_from_landmarks", "parse_trc", "read_c3d", "read_trc"]

Landmarks = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class MarkerSet:
    """How the markers of one protocol show the landmarks of the body.

    Parameters
    ----------
    name
        As it is called in errors.
    rules
        Landmark to alternatives, best first; an alternative is the markers whose mean the landmark is.
        ``{S}`` stands for R and L, and the landmark is then found on both sides.
    needed
        Landmarks without which a file does not hold this set.
    """

    name: str
    rules: Mapping[str, tuple[tuple[str, ...], ...]]
    needed: tuple[str, ...]


_LEGS = ("asis", "sacrum", "lateral_knee", "lateral_ankle")

#: The marker sets that are read. Names are compared in capitals, without dots, blanks and prefixes.
MARKER_SETS: tuple[MarkerSet, ...] = (
    MarkerSet(
        "Plug-in-Gait",
        {
            "asis": (("{S}ASI",),),
            "sacrum": (("LPSI", "RPSI"), ("SACR",), ("VSAC",)),
            "lateral_knee": (("{S}KNE",),),
            "lateral_ankle": (("{S}ANK",),),
            "shoulder": (("{S}SHO",),),
            "elbow": (("{S}ELB",),),
            "wrist": (("{S}WRA", "{S}WRB"), ("{S}WRI",)),
            "neck_base": (("C7", "CLAV"), ("C7", "RCLA", "LCLA")),
            "front_head": (("LFHD", "RFHD"),),
            "back_head": (("LBHD", "RBHD"),),
        },
        _LEGS,
    ),
    MarkerSet(
        "Shida 2023",
        {
            "asis": (("{S}ASIS",),),
            "sacrum": (("LPSIS", "RPSIS"),),
            "knee": (("{S}KNEE", "{S}KNEEMEDIAL"),),
            "lateral_knee": (("{S}KNEE",),),
            "ankle": (("{S}ANKLE", "{S}ANKLEMEDIAL"),),
            "lateral_ankle": (("{S}ANKLE",),),
            "shoulder": (("{S}SHO",),),
            "elbow": (("{S}EL", "{S}EM"), ("{S}EL",)),
            "wrist": (("{S}WL", "{S}WM"), ("{S}WL",)),
            "neck_base": (("C7", "CLAV"),),
        },
        _LEGS,
    ),
)

# Half an adult joint's breadth and half a marker: from the lateral marker to the joint's centre.
_INWARD_MM = {"knee": 60.0, "ankle": 45.0}

# An alternative serves if it is seen at least this often compared with the best one.
_OFTEN = 0.9

# Head and nose without head markers, in trunk lengths from the thorax along and before the trunk:
# medians of walks in which they were measured (CMU and Bandai-Namco motion capture).
_FROM_TRUNK = {"nose": (0.37, 0.22), "head": (0.525, 0.125)}
_EXTRAPOLATED = 0.5

_LEG_LENGTH_MM = (300.0, 1500.0)


def read_c3d(path: Path) -> PoseSequence:
    """Read a C3D file that holds a known marker set.

    Parameters
    ----------
    path
        The file; any axes, lengths in mm, cm or m.

    Returns
    -------
    H36M-17 in ``world_mm`` at the file's rate, from the first to the last frame in which anything of
    the body was seen. Gaps are missing; joints that markers do not show are missing throughout.

    Raises
    ------
    ReadError
        It cannot be opened, is damaged, holds no known marker set, or nobody upright.
    """
    return _pose(parse_c3d(_bytes(path)))


def read_trc(path: Path) -> PoseSequence:
    """Read a TRC file that holds a known marker set.

    Parameters
    ----------
    path
        The file; any axes, lengths in mm, cm or m, tabs between its cells.

    Returns
    -------
    As of :func:`read_c3d`, at the times of the file.

    Raises
    ------
    ReadError
        It cannot be opened, is damaged, holds no known marker set, or nobody upright.
    """
    return _pose(parse_trc(_bytes(path)))


def parse_trc(data: bytes) -> Points:
    r"""Read the points of a TRC file.

    Parameters
    ----------
    data
        The whole file. Blank cells are missing.

    Returns
    -------
    All its points; one at exactly 0, 0, 0 is missing.

    Raises
    ------
    ReadError
        It is no TRC file, or a damaged or truncated one.

    Examples
    --------
    >>> text = '''PathFileType\t4\t(X/Y/Z)\twalk.trc
    ... DataRate\tNumFrames\tNumMarkers\tUnits
    ... 100\t2\t1\tm
    ... Frame#\tTime\tC7\t\t
    ... \t\tX1\tY1\tZ1
    ... 1\t0.00\t0.1\t1.5\t0.2
    ... 2\t0.01\t\t\t'''
    >>> parse_trc(text.encode()).position_mm[:, 0].tolist()
    [[100.0, 1500.0, 200.0], [nan, nan, nan]]
    """
    lines = data.decode("utf-8-sig", "replace").splitlines()
    if len(lines) < 6 or not lines[0].startswith("PathFileType"):
        raise ReadError("a file that does not begin as TRC does", expected="a whole TRC file")
    head = dict(zip((cell.strip() for cell in lines[1].split("\t")), lines[2].split("\t"), strict=False))
    names = tuple(cell.strip() for cell in lines[3].rstrip().split("\t")[2::3])
    try:
        n_frames, n_markers = (int(float(head[key])) for key in ("NumFrames", "NumMarkers"))
        factor = mm_per_unit(head.get("Units", ""))
        rows = [line.split("\t") for line in lines[5:] if line.strip()]
        table = np.array([[_number(cell) for cell in _cells(row, n_markers)] for row in rows])
    except (KeyError, ValueError, OverflowError) as error:
        raise ReadError("a damaged TRC file", expected="numbers or blanks in every row") from error
    if len(names) != n_markers or n_markers < 1:
        raise ReadError(f"{len(names)} names for {n_markers} markers", expected="one name for each")
    if len(rows) < n_frames or n_frames < 1:
        raise ReadError(
            f"a TRC file that ends after {len(rows)} of {n_frames} frames",
            expected="a whole file",
            remedy="Copy or export it again",
        )
    table = table[:n_frames]
    position_mm = table[:, 2:].reshape(n_frames, n_markers, 3) * factor
    return Points(names, without_absent(position_mm), table[:, 1])


def _cells(row: list[str], n_markers: int) -> list[str]:
    """Frame, time and three cells per marker; blank ones at a row's end are often left out."""
    width = 2 + 3 * n_markers
    filled = "\t".join(row).rstrip().split("\t")
    if len(filled) > width or (len(filled) - 2) % 3:
        raise ValueError("a row of another length")
    return filled + [""] * (width - len(filled))


def _number(cell: str) -> float:
    return float(cell) if cell.strip() else float("nan")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReadError("a file that cannot be opened", expected="a readable file") from error


def _pose(points: Points) -> PoseSequence:
    landmarks, needed = _landmarks(points)
    legs = np.stack([landmarks[name] for name in needed])
    seen = np.flatnonzero(np.isfinite(legs).any(axis=(0, 2)))
    kept = slice(seen[0], seen[-1] + 1)
    turn = _upright(landmarks)
    positions, confidence = joints_from_landmarks({k: v[kept] @ turn for k, v in landmarks.items()})
    time_s = points.time_s[kept]
    return PoseSequence(positions, confidence, time_s - time_s[0], H36M17, CoordinateSystem.WORLD_MM)


def _landmarks(points: Points) -> tuple[dict[str, NDArray[np.float64]], tuple[str, ...]]:
    """Landmarks of the first marker set that the file holds, and the names of those it needs."""
    people: dict[str, dict[str, int]] = {}
    for column, name in enumerate(points.names):
        prefix, _, marker = name.rpartition(":")
        # Where a name comes twice, the first is the marker and the second a calibration's.
        people.setdefault(prefix.upper(), {}).setdefault(
            re.sub(r"[^A-Z0-9]", "", marker.upper()), column
        )
    complete = []
    for columns in people.values():
        for markers in MARKER_SETS:
            landmarks = _shown(points, columns, markers)
            needed = tuple(name for name in _both(markers.needed) if name in landmarks)
            if len(needed) == len(_both(markers.needed)):
                complete.append((landmarks, needed))
    if len(complete) > 1:
        raise ReadError(f"the markers of {len(complete)} people", expected="one person in a file")
    if not complete:
        raise ReadError(
            f"{len(points.names)} markers that are no known marker set",
            expected=" or ".join(markers.name for markers in MARKER_SETS),
            remedy="Label pelvis, knees and ankles as one of these sets does",
        )
    return complete[0]


def _both(landmarks: tuple[str, ...]) -> list[str]:
    return [
        f"{side}{name}" for name in landmarks for side in ("right_", "left_") if name != "sacrum"
    ] + ["sacrum"]


def _shown(
    points: Points, columns: Mapping[str, int], markers: MarkerSet
) -> dict[str, NDArray[np.float64]]:
    found: dict[str, NDArray[np.float64]] = {}
    for landmark, alternatives in markers.rules.items():
        sided = any("{S}" in marker for group in alternatives for marker in group)
        for side, letter in (("right_", "R"), ("left_", "L")) if sided else (("", ""),):
            groups = [[marker.format(S=letter) for marker in group] for group in alternatives]
            tracks = [
                points.position_mm[:, [columns[marker] for marker in group]].mean(axis=1)
                for group in groups
                if all(marker in columns for marker in group)
            ]
            coverage = [_coverage(track) for track in tracks]
            for track, share in zip(tracks, coverage, strict=True):
                if share > 0 and share >= _OFTEN * max(coverage):
                    found[side + landmark] = track
                    break
    return found


def _upright(landmarks: Landmarks) -> NDArray[np.float64]:
    """Rotation for ``row @ rotation`` that makes the axis from the ankles to the pelvis z.

    The axes that a file claims are often those of another program; a walker's legs are not.
    """
    ankles = (landmarks["right_lateral_ankle"] + landmarks["left_lateral_ankle"]) / 2
    legs = (landmarks["right_asis"] + landmarks["left_asis"]) / 2 - ankles
    legs = legs[np.isfinite(legs).all(axis=1)]
    if not len(legs):
        raise ReadError("a trial without a frame that shows pelvis and ankles", expected="a walk")
    up = np.median(legs, axis=0)
    axis, length = int(np.abs(up).argmax()), float(np.linalg.norm(up))
    if not _LEG_LENGTH_MM[0] <= length <= _LEG_LENGTH_MM[1]:
        raise ReadError(
            f"legs of {length:.3g} mm",
            expected=f"{_LEG_LENGTH_MM[0]:g} to {_LEG_LENGTH_MM[1]:g}",
            remedy="Check the unit of length in the file",
        )
    if abs(up[axis]) < 0.85 * length:
        raise ReadError("legs that are along no axis of the laboratory", expected="an upright walker")
    turn = np.roll(np.eye(3), 2 - axis, axis=1)
    # Half a turn where the axis points down keeps right and left.
    return turn if up[axis] > 0 else turn @ np.diag([1.0, -1.0, -1.0])


def joints_from_landmarks(landmarks: Landmarks) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Joints of H36M-17 from landmarks of the body, by rules that hold for every marker set.

    - Hips: from the breadth and depth of the pelvis (Harrington 2007, doi
      10.1016/j.jbiomech.2006.02.003), as medians over the walk; pelvis: the middle of the hips.
    - Knee and ankle: the middle of lateral and medial marker; where the medial one is seldom seen, the
      lateral one moved inward along the hips by half an adult joint's breadth (60 and 45 mm).
    - Thorax: the middle of the shoulders, else of the base of the neck (C7 and clavicles); spine: half
      way from pelvis to thorax.
    - Head: the middle of the front head markers; nose: 0.7 of the way from the thorax to there, and 0.3
      of the head's length before it. Without head markers both lie on the line of the trunk, so that a
      stoop moves them, in proportions of measured walks, with confidence 0.5.
    - Shoulders, elbows, wrists: their markers.

    Parameters
    ----------
    landmarks
        Landmark to its trajectory in mm, z up, shape ``(T, 3)``, NaN where missing. ``right_asis``,
        ``left_asis``, ``sacrum`` and the lateral knees and ankles are needed.

    Returns
    -------
    positions
        Shape ``(T, 17, 3)``, NaN where missing.
    confidence
        Shape ``(T, 17)``: 1, 0.5 where extrapolated, 0 where missing.
    """
    n_frames = len(landmarks["sacrum"])
    joints = {name: landmarks[name] for name in landmarks if name in H36M17.joints}
    joints["right_hip"], joints["left_hip"] = _hips(landmarks)
    right = _unit(joints["right_hip"] - joints["left_hip"])
    for joint, inward_mm in _INWARD_MM.items():
        for side, inward in (("right", -right), ("left", right)):
            lateral = landmarks[f"{side}_lateral_{joint}"]
            middle = landmarks.get(f"{side}_{joint}")
            if middle is None or _coverage(middle) < _OFTEN * _coverage(lateral):
                joints[f"{side}_{joint}"] = lateral + inward * inward_mm
    joints["pelvis"] = (joints["right_hip"] + joints["left_hip"]) / 2
    if "right_shoulder" in landmarks and "left_shoulder" in landmarks:
        joints["thorax"] = (landmarks["right_shoulder"] + landmarks["left_shoulder"]) / 2
    elif "neck_base" in landmarks:
        joints["thorax"] = landmarks["neck_base"]
    extrapolated: list[str] = []
    if "thorax" in joints:
        joints["spine"] = (joints["pelvis"] + joints["thorax"]) / 2
        if "front_head" in landmarks and "back_head" in landmarks:
            thorax, front = joints["thorax"], landmarks["front_head"]
            joints["head"] = front
            joints["nose"] = thorax + 0.7 * (front - thorax) + 0.3 * (front - landmarks["back_head"])
        else:
            extrapolated = list(_FROM_TRUNK)
            trunk = joints["thorax"] - joints["pelvis"]
            along = _unit(trunk)
            before = _unit(np.cross(along, right))
            # A trunk does not change its length; its markers do, a little.
            length = _median(np.linalg.norm(trunk, axis=1))
            for joint, (up, forward) in _FROM_TRUNK.items():
                joints[joint] = joints["thorax"] + length * (up * along + forward * before)
    absent = np.full((n_frames, 3), np.nan)
    positions = np.stack([joints.get(joint, absent) for joint in H36M17.joints], axis=1)
    sure = np.array([_EXTRAPOLATED if joint in extrapolated else 1.0 for joint in H36M17.joints])
    return positions, np.isfinite(positions).all(axis=-1) * sure


def _hips(landmarks: Landmarks) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    right_asis, left_asis, back = (landmarks[k] for k in ("right_asis", "left_asis", "sacrum"))
    origin = (right_asis + left_asis) / 2
    right = _unit(right_asis - left_asis)
    depth = origin - back
    up = _unit(np.cross(right, depth))
    forward = np.cross(up, right)
    breadth_mm = _median(np.linalg.norm(right_asis - left_asis, axis=1))
    depth_mm = _median((depth * forward).sum(axis=1))
    centre = origin - forward * (0.24 * depth_mm + 9.9) - up * (0.30 * breadth_mm + 10.9)
    aside = right * (0.33 * breadth_mm + 7.3)
    return centre + aside, centre - aside


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, np.nan)


def _coverage(track: NDArray[np.float64]) -> float:
    return float(np.isfinite(track).all(axis=1).mean())


def _median(values: NDArray[np.float64]) -> float:
    seen = values[np.isfinite(values)]
    return float(np.median(seen)) if len(seen) else float("nan")
