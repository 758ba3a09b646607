"""How much better one set of predictions is than another, on the same participants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gaitmb.data.evaluation import Interval
from gaitmb.severity.cases import cases_at
from gaitmb.severity.metrics import (
    confusion_by_participant,
    interval,
    metric_values,
    resampled_confusions,
)

__all__ = ["compare"]


def compare(
    probabilities: NDArray[np.float64],
    baseline: NDArray[np.float64],
    walks: pd.DataFrame,
    classes: Sequence[str],
    *,
    resamples: int = 2000,
    seed: int = 0,
    baseline_drawn: bool = False,
) -> dict[str, Interval]:
    """Difference in weighted F1, predictions minus baseline, with its paired interval.

    Parameters
    ----------
    probabilities, baseline
        Out-of-fold, shape ``(n_walks, n_classes)`` each.
    walks, classes
        As in :func:`gaitmb.severity.evaluation.cross_validate`.
    resamples, seed
        Of the bootstrap over participants; both are judged on the same resampled participants, so that
        what makes a participant hard for both cancels.
    baseline_drawn
        :attr:`gaitmb.severity.evaluation.OutOfFold.drawn` of the baseline.

    Returns
    -------
    By level of :data:`gaitmb.data.evaluation.LEVELS`. An interval above 0 says that the classifier beats
    the baseline in participants like these.

    Examples
    --------
    >>> walks = pd.DataFrame({"participant_id": list("ABCD"), "session_id": "1", "walk_id": "1",
    ...                       "rating": ["0", "1", "0", "1"]})
    >>> right, wrong = np.eye(2)[[0, 1, 0, 1]], np.eye(2)[[1, 0, 1, 0]]
    >>> print(compare(right, wrong, walks, ["0", "1"])["walk"])
    1.00 [1.00, 1.00]
    """
    ours = cases_at(probabilities, walks, classes, seed=seed)
    theirs = cases_at(baseline, walks, classes, drawn=baseline_drawn, seed=seed)
    differences = {}
    for level, cases in ours.items():
        if len(cases.rated) == 0:
            differences[level] = Interval(None, reason="nothing at this level has a rating")
            continue
        counts = [
            confusion_by_participant(side.rated, side.predicted, side.participants, len(classes))
            for side in (cases, theirs[level])
        ]
        whole = [float(_weighted_f1(count.sum(axis=0))) for count in counts]
        # The same seed draws the same participants for both.
        resampled = [_weighted_f1(resampled_confusions(count, resamples, seed)) for count in counts]
        differences[level] = interval(
            whole[0] - whole[1], resampled[0] - resampled[1], n_participants=len(counts[0])
        )
    return differences


def _weighted_f1(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    return metric_values(confusion, None)["weighted_f1"]
