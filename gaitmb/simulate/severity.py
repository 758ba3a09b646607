"""How a walker changes with the severity of Parkinson's disease, and how people differ all the same.

The directions are those that reviews agree on (Mirelman et al., Gait impairments in Parkinson's disease,
Lancet Neurology 2019, 18:697-708): slower and shorter steps, less and more one-sided arm swing, more
double support, more variability, a stoop, feet that hardly leave the ground, turns in many steps,
freezing late. The sizes are not measured: they are chosen so that the classes overlap as they do in
people.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from gaitmb.errors import ConfigurationError
from gaitmb.simulate.parameters import Freezing, WalkerParameters

__all__ = ["Habits", "draw_habits", "parameters_for"]

#: From this severity on a walk may hold a freezing episode.
_FREEZING_FROM = 3.0


@dataclass(frozen=True)
class Habits:
    """What a person keeps from visit to visit, in standard deviations from the average person.

    Parameters
    ----------
    cadence, stride, arms, posture, knees, width, support
        How quick, long-stepped, swinging, bent, crouched, broad-based and long on both feet.
    one_sidedness
        How one-sided the arm swing is, from healthy habit.
    worse_side
        The side that the disease affects more: ``left`` or ``right``.
    trembles
        Whether that side's hand trembles.
    """

    cadence: float = 0.0
    stride: float = 0.0
    arms: float = 0.0
    posture: float = 0.0
    knees: float = 0.0
    width: float = 0.0
    support: float = 0.0
    one_sidedness: float = 0.0
    worse_side: str = "right"
    trembles: bool = False


def draw_habits(rng: np.random.Generator) -> Habits:
    """A person at random.

    Examples
    --------
    >>> draw_habits(np.random.default_rng(0)).worse_side
    'right'
    """
    deviations = np.clip(rng.standard_normal(8), -2.5, 2.5).tolist()
    cadence, stride, arms, posture, knees, width, support, one_sidedness = deviations
    return Habits(
        cadence=cadence,
        stride=stride,
        arms=arms,
        posture=posture,
        knees=knees,
        width=width,
        support=support,
        one_sidedness=one_sidedness,
        worse_side="left" if rng.uniform() < 0.5 else "right",
        trembles=bool(rng.uniform() < 0.3),
    )


def parameters_for(
    severity: float,
    rng: np.random.Generator,
    *,
    height_m: float = 1.70,
    leg_length_m: float | None = None,
    habits: Habits | None = None,
) -> WalkerParameters:
    """Parameters of one walk of a person at a severity.

    Parameters
    ----------
    severity
        Latent severity on the scale of `updrs_gait`, from 0 to 4, not only whole numbers.
    rng
        Source of what differs from walk to walk (and of freezing).
    height_m, leg_length_m
        As in :class:`WalkerParameters`.
    habits
        Of the person; drawn if None.

    Raises
    ------
    ConfigurationError
        The severity is not within 0 to 4.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> mild, severe = (parameters_for(level, rng, habits=Habits()) for level in (0.5, 3.0))
    >>> mild.step_length_m > severe.step_length_m, mild.stoop_deg < severe.stoop_deg
    (True, True)
    """
    if not 0 <= severity <= 4:
        raise ConfigurationError(f"a severity of {severity:g}", expected="0 to 4")
    person = draw_habits(rng) if habits is None else habits
    day = np.clip(rng.standard_normal(8), -2.5, 2.5)
    built = WalkerParameters(height_m=height_m, leg_length_m=leg_length_m)

    cadence = 111 - 1.5 * severity + 5 * person.cadence + 2 * day[0]
    stride = 0.77 - 0.085 * severity + 0.05 * person.stride + 0.015 * day[1]
    arms = 38 * math.exp(-0.40 * severity + 0.30 * person.arms + 0.08 * day[2])
    weaker = math.exp(-0.10 * abs(person.one_sidedness) - 0.22 * severity)
    worse = arms * min(weaker, 1.0)
    posture = 4 + 4.5 * severity + 3.5 * person.posture + 1.0 * day[3]
    freezing: tuple[Freezing, ...] = ()
    freezes, start, length = rng.uniform(size=3)
    if severity >= _FREEZING_FROM and freezes < 0.5 * (severity - _FREEZING_FROM) + 0.2:
        freezing = (Freezing(1.0 + 2.0 * start, 0.6 + 1.4 * length),)
    left_worse = person.worse_side == "left"
    tremor = 0.006 * severity if person.trembles and severity >= 0.5 else 0.0
    return dataclasses.replace(
        built,
        cadence_spm=float(np.clip(cadence, 75, 140)),
        step_length_m=float(np.clip(stride, 0.15, 0.95) * built.leg_m),
        step_length_asymmetry_pct=float(
            (-1 if left_worse else 1) * (1.0 + 1.2 * severity) + 1.5 * day[4]
        ),
        step_time_asymmetry_pct=float((1 if left_worse else -1) * (0.6 * severity) + 1.0 * day[5]),
        double_support_pct=float(
            np.clip(23 + 2.8 * severity + 1.7 * person.support + 0.6 * day[6], 15, 45)
        ),
        step_width_m=float(np.clip(0.10 + 0.02 * person.width, 0.03, 0.2)),
        foot_strike_deg=float(np.clip(18 - 3.5 * severity + 2 * person.stride, 1, 25)),
        push_off_deg=float(np.clip(58 - 6 * severity + 3 * person.stride, 20, 68)),
        toe_clearance_m=float(np.clip(0.030 - 0.005 * severity + 0.003 * person.stride, 0.004, 0.05)),
        knee_flexion_deg=float(np.clip(5 + 2.5 * severity + 2 * person.knees, 3, 25)),
        arm_swing_left_deg=float(min(worse if left_worse else arms, 75)),
        arm_swing_right_deg=float(min(arms if left_worse else worse, 75)),
        elbow_flexion_deg=float(np.clip(25 + 6 * severity + 5 * person.arms, 15, 80)),
        stoop_deg=float(np.clip(posture, -3, 50)),
        neck_flexion_deg=float(-0.4 * max(posture - 5, 0) + 4 * day[7]),
        trunk_sway_deg=float(np.clip(2.5 - 0.3 * severity, 0.5, 4)),
        pelvis_rotation_deg=float(np.clip(5 - 1.0 * severity, 1, 8)),
        shoulder_rotation_deg=float(np.clip(6 - 1.3 * severity, 1, 10)),
        stride_time_cv_pct=1.5 + 0.8 * severity,
        stride_length_cv_pct=2.0 + 1.4 * severity,
        tremor_left_m=tremor if left_worse else 0.0,
        tremor_right_m=0.0 if left_worse else tremor,
        freezing=freezing,
        turn_steps=3 + round(1.5 * severity),
    )
