"""The demo cohort: 24 simulated people on and off medication. Synthetic, and called so everywhere.

Nothing is stored: every walk follows from the numbers in its identity, the same on every machine. Each
is what a detector would have seen of it from one side.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from gaitmb.data.camera import project
from gaitmb.data.cohort import Cohort
from gaitmb.data.pose import PoseSequence
from gaitmb.data.walk import Walk, WalkId
from gaitmb.errors import ReadError
from gaitmb.io.cohorts import CohortListing, CohortReader
from gaitmb.simulate import (
    Habits,
    SimulatedWalk,
    add_detector_noise,
    draw_habits,
    parameters_for,
    simulate_walk,
)

__all__ = ["N_PARTICIPANTS", "READER", "demo_walk"]

N_PARTICIPANTS = 24

_SESSIONS = ("off", "on")
_VIEWS = {"01": "side_right", "02": "side_left"}
_SEED = 3100

_CITATION = "Simulated by gaitmb; not data of people"
_LICENCE = "Apache-2.0"

# Off medication people are spread evenly over this range of latent severity; medication takes off a
# part that differs between them, and raters err.
_SEVERITY = (0.1, 3.4)
_BENEFIT = (0.3, 1.1)
_RATER_SD = 0.2
_WORST_RATING = 3


@dataclass(frozen=True)
class _Person:
    habits: Habits
    height_m: float
    leg_length_m: float
    age: float
    sex: str
    severity: dict[str, float]
    rating: dict[str, str]


def _rng(*numbers: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([_SEED, *numbers]))


@cache
def _person(number: int) -> _Person:
    """Participant `number`, counted from 1."""
    order = _rng(0).permutation(N_PARTICIPANTS)
    rng = _rng(number)
    habits = draw_habits(rng)
    sex = "F" if rng.uniform() < 0.4 else "M"
    height = round(float(np.clip(rng.normal(1.62 if sex == "F" else 1.75, 0.065), 1.45, 1.98)), 2)
    leg = round(height * float(rng.normal(0.530, 0.010)), 2)
    age = float(rng.integers(52, 84))
    low, high = _SEVERITY
    off = low + (high - low) * (order[number - 1] + rng.uniform()) / N_PARTICIPANTS
    severity = {"off": off, "on": max(off - rng.uniform(*_BENEFIT), 0.0)}
    rating = {
        session: str(int(np.clip(np.rint(latent + rng.normal(0, _RATER_SD)), 0, _WORST_RATING)))
        for session, latent in severity.items()
    }
    return _Person(habits, height, leg, age, sex, severity, rating)


def list_walks(path: Path | None) -> CohortListing:
    """List the 96 walks: 24 participants, off and on medication, seen from both sides."""
    walks = [
        Walk(
            WalkId(f"D{number:02d}", session, run, view),
            "demo",
            rating=_person(number).rating[session],
            medication=session,
            height_m=_person(number).height_m,
            leg_length_m=_person(number).leg_length_m,
            dataset="demo",
            sex=_person(number).sex,
            age=_person(number).age,
            metadata={"synthetic": "true"},
        )
        for number in range(1, N_PARTICIPANTS + 1)
        for session in _SESSIONS
        for run, view in _VIEWS.items()
    ]
    return CohortListing(Cohort("demo", walks, synthetic=True, licence=_LICENCE, citation=_CITATION))


def _numbers(walk: Walk) -> tuple[int, int, int]:
    match = re.fullmatch(r"D(\d{2})", walk.id.participant_id)
    number = int(match[1]) if match else 0
    known = walk.id.session_id in _SESSIONS and walk.id.walk_id in _VIEWS
    if not (known and 1 <= number <= N_PARTICIPANTS):
        raise ReadError(
            "a walk that the demo cohort does not have", expected="one of those that it lists"
        )
    return number, _SESSIONS.index(walk.id.session_id), list(_VIEWS).index(walk.id.walk_id)


def demo_walk(walk: Walk) -> SimulatedWalk:
    """The true motion of a walk of the demo cohort, with its events and measures.

    Raises
    ------
    ReadError
        The demo cohort has no such walk.

    Examples
    --------
    >>> first = list_walks(None).cohort.walks[0]
    >>> demo_walk(first).pose.coordinates
    <CoordinateSystem.WORLD_MM: 'world_mm'>
    """
    number, session, run = _numbers(walk)
    person = _person(number)
    rng = _rng(number, session, run)
    parameters = parameters_for(
        person.severity[walk.id.session_id],
        rng,
        height_m=person.height_m,
        leg_length_m=person.leg_length_m,
        habits=person.habits,
    )
    return simulate_walk(parameters, duration_s=float(rng.uniform(4.2, 5.0)), seed=rng)


def load(walk: Walk) -> PoseSequence:
    """A walk of the demo cohort as a detector saw it, in ``image_px`` from the walk's view.

    Raises
    ------
    ReadError
        The demo cohort has no such walk.
    """
    numbers = _numbers(walk)
    seen = project(demo_walk(walk).pose, _VIEWS[walk.id.walk_id])
    return add_detector_noise(seen, _rng(*numbers, 1))


READER = CohortReader(
    name="demo",
    title="24 simulated people on and off medication (synthetic)",
    licence=_LICENCE,
    citation=_CITATION,
    needs_path=False,
    list_walks=list_walks,
    load=load,
)
