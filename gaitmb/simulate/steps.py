"""The plan of a walk: where and when each foot lands and leaves, before any joint moves.

A plan runs on the walking clock, which stands still while the walker is frozen. Everything that is true
by construction (events, step lengths, times) is read from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gaitmb.simulate.parameters import WalkerParameters

__all__ = ["LEFT", "RIGHT", "Clock", "Path", "Plan", "cubic", "hermite", "plan_walk"]

Array = NDArray[np.float64]

LEFT, RIGHT = 0, 1

#: Steps planned before the first frame and after the last.
_MARGIN = 4

#: Time in which a walker who freezes slows down, and speeds up again.
_RAMP_S = 0.25


def cubic(u: Array, start: Array, end: Array, slope_start: Array, slope_end: Array) -> Array:
    """Cubic from `start` to `end` for `u` from 0 to 1, with the slopes (per unit of `u`) at both."""
    return np.asarray(
        start * (1 + 2 * u) * (1 - u) ** 2
        + end * u**2 * (3 - 2 * u)
        + u * (1 - u) * (slope_start * (1 - u) - slope_end * u)
    )


def hermite(at: Array, knots: Array, values: Array, slopes_out: Array, slopes_in: Array) -> Array:
    """Cubics through `values`, with one slope on leaving each knot and another on reaching it.

    Parameters
    ----------
    at
        Where to evaluate, shape ``(T,)``; outside the knots the end pieces go on.
    knots
        Ascending, shape ``(n,)``.
    values
        Shape ``(n,)``.
    slopes_out, slopes_in
        Slope after and before each knot, shape ``(n,)``.
    """
    piece = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    width = knots[piece + 1] - knots[piece]
    return cubic(
        (at - knots[piece]) / width,
        values[piece],
        values[piece + 1],
        width * slopes_out[piece],
        width * slopes_in[piece + 1],
    )


def smooth_through(at: Array, knots: Array, values: Array) -> Array:
    """Cubic through `values` whose slope at a knot is that between its neighbours."""
    slopes = np.gradient(values, knots)
    return hermite(at, knots, values, slopes, slopes)


@dataclass(frozen=True)
class Clock:
    """Time of the picture against the walking clock, as knots on a fine grid, shape ``(n,)`` each."""

    time_s: Array
    walking_s: Array

    def walking(self, time_s: Array) -> Array:
        """Walking clock at a time."""
        return np.interp(time_s, self.time_s, self.walking_s)

    def time(self, walking_s: Array) -> Array:
        """When the walking clock shows `walking_s`, to a microsecond."""
        return np.interp(walking_s, self.walking_s, self.time_s)


@dataclass(frozen=True)
class Path:
    """Line on the ground that the walker follows, as knots along its length."""

    along_m: Array
    xy_m: Array
    heading_rad: Array

    def point(self, along_m: Array) -> Array:
        """Points of the path, shape ``(T, 2)``."""
        columns = [np.interp(along_m, self.along_m, self.xy_m[:, axis]) for axis in (0, 1)]
        return np.stack(columns, axis=-1)

    def heading(self, along_m: Array) -> Array:
        """Direction of the path, anticlockwise from +y."""
        return np.interp(along_m, self.along_m, self.heading_rad)


@dataclass(frozen=True)
class Plan:
    """Contacts of both feet in their order, alternating; arrays of shape ``(n,)``.

    Parameters
    ----------
    number
        Counts contacts; even for the right foot.
    contact_s
        Initial contact on the walking clock.
    along_m
        Foothold: position of the flat foot's ankle along the path.
    double_support_s
        How long the other foot stays on the ground after this contact.
    steady
        Whether the step that ends with this contact is straight and not frozen.
    clock, path
        See there.
    frozen_s
        Start and end of each freezing episode in time, shape ``(n_episodes, 2)``.
    turn_m
        Where on the path the turn begins and ends; None without a turn.
    """

    number: NDArray[np.int64]
    contact_s: Array
    along_m: Array
    double_support_s: Array
    steady: NDArray[np.bool_]
    clock: Clock
    path: Path
    frozen_s: Array
    turn_m: tuple[float, float] | None

    @property
    def side(self) -> NDArray[np.int64]:
        """:data:`LEFT` or :data:`RIGHT` for each contact."""
        return np.where(self.number % 2 == 0, RIGHT, LEFT)

    def phase(self, walking_s: Array) -> Array:
        """Number of the last contact plus the share of the step that is done, smoothly."""
        return smooth_through(walking_s, self.contact_s, self.number.astype(np.float64))

    def pelvis_along_m(self, walking_s: Array) -> Array:
        """Pelvis along the path: halfway between the feet at each contact."""
        middle = self.along_m.copy()
        middle[1:] = (self.along_m[1:] + self.along_m[:-1]) / 2
        middle[0] = 2 * middle[1] - middle[2]
        return smooth_through(walking_s, self.contact_s, middle)


def plan_walk(parameters: WalkerParameters, duration_s: float, rng: np.random.Generator) -> Plan:
    """Plan the footholds of a walk that is under way at time 0 and goes on after `duration_s`.

    Parameters
    ----------
    parameters
        The walker.
    duration_s
        Time that will be looked at.
    rng
        Source of the moment of the first contact and of variability.
    """
    mean_step_s = 60 / parameters.cadence_spm
    shortest = mean_step_s * (1 - abs(parameters.step_time_asymmetry_pct) / 200) * 0.6
    n_contacts = math.ceil(duration_s / shortest) + 2 * _MARGIN
    # Right contacts are even; the contact numbered `first` is the first after time 0.
    first = _MARGIN if (parameters.first_side == "right") == (_MARGIN % 2 == 0) else _MARGIN + 1
    number = np.arange(n_contacts)
    left = number % 2 == 1
    start_s = rng.uniform() * mean_step_s
    noise = np.clip(rng.standard_normal((n_contacts, 2)), -2, 2)

    def per_step(mean: float, asymmetry_pct: float, cv_pct: float, deviates: Array) -> Array:
        sided = 1 + np.where(left, asymmetry_pct, -asymmetry_pct) / 200
        # A stride is two steps: their independent deviations average out by the root of two.
        return np.asarray(mean * sided * (1 + math.sqrt(2) * cv_pct / 100 * deviates))

    step_s = per_step(
        mean_step_s, parameters.step_time_asymmetry_pct, parameters.stride_time_cv_pct, noise[:, 0]
    )
    step_s = np.maximum(step_s, 0.6 * mean_step_s)
    length_m = per_step(
        parameters.step_length_m,
        parameters.step_length_asymmetry_pct,
        parameters.stride_length_cv_pct,
        noise[:, 1],
    )
    length_m = np.clip(length_m, 0, parameters.leg_m)
    contact_s = np.cumsum(step_s)
    contact_s += start_s - contact_s[first]
    double_support_s = np.full(n_contacts, parameters.double_support_pct / 100 * mean_step_s)
    # A short step must leave the other foot time to swing.
    double_support_s[:-1] = np.minimum(double_support_s[:-1], 0.7 * step_s[1:])
    steady = np.ones(n_contacts, dtype=bool)

    turn: tuple[int, int] | None = None
    if parameters.turn_at_s is not None and parameters.turn_at_s < contact_s[-_MARGIN]:
        start = int(np.searchsorted(contact_s, parameters.turn_at_s))
        turn = (start, start + parameters.turn_steps)
        length_m[start + 1 : turn[1] + 1] = math.pi * parameters.turn_radius_m / parameters.turn_steps
        # The pelvis follows the feet by half a step.
        steady[start + 1 : turn[1] + 2] = False
    along_m = np.cumsum(length_m)
    along_m -= np.interp(0.0, contact_s, along_m)

    turn_m = None
    if turn is not None:
        begin_m = float(along_m[turn[0]])
        turn_m = (begin_m, begin_m + math.pi * parameters.turn_radius_m)
    clock, frozen_s = _clock(parameters, contact_s, double_support_s, steady, duration_s)
    path = _path(parameters, along_m, turn_m)
    return Plan(number, contact_s, along_m, double_support_s, steady, clock, path, frozen_s, turn_m)


def _clock(
    parameters: WalkerParameters,
    contact_s: Array,
    double_support_s: Array,
    steady: NDArray[np.bool_],
    duration_s: float,
) -> tuple[Clock, Array]:
    """Walking clock with its stops; marks the steps that a stop falls into as not steady."""
    spacing_s = 0.001
    time_s = np.arange(-2.0, duration_s + 2.0, spacing_s)
    rate = np.ones(len(time_s))
    frozen = []
    delay_s = 0.0
    for episode in sorted(parameters.freezing, key=lambda episode: episode.start_s):
        # Both feet are on the ground, and the landing foot is flat, late in double support.
        due = int(np.searchsorted(contact_s, max(episode.start_s - delay_s, 0.0)))
        if due >= len(contact_s) - 2:
            break
        stop_s = contact_s[due] + 0.9 * double_support_s[due] + delay_s + _RAMP_S / 2
        end_s = stop_s + episode.duration_s
        ramp = np.clip(np.maximum(stop_s - time_s, time_s - end_s) / _RAMP_S, 0, 1)
        rate = np.minimum(rate, ramp)
        # Half of both ramps is lost beside the stop itself.
        delay_s += episode.duration_s + _RAMP_S
        steady[due : due + 3] = False
        frozen.append((stop_s, end_s))
    walking_s = np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2) * spacing_s]) - 2.0
    return Clock(time_s, walking_s), np.array(frozen).reshape(-1, 2)


def _path(parameters: WalkerParameters, along_m: Array, turn_m: tuple[float, float] | None) -> Path:
    grid = np.arange(along_m[0] - 1.0, along_m[-1] + 1.0, 0.005)
    heading = np.full(len(grid), math.radians(parameters.heading_deg))
    if turn_m is not None:
        share = np.clip((grid - turn_m[0]) / (turn_m[1] - turn_m[0]), 0, 1)
        turned = math.pi * share**2 * (3 - 2 * share)
        heading = heading + (turned if parameters.turn_side == "left" else -turned)
    direction = np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
    xy = np.zeros((len(grid), 2))
    xy[1:] = np.cumsum((direction[1:] + direction[:-1]) / 2 * np.diff(grid)[:, None], axis=0)
    origin = np.array([np.interp(0.0, grid, xy[:, axis]) for axis in (0, 1)])
    return Path(grid, xy - origin, heading)
