"""What a measure of gait is: one of the body, or one of each side."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Measure", "Sided"]

_SYMMETRY = "Patterson et al. 2010, Gait & Posture 31:241"
_SYMMETRY_ANGLE = "Zifchock et al. 2008, Gait & Posture 27:622"


@dataclass(frozen=True)
class Measure:
    """What one measure of gait is.

    Parameters
    ----------
    name
        Ends with its unit; ``_ll`` is leg lengths (hip to ankle along the bones).
    unit
        ``s``, ``deg``, ``pct``, ``spm``, ``ll``, ``ll_per_s``, ``m``, ``mps`` or ``1``.
    definition
        What is measured, in a sentence.
    source
        Where the definition stands in the literature.
    views
        From where it is valid: of ``3d``, ``side``, ``front``, ``oblique``.
    limited
        From where it can be had with less trust.
    min_strides
        Fewer strides give no value.
    needs
        ``leg_length_m`` where a length in metres has to be known.
    side
        ``left`` or ``right``; empty where it is of both.
    """

    name: str
    unit: str
    definition: str
    source: str
    views: tuple[str, ...]
    limited: tuple[str, ...] = ()
    min_strides: int = 1
    needs: tuple[str, ...] = ()
    side: str = ""

    def validity(self, view: str) -> str:
        """``valid``, ``limited`` or ``invalid`` as seen from `view`."""
        return "valid" if view in self.views else "limited" if view in self.limited else "invalid"


@dataclass(frozen=True)
class Sided:
    """A measure of each side, which stands for five.

    They are left, right, their mean, and left minus right, signed and absolute. `asymmetry` is the unit
    of the difference: ``pct`` of the mean of both sides, ``angle`` for the symmetry angle in per cent,
    or ``unit`` for the measure's own.
    """

    base: str
    unit: str
    definition: str
    source: str
    views: tuple[str, ...]
    limited: tuple[str, ...] = ()
    min_strides: int = 1
    asymmetry: str = "pct"

    def name(self, part: str) -> str:
        """Name of its ``left``, ``right``, ``mean``, ``asymmetry`` or ``asymmetry_abs`` measure."""
        if part == "mean":
            return f"{self.base}_{self.unit}"
        if part in ("left", "right"):
            return f"{self.base}_{part}_{self.unit}"
        return f"{self.base}_{part}_{self.difference_unit}"

    @property
    def difference_unit(self) -> str:
        """Unit of left minus right."""
        return "pct" if self.asymmetry in ("pct", "angle") else self.unit

    def measures(self) -> tuple[Measure, ...]:
        """The five measures it stands for."""
        how = {
            "pct": "in per cent of the mean of both sides",
            "angle": "as (45° − atan(right / left)) / 90° in per cent",
        }.get(self.asymmetry, "in the same unit")
        source = _SYMMETRY_ANGLE if self.asymmetry == "angle" else _SYMMETRY
        texts = {
            "left": (self.unit, f"Left: {self.definition}", self.source),
            "right": (self.unit, f"Right: {self.definition}", self.source),
            "mean": (self.unit, f"Mean of left and right: {self.definition}", self.source),
            "asymmetry": (self.difference_unit, f"Left minus right, {how}: {self.definition}", source),
            "asymmetry_abs": (
                self.difference_unit,
                f"Absolute asymmetry, {how}: {self.definition}",
                source,
            ),
        }
        return tuple(
            Measure(
                self.name(part),
                unit,
                text,
                source,
                self.views,
                self.limited,
                self.min_strides,
                side=part if part in ("left", "right") else "",
            )
            for part, (unit, text, source) in texts.items()
        )
