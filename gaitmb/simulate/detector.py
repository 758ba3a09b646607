"""What a detector of 2D keypoints makes of a walk: displaced joints, doubtful ones, missing ones."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from gaitmb.data.pose import CoordinateSystem, PoseSequence
from gaitmb.data.skeleton import H36M17
from gaitmb.errors import CoordinateError, QualityError

__all__ = ["add_detector_noise"]

#: One row per H36M-17 joint: mean displacement in x and y, its standard deviation in x and y, and the
#: share of key frames that follow this normal distribution; the others are uniform. In units in which
#: the person's square box is [-1, 1]. Published with MotionBERT (Zhu et al., ICCV 2023), whose
#: pretraining corrupts motion capture with these figures.
_NOISE = np.array(
    [
        (0.00081, 0.00021, 0.00366, 0.00357, 0.9987),
        (-0.00015, 0.00200, 0.00713, 0.00511, 0.9670),
        (0.00204, -0.00151, 0.00608, 0.00500, 0.8896),
        (0.00094, 0.00091, 0.00895, 0.00529, 0.8938),
        (0.00187, -0.00070, 0.00672, 0.00533, 0.9746),
        (0.00193, -0.00520, 0.00701, 0.00492, 0.8767),
        (0.00089, -0.00187, 0.00951, 0.00563, 0.8210),
        (0.00247, 0.00233, 0.00659, 0.00497, 0.9578),
        (0.00214, -0.00651, 0.00549, 0.00531, 0.9183),
        (0.00166, 0.00166, 0.00534, 0.00488, 0.9679),
        (0.00084, 0.00159, 0.00342, 0.00349, 0.9841),
        (0.00079, -0.00462, 0.00801, 0.00609, 0.8910),
        (0.00150, 0.00030, 0.00517, 0.00475, 0.8016),
        (0.00116, 0.00163, 0.00499, 0.00509, 0.7028),
        (0.00210, -0.00317, 0.00782, 0.00793, 0.8809),
        (0.00168, -0.00033, 0.00601, 0.00572, 0.8246),
        (0.00166, 0.00132, 0.00537, 0.00568, 0.7287),
    ]
)

#: Width of the uniform distribution, key frames every so often, and jitter in each frame.
_UNIFORM_WIDTH = 0.06
_KEY_FRAME_S = 0.3
_JITTER = 0.002

#: Confidence from displacement d: a / (d + a) + b * d + N(m, s); same source.
_A, _B, _M, _S = 0.028, 1.1, -0.0045857, 0.1431057

#: Share of joints that are not found, how long at a time, and the least confidence of those that are.
_DROPPED_SHARE = 0.005
_DROPPED_S = 0.15
_LEAST_CONFIDENCE = 0.02


def add_detector_noise(pose: PoseSequence, rng: np.random.Generator) -> PoseSequence:
    """A walk as a detector would have seen it.

    Displacements are drawn at key frames 0.3 s apart and interpolated, as detectors err smoothly, with a
    small jitter on top. Confidence follows from the displacement.

    Parameters
    ----------
    pose
        H36M-17 in ``image_px``; its confidence is replaced where a joint was seen.
    rng
        Source of the noise.

    Returns
    -------
    The same frames; what was missing stays missing, and half a per cent of the rest goes missing for
    about 0.15 s at a time.

    Raises
    ------
    CoordinateError
        The pose is not H36M-17 in ``image_px``.
    QualityError
        No frame shows enough to tell how large the person is.

    Examples
    --------
    >>> from gaitmb.data.camera import project
    >>> from gaitmb.simulate import WalkerParameters, simulate_walk
    >>> seen = project(simulate_walk(WalkerParameters()).pose, "side_right")
    >>> noisy = add_detector_noise(seen, np.random.default_rng(0))
    >>> bool(1 < np.nanmedian(np.linalg.norm(noisy.positions - seen.positions, axis=-1)) < 6)
    True
    """
    pose.require(CoordinateSystem.IMAGE_PX)
    if pose.skeleton is not H36M17:
        raise CoordinateError(f"a pose of {pose.skeleton.name}", expected="h36m17")
    unit_px = _half_box_px(pose)
    n_joints = len(H36M17)
    since_s = pose.time_s - pose.time_s[0]
    n_keys = int(np.ceil(since_s[-1] / _KEY_FRAME_S)) + 2
    key_s = (np.arange(n_keys) - rng.uniform()) * _KEY_FRAME_S
    normal = _NOISE[:, :2] + _NOISE[:, 2:4] * rng.standard_normal((n_keys, n_joints, 2))
    uniform = _UNIFORM_WIDTH * (rng.uniform(size=(n_keys, n_joints, 2)) - 0.5)
    follows = rng.uniform(size=(n_keys, n_joints, 1)) < _NOISE[:, 4:]
    keys = np.where(follows, normal, uniform)
    before = np.clip(np.searchsorted(key_s, since_s, side="right") - 1, 0, n_keys - 2)
    share = ((since_s - key_s[before]) / _KEY_FRAME_S)[:, None, None]
    displacement = keys[before] * (1 - share) + keys[before + 1] * share
    displacement += _JITTER * rng.standard_normal(displacement.shape)
    distance = np.linalg.norm(displacement, axis=-1)
    confidence = _A / (distance + _A) + _B * distance + rng.normal(_M, _S, distance.shape)
    confidence = np.clip(confidence, _LEAST_CONFIDENCE, 1)
    confidence[~pose.valid | _dropped(since_s, n_joints, rng)] = 0
    return dataclasses.replace(
        pose, positions=pose.positions + unit_px * displacement, confidence=confidence
    )


def _half_box_px(pose: PoseSequence) -> float:
    """Half the side of the square around the person, in the typical frame."""
    whole = pose.positions[pose.valid.sum(axis=1) >= 8]
    if not len(whole):
        raise QualityError(
            "a person of whom hardly a joint is seen", expected="a frame with eight joints or more"
        )
    spans = np.nanmax(whole, axis=1) - np.nanmin(whole, axis=1)
    return float(np.median(spans.max(axis=-1)) / 2)


def _dropped(since_s: NDArray[np.float64], n_joints: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    span_s = since_s[-1] + _DROPPED_S
    starts = rng.poisson(_DROPPED_SHARE * n_joints * span_s / _DROPPED_S)
    dropped = np.zeros((len(since_s), n_joints), dtype=bool)
    for start_s in rng.uniform(-_DROPPED_S, since_s[-1], starts):
        joint = rng.integers(n_joints)
        dropped[(since_s >= start_s) & (since_s < start_s + _DROPPED_S), joint] = True
    return dropped
