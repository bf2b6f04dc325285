"""The command line: parses, calls one function, prints. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import os
import sys

import typer

from regraft.cli import learning, listing, using  # noqa: F401 they register their commands
from regraft.cli.app import app
from regraft.errors import RegraftError


def main() -> None:
    """Entry point. Exit status: 0 done, 1 our fault, 2 the user's input, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names of files may hold bytes that are no text
            stream.reconfigure(errors="backslashreplace")
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        status = app(standalone_mode=False)
        if status == 130:
            raise KeyboardInterrupt
        sys.exit(status if isinstance(status, int) else 0)
    except (KeyboardInterrupt, typer.Abort):
        _leave("interrupted; what was written is whole, and fit with --resume goes on", 130, debug)
    except RegraftError as error:
        _leave(str(error), 2, debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 the last resort: a sentence in place of a traceback
        if hasattr(error, "format_message"):
            _leave(error.format_message(), 2, debug)
        _leave(f"a fault in regraft: {type(error).__name__}: {error} (--debug shows where)", 1, debug)


def _leave(message: str, status: int, debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exc()
    print(f"regraft: {message}", file=sys.stderr)
    sys.exit(status)
