"""The application that commands register themselves with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from regraft.core.errors import InputError
from regraft.core.files import path_of
from regraft.version import __version__

app = typer.Typer(
    name="regraft",
    help="Transfer learning for those with few labels: from a folder of examples to a judged, saved model.",
    epilog="Start with: regraft demo. Then: regraft inspect photos/, regraft fit photos/.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(value: bool) -> None:
    if value:
        print(f"regraft {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    debug: Annotated[bool, typer.Option("--debug", help="show tracebacks")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no progress on stderr")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="show the version")
    ] = False,
) -> None:
    from regraft.core.runtime import show_progress

    show_progress(not quiet)


def settings_of(config: Path | None, given: dict[str, Any], context: typer.Context) -> dict[str, Any]:
    """The options of a command: those typed, over those of ``config``, over the defaults."""
    if config is None:
        return given
    try:
        recorded = json.loads(path_of(config, "--config").read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"--config {config} is not the run.json of a run ({error}).") from error
    if not isinstance(recorded, dict):
        raise InputError(f"--config {config} is not the run.json of a run: its settings are no object.")
    typed = {k for k in given if str(context.get_parameter_source(k)).endswith("COMMANDLINE")}
    kept = {k: v for k, v in recorded.items() if k in given and k not in typed and k != "out"}
    options = {p.name: p for p in context.command.params}
    return given | {k: _as_typed(options[k], v, context) for k, v in kept.items()}


def _as_typed(option: Any, value: Any, context: typer.Context) -> Any:
    """A recorded value as if it had been typed; refuses, in the option's name, what could not have been."""
    if value is None:
        return option.get_default(context)
    if option.nargs == -1 and not isinstance(value, list):
        value = [value]
    return option.process_value(context, value)
