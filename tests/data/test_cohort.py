"""Cohort: the same whatever the order of its rows."""

import pickle
import random

import pytest

from gaitmb.data.cohort import Cohort, RatingScale
from gaitmb.data.walk import Walk, WalkId
from gaitmb.errors import ManifestError


def _walks() -> list[Walk]:
    return [
        Walk(WalkId(f"P{p}", session, str(run)), "manifest", rating=str(p % 3))
        for p in range(4)
        for session in ("on", "off")
        for run in (1, 2)
    ]


def test_shuffled_rows_make_the_same_cohort() -> None:
    walks = _walks()
    shuffled = random.Random(0).sample(walks, len(walks))  # noqa: S311  # no secret
    assert Cohort("c", shuffled) == Cohort("c", walks)
    assert Cohort("c", walks).participants == ("P0", "P1", "P2", "P3")


def test_the_same_walk_twice_is_refused() -> None:
    walks = _walks()
    with pytest.raises(ManifestError):
        Cohort("c", [*walks, walks[0]])


def test_a_rating_off_the_scale_is_refused() -> None:
    with pytest.raises(ManifestError):
        Cohort("c", [Walk(WalkId("P", "on", "1"), "manifest", rating="5")])


def test_named_classes_keep_the_order_of_their_scale() -> None:
    scale = RatingScale("gait", ("N", "AR", "AL"), ordinal=False)
    walks = [Walk(WalkId("P", c, "1"), "calgary", rating=c) for c in ("AL", "N")]
    assert Cohort("c", walks, scale).classes == ("N", "AL")


def test_a_walk_travels_to_a_worker_and_its_metadata_cannot_be_changed() -> None:
    walk = Walk(WalkId("P", "on", "1"), "manifest", metadata={"ward": "7"})
    back = pickle.loads(pickle.dumps(walk))  # noqa: S301  # our own bytes
    assert back == walk
    with pytest.raises(TypeError):
        back.metadata["ward"] = "8"


def test_a_bids_name_keeps_only_what_bids_allows() -> None:
    assert WalkId("P 0_3", "off", "02", "side").bids == "sub-P03_ses-off_task-walk_acq-side_run-02"
