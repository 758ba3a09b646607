"""The encoder: the same answer in every process and batch, for walks of any length."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gaitmb.errors import QualityError
from gaitmb.motion import checkpoints
from gaitmb.motion.checkpoints import save_weights
from gaitmb.motion.clips import clip_windows
from gaitmb.motion.encoder import Encoder, load_encoder

TINY = {"dim_feat": 32, "dim_rep": 48, "depth": 2, "num_heads": 4, "mlp_ratio": 2, "maxlen": 243}


@pytest.fixture(autouse=True)
def _small_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "ARCHITECTURES", {**checkpoints.ARCHITECTURES, "tiny": TINY})


@pytest.fixture
def encoder() -> Encoder:
    return load_encoder("tiny")


def _clip(frames: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-1, 1, (frames, 17, 3)).astype(np.float32)


@pytest.mark.parametrize("frames", [1, 16, 243, 244, 1800])
def test_walks_of_any_length_are_embedded_clip_by_clip(encoder: Encoder, frames: int) -> None:
    walk = _clip(frames)
    windows = clip_windows(frames) if frames >= 16 else [(0, frames)]
    vectors = [encoder.embed(walk[start:end]) for start, end in windows]
    assert {vector.shape for vector in vectors} == {(2, 17, 48)}
    assert np.isfinite(vectors).all()


def test_an_embedding_is_mean_and_standard_deviation_over_frames(encoder: Encoder) -> None:
    clip = _clip(30)
    with torch.inference_mode():
        representation = encoder.network.represent(torch.from_numpy(clip[None]))[0].numpy()
    expected = np.stack([representation.mean(axis=0), representation.std(axis=0)])
    np.testing.assert_allclose(encoder.embed(clip), expected, atol=1e-6)


def test_a_batch_of_unequal_clips_gives_what_each_alone_gives(encoder: Encoder) -> None:
    clips = [_clip(frames, seed=frames) for frames in (16, 60, 243)]
    batch = encoder.embed_batch(clips)
    for clip, vector in zip(clips, batch, strict=True):
        np.testing.assert_allclose(vector, encoder.embed(clip), atol=1e-5)


def test_a_clip_that_is_not_finite_is_refused(encoder: Encoder) -> None:
    clip = _clip(20)
    clip[3, 4, 1] = np.nan
    with pytest.raises(QualityError, match="finite"):
        encoder.embed(clip)


def test_random_weights_follow_from_the_seed_alone() -> None:
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    first = load_encoder("tiny", seed=5)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(12)
    assert load_encoder("tiny", seed=5).weights_digest == first.weights_digest
    assert load_encoder("tiny", seed=6).weights_digest != first.weights_digest
    assert not first.trained
    assert first.checkpoint_sha256 is None


def test_another_process_has_the_same_random_weights() -> None:
    script = (
        "from gaitmb.motion.encoder import load_encoder\n"
        "print(load_encoder('motionbert-lite').weights_digest)"
    )
    other = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert other.stdout.strip() == load_encoder("motionbert-lite").weights_digest


def test_weights_from_a_file_are_the_file_s_own(tmp_path: Path, encoder: Encoder) -> None:
    path = tmp_path / "tiny.safetensors"
    save_weights(path, encoder.network.state_dict(), {"licence": "own"})
    before = torch.random.get_rng_state()
    loaded = load_encoder("tiny", path, seed=99)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert loaded.trained
    assert loaded.checkpoint_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded.weights_digest == encoder.weights_digest
    np.testing.assert_array_equal(loaded.embed(_clip(30)), encoder.embed(_clip(30)))
