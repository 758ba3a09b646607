"""Weights that were added to this machine, each with a card that says what they are."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from gaitmb.errors import ConfigurationError
from gaitmb.io.store import write_json

__all__ = ["WeightsCard", "default_weights_folder", "read_cards", "weights_path", "write_card"]


@dataclass(frozen=True)
class WeightsCard:
    """What is known of a set of weights.

    Parameters
    ----------
    name
        What ``--encoder`` calls them.
    architecture
        The network they fit.
    n_parameters
        Numbers in them.
    sha256
        Of the file that is kept.
    source_sha256
        Of the file they came from.
    licence, data
        Terms, and what they were trained on; empty where unknown.
    """

    name: str
    architecture: str
    n_parameters: int
    sha256: str
    source_sha256: str
    licence: str = ""
    data: str = ""


def default_weights_folder() -> Path:
    """``$GAITMB_WEIGHTS``, else the user's data folder of this system."""
    import platformdirs

    chosen = os.environ.get("GAITMB_WEIGHTS")
    data = Path(platformdirs.user_data_dir("gaitmb", appauthor=False))
    return Path(chosen) if chosen else data / "weights"


def weights_path(folder: Path, name: str) -> Path:
    """File that holds the weights of that name.

    Raises
    ------
    ConfigurationError
        The name would not do as a file's name.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name):
        raise ConfigurationError(
            f"the name {name!r}", expected="small letters, digits, dots, hyphens; at most 64"
        )
    return folder / f"{name}.safetensors"


def read_cards(folder: Path) -> list[WeightsCard]:
    """Cards of all weights in `folder`, by name; a damaged card is an error that names it.

    Raises
    ------
    ConfigurationError
        A card cannot be read.
    """
    cards = []
    for path in sorted(folder.glob("*.json")):
        try:
            cards.append(WeightsCard(**json.loads(path.read_text("utf-8"))))
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"the card {path.name} of added weights cannot be read",
                remedy="Add these weights again: gaitmb weights add",
            ) from error
    return cards


def write_card(folder: Path, card: WeightsCard) -> None:
    """Write a card beside its weights."""
    write_json(folder / f"{card.name}.json", asdict(card))
