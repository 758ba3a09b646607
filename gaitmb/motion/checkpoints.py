"""Checkpoints: published ``.bin`` files, ``.pt`` and ``.safetensors``, loaded strictly, without trust.

Nothing in a file is ever executed: pickles go through ``torch.load(weights_only=True)``, which refuses
everything but tensors, numbers and plain containers. A file's own words are never printed.
"""

from __future__ import annotations

import hashlib
import io
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from gaitmb.errors import CheckpointError, UnknownNameError
from gaitmb.io.store import replacing
from gaitmb.motion.dstformer import DSTformer

__all__ = [
    "ARCHITECTURES",
    "Checkpoint",
    "build_network",
    "count_parameters",
    "load_checkpoint",
    "save_weights",
    "sha256_of",
]

#: Networks by name; the two published sizes.
ARCHITECTURES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "motionbert": MappingProxyType(
            {"dim_feat": 512, "dim_rep": 512, "depth": 5, "num_heads": 8, "mlp_ratio": 2, "maxlen": 243}
        ),
        "motionbert-lite": MappingProxyType(
            {"dim_feat": 256, "dim_rep": 512, "depth": 5, "num_heads": 8, "mlp_ratio": 4, "maxlen": 243}
        ),
    }
)

# Under which key published files keep the network, the outermost first.
_WRAPPERS = ("model_pos", "state_dict", "model")


#: The full network with its optimiser has half a gigabyte: what is larger than this is something else.
LARGEST_BYTES = 2 * 2**30

# Published files keep their best error as a NumPy number, under the name NumPy had then or has now;
# these rebuild a number and can do nothing else.
_scalar: Any = np.float64(0).__reduce__()[0]
_NUMBERS: list[Any] = [
    (_scalar, "numpy.core.multiarray.scalar"),
    (_scalar, "numpy._core.multiarray.scalar"),
    np.dtype,
    type(np.dtype(np.float32)),
    type(np.dtype(np.float64)),
]

# What the published sizes are called in the paper and its code.
_SPOKEN = {"motionbert": "motionbert (full)", "motionbert-lite": "motionbert-lite (LITE)"}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Weights that fit their network.

    Parameters
    ----------
    state_dict
        Tensors by name, float32.
    sha256
        Of the file they came from.
    """

    state_dict: Mapping[str, Tensor]
    sha256: str


def build_network(architecture: str) -> DSTformer:
    """A network of that architecture, with fresh weights.

    Raises
    ------
    UnknownNameError
        There is no such architecture.
    """
    if architecture not in ARCHITECTURES:
        raise UnknownNameError("architecture", architecture, ARCHITECTURES)
    return DSTformer(**ARCHITECTURES[architecture])


def _shapes(architecture: str) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {
            key: tuple(value.shape) for key, value in build_network(architecture).state_dict().items()
        }


def count_parameters(architecture: str) -> int:
    """Numbers in a network.

    Examples
    --------
    >>> count_parameters("motionbert"), count_parameters("motionbert-lite")
    (42466317, 16001549)
    """
    return sum(int(torch.Size(shape).numel()) for shape in _shapes(architecture).values())


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_checkpoint(path: Path, architecture: str) -> Checkpoint:
    """Load weights from a file, strictly.

    Parameters
    ----------
    path
        What ``torch.save`` wrote (``.bin``, ``.pt``, ``.pth``): the weights themselves, or a dictionary
        that holds them as ``model_pos``, ``state_dict`` or ``model``, keys with or without ``module.``;
        or safetensors. Content tells which, not the name.
    architecture
        Name in :data:`ARCHITECTURES` of the network that they have to fit.

    Returns
    -------
    Weights as float32, converted where they have another precision.

    Raises
    ------
    UnknownNameError
        There is no such architecture.
    CheckpointError
        The file cannot be read, asks to run code, holds anything but weights, does not fit (the text
        names the architecture that would), or has numbers that are not finite.
    """
    expected = _shapes(architecture)
    data = _read(path)
    weights = _unwrap(_parse(data))
    _require_fit(weights, expected, architecture)
    state_dict = {key: _as_float32(key, weights[key]) for key in expected}
    return Checkpoint(state_dict, hashlib.sha256(data).hexdigest())


def _read(path: Path) -> bytes:
    """All of the file, once: what is hashed is what is loaded."""
    try:
        if not path.is_file():
            raise CheckpointError(
                "the checkpoint cannot be opened (no such file)", remedy="Check --checkpoint"
            )
        if path.stat().st_size > LARGEST_BYTES:
            raise _unreadable()
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"the checkpoint cannot be opened ({error.strerror})", remedy="Check --checkpoint"
        ) from error


def _parse(data: bytes) -> object:
    """What a file holds; nothing in it is run."""
    file = io.BytesIO(data)
    try:
        # safetensors: the length of a header in eight bytes, then the header, which is JSON.
        if data[8:9] == b"{":
            return safetensors.torch.load(data)
        _refuse_bomb(file)
        with warnings.catch_warnings(), torch.serialization.safe_globals(_NUMBERS):
            warnings.simplefilter("ignore")  # older formats; whatever they hold is checked below
            return torch.load(file, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except Exception as error:  # a broken file breaks its reader in every way there is
        # torch has one type of error for a file that asks for more than weights and for a damaged one.
        if "global" in str(error).lower():
            raise CheckpointError(
                "the checkpoint asks to run code, which was not done",
                expected="tensors, numbers and plain containers only",
                remedy="Do not use it unless you know who made it; ask for .safetensors instead",
            ) from error
        raise _unreadable() from error


def _refuse_bomb(file: io.BytesIO) -> None:
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST_BYTES:
                raise _unreadable()
    file.seek(0)


def _unreadable() -> CheckpointError:
    return CheckpointError(
        "the checkpoint cannot be read: it is damaged, cut off, or no checkpoint",
        expected="a .bin, .pt, .pth or .safetensors file",
        remedy="Fetch it again and compare its checksum",
    )


def _unwrap(content: object) -> dict[str, Tensor]:
    """The tensors by name, out of whatever published files put around them."""
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(
            "the checkpoint holds no weights",
            expected=f"a state dict, bare or as one of {', '.join(_WRAPPERS)}",
        )
    for value in content.values():
        if not isinstance(value, Tensor):
            raise CheckpointError(
                "something among the weights of the checkpoint is no tensor", expected="weights only"
            )
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def _require_fit(
    weights: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]], architecture: str
) -> None:
    found = {key: tuple(value.shape) for key, value in weights.items()}
    if found == dict(expected):
        return
    for other in ARCHITECTURES:
        if other != architecture and found == _shapes(other):
            raise CheckpointError(
                f"the checkpoint holds weights of {_spoken(other)}",
                expected=f"those of {_spoken(architecture)}",
                remedy=f"Use --encoder {other}",
            )
    missing = [key for key in expected if key not in found]
    wrong = [key for key in expected if key in found and found[key] != expected[key]]
    trouble = [
        f"{len(keys)} {kind} (such as {keys[0]})"
        for kind, keys in (("missing", missing), ("of another shape", wrong))
        if keys
    ]
    # Names of the file's own are counted only: they may hold anything.
    n_unknown = len(found.keys() - expected.keys())
    if n_unknown:
        trouble.append(f"{n_unknown} unknown")
    likely = max(
        ARCHITECTURES, key=lambda name: sum(found.get(k) == s for k, s in _shapes(name).items())
    )
    raise CheckpointError(
        f"the checkpoint does not fit {_spoken(architecture)}: of its keys are {', '.join(trouble)}",
        expected="exactly the keys and shapes of the published network",
        remedy=f"It is nearest to {_spoken(likely)}; check where it came from",
    )


def _spoken(architecture: str) -> str:
    return _SPOKEN.get(architecture, architecture)


def _as_float32(key: str, tensor: Tensor) -> Tensor:
    if tensor.layout is not torch.strided or tensor.is_quantized or not tensor.is_floating_point():
        raise CheckpointError(
            f"{key} of the checkpoint has type {tensor.dtype}", expected="plain floating-point numbers"
        )
    # A copy, so that no two weights share memory and none keeps the whole file alive.
    weight = tensor.detach().to(torch.float32, copy=True).contiguous()
    if not torch.isfinite(weight).all():
        raise CheckpointError(
            f"{key} of the checkpoint holds numbers that are not finite",
            remedy="Its training diverged: take an earlier epoch",
        )
    return weight


def save_weights(path: Path, state_dict: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write weights as safetensors, whole or not at all.

    Parameters
    ----------
    path
        File ending in ``.safetensors``; its folder is made.
    state_dict
        Tensors by name.
    metadata
        Text to keep with them.
    """
    weights = {key: value.contiguous() for key, value in state_dict.items()}
    with replacing(path) as file:
        file.write(safetensors.torch.save(weights, dict(metadata)))
