import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaitmb.errors import ConfigurationError, NothingUsableError, UnknownNameError
from gaitmb.severity.splits import assign_folds, check_folds, rare_class_notes

WALKS = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(["0", "1", "2", None])), min_size=1, max_size=60
)


def _split(walks, protocol, n_folds, seed):
    names = [f"P{who}" for who, _ in walks]
    ratings = [rating for _, rating in walks]
    return names, ratings, assign_folds(names, ratings, protocol=protocol, n_folds=n_folds, seed=seed)


@settings(max_examples=150, deadline=None)
@given(WALKS, st.sampled_from(["loso", "kfold"]), st.integers(2, 5), st.integers(0, 3))
def test_no_participant_crosses_a_fold_and_every_fold_can_be_scored(walks, protocol, n_folds, seed):
    try:
        names, ratings, folds = _split(walks, protocol, n_folds, seed)
    except (ConfigurationError, NothingUsableError):
        return
    check_folds(names, folds)
    homes = {name: {int(f) for n, f in zip(names, folds, strict=True) if n == name} for name in names}
    assert all(len(home) == 1 for home in homes.values())
    if protocol == "loso":
        assert len({min(home) for home in homes.values()}) == len(homes)
    else:
        rated = {int(f) for f, r in zip(folds, ratings, strict=True) if r is not None}
        assert rated == set(range(n_folds))


@settings(max_examples=80, deadline=None)
@given(WALKS, st.sampled_from(["loso", "kfold"]), st.randoms(use_true_random=False))
def test_folds_do_not_depend_on_the_order_of_rows(walks, protocol, random):
    try:
        _, _, folds = _split(walks, protocol, 3, 1)
    except (ConfigurationError, NothingUsableError):
        return
    order = list(range(len(walks)))
    random.shuffle(order)
    _, _, shuffled = _split([walks[i] for i in order], protocol, 3, 1)
    assert shuffled.tolist() == folds[order].tolist()


def test_kfold_gives_every_fold_its_share_of_each_class():
    # 12 mild and 6 severe participants: 6 folds can hold exactly 2 mild and 1 severe each.
    names = [f"P{p:02}" for p in range(18) for _ in range(2)]
    ratings = ["3" if p % 3 == 0 else "0" for p in range(18) for _ in range(2)]
    folds = assign_folds(names, ratings, protocol="kfold", n_folds=6, seed=4)
    for fold in range(6):
        held = [r for r, f in zip(ratings, folds, strict=True) if f == fold]
        assert (held.count("0"), held.count("3")) == (4, 2)


def test_the_seed_changes_who_is_held_out_together():
    names, ratings = [f"P{p:02}" for p in range(20)], ["0", "1"] * 10
    several = {
        tuple(assign_folds(names, ratings, protocol="kfold", n_folds=5, seed=s)) for s in range(4)
    }
    assert len(several) > 1


def test_unrated_walks_are_held_out_with_their_participant():
    names = ["A", "A", "B", "C", "D"]
    ratings = ["0", None, "1", float("nan"), "1"]
    folds = assign_folds(names, ratings, protocol="kfold", n_folds=3)
    assert folds[0] == folds[1]
    assert 0 <= folds[3] < 3


def test_too_many_folds_are_explained_with_both_numbers():
    with pytest.raises(ConfigurationError, match=r"3 participants .* 7 folds") as error:
        assign_folds(["A", "B", "C", "D"], ["0", "1", "1", None], protocol="kfold", n_folds=7)
    assert "at most 3 folds" in str(error.value)


@pytest.mark.parametrize(
    ("names", "ratings", "said"),
    [
        (["A", "B"], ["2", "2"], "all 2 rated walks are rated 2"),
        (["A", "A"], ["0", "1"], "1 participant"),
        (["A", "B"], [None, None], "no usable walk has a rating"),
    ],
)
@pytest.mark.parametrize("protocol", ["loso", "kfold"])
def test_what_cannot_be_learnt_is_explained(names, ratings, said, protocol):
    with pytest.raises(NothingUsableError, match=said):
        assign_folds(names, ratings, protocol=protocol, n_folds=2)


def test_an_unknown_protocol_names_the_known_ones():
    with pytest.raises(UnknownNameError, match="kfold, loso"):
        assign_folds(["A", "B"], ["0", "1"], protocol="loto")


def test_the_guard_sees_a_split_participant_without_naming_them():
    with pytest.raises(ConfigurationError) as error:
        check_folds(["Ann Smith", "Ann Smith", "B"], np.array([0, 1, 1]))
    assert "1 participants" in str(error.value)
    assert "Ann" not in str(error.value)


def test_a_class_of_one_participant_is_noted():
    notes = rare_class_notes(["A", "A", "B", "C"], ["3", "3", "0", None])
    assert [note.split(" was")[0] for note in notes] == ["Class 0", "Class 3"]
    assert rare_class_notes(["A", "B"], ["1", "1"]) == ()
