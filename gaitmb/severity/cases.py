"""What is scored at each level: walks, and the sessions of a participant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gaitmb.data.evaluation import LEVELS
from gaitmb.errors import ConfigurationError

__all__ = ["Cases", "cases_at", "predicted_classes", "rating_codes", "walk_order"]


@dataclass(frozen=True, eq=False)
class Cases:
    """The scored cases of one level, in the order of their ids.

    Parameters
    ----------
    rated, predicted
        Class numbers, shape ``(n_cases,)``.
    participants
        Their participants, shape ``(n_cases,)``.
    n_excluded
        Rated cases that are not among them.
    """

    rated: NDArray[np.intp]
    predicted: NDArray[np.intp]
    participants: NDArray[np.str_]
    n_excluded: int = 0


def walk_order(walks: pd.DataFrame) -> NDArray[np.intp]:
    """Permutation that sorts walks by participant, session and walk, shape ``(n_walks,)``.

    Examples
    --------
    >>> walk_order(pd.DataFrame({"participant_id": ["B", "A"], "session_id": "1", "walk_id": "1"}))
    array([1, 0])
    """
    keys = ("walk_id", "session_id", "participant_id")
    return np.lexsort([np.asarray(walks[key], dtype=str) for key in keys])


def rating_codes(walks: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.intp]:
    """Class number of each walk, shape ``(n_walks,)``; -1 where it was not rated.

    Raises
    ------
    ConfigurationError
        A rating is not among the classes.

    Examples
    --------
    >>> rating_codes(pd.DataFrame({"rating": ["AR", None, "N"]}), ["N", "AR"])
    array([ 1, -1,  0])
    """
    numbers = {name: number for number, name in enumerate(classes)}
    codes = np.full(len(walks), -1, dtype=np.intp)
    for position, rating in enumerate(walks["rating"]):
        if pd.isna(rating):
            continue
        if rating not in numbers:
            raise ConfigurationError(
                f"a walk rated {rating!r}", expected=f"one of the classes {', '.join(classes)}"
            )
        codes[position] = numbers[rating]
    return codes


def predicted_classes(
    probabilities: NDArray[np.float64], level: str, *, drawn: bool, seed: int
) -> NDArray[np.intp]:
    """Class predicted for each case, shape ``(n_cases,)``, from its probabilities.

    Either the most probable class, the first of equals; or a draw, which depends on the seed, the level
    and the case's place, so that cases sorted by their ids are drawn alike whatever order they were
    listed in.

    Examples
    --------
    >>> predicted_classes(np.array([[0.2, 0.8], [0.5, 0.5]]), "walk", drawn=False, seed=0)
    array([1, 0])
    """
    if not drawn:
        # Sums of the same terms may differ in the last digit, which must not decide between equals.
        return np.asarray(probabilities.round(12).argmax(axis=1), dtype=np.intp)
    draws = np.random.default_rng([seed, LEVELS.index(level)]).random(len(probabilities))
    below: NDArray[np.bool_] = probabilities.cumsum(axis=1) <= draws[:, None]
    return np.asarray(np.minimum(below.sum(axis=1), probabilities.shape[1] - 1), dtype=np.intp)


def cases_at(
    probabilities: NDArray[np.float64],
    walks: pd.DataFrame,
    classes: Sequence[str],
    *,
    drawn: bool = False,
    seed: int = 0,
) -> dict[str, Cases]:
    """Rated and predicted classes at every level.

    Parameters
    ----------
    probabilities
        Of each walk, shape ``(n_walks, n_classes)``.
    walks
        Columns `participant_id`, `session_id`, `walk_id`, `rating`.
    classes
        All classes, in order.
    drawn, seed
        Whether predictions are draws from the probabilities, and their seed; otherwise the most probable
        class is predicted, the first of equals.

    Returns
    -------
    By level. A session has the mean probabilities of its walks and the rating of its rated walks; one
    whose walks were rated differently is excluded.

    Raises
    ------
    ConfigurationError
        Probabilities do not fit walks and classes, or a rating is not among the classes.
    """
    if probabilities.shape != (len(walks), len(classes)):
        raise ConfigurationError(
            f"probabilities of shape {probabilities.shape}",
            expected=f"{len(walks)} walks by {len(classes)} classes",
        )
    order = walk_order(walks)
    sorted_walks = walks.iloc[order]
    by_walk = probabilities[order]
    codes = rating_codes(sorted_walks, classes)
    names = np.asarray(sorted_walks["participant_id"], dtype=str)
    sessions = np.asarray(sorted_walks["session_id"], dtype=str)

    starts = np.ones(len(names), dtype=bool)
    starts[1:] = (names[1:] != names[:-1]) | (sessions[1:] != sessions[:-1])
    of_session = np.cumsum(starts) - 1
    n_sessions = int(starts.sum())
    by_session = np.zeros((n_sessions, len(classes)))
    np.add.at(by_session, of_session, by_walk)
    by_session /= np.bincount(of_session, minlength=n_sessions)[:, None]
    lowest, highest = np.full(n_sessions, len(classes)), np.full(n_sessions, -1)
    rated = codes >= 0
    np.minimum.at(lowest, of_session[rated], codes[rated])
    np.maximum.at(highest, of_session[rated], codes[rated])
    agreed = np.where(lowest == highest, highest, -1)
    return {
        "walk": _scored("walk", by_walk, codes, names, drawn, seed),
        "participant_session": _scored(
            "participant_session",
            by_session,
            agreed,
            names[starts],
            drawn,
            seed,
            n_excluded=int((highest > lowest).sum()),
        ),
    }


def _scored(
    level: str,
    probabilities: NDArray[np.float64],
    codes: NDArray[Any],
    names: NDArray[np.str_],
    drawn: bool,
    seed: int,
    n_excluded: int = 0,
) -> Cases:
    predicted = predicted_classes(probabilities, level, drawn=drawn, seed=seed)
    rated = codes >= 0
    return Cases(codes[rated].astype(np.intp), predicted[rated], names[rated], n_excluded)
