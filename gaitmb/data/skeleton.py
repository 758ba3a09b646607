"""Skeletons: which joints there are, how they are joined, and which are each other's mirror.

The order of :data:`H36M17` is the one DSTformer was trained on: the right leg at 1–3, the left leg at
4–6, the left arm at 11–13, the right arm at 14–16. Every other skeleton reaches it through
:data:`DERIVATIONS`, one table of stated rules: a joint is another skeleton's keypoint, the mean of
several, or missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gaitmb.errors import UnknownNameError

__all__ = [
    "BLAZEPOSE33",
    "COCO17",
    "DERIVATIONS",
    "H36M17",
    "HALPE26",
    "SKELETONS",
    "Skeleton",
    "derive_joints",
    "skeleton_named",
]


@dataclass(frozen=True)
class Skeleton:
    """Named joints and the bones between them.

    Parameters
    ----------
    name
        Name in the registry :data:`SKELETONS`.
    joints
        Joint names in the order of the axis ``J``; sides are the prefixes ``left_`` and ``right_``.
    edges
        Pairs of joint names that a drawing joins, towards the body's end.

    Examples
    --------
    >>> H36M17.index("right_ankle")
    3
    >>> [H36M17.joints[j] for j in H36M17.mirrored[[1, 4, 11]]]
    ['left_hip', 'right_hip', 'right_shoulder']
    """

    name: str
    joints: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.joints)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {joint: number for number, joint in enumerate(self.joints)}

    def index(self, joint: str) -> int:
        """Position of `joint` on the joint axis.

        Raises
        ------
        UnknownNameError
            The skeleton has no such joint.
        """
        if joint not in self._index:
            raise UnknownNameError(f"joint of {self.name}", joint, self.joints)
        return self._index[joint]

    @cached_property
    def edge_indices(self) -> tuple[tuple[int, int], ...]:
        """The edges as pairs of positions on the joint axis."""
        return tuple((self.index(a), self.index(b)) for a, b in self.edges)

    @cached_property
    def mirrored(self) -> NDArray[np.intp]:
        """Permutation that exchanges left and right, shape ``(J,)``; its own inverse."""
        order = np.arange(len(self))
        for joint, number in self._index.items():
            if "left" in joint:  # BlazePose has mouth_left beside left_eye
                partner = self._index[joint.replace("left", "right")]
                order[number], order[partner] = partner, number
        order.setflags(write=False)
        return order


H36M17 = Skeleton(
    "h36m17",
    (
        "pelvis",
        "right_hip",
        "right_knee",
        "right_ankle",
        "left_hip",
        "left_knee",
        "left_ankle",
        "spine",
        "thorax",
        "nose",
        "head",
        "left_shoulder",
        "left_elbow",
        "left_wrist",
        "right_shoulder",
        "right_elbow",
        "right_wrist",
    ),
    (
        ("pelvis", "right_hip"),
        ("right_hip", "right_knee"),
        ("right_knee", "right_ankle"),
        ("pelvis", "left_hip"),
        ("left_hip", "left_knee"),
        ("left_knee", "left_ankle"),
        ("pelvis", "spine"),
        ("spine", "thorax"),
        ("thorax", "nose"),
        ("nose", "head"),
        ("thorax", "left_shoulder"),
        ("left_shoulder", "left_elbow"),
        ("left_elbow", "left_wrist"),
        ("thorax", "right_shoulder"),
        ("right_shoulder", "right_elbow"),
        ("right_elbow", "right_wrist"),
    ),
)

_LIMBS = (
    ("left_shoulder", "right_shoulder"),
    ("left_hip", "right_hip"),
    *(
        (f"{side}_{a}", f"{side}_{b}")
        for side in ("left", "right")
        for a, b in (
            ("shoulder", "elbow"),
            ("elbow", "wrist"),
            ("shoulder", "hip"),
            ("hip", "knee"),
            ("knee", "ankle"),
        )
    ),
)

_COCO_JOINTS = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)

COCO17 = Skeleton("coco17", _COCO_JOINTS, _LIMBS)

HALPE26 = Skeleton(
    "halpe26",
    (
        *_COCO_JOINTS,
        "head",
        "neck",
        "pelvis",
        "left_big_toe",
        "right_big_toe",
        "left_small_toe",
        "right_small_toe",
        "left_heel",
        "right_heel",
    ),
    (*_LIMBS, ("neck", "head"), ("left_ankle", "left_heel"), ("right_ankle", "right_heel")),
)

BLAZEPOSE33 = Skeleton(
    "blazepose33",
    (
        "nose",
        "left_eye_inner",
        "left_eye",
        "left_eye_outer",
        "right_eye_inner",
        "right_eye",
        "right_eye_outer",
        "left_ear",
        "right_ear",
        "mouth_left",
        "mouth_right",
        "left_shoulder",
        "right_shoulder",
        "left_elbow",
        "right_elbow",
        "left_wrist",
        "right_wrist",
        "left_pinky",
        "right_pinky",
        "left_index",
        "right_index",
        "left_thumb",
        "right_thumb",
        "left_hip",
        "right_hip",
        "left_knee",
        "right_knee",
        "left_ankle",
        "right_ankle",
        "left_heel",
        "right_heel",
        "left_foot_index",
        "right_foot_index",
    ),
    (*_LIMBS, ("left_ankle", "left_foot_index"), ("right_ankle", "right_foot_index")),
)

SKELETONS: Mapping[str, Skeleton] = MappingProxyType(
    {skeleton.name: skeleton for skeleton in (H36M17, COCO17, HALPE26, BLAZEPOSE33)}
)

_SHARED = {
    joint: (joint,)
    for joint in H36M17.joints
    if joint.startswith(("left_", "right_")) or joint == "nose"
}
_FROM_FACE = {
    **_SHARED,
    "pelvis": ("left_hip", "right_hip"),
    "thorax": ("left_shoulder", "right_shoulder"),
    "spine": ("left_hip", "right_hip", "left_shoulder", "right_shoulder"),
    "head": ("left_eye", "right_eye"),
}

#: ``DERIVATIONS[source][h36m joint]`` names the keypoints whose mean is that joint.
#: COCO and Halpe as MotionBERT maps them (the head of a detector without a crown is the middle of the
#: eyes); BlazePose has COCO's keypoints and follows COCO.
DERIVATIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "h36m17": {joint: (joint,) for joint in H36M17.joints},
        "coco17": _FROM_FACE,
        "blazepose33": _FROM_FACE,
        "halpe26": {
            **_SHARED,
            "pelvis": ("pelvis",),
            "thorax": ("neck",),
            "spine": ("neck", "pelvis"),
            "head": ("head",),
        },
    }
)


def skeleton_named(name: str) -> Skeleton:
    """Look a skeleton up by its name.

    Raises
    ------
    UnknownNameError
        There is no skeleton of that name.

    Examples
    --------
    >>> len(skeleton_named("halpe26"))
    26
    """
    if name not in SKELETONS:
        raise UnknownNameError("skeleton", name, SKELETONS)
    return SKELETONS[name]


def derive_joints(
    positions: NDArray[np.floating],
    confidence: NDArray[np.floating],
    source: Skeleton,
    rules: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions and confidence of the H36M-17 joints from another skeleton's keypoints.

    Parameters
    ----------
    positions
        Keypoints, shape ``(..., K, D)``; NaN where missing.
    confidence
        Their confidence, shape ``(..., K)``; 0 where missing.
    source
        The skeleton of the ``K`` axis.
    rules
        H36M joint to the keypoints whose mean it is; by default :data:`DERIVATIONS` of `source`. A
        joint without a rule is missing.

    Returns
    -------
    positions
        Shape ``(..., 17, D)``; NaN where any keypoint of the rule is missing.
    confidence
        Shape ``(..., 17)``; the mean over the rule's keypoints, 0 where missing.

    Examples
    --------
    >>> keypoints = np.arange(34.0).reshape(17, 2)
    >>> positions, confidence = derive_joints(keypoints, np.ones(17), COCO17)
    >>> positions[H36M17.index("pelvis")]
    array([23., 24.])
    """
    if rules is None:
        if source.name not in DERIVATIONS:
            raise UnknownNameError("skeleton with a mapping to h36m17", source.name, DERIVATIONS)
        rules = DERIVATIONS[source.name]
    shape = (*positions.shape[:-2], len(H36M17), positions.shape[-1])
    joints = np.full(shape, np.nan)
    weights = np.zeros(shape[:-1])
    for number, joint in enumerate(H36M17.joints):
        if joint not in rules:
            continue
        columns = [source.index(keypoint) for keypoint in rules[joint]]
        joints[..., number, :] = positions[..., columns, :].mean(axis=-2)
        weights[..., number] = confidence[..., columns].mean(axis=-1)
    missing = ~np.isfinite(joints).all(axis=-1)
    joints[missing] = np.nan
    weights[missing] = 0.0
    return joints, weights
