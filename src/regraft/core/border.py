"""Where errors of other libraries and of the machine end: what a person can mend becomes one sentence."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import ParamSpec, TypeVar

from regraft.core.errors import ArtefactError, DataWarning, DiskError, InputError, RegraftError
from regraft.core.files import why
from regraft.core.types import Problem

P = ParamSpec("P")
R = TypeVar("R")


def ours(error: BaseException) -> InputError | None:
    """The error as one of `regraft.core.errors`; None where it is nothing a person can mend, but a fault of regraft."""
    if isinstance(error, InputError):
        return error
    if isinstance(error, BrokenPipeError):
        return None
    if isinstance(error, OSError):
        return _of_the_machine(error)
    text = str(error)
    if isinstance(error, UnicodeError):
        return InputError(f"A name or a text holds what its encoding cannot express ({text}).")
    if isinstance(error, ValueError) and "embedded null" in text:
        return InputError("A path holds a NUL byte, which no path does.")
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "allocate memory" in text:
        return InputError("The memory is not enough: smaller pictures (--size), a smaller --batch or fewer items need "
                          "less.")  # fmt: skip
    if isinstance(error, RecursionError):
        return InputError("The data is nested too deep to be read.")
    if isinstance(error, RuntimeError) and "home directory" in text:
        return InputError("There is no such home folder: write the path from / on, or set HOME.")
    if isinstance(error, RuntimeError) and "start new thread" in text:
        return InputError("The machine starts no more threads: fewer --threads need less.")
    return None


def _of_the_machine(error: OSError) -> InputError:
    where = error.filename2 or error.filename
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskError(f"The disk is full{f' while writing {where}' if where else ''}: free some space.")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return InputError("Too many files are open: allow more ('ulimit -n 4096').")
    return InputError(f"{where} cannot be used: {why(error)}." if where else f"The machine refuses: {why(error)}.")


def bordered(function: Callable[P, R]) -> Callable[P, R]:
    """``function``, whose errors from below are ours."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            found = ours(error)
            if found is None or found is error:
                raise
            raise found from error

    call.__module__ = "regraft"  # where it is found again, by pickle too
    return call


@contextlib.contextmanager
def written_by_regraft(what: str | os.PathLike[str], kind: type[InputError] = ArtefactError) -> Iterator[None]:
    """Around the reading of what regraft itself wrote: where that fails, other hands or a bad copy changed it."""
    try:
        yield
    except RegraftError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise kind(f"{what} is damaged or not of this regraft ({reason}): copy it again or repeat the run.") from error


def tell(problems: Sequence[Problem]) -> None:
    """What a fit would list, where there is no list: as warnings to whoever called from outside."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals["__name__"].startswith("regraft."):
        level, frame = level + 1, frame.f_back
    for problem in problems:
        warnings.warn(f"{problem.item} {problem.message}", DataWarning, stacklevel=level)
