"""Small cohorts with a known relation between features and ratings."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

Cohort = tuple[NDArray[np.float64], pd.DataFrame]


def make_cohort(
    *,
    participants: int = 12,
    sessions: int = 2,
    walks: int = 2,
    classes: int = 3,
    features: int = 40,
    noise: float = 0.5,
    seed: int = 0,
) -> Cohort:
    """Features whose first column is the rating plus noise, the others noise with a personal part."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"P{p:02}", f"S{s}", f"W{w}", (p + s) % classes)
        for p in range(participants)
        for s in range(sessions)
        for w in range(walks)
    ]
    table = pd.DataFrame(rows, columns=["participant_id", "session_id", "walk_id", "level"])
    person = np.repeat(rng.normal(size=(participants, features)), sessions * walks, axis=0)
    values = rng.normal(size=(len(table), features)) + person
    values[:, 0] = 10 * table["level"] + noise * rng.normal(size=len(table))
    table["rating"] = table.pop("level").astype(str)
    return values, table


@pytest.fixture
def cohort() -> Callable[..., Cohort]:
    return make_cohort
