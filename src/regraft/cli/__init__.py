"""The command line: parses, calls one function, prints. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import NoReturn

STOPPED = "interrupted; what was written is whole"

try:
    import typer

    from regraft.cli import learning, listing, serving, using  # noqa: F401 they register their commands
    from regraft.cli.app import app
    from regraft.core.border import ours
    from regraft.core.errors import RegraftError
    from regraft.core.runtime import as_command
except KeyboardInterrupt:
    sys.exit(130)


def main() -> None:
    """Entry point. Exit status: 0 done, 1 our fault, 2 the user's input or machine, 130 interrupted."""
    with as_command():
        _main()


def _main() -> None:
    _streams()
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        os.getcwd()
    except OSError:  # libraries below would end the process by themselves
        _leave("the folder that this runs in is no longer there: change to one that is", 2, debug)
    try:
        status = app(standalone_mode=False)
        if status == 130:
            raise KeyboardInterrupt
        sys.stdout.flush()  # what cannot be printed is said here, not by the interpreter when it ends
    except (KeyboardInterrupt, typer.Abort):
        _leave(STOPPED, 130, debug)
    except (BrokenPipeError, SystemExit):  # whoever read has enough: head, less; click leaves then by itself
        _leave("", 0, debug)
    except RegraftError as error:
        _leave(str(error), 2, debug)
    except Exception as error:  # noqa: BLE001 the last resort: a sentence in place of a traceback
        if hasattr(error, "format_message"):
            _leave(error.format_message(), 2, debug)
        if found := ours(error):
            _leave(str(found), 2, debug)
        _leave(f"a fault in regraft: {type(error).__name__}: {error} (--debug shows where)", 1, debug)
    _flush()
    sys.exit(status if isinstance(status, int) else 0)


def _streams() -> None:
    """Streams that take whatever is printed: schedulers close them, and names of files hold bytes that are no text."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # else the next file that is opened would get this number, and what is meant for the stream
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _leave(message: str, status: int, debug: bool) -> NoReturn:
    with contextlib.suppress(ValueError):  # outside the main thread there are no signals to ignore
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, ValueError):
        if debug and status:
            import traceback

            traceback.print_exc()
        if message:
            print(f"regraft: {message}", file=sys.stderr, flush=True)
    _flush()
    sys.exit(status)


def _flush() -> None:
    """Empties the streams; one that takes nothing more is turned to nowhere, else the interpreter would tell of it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # what is left in it would be tried, and told of, again
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
