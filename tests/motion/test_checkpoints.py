"""Checkpoints: every published layout loads, nothing else does, and nothing in a file is ever run."""

import io
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from gaitmb.errors import CheckpointError, UnknownNameError
from gaitmb.motion import checkpoints
from gaitmb.motion.checkpoints import build_network, load_checkpoint, save_weights, sha256_of

PUBLISHED = checkpoints.ARCHITECTURES
TINY = {"dim_feat": 32, "dim_rep": 48, "depth": 2, "num_heads": 4, "mlp_ratio": 2, "maxlen": 27}
OTHER = {**TINY, "dim_feat": 16}


@pytest.fixture(autouse=True)
def _small_architectures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "ARCHITECTURES", {"tiny": TINY, "other": OTHER})


@pytest.fixture
def weights() -> dict[str, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return {k: v + torch.randn_like(v) for k, v in build_network("tiny").state_dict().items()}


def _as_published(weights: dict[str, Tensor]) -> dict[str, Any]:
    prefixed = {f"module.{key}": value for key, value in weights.items()}
    return {"epoch": 3, "lr": 0.1, "optimizer": {"state": {}}, "model_pos": prefixed, "min_loss": 1.5}


LAYOUTS: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "best_epoch.bin": _as_published,
    "no_prefix.bin": lambda weights: {"model_pos": weights},
    "bare.pt": lambda weights: weights,
    "bare_prefixed.pth": lambda weights: {f"module.{k}": v for k, v in weights.items()},
    "state_dict.pt": lambda weights: {"state_dict": weights},
    "half.pt": lambda weights: {k: v.half() for k, v in weights.items()},
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_published_layout_gives_the_same_weights(
    tmp_path: Path, weights: dict[str, Tensor], name: str
) -> None:
    path = tmp_path / name
    torch.save(LAYOUTS[name](weights), path)
    loaded = load_checkpoint(path, "tiny")
    assert loaded.sha256 == sha256_of(path)
    build_network("tiny").load_state_dict(dict(loaded.state_dict))
    for key, value in weights.items():
        expected = value.half().float() if name.startswith("half") else value
        torch.testing.assert_close(loaded.state_dict[key], expected, rtol=0, atol=0)


@pytest.mark.parametrize("numpy_name", ["numpy._core", "numpy.core"])
def test_a_best_error_kept_as_a_numpy_number_does_not_get_in_the_way(
    tmp_path: Path, weights: dict[str, Tensor], numpy_name: str
) -> None:
    # Published training code keeps it so, under the name that module had in NumPy 1 or has in 2.
    content = {**_as_published(weights), "min_loss": np.float64(39.2), "lr": np.float32(0.1)}
    path = tmp_path / "best_epoch.bin"
    torch.save(content, path)
    renamed = tmp_path / "renamed.bin"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(renamed, "w") as new:
        for member in old.infolist():
            data = old.read(member)
            if member.filename.endswith("data.pkl"):
                assert data.count(b"numpy._core.multiarray\n") == 1
                data = data.replace(b"numpy._core.", f"{numpy_name}.".encode())
            new.writestr(member, data)
    torch.testing.assert_close(dict(load_checkpoint(renamed, "tiny").state_dict), weights)


def test_safetensors_are_known_by_their_content(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    path = tmp_path / "weights.bin"
    save_file(weights, path)
    torch.testing.assert_close(dict(load_checkpoint(path, "tiny").state_dict), weights)


def test_the_older_torch_format_loads_too(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    path = tmp_path / "old.bin"
    torch.save(_as_published(weights), path, _use_new_zipfile_serialization=False)
    torch.testing.assert_close(dict(load_checkpoint(path, "tiny").state_dict), weights)


def test_saved_weights_come_back_exactly(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    path = tmp_path / "kept" / "mine.safetensors"
    save_weights(path, weights, {"licence": "own"})
    torch.testing.assert_close(dict(load_checkpoint(path, "tiny").state_dict), weights, rtol=0, atol=0)
    assert [entry.name for entry in path.parent.iterdir()] == ["mine.safetensors"]


class _Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("how", ["torch", "torch_old", "pickle"])
def test_a_malicious_pickle_is_refused_in_one_line_and_does_not_run(
    tmp_path: Path, weights: dict[str, Tensor], how: str
) -> None:
    path, trace = tmp_path / "evil.bin", tmp_path / "ran"
    content = {"model_pos": weights, "extra": _Malicious(trace)}
    if how == "pickle":
        path.write_bytes(pickle.dumps(content["extra"]))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path, "tiny")
    assert not trace.exists()
    assert "\n" not in str(caught.value)
    assert how == "pickle" or "asks to run code, which was not done" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_weights_of_another_size_name_the_encoder_they_fit(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save(build_network("other").state_dict(), path)
    with pytest.raises(CheckpointError, match="--encoder other"):
        load_checkpoint(path, "tiny")


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_weights_that_nearly_fit_are_refused_with_what_is_wrong(
    tmp_path: Path, weights: dict[str, Tensor], change: str
) -> None:
    if change == "missing":
        del weights["head.bias"]
    elif change == "extra":
        weights["surprise"] = torch.zeros(1)
    else:
        weights["head.bias"] = torch.zeros(4)
    path = tmp_path / "near.pt"
    torch.save(weights, path)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path, "tiny")
    assert {"missing": "missing", "extra": "unknown", "shape": "of another shape"}[change] in str(
        caught.value
    )
    assert "nearest to tiny" in str(caught.value)


@pytest.mark.parametrize(
    ("held", "wanted", "text"),
    [
        ("motionbert", "motionbert-lite", r"weights of motionbert \(full\)"),
        ("motionbert-lite", "motionbert", r"weights of motionbert-lite \(LITE\)"),
    ],
)
def test_full_and_lite_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: str, wanted: str, text: str
) -> None:
    monkeypatch.setattr(checkpoints, "ARCHITECTURES", PUBLISHED)
    with torch.device("meta"):
        shapes = build_network(held).state_dict()
    path = tmp_path / "x.pt"
    torch.save({key: torch.zeros(1).expand(value.shape) for key, value in shapes.items()}, path)
    with pytest.raises(CheckpointError, match=text):
        load_checkpoint(path, wanted)


def test_words_of_the_file_are_not_repeated(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    path = tmp_path / "odd.pt"
    for odd in (torch.zeros(1), "no tensor"):
        torch.save({**weights, "Jane Doe\n\x1b[31m": odd}, path)
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint(path, "tiny")
        assert "Jane" not in str(caught.value)
        assert "\n" not in str(caught.value)


def _tar(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        _tar("storages", b"\x80\x02cos\nsystem\n."),
        (2**60).to_bytes(8, "little") + b'{"a": 1}',
        (8).to_bytes(8, "little") + b'{"a": 1}',
        b"not a checkpoint",
        b"PK\x03\x04" + b"\0" * 50,
        b"\x80\x04.",
        b"\x80\x02}q\x00.",
        b"\xff" * 9999,
    ],
)
@pytest.mark.parametrize("suffix", [".bin", ".safetensors"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        load_checkpoint(path, "tiny")


@pytest.mark.parametrize("suffix", [".bin", ".safetensors"])
def test_a_checkpoint_cut_off_anywhere_is_refused(
    tmp_path: Path, weights: dict[str, Tensor], suffix: str
) -> None:
    whole = tmp_path / f"whole{suffix}"
    if suffix == ".bin":
        torch.save(weights, whole)
    else:
        save_file(weights, whole)
    content = whole.read_bytes()
    cut = tmp_path / f"cut{suffix}"
    for share in (0.001, 0.1, 0.5, 0.9, 0.999):
        cut.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(CheckpointError):
            load_checkpoint(cut, "tiny")


@pytest.mark.parametrize("content", [{}, {"model_pos": {}}, [1, 2], {"a": 1}, {"head.bias": "text"}])
def test_a_file_without_weights_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "none.pt"
    torch.save(content, path)
    with pytest.raises(CheckpointError):
        load_checkpoint(path, "tiny")


def test_a_file_that_unpacks_to_more_than_any_checkpoint_is_refused_unread(
    tmp_path: Path, weights: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.bin"
    torch.save(weights, path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(50_000_000))
    monkeypatch.setattr(checkpoints, "LARGEST_BYTES", 40_000_000)
    assert path.stat().st_size < checkpoints.LARGEST_BYTES
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was unpacked"))
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(path, "tiny")
    monkeypatch.setattr(checkpoints, "LARGEST_BYTES", 1000)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(path, "tiny")


@pytest.mark.parametrize("kind", ["whole numbers", "sparse", "too large for float32", "a huge view"])
def test_weights_that_are_no_plain_numbers_are_refused(
    tmp_path: Path, weights: dict[str, Tensor], kind: str
) -> None:
    bias = weights["head.bias"]
    weights["head.bias"] = {
        "whole numbers": bias.to(torch.int64),
        "sparse": bias.to_sparse(),
        "too large for float32": torch.full_like(bias, 1e300, dtype=torch.float64),
        "a huge view": torch.zeros(1).expand(10**12),
    }[kind]
    path = tmp_path / "odd.pt"
    torch.save(weights, path)
    with pytest.raises(CheckpointError, match=r"head\.bias|cannot be read"):
        load_checkpoint(path, "tiny")


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    weights["norm.weight"][0] = float("nan")
    path = tmp_path / "nan.pt"
    torch.save(weights, path)
    with pytest.raises(CheckpointError, match=r"norm\.weight"):
        load_checkpoint(path, "tiny")


def test_a_missing_file_and_an_unknown_architecture_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be opened"):
        load_checkpoint(tmp_path / "none.pt", "tiny")
    with pytest.raises(UnknownNameError, match="Did you mean 'tiny'"):
        load_checkpoint(tmp_path / "none.pt", "tinny")
