"""Checkpoints: published ``.bin`` files, ``.pt`` and ``.safetensors``, loaded strictly, without trust.

Nothing in a file is ever executed: pickles go through ``torch.load(weights_only=True)``, which refuses
everything but tensors and plain containers.
"""

from __future__ import annotations

import hashlib
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

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
        ``.bin``, ``.pt`` or ``.pth`` as ``torch.save`` wrote it: the weights themselves, or a dictionary
        that holds them as ``model_pos``, ``state_dict`` or ``model``, keys with or without ``module.``;
        or ``.safetensors``.
    architecture
        Name in :data:`ARCHITECTURES` of the network that they have to fit.

    Raises
    ------
    CheckpointError
        The file cannot be read, holds anything but tensors and plain containers, does not fit, or has
        numbers that are not finite.
    """
    expected = _shapes(architecture)
    try:
        sha256 = sha256_of(path)
    except OSError as error:
        raise CheckpointError(
            f"the checkpoint cannot be opened ({error.strerror})", remedy="Check --checkpoint"
        ) from error
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    weights = _unwrap(content)
    _require_fit(weights, expected, architecture)
    for key, tensor in weights.items():
        if not (tensor.is_floating_point() and torch.isfinite(tensor).all()):
            raise CheckpointError(f"{key} of the checkpoint holds numbers that are not finite")
    return Checkpoint({key: weights[key].to(torch.float32).contiguous() for key in expected}, sha256)


def _read_torch(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # older formats; whatever they hold is checked below
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            "the checkpoint is not a file of plain weights, and was not run",
            expected="tensors and plain containers only",
            remedy="Save the state dict alone, best as .safetensors",
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, IndexError) as error:
        raise _unreadable() from error
    except (AttributeError, ImportError, MemoryError, OverflowError, UnicodeError) as error:
        raise _unreadable() from error


def _read_safetensors(path: Path) -> object:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path, device="cpu")
    except (SafetensorError, OSError, ValueError) as error:
        raise _unreadable() from error


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
    weights = {str(key).removeprefix("module."): value for key, value in content.items()}
    for key, value in weights.items():
        if not isinstance(value, Tensor):
            raise CheckpointError(f"{key!r} in the checkpoint is no tensor", expected="weights only")
    return weights


def _require_fit(
    weights: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]], architecture: str
) -> None:
    found = {key: tuple(value.shape) for key, value in weights.items()}
    if found == dict(expected):
        return
    for other in ARCHITECTURES:
        if other != architecture and found == _shapes(other):
            raise CheckpointError(
                f"the checkpoint holds weights of {other}",
                expected=f"those of {architecture}",
                remedy=f"Use --encoder {other}",
            )
    missing = [key for key in expected if key not in found]
    extra = [key for key in found if key not in expected]
    wrong = [key for key in expected if key in found and found[key] != expected[key]]
    trouble = [
        f"{len(keys)} {kind} (such as {keys[0]})"
        for kind, keys in (("missing", missing), ("unknown", extra), ("of another shape", wrong))
        if keys
    ]
    likely = max(
        ARCHITECTURES, key=lambda name: sum(found.get(k) == s for k, s in _shapes(name).items())
    )
    raise CheckpointError(
        f"the checkpoint does not fit {architecture}: of its keys are {', '.join(trouble)}",
        expected="exactly the keys and shapes of the published network",
        remedy=f"It is nearest to {likely}; check where it came from",
    )


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
    from safetensors.torch import save

    with replacing(path) as file:
        file.write(save({key: value.contiguous() for key, value in state_dict.items()}, dict(metadata)))
