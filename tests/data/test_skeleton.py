"""Skeletons say which joint is which, and everything reaches H36M-17 by the published rules."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaitmb.data.skeleton import (
    BLAZEPOSE33,
    COCO17,
    DERIVATIONS,
    H36M17,
    HALPE26,
    SKELETONS,
    derive_joints,
    skeleton_named,
)
from gaitmb.errors import UnknownNameError

steady = settings(deadline=None, derandomize=True, max_examples=50)
skeletons = st.sampled_from(list(SKELETONS.values()))


def test_h36m_has_the_right_leg_first_and_the_left_arm_first():
    order = {
        1: "right_hip",
        3: "right_ankle",
        4: "left_hip",
        6: "left_ankle",
        13: "left_wrist",
        16: "right_wrist",
    }
    assert {number: H36M17.joints[number] for number in order} == order
    assert [H36M17.joints[number] for number in (0, 7, 8, 9, 10)] == [
        "pelvis",
        "spine",
        "thorax",
        "nose",
        "head",
    ]


@pytest.mark.parametrize(
    ("skeleton", "joint", "number"),
    [
        # the documented orders of COCO, Halpe and MediaPipe
        (COCO17, "left_shoulder", 5),
        (COCO17, "right_ankle", 16),
        (HALPE26, "head", 17),
        (HALPE26, "pelvis", 19),
        (HALPE26, "right_heel", 25),
        (BLAZEPOSE33, "left_shoulder", 11),
        (BLAZEPOSE33, "right_hip", 24),
        (BLAZEPOSE33, "right_foot_index", 32),
    ],
)
def test_keypoints_stand_where_their_detectors_document_them(skeleton, joint, number):
    assert skeleton.index(joint) == number


@steady
@given(skeletons)
def test_mirroring_is_its_own_inverse_and_exchanges_left_and_right_only(skeleton):
    order = skeleton.mirrored
    assert order[order].tolist() == list(range(len(skeleton)))
    for joint, partner in zip(skeleton.joints, order, strict=True):
        name = skeleton.joints[partner]
        if joint.startswith("left_"):
            assert name == joint.replace("left_", "right_", 1)
        elif not joint.startswith("right_"):
            assert joint == name or {joint, name} == {"mouth_left", "mouth_right"}


def test_the_corners_of_the_mouth_are_exchanged_as_well():
    left, right = BLAZEPOSE33.index("mouth_left"), BLAZEPOSE33.index("mouth_right")
    assert BLAZEPOSE33.mirrored[left] == right


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=list(SKELETONS))
def test_every_h36m_joint_is_derived_from_keypoints_that_exist_and_lie_on_its_side(skeleton):
    rules = DERIVATIONS[skeleton.name]
    assert set(rules) == set(H36M17.joints)
    for joint, keypoints in rules.items():
        assert set(keypoints) <= set(skeleton.joints)
        for side in ("left_", "right_"):
            if joint.startswith(side):
                assert all(keypoint.startswith(side) for keypoint in keypoints)


def test_unknown_names_get_the_nearest_one():
    with pytest.raises(UnknownNameError, match="Did you mean 'left_knee'"):
        H36M17.index("left_kne")
    with pytest.raises(UnknownNameError, match="Did you mean 'coco17'"):
        skeleton_named("coco18")


@pytest.mark.parametrize("skeleton", [COCO17, HALPE26], ids=["coco17", "halpe26"])
def test_the_mapping_agrees_with_the_published_one(shared, skeleton):
    golden = np.load(shared / "golden" / "functions.npz", allow_pickle=False)
    keypoints, expected = golden[f"{skeleton.name}_in"], golden[f"{skeleton.name}_out"]
    positions, confidence = derive_joints(keypoints[..., :2], keypoints[..., 2], skeleton)
    np.testing.assert_allclose(positions, expected[..., :2], atol=1e-5)
    np.testing.assert_allclose(confidence, expected[..., 2], atol=1e-5)


def test_mirroring_agrees_with_the_published_one(shared):
    golden = np.load(shared / "golden" / "functions.npz", allow_pickle=False)
    mirrored = golden["flip_in"][:, H36M17.mirrored] * [-1, 1, 1]
    np.testing.assert_allclose(mirrored, golden["flip_out"], atol=1e-6)


@steady
@given(skeletons, st.integers(0, 2**32 - 1))
def test_a_derived_joint_is_missing_as_soon_as_one_of_its_keypoints_is(skeleton, seed):
    rng = np.random.default_rng(seed)
    keypoints = rng.normal(size=(5, len(skeleton), 2))
    confidence = rng.uniform(0.1, 1, (5, len(skeleton)))
    lost = rng.random(confidence.shape) < 0.3
    keypoints[lost], confidence[lost] = np.nan, 0
    positions, weights = derive_joints(keypoints, confidence, skeleton)
    for number, joint in enumerate(H36M17.joints):
        columns = [skeleton.index(name) for name in DERIVATIONS[skeleton.name][joint]]
        missing = lost[:, columns].any(axis=1)
        assert np.isnan(positions[:, number]).all(axis=1).tolist() == missing.tolist()
        assert (weights[:, number] == 0).tolist() == missing.tolist()


@steady
@given(skeletons, st.integers(0, 2**32 - 1))
def test_deriving_and_mirroring_may_change_places(skeleton, seed):
    keypoints = np.random.default_rng(seed).normal(size=(len(skeleton), 2))
    confidence = np.ones(len(skeleton))
    there, _ = derive_joints(keypoints[skeleton.mirrored], confidence, skeleton)
    back, _ = derive_joints(keypoints, confidence, skeleton)
    np.testing.assert_allclose(there, back[H36M17.mirrored])
