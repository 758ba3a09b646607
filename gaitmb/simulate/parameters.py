"""WalkerParameters: everything that decides how the simulated person walks, with units in the names."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from gaitmb.errors import ConfigurationError

__all__ = ["Freezing", "WalkerParameters"]


@dataclass(frozen=True)
class Freezing:
    """One episode in which the feet do not get off the ground.

    Parameters
    ----------
    start_s
        When it is due; it begins in the next double support.
    duration_s
        How long the steps stand still.
    """

    start_s: float
    duration_s: float


#: Smallest and largest value of each number that still gives a walk.
_LIMITS = {
    "height_m": (0.8, 2.3),
    "leg_length_m": (0.3, 1.3),
    "cadence_spm": (40.0, 180.0),
    "step_length_m": (0.02, 1.1),
    "step_length_asymmetry_pct": (-60.0, 60.0),
    "step_time_asymmetry_pct": (-40.0, 40.0),
    "double_support_pct": (8.0, 60.0),
    "step_width_m": (0.0, 0.4),
    "foot_strike_deg": (0.0, 30.0),
    "push_off_deg": (5.0, 70.0),
    "toe_clearance_m": (0.0, 0.15),
    "knee_flexion_deg": (3.0, 40.0),
    "arm_swing_left_deg": (0.0, 90.0),
    "arm_swing_right_deg": (0.0, 90.0),
    "elbow_flexion_deg": (10.0, 110.0),
    "stoop_deg": (-10.0, 80.0),
    "neck_flexion_deg": (-60.0, 60.0),
    "trunk_sway_deg": (0.0, 20.0),
    "pelvis_rotation_deg": (0.0, 20.0),
    "shoulder_rotation_deg": (0.0, 30.0),
    "stride_time_cv_pct": (0.0, 20.0),
    "stride_length_cv_pct": (0.0, 30.0),
    "tremor_left_m": (0.0, 0.1),
    "tremor_right_m": (0.0, 0.1),
    "tremor_hz": (3.0, 8.0),
    "freezing_hz": (3.0, 8.0),
    "freezing_tremble_deg": (0.0, 25.0),
    "turn_radius_m": (0.05, 2.0),
    "heading_deg": (-360.0, 360.0),
}


@dataclass(frozen=True)
class WalkerParameters:
    """How the simulated person is built and walks; the defaults are a healthy adult.

    Parameters
    ----------
    height_m
        Body height.
    leg_length_m
        Hip joint to floor when standing; 0.530 of the height if None (Drillis and Contini 1966, as in
        Winter, Biomechanics and Motor Control of Human Movement, figure 4.1).
    cadence_spm
        Steps per minute.
    step_length_m
        Mean over both sides: from one foothold to that of the other foot, along the path.
    step_length_asymmetry_pct
        Left minus right step length, in per cent of their mean. A left step ends with the left contact.
    step_time_asymmetry_pct
        Left minus right step time, in per cent of their mean.
    double_support_pct
        Both double supports together, in per cent of the stride.
    step_width_m
        Distance of the ankles across the path.
    foot_strike_deg
        How far the toes point up at initial contact; 0 is a flat contact.
    push_off_deg
        How far the heel is up at final contact; with step length, what bends the knee in swing.
    toe_clearance_m
        Height of the toes in the middle of swing; small for a shuffling gait.
    knee_flexion_deg
        Least flexion of the knees: what is left when a leg is as straight as it gets.
    arm_swing_left_deg, arm_swing_right_deg
        Range of the angle of the line from shoulder to wrist, seen from the side.
    elbow_flexion_deg
        Mean flexion of the elbows.
    stoop_deg
        Forward lean of the line from pelvis to thorax.
    neck_flexion_deg
        Lean of the head beyond that of the trunk; negative looks up again.
    trunk_sway_deg
        Lean of the trunk towards the standing leg and back, each way.
    pelvis_rotation_deg, shoulder_rotation_deg
        Amplitude about the vertical, against each other, each way.
    stride_time_cv_pct, stride_length_cv_pct
        Coefficient of variation from stride to stride.
    tremor_left_m, tremor_right_m, tremor_hz
        Amplitude at the wrist, each way, and frequency.
    freezing
        Episodes of freezing.
    freezing_hz, freezing_tremble_deg
        Frequency and size with which heels and knees tremble in them.
    turn_at_s
        When a turn by 180 degrees begins (with the next contact); None for none.
    turn_steps
        Steps that it takes.
    turn_side
        ``left`` or ``right``.
    turn_radius_m
        The path of the turn is pi times this long.
    first_side
        Foot of the first contact.
    heading_deg
        Direction of the path, anticlockwise from above; 0 is along +y with the right hand at +x.

    Raises
    ------
    ConfigurationError
        A value is out of its range, or steps are longer than the legs allow.

    Examples
    --------
    >>> walker = WalkerParameters(height_m=1.80)
    >>> round(walker.leg_m, 3), round(walker.speed_mps, 2)
    (0.954, 1.28)
    >>> WalkerParameters(cadence_spm=400)
    Traceback (most recent call last):
    gaitmb.errors.ConfigurationError: cadence_spm of the walker is 400; expected 40 to 180.
    """

    height_m: float = 1.70
    leg_length_m: float | None = None
    cadence_spm: float = 110.0
    step_length_m: float = 0.70
    step_length_asymmetry_pct: float = 0.0
    step_time_asymmetry_pct: float = 0.0
    double_support_pct: float = 24.0
    step_width_m: float = 0.10
    foot_strike_deg: float = 18.0
    push_off_deg: float = 58.0
    toe_clearance_m: float = 0.03
    knee_flexion_deg: float = 5.0
    arm_swing_left_deg: float = 36.0
    arm_swing_right_deg: float = 36.0
    elbow_flexion_deg: float = 25.0
    stoop_deg: float = 3.0
    neck_flexion_deg: float = 0.0
    trunk_sway_deg: float = 2.0
    pelvis_rotation_deg: float = 5.0
    shoulder_rotation_deg: float = 6.0
    stride_time_cv_pct: float = 0.0
    stride_length_cv_pct: float = 0.0
    tremor_left_m: float = 0.0
    tremor_right_m: float = 0.0
    tremor_hz: float = 5.0
    freezing: tuple[Freezing, ...] = ()
    freezing_hz: float = 6.0
    freezing_tremble_deg: float = 8.0
    turn_at_s: float | None = None
    turn_steps: int = 4
    turn_side: str = "left"
    turn_radius_m: float = 0.30
    first_side: str = "right"
    heading_deg: float = 0.0

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ConfigurationError(
                    f"{name} of the walker is {value:g}", expected=f"{low:g} to {high:g}"
                )
        for name in ("turn_side", "first_side"):
            if getattr(self, name) not in ("left", "right"):
                raise ConfigurationError(
                    f"{name} of the walker is {getattr(self, name)!r}", expected="left or right"
                )
        if self.turn_steps < 2:
            raise ConfigurationError(
                f"turn_steps of the walker is {self.turn_steps}", expected="2 or more"
            )
        if not 0.42 <= self.leg_m / self.height_m <= 0.62:
            raise ConfigurationError(
                f"legs of {self.leg_m:.2f} m at a height of {self.height_m:.2f} m",
                expected="legs of 0.42 to 0.62 of the height",
            )
        longest = self.step_length_m * (1 + abs(self.step_length_asymmetry_pct) / 200)
        if self.turn_at_s is not None:
            longest = max(longest, math.pi * self.turn_radius_m / self.turn_steps)
        if longest > self.leg_m:
            raise ConfigurationError(
                f"steps of {longest:.2f} m with legs of {self.leg_m:.2f} m",
                expected="steps no longer than the legs",
            )
        for episode in self.freezing:
            if not (episode.duration_s > 0 and math.isfinite(episode.start_s)):
                raise ConfigurationError(
                    f"freezing for {episode.duration_s:g} s", expected="a duration above 0"
                )

    @property
    def leg_m(self) -> float:
        """Hip joint to floor."""
        return 0.530 * self.height_m if self.leg_length_m is None else self.leg_length_m

    @property
    def speed_mps(self) -> float:
        """Step length times cadence."""
        return self.step_length_m * self.cadence_spm / 60

    @property
    def mirrored(self) -> WalkerParameters:
        """The person's mirror image: left and right exchanged.

        Examples
        --------
        >>> WalkerParameters(arm_swing_left_deg=10).mirrored.arm_swing_right_deg
        10
        """
        other = {"left": "right", "right": "left"}
        return dataclasses.replace(
            self,
            step_length_asymmetry_pct=-self.step_length_asymmetry_pct,
            step_time_asymmetry_pct=-self.step_time_asymmetry_pct,
            arm_swing_left_deg=self.arm_swing_right_deg,
            arm_swing_right_deg=self.arm_swing_left_deg,
            tremor_left_m=self.tremor_right_m,
            tremor_right_m=self.tremor_left_m,
            turn_side=other[self.turn_side],
            first_side=other[self.first_side],
            heading_deg=-self.heading_deg,
        )
