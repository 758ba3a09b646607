"""DSTformer: the published network, number for number, and padding that changes nothing."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gaitmb.errors import ConfigurationError
from gaitmb.motion.dstformer import DSTformer

TINY = {"dim_feat": 32, "dim_rep": 48, "depth": 2, "num_heads": 4, "mlp_ratio": 2, "maxlen": 27}

# Exact outputs of the published network on defined weights and inputs: pose3d_2x27[1, [0, 13, 26]] of
# joints 0, 6 and 16, and representation_1x9[0, 4, 3, ::6].
GOLDEN_POSE = [
    [[-0.024133, -0.045602, -0.064583], [0.095, -0.13195, -0.100595], [0.157205, -0.172644, 0.007515]],
    [[0.000678, -0.126586, 0.027556], [-0.069276, -0.121154, 0.007395], [0.093581, -0.21259, 0.079583]],
    [
        [-0.077951, -0.145135, 0.011088],
        [-0.062218, -0.171974, -0.040271],
        [-0.01052, -0.248997, 0.037446],
    ],
]
GOLDEN_REPRESENTATION = [
    -0.303834,
    0.079518,
    0.167911,
    0.282402,
    0.351805,
    -0.446403,
    0.118738,
    -0.005636,
]


def _defined_weights(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    weights = {}
    for key, tensor in state_dict.items():
        random = np.random.default_rng(zlib.crc32(f"gaitmb/{key}".encode()))
        drawn = random.standard_normal(tuple(tensor.shape)).astype(np.float32)
        is_norm = "norm" in key and key.endswith("weight")
        weights[key] = torch.from_numpy(
            1 + np.float32(0.1) * drawn if is_norm else np.float32(0.05) * drawn
        )
    return weights


def _defined_input(batch: int, frames: int) -> Tensor:
    random = np.random.default_rng(zlib.crc32(f"gaitmb/input/{batch}x{frames}".encode()))
    clip = random.uniform(-1, 1, (batch, frames, 17, 3)).astype(np.float32)
    clip[..., 2] = np.abs(clip[..., 2])
    return torch.from_numpy(clip)


def _network(config: Mapping[str, int]) -> DSTformer:
    network = DSTformer(**config)
    network.load_state_dict(_defined_weights(network.state_dict()))
    return network.eval().requires_grad_(requires_grad=False)


@pytest.fixture(scope="module")
def tiny() -> DSTformer:
    return _network(TINY)


@pytest.mark.parametrize("wanted", ["gradients", "inference"])
def test_a_tiny_network_gives_the_published_numbers(tiny: DSTformer, wanted: str) -> None:
    with torch.inference_mode(wanted == "inference"):
        pose = tiny(_defined_input(2, 27))
        representation = tiny.represent(_defined_input(1, 9))
    np.testing.assert_allclose(pose[1, [0, 13, 26]][:, [0, 6, 16]].numpy(), GOLDEN_POSE, atol=1e-5)
    np.testing.assert_allclose(representation[0, 4, 3, ::6].numpy(), GOLDEN_REPRESENTATION, atol=1e-5)


@pytest.mark.parametrize("size", ["tiny", "lite", "full"])
def test_every_golden_output_is_met(shared: Path, size: str) -> None:
    described = json.loads((shared / f"golden/dstformer_{size}.json").read_text())
    network = _network(described["config"])
    assert {k: list(v.shape) for k, v in network.state_dict().items()} == described["state_dict"]
    assert sum(p.numel() for p in network.parameters()) == described["n_parameters"]
    with np.load(shared / f"golden/dstformer_{size}.npz") as golden, torch.inference_mode():
        for name in golden.files:
            kind, frames = name.rsplit("_", 1)
            representation = network.represent(_defined_input(*map(int, frames.split("x"))))
            found = {
                "pose3d": network.head,
                "representation": lambda x: x,
                "representation_mean": lambda x: x.mean(1),
            }[kind](representation)
            np.testing.assert_allclose(found.numpy(), golden[name], atol=1e-4, err_msg=name)


@pytest.mark.parametrize("wanted", ["gradients", "inference"])
@settings(max_examples=20, deadline=None)
@given(length=st.integers(1, 26), padding=st.integers(0, 26), value=st.sampled_from([0.0, 1.0, -50.0]))
def test_padded_frames_change_nothing(wanted: str, length: int, padding: int, value: float) -> None:
    network = _network(TINY)
    padding = min(padding, TINY["maxlen"] - length)
    clip = _defined_input(1, length)
    padded = torch.cat([clip, torch.full((1, padding, 17, 3), value)], dim=1)
    valid = torch.arange(length + padding).unsqueeze(0) < length
    with torch.inference_mode(wanted == "inference"):
        alone = network.represent(clip)
        masked = network.represent(padded, valid)[:, :length]
    np.testing.assert_allclose(masked.numpy(), alone.numpy(), atol=1e-5)


@pytest.mark.parametrize("wanted", ["gradients", "inference"])
def test_each_clip_of_a_batch_has_its_own_padding(tiny: DSTformer, wanted: str) -> None:
    clips, lengths = _defined_input(3, 20), [7, 20, 12]
    valid = torch.arange(20) < torch.tensor(lengths).unsqueeze(1)
    with torch.inference_mode(wanted == "inference"):
        together = tiny.represent(clips, valid)
        for clip, length, found in zip(clips, lengths, together, strict=True):
            alone = tiny.represent(clip[None, :length])[0]
            np.testing.assert_allclose(found[:length].numpy(), alone.numpy(), atol=1e-5)


def test_padding_without_its_mask_would_change_the_answer(tiny: DSTformer) -> None:
    clip = _defined_input(1, 12)
    padded = torch.cat([clip, torch.zeros(1, 8, 17, 3)], dim=1)
    assert (tiny.represent(padded)[:, :12] - tiny.represent(clip)).abs().max() > 1e-3


def test_clips_of_a_batch_do_not_see_each_other(tiny: DSTformer) -> None:
    clips = _defined_input(3, 20)
    alone = torch.cat([tiny.represent(clip.unsqueeze(0)) for clip in clips])
    np.testing.assert_allclose(tiny.represent(clips).numpy(), alone.numpy(), atol=1e-5)


@pytest.mark.parametrize("frames", [0, 28])
def test_a_clip_longer_than_the_network_holds_is_refused(tiny: DSTformer, frames: int) -> None:
    with pytest.raises(ConfigurationError, match=f"{frames} frames"):
        tiny(torch.zeros(1, frames, 17, 3))


@pytest.mark.parametrize("shape", [(9, 17, 3), (1, 9, 1, 3), (1, 9, 17, 2), (1, 9, 16, 3)])
def test_what_is_no_clip_is_refused(tiny: DSTformer, shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigurationError, match="clips of shape"):
        tiny(torch.zeros(shape))


@pytest.mark.parametrize(
    "valid", [torch.zeros(1, 9, dtype=torch.bool), torch.ones(1, 9), torch.ones(1, 8, dtype=torch.bool)]
)
def test_a_mask_that_leaves_nothing_or_does_not_fit_is_refused(tiny: DSTformer, valid: Tensor) -> None:
    with pytest.raises(ConfigurationError, match="mask"):
        tiny.represent(torch.zeros(1, 9, 17, 3), valid)


def test_gradients_and_inference_give_the_same_numbers(tiny: DSTformer) -> None:
    with torch.inference_mode():
        inferred = tiny(_defined_input(2, 27)).numpy()
    np.testing.assert_allclose(inferred, tiny(_defined_input(2, 27)).numpy(), atol=1e-6)


def test_every_weight_takes_part_in_the_answer() -> None:
    network = DSTformer(**TINY)
    network.load_state_dict(_defined_weights(network.state_dict()))
    network(_defined_input(1, 27)).square().sum().backward()
    unused = [key for key, value in network.named_parameters() if not (value.grad != 0).any()]
    assert unused == []
