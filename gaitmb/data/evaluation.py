"""Evaluation: out-of-fold predictions and metrics with intervals, as written to ``evaluation.json``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gaitmb.errors import ConfigurationError

__all__ = [
    "LEVELS",
    "METRICS",
    "ORDINAL_METRICS",
    "SCHEMA_VERSION",
    "USUAL_RESAMPLES",
    "ClassScore",
    "Evaluation",
    "Interval",
    "LevelMetrics",
]

SCHEMA_VERSION = 1

#: Walks, and the visits of a participant.
LEVELS = ("walk", "participant_session")

METRICS = ("weighted_f1", "macro_f1", "balanced_accuracy", "qwk", "mae", "within_one")

#: Metrics that exist only where classes have an order.
ORDINAL_METRICS = ("qwk", "mae", "within_one")

#: Resamples of the bootstrap that a result worth reporting has at least.
USUAL_RESAMPLES = 2000


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval; None where it does not exist, and then `reason` says why.

    Examples
    --------
    >>> Interval(0.47, 0.31, 0.6).to_dict()
    {'value': 0.47, 'low': 0.31, 'high': 0.6}
    >>> print(Interval(0.47, 0.31, 0.6))
    0.47 [0.31, 0.60]
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As in ``evaluation.json``: `value`, `low`, `high`, and `reason` where there is one."""
        document: dict[str, Any] = {
            "value": _number(self.value),
            "low": _number(self.low),
            "high": _number(self.high),
        }
        return {**document, "reason": self.reason} if self.reason else document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Interval:
        """Inverse of :meth:`to_dict`."""
        return cls(**document)

    def __str__(self) -> str:
        if self.value is None:
            return "–"
        if self.low is None or self.high is None:
            return f"{self.value:.2f}"
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True)
class ClassScore:
    """How one class was found: `precision`, `recall`, `f1` in [0, 1], `support` rated cases."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class LevelMetrics:
    """Everything measured at one level for one set of predictions.

    Parameters
    ----------
    metrics
        The :data:`METRICS` by name.
    per_class
        Scores by class, in the order of the scale.
    classes
        Names of the rows and columns of `confusion`.
    confusion
        Counts; rows are rated, columns predicted.
    n_scored
        Cases with a rating.
    n_participants
        Participants with such cases: those that the bootstrap draws from.
    n_excluded
        Rated cases left out of this level (a session whose walks were rated differently).
    """

    metrics: Mapping[str, Interval]
    per_class: Mapping[str, ClassScore]
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    n_scored: int
    n_participants: int
    n_excluded: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As in ``evaluation.json``: metrics beside `per_class` and `confusion`."""
        return {
            **{name: self.metrics[name].to_dict() for name in METRICS},
            "per_class": {name: vars(score).copy() for name, score in self.per_class.items()},
            "confusion": {
                "classes": list(self.classes),
                "counts": [list(row) for row in self.confusion],
            },
            "n_scored": self.n_scored,
            "n_participants": self.n_participants,
            "n_excluded": self.n_excluded,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> LevelMetrics:
        """Inverse of :meth:`to_dict`."""
        return cls(
            metrics={name: Interval.from_dict(document[name]) for name in METRICS},
            per_class={name: ClassScore(**score) for name, score in document["per_class"].items()},
            classes=tuple(document["confusion"]["classes"]),
            confusion=tuple(tuple(row) for row in document["confusion"]["counts"]),
            n_scored=document["n_scored"],
            n_participants=document["n_participants"],
            n_excluded=document["n_excluded"],
        )


@dataclass(frozen=True)
class Evaluation:
    """A whole cross-validated evaluation: what ``evaluation.json`` holds.

    Parameters
    ----------
    cohort
        `name`, `synthetic`, `n_participants`, `n_sessions`, `n_walks` (real walks that were used),
        `n_failed`, `n_unrated`, `ratings` (count of walks per class), `scale` (`name`, `classes`,
        `ordinal`), `licence`, `citation`.
    protocol
        `name` (``loso`` or ``kfold``), `n_folds`, `unit` (``participant``), `n_resamples`,
        `interval_level`.
    encoder
        `name`, `trained`, `checkpoint_sha256` (None where untrained), `weights_digest`,
        `licence` (empty where unknown), `vector_length`.
    classifier
        Name of the classifier.
    metrics
        By level.
    baselines
        By baseline, then level: ``majority``, ``prior``, ``gait_features``.
    comparisons
        By baseline, then level: paired difference in weighted F1, classifier minus baseline, with the
        interval over the same resampled participants.
    provenance
        `gaitmb_version`, `config`, `config_digest`, `manifest_digest`, `seed`, `hyper_parameters` (how
        many folds chose which), `libraries`, `duration_s`.
    notes
        Sentences on what limits the result; may be empty.
    """

    cohort: Mapping[str, Any]
    protocol: Mapping[str, Any]
    encoder: Mapping[str, Any]
    classifier: str
    metrics: Mapping[str, LevelMetrics]
    baselines: Mapping[str, Mapping[str, LevelMetrics]]
    comparisons: Mapping[str, Mapping[str, Interval]]
    provenance: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def caveats(self) -> tuple[str, ...]:
        """What has to be said loudly wherever a figure of this evaluation is shown; may be empty."""
        said = []
        if self.cohort["synthetic"]:
            said.append(
                "SYNTHETIC COHORT: these walks were simulated; no figure says anything of people"
            )
        if not self.encoder["trained"]:
            said.append(
                "UNTRAINED ENCODER: its weights are random, so that it is only a random projection"
            )
        return tuple(said)

    @property
    def limits(self) -> tuple[str, ...]:
        """The `notes`, and what the protocol adds to them; may be empty.

        Below :data:`USUAL_RESAMPLES` the intervals themselves depend on the draw.
        """
        n_resamples = self.protocol.get("n_resamples", USUAL_RESAMPLES)
        if n_resamples >= USUAL_RESAMPLES:
            return self.notes
        few = (
            f"every interval comes from {n_resamples:,} resamples of participants, fewer than the usual "
            f"{USUAL_RESAMPLES:,}: its ends are less certain"
        )
        return (*self.notes, few)

    def to_dict(self) -> dict[str, Any]:
        """The document of ``evaluation.json``."""
        return {
            "schema_version": SCHEMA_VERSION,
            "cohort": dict(self.cohort),
            "protocol": dict(self.protocol),
            "encoder": dict(self.encoder),
            "classifier": self.classifier,
            "metrics": _levels_to_dict(self.metrics),
            "baselines": {name: _levels_to_dict(levels) for name, levels in self.baselines.items()},
            "comparisons": {
                name: {level: interval.to_dict() for level, interval in levels.items()}
                for name, levels in self.comparisons.items()
            },
            "notes": list(self.notes),
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Evaluation:
        """Inverse of :meth:`to_dict`.

        Raises
        ------
        ConfigurationError
            The document has another schema version.
        """
        version = document.get("schema_version")
        if version != SCHEMA_VERSION:
            raise ConfigurationError(
                f"an evaluation of schema version {version}",
                expected=f"version {SCHEMA_VERSION}",
                remedy="Run gaitmb classify again",
            )
        return cls(
            cohort=document["cohort"],
            protocol=document["protocol"],
            encoder=document["encoder"],
            classifier=document["classifier"],
            metrics=_levels_from_dict(document["metrics"]),
            baselines={
                name: _levels_from_dict(levels) for name, levels in document["baselines"].items()
            },
            comparisons={
                name: {level: Interval.from_dict(value) for level, value in levels.items()}
                for name, levels in document["comparisons"].items()
            },
            provenance=document["provenance"],
            notes=tuple(document["notes"]),
        )


def _levels_to_dict(levels: Mapping[str, LevelMetrics]) -> dict[str, Any]:
    return {level: metrics.to_dict() for level, metrics in levels.items()}


def _levels_from_dict(document: Mapping[str, Any]) -> dict[str, LevelMetrics]:
    return {level: LevelMetrics.from_dict(metrics) for level, metrics in document.items()}
