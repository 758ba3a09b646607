"""Errors: a tree with exit codes, and texts that survive the way back from a worker."""

import inspect
import pickle

import pytest

from gaitmb import errors

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.GaitmbError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_keeps_kind_and_text_through_a_worker(kind: type[errors.GaitmbError]) -> None:
    special = {
        errors.UnknownNameError: ("classifier", "svn", ["svm"]),
        errors.MissingExtraError: ("the app", "app"),
    }
    error = kind(*special.get(kind, ("found",)))
    back = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert type(back) is kind
    assert str(back) == str(error)
    assert back.remedy == error.remedy


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_stands_in_the_drawn_tree(kind: type[errors.GaitmbError]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")
    assert kind.__name__ in errors.__all__


def test_exit_codes_are_those_of_the_command_line() -> None:
    assert errors.ConfigurationError.exit_code == 2
    assert errors.WalkError.exit_code == 3
    assert errors.NothingUsableError.exit_code == 4
