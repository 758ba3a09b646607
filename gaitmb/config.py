"""StudyConfig: every setting that changes a result, as frozen dataclasses and as one TOML file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from gaitmb.errors import ConfigurationError, UnknownNameError

__all__ = ["EncoderConfig", "SeverityConfig", "StudyConfig", "read_config"]


@dataclass(frozen=True)
class EncoderConfig:
    """How walks become embeddings.

    Parameters
    ----------
    name
        Encoder: ``motionbert``, ``motionbert-lite``, or weights added with ``gaitmb weights add``.
    checkpoint
        File with its weights; None for those the name stands for, or untrained ones.
    view
        From where the virtual camera looks at walks that are 3D; None for what the cohort says.
    camera
        ``follow``: the camera travels along with the walker; ``fixed``: it stands still.
    rate_hz
        Frame rate at which clips are embedded.
    max_frames
        Longest clip in frames, at most what the network holds.
    """

    name: str = "motionbert-lite"
    checkpoint: str | None = None
    view: str | None = None
    camera: str = "follow"
    rate_hz: float = 30.0
    max_frames: int = 243

    def __post_init__(self) -> None:
        _check("encoder.camera", self.camera in ("follow", "fixed"), self.camera, "follow or fixed")
        _check("encoder.rate_hz", 10 <= self.rate_hz <= 240, self.rate_hz, "10 to 240")
        _check("encoder.max_frames", 31 <= self.max_frames <= 243, self.max_frames, "31 to 243")


@dataclass(frozen=True)
class SeverityConfig:
    """How embeddings become predictions, and how those are judged.

    Parameters
    ----------
    classifier
        ``logistic``, ``svm``, ``random_forest``, ``ordinal`` or ``mlp``.
    pooling
        What of each joint's representation is kept over time: ``mean``, ``std`` or ``mean_std``.
    protocol
        ``loso`` leaves one participant out at a time, ``kfold`` groups of participants.
    folds
        Number of folds of ``kfold``.
    inner_folds
        Folds within the training participants, in which hyper-parameters are chosen.
    resamples
        Bootstrap resamples of participants behind every interval.
    """

    classifier: str = "logistic"
    pooling: str = "mean_std"
    protocol: str = "loso"
    folds: int = 7
    inner_folds: int = 3
    resamples: int = 2000

    def __post_init__(self) -> None:
        _check("severity.protocol", self.protocol in ("loso", "kfold"), self.protocol, "loso or kfold")
        _check("severity.folds", self.folds >= 2, self.folds, "at least 2")
        _check("severity.inner_folds", self.inner_folds >= 2, self.inner_folds, "at least 2")
        _check("severity.resamples", self.resamples >= 100, self.resamples, "at least 100")


@dataclass(frozen=True)
class StudyConfig:
    """All settings of one run of ``classify``.

    Examples
    --------
    >>> config = StudyConfig(cohort="demo")
    >>> config.severity.protocol, len(config.digest)
    ('loso', 64)
    >>> config.digest == StudyConfig(cohort="demo", seed=1).digest
    False
    """

    cohort: str
    seed: int = 0
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    severity: SeverityConfig = field(default_factory=SeverityConfig)

    def __post_init__(self) -> None:
        _check("seed", 0 <= self.seed < 2**32, self.seed, "0 to 4294967295")

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values."""
        return dataclasses.asdict(self)

    @property
    def digest(self) -> str:
        """SHA-256 of the settings, hexadecimal; where files lie does not enter it."""
        document = self.to_dict()
        del document["cohort"], document["encoder"]["checkpoint"]
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _check(name: str, fits: bool, found: object, expected: str) -> None:
    if not fits:
        raise ConfigurationError(f"{name} is {found}", expected=expected)


def read_config(path: Path) -> dict[str, Any]:
    """Read a study's TOML file into the keywords of :class:`StudyConfig`.

    Raises
    ------
    ConfigurationError
        The file cannot be read, is not TOML, or has a value of the wrong type.
    UnknownNameError
        It has a key that does not exist; the nearest one is named.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(
            "the study file cannot be opened", expected="a readable TOML file", remedy="Check --config"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the study file is not TOML ({error})", expected="TOML") from error
    return _typed(StudyConfig, document, "")


def _typed(kind: type, document: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for key, value in document.items():
        if key not in hints:
            raise UnknownNameError("setting", prefix + key, [prefix + name for name in hints])
        hint = hints[key]
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            if not isinstance(value, Mapping):
                raise ConfigurationError(f"{prefix}{key} is {value!r}", expected="a table")
            values[key] = hint(**_typed(hint, value, f"{prefix}{key}."))
            continue
        if hint is float and type(value) is int:
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, hint):
            raise ConfigurationError(f"{prefix}{key} is {value!r}", expected=_type_name(hint))
        values[key] = value
    return values


def _type_name(hint: object) -> str:
    names = {int: "a whole number", float: "a number", str: "text"}
    return names.get(hint, "text") if isinstance(hint, type) else "text"
