"""What can go wrong.

    Exception
    └── RegraftError              everything regraft raises on purpose
        └── InputError            the user can mend it; exit status 2 (also a ValueError)
            ├── UnknownName       a name that is in no registry; says which one was probably meant
            ├── DataError         data that cannot be found, recognised or read
            ├── UnreadableItem    one item that cannot be decoded; it is set aside and listed
            ├── WeightsError      weights that are missing, damaged, foreign or of another architecture
            ├── TrainingError     a training whose loss grows, or is no number any more
            ├── ArtefactError     a model or run folder that is not whole, or that stands in the way
            └── DiskError         no space, or no right to write

    UserWarning
    └── DataWarning               what `regraft fit` would list, told to Python callers who get no list

Every message is one sentence: what, where, and what would be right.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RegraftError(Exception):
    """Anything that regraft raises on purpose."""


class InputError(RegraftError, ValueError):
    """The input or the arguments are not usable; the message says what would be."""


class DataError(InputError):
    """Data that cannot be found, recognised or read."""


class UnreadableItem(InputError):
    """One item that cannot be decoded."""


class TrainingError(InputError):
    """A training that learns nothing: its loss grows, or is no longer a number."""


class WeightsError(InputError):
    """Weights that are missing, damaged, foreign, or of another architecture."""


class ArtefactError(InputError):
    """A model or run folder that is not whole, or that stands in the way."""


class DiskError(InputError):
    """Nothing can be written: no space, or no right to."""


class DataWarning(UserWarning):
    """Something about the data that a person should know: a `regraft.core.types.Problem` where there is no list of
    them.
    """


class UnknownName(InputError):
    """A name that is in no registry."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        known = list(known)
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        if close:
            hint = f"did you mean {close[0]!r}?"
        elif len(known) <= 20:
            hint = f"known are: {', '.join(known)}."
        else:
            hint = f"{len(known)} are known; 'regraft {what}s' lists them."
        super().__init__(f"There is no {what} {name!r}: {hint}")
