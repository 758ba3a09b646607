"""Which walks are held out together: participants are never split.

Here a leak would start, so everything that separates training from test participants is in this file.
Folds depend on who the participants are and how they were rated, never on the order of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gaitmb.errors import ConfigurationError, NothingUsableError, UnknownNameError

__all__ = ["PROTOCOLS", "assign_folds", "check_folds", "check_rated", "rare_class_notes"]

#: Leave one participant out, or leave groups of participants out.
PROTOCOLS = ("loso", "kfold")


def assign_folds(
    participants: Sequence[str] | NDArray[Any] | pd.Series[Any],
    ratings: Sequence[str | None] | NDArray[Any] | pd.Series[Any],
    *,
    protocol: str,
    n_folds: int = 7,
    seed: int = 0,
) -> NDArray[np.intp]:
    """Give every walk the fold in which it is held out.

    Parameters
    ----------
    participants
        Participant of each walk, shape ``(n_walks,)``.
    ratings
        Class of each walk as text, shape ``(n_walks,)``; None or NaN where it was not rated. Such a walk
        is held out with its participant.
    protocol
        ``loso``: a fold for each participant. ``kfold``: `n_folds` folds whose numbers of participants
        differ by at most one and whose classes are as alike as whole participants allow.
    n_folds
        Number of folds of ``kfold``; ignored by ``loso``.
    seed
        Breaks ties between participants with the same ratings.

    Returns
    -------
    Fold of each walk, shape ``(n_walks,)``, from 0; no participant is in two.

    Raises
    ------
    NothingUsableError
        No walk is rated, all ratings are the same, or they come from one participant.
    ConfigurationError
        There are fewer rated participants than folds.
    UnknownNameError
        There is no such protocol.

    Notes
    -----
    Stratification deals participants to folds in rounds, those with the rarest ratings first, each to
    the fold of the round that keeps the folds' shares of all classes most alike.

    Examples
    --------
    >>> assign_folds(["B", "A", "B"], ["1", "0", None], protocol="loso")
    array([1, 0, 1])
    """
    if protocol not in PROTOCOLS:
        raise UnknownNameError("protocol", protocol, PROTOCOLS)
    who, of_walk = np.unique(np.asarray(participants, dtype=str), return_inverse=True)
    rated, codes, n_classes = _encode(ratings)
    check_rated(participants, ratings)
    if protocol == "loso":
        return of_walk.astype(np.intp)
    counts = np.zeros((len(who), n_classes))
    np.add.at(counts, (of_walk[rated], codes), 1.0)
    n_rated = int((counts.sum(axis=1) > 0).sum())
    if n_folds < 2:
        raise ConfigurationError(f"{n_folds} folds", expected="at least 2")
    if n_rated < n_folds:
        raise ConfigurationError(
            f"{n_rated} participants with rated walks for {n_folds} folds",
            expected="at least one rated participant for each fold",
            remedy=f"Ask for at most {n_rated} folds, or use the protocol loso",
        )
    return _deal(counts, n_folds, seed)[of_walk]


def _encode(ratings: Any) -> tuple[NDArray[np.bool_], NDArray[np.intp], int]:
    # Which walks are rated, the class codes of those, and how many classes there are.
    column = pd.Series(ratings, dtype=object)
    rated = column.notna().to_numpy(dtype=bool)
    names, codes = np.unique(column[rated].to_numpy().astype(str), return_inverse=True)
    return rated, codes.astype(np.intp), len(names)


def _deal(counts: NDArray[np.float64], n_folds: int, seed: int) -> NDArray[np.intp]:
    shares = counts / counts.sum(axis=0)
    lot = np.random.default_rng(seed).permutation(len(counts))
    # Whoever holds most of any one class is hardest to place; wholly unrated participants come last.
    order = np.lexsort((lot, -counts.sum(axis=1), -shares.max(axis=1).round(12)))
    folds = np.empty(len(counts), dtype=np.intp)
    filled = np.zeros((n_folds, counts.shape[1]))
    size = np.zeros(n_folds, dtype=np.intp)
    for participant in order:
        open_folds = np.flatnonzero(size == size.min())
        spread = []
        for fold in open_folds:
            trial = filled.copy()
            trial[fold] += shares[participant]
            spread.append(round(float(trial.var(axis=0).sum()), 12))
        fold = open_folds[int(np.argmin(spread))]
        filled[fold] += shares[participant]
        size[fold] += 1
        folds[participant] = fold
    return folds


def check_rated(participants: Any, ratings: Any) -> None:
    """Make sure that there is something to learn and somebody else to test it on.

    Raises
    ------
    NothingUsableError
        No walk is rated, all ratings are the same, or they come from one participant.

    Examples
    --------
    >>> check_rated(["A", "B"], ["1", "1"])
    Traceback (most recent call last):
    gaitmb.errors.NothingUsableError: all 2 rated walks are rated 1; expected at least 2 classes...
    """
    rated, codes, n_classes = _encode(ratings)
    if not rated.any():
        raise NothingUsableError(
            "no usable walk has a rating",
            expected="rated walks of at least 2 participants and 2 classes",
            remedy="Fill the column rating of the manifest, or see the failures for what was lost",
        )
    if n_classes == 1:
        name = str(np.asarray(pd.Series(ratings, dtype=object)[rated])[0])
        raise NothingUsableError(
            f"all {len(codes)} rated walks are rated {name}",
            expected="at least 2 classes, because one class can neither be learnt nor scored",
            remedy="Add walks with other ratings",
        )
    n_participants = len(np.unique(np.asarray(participants, dtype=str)[rated]))
    if n_participants == 1:
        raise NothingUsableError(
            "all rated walks are of 1 participant",
            expected="at least 2, because whoever is tested must not be trained on",
            remedy="Add rated walks of other participants",
        )


def check_folds(participants: Any, folds: NDArray[np.integer[Any]]) -> None:
    """Refuse folds that split a participant.

    Raises
    ------
    ConfigurationError
        A participant is in two folds, or a walk has no fold.

    Examples
    --------
    >>> check_folds(["A", "A", "B"], np.array([0, 1, 1]))
    Traceback (most recent call last):
    gaitmb.errors.ConfigurationError: 1 participants are in more than one fold; expected ...
    """
    names = np.asarray(participants, dtype=str)
    if names.shape != folds.shape:
        raise ConfigurationError(
            f"{len(names)} walks and {len(folds)} folds", expected="one fold for each walk"
        )
    pairs = {(name, int(fold)) for name, fold in zip(names, folds, strict=True)}
    homes = pd.Series([name for name, _ in pairs]).value_counts()
    split = int((homes > 1).sum())
    if split:
        raise ConfigurationError(
            f"{split} participants are in more than one fold",
            expected="all walks of a participant in the same fold",
            remedy="Use assign_folds",
        )


def rare_class_notes(participants: Any, ratings: Any) -> tuple[str, ...]:
    """Sentences about classes that cannot be learnt when their only participant is held out.

    Examples
    --------
    >>> rare_class_notes(["A", "B", "B"], ["0", "0", "3"])
    ('Class 3 was rated in one participant only: it cannot be found in them.',)
    """
    column = pd.Series(ratings, dtype=object)
    rated = column.notna().to_numpy(dtype=bool)
    names = np.asarray(participants, dtype=str)[rated]
    classes = column[rated].to_numpy().astype(str)
    return tuple(
        f"Class {name} was rated in one participant only: it cannot be found in them."
        for name in np.unique(classes)
        if len(set(names[classes == name])) == 1
    )
