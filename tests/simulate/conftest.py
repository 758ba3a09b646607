"""What the tests of the walker share."""

import numpy as np
import pytest

from gaitmb.data.skeleton import H36M17


@pytest.fixture(scope="session")
def bone_lengths():
    """Lengths of the bones of an H36M-17 pose in its unit, shape ``(T, n_bones)``."""

    def lengths(pose):
        bones = [pose.joint(b) - pose.joint(a) for a, b in H36M17.edges]
        return np.stack([np.linalg.norm(bone, axis=-1) for bone in bones], axis=1)

    return lengths


@pytest.fixture(scope="session")
def flexion_deg():
    """Angle between the two bones at a joint: 0 when straight, shape ``(T,)``."""

    def flexion(pose, upper, middle, lower):
        first = pose.joint(middle) - pose.joint(upper)
        second = pose.joint(lower) - pose.joint(middle)
        product = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
        return np.degrees(np.arccos(np.clip((first * second).sum(axis=-1) / product, -1, 1)))

    return flexion
