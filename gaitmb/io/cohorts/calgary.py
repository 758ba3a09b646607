"""University of Calgary Normal & Abnormal Gait Dataset: Kinect v2 skeletons of people who walk to it.

Healthy people who walk normally (N) or act an abnormality of the right (AR) or left leg (AL): named
classes, not a severity, and nothing about Parkinson's disease. Sex is left out where the file names of a
participant contradict each other.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gaitmb.data.cohort import Cohort, RatingScale
from gaitmb.data.pose import CoordinateSystem, PoseSequence
from gaitmb.data.skeleton import H36M17
from gaitmb.data.walk import Failure, Walk, WalkId
from gaitmb.errors import ManifestError, QualityError, ReadError
from gaitmb.io.cohorts import CohortListing, CohortReader

__all__ = ["CALGARY_GAIT", "READER"]

CALGARY_GAIT = RatingScale("calgary_gait", ("N", "AR", "AL"), ordinal=False)

_FILE = re.compile(r"subject(\d+)_Seq_(\d+)_Gen_([MF])_GeometricPositions_(N|AR|AL)\.csv", re.I)

# Runs beyond the sixth were experiments, which the authors ask to ignore.
_LAST_RUN = 6

_RATE_HZ = 30.0

_KINECT = (
    *(f"left_{joint}" for joint in ("foot", "ankle", "knee", "hip")),
    *(f"right_{joint}" for joint in ("foot", "ankle", "knee", "hip")),
    "spine_base", "spine_mid", "neck", "head",
    "left_shoulder", "right_shoulder", "left_wrist", "right_wrist", "left_elbow", "right_elbow",
)  # fmt: skip

# Eight distances between joints follow the coordinates.
_COLUMNS = 3 * len(_KINECT) + 8

#: What a joint of H36M-17 is made of, with weights: the middles of hips and shoulders as in training
#: data; a Kinect has no nose, and the point a fifth of the way from its head to its neck stands for it.
_RULES = MappingProxyType(
    {
        **{joint: {joint: 1.0} for joint in H36M17.joints if joint in _KINECT},
        "pelvis": {"left_hip": 0.5, "right_hip": 0.5},
        "thorax": {"left_shoulder": 0.5, "right_shoulder": 0.5},
        "spine": {"left_hip": 0.25, "right_hip": 0.25, "left_shoulder": 0.25, "right_shoulder": 0.25},
        "nose": {"head": 0.8, "neck": 0.2},
    }
)
_NOSE_CONFIDENCE = 0.5

# A body goes on where it is found again within this much, and as far as it may have come unseen in a
# third of a second.
_NEAR_M, _STEP_M, _STEPS = 0.25, 0.06, 10

# Where a Kinect v2 sees whole bodies well, in metres from it; and how far a walk has to go there.
_GOOD_DEPTH_M = (1.2, 4.2)
_SHORTEST_M = 1.0


def list_walks(path: Path | None) -> CohortListing:
    """List the walks of a folder of ``subject…_Seq_…_GeometricPositions_….csv`` files.

    A file that is empty, a run beyond the sixth, and every file but the first whose content is that of
    another become failures: the same movement under two participants would leak across folds.

    Raises
    ------
    ManifestError
        There is no such folder, or no such file in it.
    """
    if path is None or not path.is_dir():
        raise ManifestError("no folder of Calgary files", expected="calgary:FOLDER")
    found = []
    for file in path.iterdir():
        if match := _FILE.fullmatch(file.name):
            participant, run, sex, condition = match.groups()
            found.append((int(participant), int(run), sex.upper(), condition.upper(), file))
    if not found:
        raise ManifestError(
            "a folder without Calgary files",
            expected="subject1_Seq_1_Gen_F_GeometricPositions_N.csv and others",
        )
    sexes: dict[int, set[str]] = {}
    for participant, _, sex, _, _ in found:
        sexes.setdefault(participant, set()).add(sex)
    walks, failures, contents = [], [], set()
    for participant, run, _, condition, file in sorted(found):
        walk_id = WalkId(f"{participant:02d}", condition, str(run))
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if run > _LAST_RUN:
            failures.append(_failure(walk_id, "an experimental run that its authors ask to ignore"))
        elif not content.strip():
            failures.append(_failure(walk_id, "the file is empty"))
        elif digest in contents:
            failures.append(
                _failure(walk_id, "its content is that of another walk, and would leak across folds")
            )
        else:
            contents.add(digest)
            known = sexes[participant]
            walks.append(
                Walk(
                    walk_id,
                    "calgary",
                    path=file,
                    rating=condition,
                    fps=_RATE_HZ,
                    dataset="calgary",
                    sex=next(iter(known)) if len(known) == 1 else None,
                    metadata={} if len(known) == 1 else {"sex": "contradictory in the file names"},
                )
            )
    cohort = Cohort("calgary", walks, CALGARY_GAIT, licence=READER.licence, citation=READER.citation)
    return CohortListing(cohort, tuple(failures))


def _failure(walk_id: WalkId, reason: str) -> Failure:
    return Failure(*walk_id.key, "read", reason, "Nothing: the other walks are used")


def load(walk: Walk) -> PoseSequence:
    """Load one walk, levelled against gravity.

    The sensor is tilted, one way or the other depending on the participant: a pelvis that stays level
    rises or sinks with its depth. The median slope of that line (Theil–Sen, 1.2 to 4.2 m from the
    sensor) is the tilt, and is turned back. Where the sensor saw somebody else in between, the frames of
    the person who walks farthest remain and the others are missing.

    Raises
    ------
    ReadError
        It is not a table of 62 numbers a row under its header.
    QualityError
        Nobody in it walks a metre.
    """
    joints = _walker(_read(walk.path))
    hips = joints[:, [_KINECT.index("left_hip"), _KINECT.index("right_hip")]].mean(axis=1)
    tilt = np.arctan(_slope(hips[:, 2], hips[:, 1]))
    # Sensor: x to its left, y up, z away. World: x to its right, y away, z up.
    x, y, z = np.moveaxis(joints, -1, 0)
    level = np.stack(
        [-x, y * np.sin(tilt) + z * np.cos(tilt), y * np.cos(tilt) - z * np.sin(tilt)], axis=-1
    )
    ankles = level[:, [_KINECT.index("left_ankle"), _KINECT.index("right_ankle")], 2]
    level[..., 2] -= np.nanpercentile(ankles, 5)
    positions = np.stack(
        [
            np.sum([level[:, _KINECT.index(k)] * w for k, w in _RULES[joint].items()], axis=0)
            for joint in H36M17.joints
        ],
        axis=1,
    )
    confidence = np.ones(positions.shape[:2])
    confidence[:, H36M17.index("nose")] = _NOSE_CONFIDENCE
    return PoseSequence(
        positions * 1000,
        confidence,
        np.arange(len(positions)) / _RATE_HZ,
        H36M17,
        CoordinateSystem.WORLD_MM,
    )


def _read(path: Path | None) -> NDArray[np.float64]:
    """Kinect joints in metres as recorded, shape ``(T, 18, 3)``; NaN where all three are 0."""
    try:
        header, *rows = Path(path or "").read_text("latin-1").splitlines()
        table = np.array([[float(cell) for cell in row.split(",")] for row in rows if row.strip()])
    except OSError as error:
        raise ReadError("a file that cannot be opened", expected="a readable file") from error
    except ValueError as error:
        raise ReadError(
            "a table that is empty, ragged or holds text", expected=f"{_COLUMNS} numbers a row"
        ) from error
    if not header.startswith("Foot Left X") or header.count(",") != _COLUMNS - 1:
        raise ReadError("another header", expected=f"{_COLUMNS} columns that begin with Foot Left X")
    if table.ndim != 2 or table.shape[1] != _COLUMNS:
        raise ReadError(f"a table of shape {table.shape}", expected=f"{_COLUMNS} numbers a row")
    if not np.isfinite(table).all():
        raise ReadError("a number that is not finite", expected="metres")
    joints = table[:, : 3 * len(_KINECT)].reshape(len(table), len(_KINECT), 3)
    return np.where((joints == 0).all(axis=2, keepdims=True), np.nan, joints)


def _walker(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """The frames of the body that walks farthest, from its first to its last; others between are NaN."""
    hips = joints[:, [_KINECT.index("left_hip"), _KINECT.index("right_hip")]].mean(axis=1)
    bodies: list[list[int]] = []
    for frame in np.flatnonzero(np.isfinite(hips).all(axis=1)).tolist():
        steps = [float(np.linalg.norm(hips[frame] - hips[body[-1]])) for body in bodies]
        near = [
            (step, body)
            for step, body in zip(steps, bodies, strict=True)
            if step <= _NEAR_M + _STEP_M * min(frame - body[-1] - 1, _STEPS)
        ]
        if near:
            min(near)[1].append(frame)
        else:
            bodies.append([frame])
    farthest = max(bodies, key=lambda body: float(np.ptp(hips[body, 2])), default=[])
    travel = float(np.ptp(hips[farthest, 2])) if farthest else 0.0
    if travel < _SHORTEST_M:
        raise QualityError(
            f"the person in it comes {travel:.1f} m closer",
            expected=f"at least {_SHORTEST_M:g} m of walking",
        )
    walker = np.full_like(joints, np.nan)
    walker[farthest] = joints[farthest]
    return walker[farthest[0] : farthest[-1] + 1]


def _slope(depth: NDArray[np.float64], height: NDArray[np.float64]) -> float:
    """Median slope of height over depth of all pairs of frames that are well apart (Theil–Sen)."""
    well = np.isfinite(depth) & (depth > _GOOD_DEPTH_M[0]) & (depth < _GOOD_DEPTH_M[1])
    if well.sum() < 2 or np.ptp(depth[well]) < _SHORTEST_M / 2:
        well = np.isfinite(depth)
    depth, height = depth[well], height[well]
    first, second = np.triu_indices(len(depth), 1)
    run, rise = depth[second] - depth[first], height[second] - height[first]
    apart = np.abs(run) > np.ptp(depth) / 4
    return float(np.median(rise[apart] / run[apart]))


READER = CohortReader(
    name="calgary",
    title="University of Calgary Normal & Abnormal Gait Dataset (Kinect v2; N, AR, AL)",
    licence="For research and scientific purposes only (University of Calgary, Biometric Technologies "
    "Laboratory)",
    citation="Kozlow P, Abid N, Yanushkevich S. Utilizing gait traits to improve e-border watchlist "
    "performance. IEEE Symposium Series on Computational Intelligence (SSCI), 2017, 1-8.",
    needs_path=True,
    list_walks=list_walks,
    load=load,
)
