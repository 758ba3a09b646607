"""Every deliberate error of gaitmb.

::

    GaitmbError
    ├── ConfigurationError       a setting or argument is wrong               exit 2
    │   ├── UnknownNameError     a name that is not in a registry
    │   ├── MissingExtraError    an optional part is not installed
    │   ├── ManifestError        a cohort cannot be read as a whole
    │   └── CheckpointError      weights do not fit, or cannot be trusted
    ├── WalkError                one walk cannot be used; the others go on    exit 3
    │   ├── ReadError            its file cannot be read as what it should be
    │   └── QualityError         it was read, but is not enough to judge
    ├── CoordinateError          a function got positions of another system
    └── NothingUsableError       no walk is left, or none can be scored       exit 4

An error says what was found, what was expected and what to do next. Texts never name a participant
or a file: they end up on terminals and in logs.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "CheckpointError",
    "ConfigurationError",
    "CoordinateError",
    "GaitmbError",
    "ManifestError",
    "MissingExtraError",
    "NothingUsableError",
    "QualityError",
    "ReadError",
    "UnknownNameError",
    "WalkError",
]


class GaitmbError(Exception):
    """An error that gaitmb raises on purpose.

    Parameters
    ----------
    found
        What was found, as a sentence without its full stop.
    expected
        What was expected instead; empty where `found` says it already.
    remedy
        What to do next; empty where there is only one thing to do.

    Examples
    --------
    >>> print(GaitmbError("the clip has 0 frames", expected="at least 16", remedy="Record longer"))
    the clip has 0 frames; expected at least 16. Record longer.
    """

    exit_code = 2

    def __init__(self, found: str, *, expected: str = "", remedy: str = "") -> None:
        self.found = found
        self.expected = expected
        self.remedy = remedy
        super().__init__(found, expected, remedy)

    def __reduce__(self) -> tuple[object, ...]:
        # Workers send errors back by pickle, which would drop keyword-only arguments.
        return _rebuild, (type(self), self.found, self.expected, self.remedy)

    @property
    def reason(self) -> str:
        """What was found and what was expected, without the remedy."""
        return f"{self.found}; expected {self.expected}" if self.expected else self.found

    def __str__(self) -> str:
        end = "" if self.remedy.endswith("?") else "."
        return f"{self.reason}. {self.remedy}{end}" if self.remedy else f"{self.reason}."


def _rebuild(kind: type[GaitmbError], found: str, expected: str, remedy: str) -> GaitmbError:
    error = kind.__new__(kind)
    GaitmbError.__init__(error, found, expected=expected, remedy=remedy)
    return error


class ConfigurationError(GaitmbError):
    """A setting or an argument is wrong."""


class UnknownNameError(ConfigurationError):
    """A name that is not in a registry, with the nearest one that is.

    Examples
    --------
    >>> print(UnknownNameError("classifier", "svn", ["svm", "mlp"]))
    there is no classifier 'svn'; expected one of mlp, svm. Did you mean 'svm'?
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1)
        super().__init__(
            f"there is no {kind} {name!r}",
            expected=f"one of {', '.join(names)}" if names else "",
            remedy=f"Did you mean {near[0]!r}?" if near else "",
        )


class MissingExtraError(ConfigurationError):
    """An optional part of gaitmb is not installed.

    Examples
    --------
    >>> print(MissingExtraError("the review app", "app"))
    the review app needs the extra 'app', which is not installed. Run: pip install "gaitmb[app]".
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the extra {extra!r}, which is not installed",
            remedy=f'Run: pip install "gaitmb[{extra}]"',
        )


class ManifestError(ConfigurationError):
    """A cohort cannot be read as a whole: no such folder, columns missing, not a table."""


class CheckpointError(ConfigurationError):
    """Weights do not fit the network, or come in a file that cannot be trusted."""


class WalkError(GaitmbError):
    """One walk cannot be used; it gets a row in the failures table and the others go on."""

    exit_code = 3


class ReadError(WalkError):
    """The file of a walk cannot be read as what it should be."""


class QualityError(WalkError):
    """A walk was read, but holds too little to be judged."""


class CoordinateError(GaitmbError):
    """A function got positions in another coordinate system than the one it is defined on."""


class NothingUsableError(GaitmbError):
    """No walk is left, or none of those left can be scored."""

    exit_code = 4
