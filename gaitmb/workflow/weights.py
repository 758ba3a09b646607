"""Weights by name: what there is, what a name stands for, and how a checkpoint gets one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from gaitmb.errors import CheckpointError, ConfigurationError, UnknownNameError
from gaitmb.io.weights import (
    WeightsCard,
    default_weights_folder,
    read_cards,
    weights_path,
    write_card,
)

__all__ = ["add_weights", "find_weights", "list_weights"]


def list_weights(folder: Path | None = None) -> list[dict[str, Any]]:
    """Every encoder that ``--encoder`` knows: untrained architectures first, then added weights.

    Returns
    -------
    Dictionaries with `name`, `architecture`, `trained`, `n_parameters`, `sha256` (None where untrained),
    `licence` and `data`.
    """
    from gaitmb.motion.checkpoints import ARCHITECTURES, count_parameters

    untrained = [
        {
            "name": name,
            "architecture": name,
            "trained": False,
            "n_parameters": count_parameters(name),
            "sha256": None,
            "licence": "",
            "data": "",
        }
        for name in ARCHITECTURES
    ]
    added = [
        {**asdict(card), "trained": True} for card in read_cards(folder or default_weights_folder())
    ]
    return untrained + added


def find_weights(name: str, folder: Path | None = None) -> tuple[str, WeightsCard | None, Path | None]:
    """Resolve an encoder's name to its architecture, card and file.

    Returns
    -------
    The architecture, and the card and file of added weights; None for both where `name` is an
    architecture without weights.

    Raises
    ------
    UnknownNameError
        Neither an architecture nor added weights have this name.
    """
    from gaitmb.motion.checkpoints import ARCHITECTURES

    if name in ARCHITECTURES:
        return name, None, None
    place = folder or default_weights_folder()
    cards = {card.name: card for card in read_cards(place)}
    if name not in cards:
        raise UnknownNameError("encoder", name, {*ARCHITECTURES, *cards})
    return cards[name].architecture, cards[name], weights_path(place, name)


def add_weights(
    file: Path,
    *,
    name: str,
    architecture: str,
    licence: str = "",
    data: str = "",
    folder: Path | None = None,
) -> dict[str, Any]:
    """Check a checkpoint and keep its weights under a name.

    Parameters
    ----------
    file
        ``.bin``, ``.pt``, ``.pth`` or ``.safetensors``.
    name
        New name; that of an architecture is refused.
    architecture
        Network that the weights have to fit.
    licence, data
        What the card says of them.
    folder
        Where weights are kept; by default :func:`gaitmb.io.weights.default_weights_folder`.

    Raises
    ------
    CheckpointError
        The file does not fit, or cannot be trusted.
    """
    from gaitmb.motion.checkpoints import ARCHITECTURES, count_parameters, save_weights, sha256_of
    from gaitmb.motion.encoder import load_encoder

    if architecture not in ARCHITECTURES:
        raise UnknownNameError("architecture", architecture, ARCHITECTURES)
    if name in ARCHITECTURES:
        raise ConfigurationError(f"{name!r} is an architecture's name", expected="another name")
    place = folder or default_weights_folder()
    kept = weights_path(place, name)
    encoder = load_encoder(architecture, file)
    place.mkdir(parents=True, exist_ok=True)
    save_weights(
        kept,
        encoder.network.state_dict(),
        {"architecture": architecture, "licence": licence, "data": data},
    )
    card = WeightsCard(
        name=name,
        architecture=architecture,
        n_parameters=count_parameters(architecture),
        sha256=sha256_of(kept),
        source_sha256=encoder.checkpoint_sha256 or "",
        licence=licence,
        data=data,
    )
    write_card(place, card)
    return asdict(card)


def check_unchanged(card: WeightsCard, sha256: str | None) -> None:
    """Refuse added weights whose file is no longer the one that was added.

    Raises
    ------
    CheckpointError
        The checksums differ.
    """
    if sha256 != card.sha256:
        raise CheckpointError(
            f"the kept weights {card.name!r} have changed since they were added",
            expected=f"sha256 {card.sha256}",
            remedy="Add them again: gaitmb weights add",
        )
