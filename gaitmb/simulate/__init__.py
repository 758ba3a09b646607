"""A parametric walker with known answers: events, measures and severity are true by construction.

Everything it gives is synthetic. It is there to check what gaitmb measures, and for the demo cohort.
"""

from gaitmb.simulate.detector import add_detector_noise
from gaitmb.simulate.parameters import Freezing, WalkerParameters
from gaitmb.simulate.severity import Habits, draw_habits, parameters_for
from gaitmb.simulate.walker import SimulatedWalk, simulate_walk

__all__ = [
    "Freezing",
    "Habits",
    "SimulatedWalk",
    "WalkerParameters",
    "add_detector_noise",
    "draw_habits",
    "parameters_for",
    "simulate_walk",
]
