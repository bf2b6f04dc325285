"""Commands that list and keep what is there."""

from __future__ import annotations

from typing import Annotated

import typer

from regraft.cli import printing
from regraft.cli.app import app
from regraft.cli.arguments import Json
from regraft.cli.printing import print_json, table


@app.command()
def backbones(as_json: Json = False) -> None:
    """List the pretrained networks: size, input, licence, and whether the weights are on this machine."""
    from regraft.api import list_backbones as find

    found = find()
    print_json({"backbones": found}) if as_json else printing.print_backbones(found)


@app.command()
def methods(as_json: Json = False) -> None:
    """List the methods of transfer."""
    from regraft.api import list_methods as find

    found = find()
    if as_json:
        return print_json({"methods": found})
    table(["method", "what it does"], [[m["name"], m["summary"]] for m in found])
    return None


@app.command()
def runs(
    folder: Annotated[str, typer.Argument(metavar="[FOLDER]", help="where the runs are")] = "runs",
    as_json: Json = False,
) -> None:
    """List the runs in a folder with their figures, the latest first."""
    from regraft.api import runs as find

    found = find(folder)
    print_json({"runs": found}) if as_json else printing.print_runs(found, folder)


@app.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="delete all stored features")] = False,
    as_json: Json = False,
) -> None:
    """Show, or clear, the stored features."""
    from regraft.api import cache as run

    found = run(clear=clear)
    print_json(found) if as_json else printing.print_cache(found, clear)
