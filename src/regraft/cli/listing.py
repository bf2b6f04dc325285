"""Commands that list and keep what is there."""

from __future__ import annotations

from typing import Annotated

import typer

from regraft.cli import printing
from regraft.cli.app import app
from regraft.cli.arguments import Json, Page
from regraft.cli.printing import print_json, table


@app.command()
def backbones(as_json: Json = False) -> None:
    """List the pretrained networks: size, input, licence, and whether the weights are on this machine."""
    from regraft.api import list_backbones as find

    found = find()
    print_json({"backbones": found}) if as_json else printing.print_backbones(found)


@app.command()
def weights(
    here: Annotated[bool, typer.Option("--here", help="only those on this machine")] = False,
    as_json: Json = False,
) -> None:
    """List the weights of networks: where they are or what one command brings them, checksum, licence and origin.

    Sources, first to last: folders named in REGRAFT_WEIGHTS, regraft itself, installed packages, the cache, the
    publisher. Nothing is fetched.
    """
    from regraft.api import weights as find

    found = find(here)
    print_json({"weights": found}) if as_json else printing.print_weights(found)


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
    sort: Annotated[
        str, typer.Option(help="date, accuracy, map, rmse, gain, seconds, run, status, data, backbone or method")
    ] = "date",
    out: Page = None,
    as_json: Json = False,
) -> None:
    """List the runs in a folder with their figures, the latest first, or the best by --sort.

    With --out as a page whose columns sort.
    """
    from regraft.api import runs as find

    found = find(folder, sort=sort, out=out)
    print_json({"runs": found}) if as_json else printing.print_runs(found, folder, out)


@app.command()
def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN RUN...", help="finished run folders; the first is the base")
    ],
    out: Page = None,
    seed: Annotated[int, typer.Option(min=0, help="decides the draws of a bootstrap")] = 0,
    as_json: Json = False,
) -> None:
    """Compare runs by a paired test on the items that all were judged on, and show what they were told differently.

    One class an item: McNemar's exact test; several, numbers and boxes: the paired bootstrap.
    """
    from regraft.api import compare as run

    found = run(runs, out=out, seed=seed)
    print_json(found) if as_json else printing.print_comparison(found)


@app.command()
def cache(
    action: Annotated[
        str, typer.Argument(metavar="[show|prune|verify|clear]", help="what to do with what is stored")
    ] = "show",
    to: Annotated[
        float | None,
        typer.Option(metavar="GB", help="prune: gigabytes the features may take [default: the quota]"),
    ] = None,
    rows: Annotated[
        bool, typer.Option("--rows", help="clear: features alone, not what engines remember of this machine")
    ] = False,
    clear: Annotated[bool, typer.Option("--clear", help="the same as the action clear")] = False,
    as_json: Json = False,
) -> None:
    """Show what is stored between runs: the features of items, and what engines remember.

    prune deletes the features used longest ago, verify reads all against their checksums (damaged ones are deleted;
    exit status 1), clear deletes everything but weights. Nothing that is deleted is lost: it is computed again.
    REGRAFT_CACHE names the folder, REGRAFT_QUOTA_GB how much it may hold.
    """
    from regraft.api import cache as run

    found = run(action, to=to, rows=rows, clear=clear)
    print_json(found) if as_json else printing.print_cache(found)
    if found.get("damaged"):
        raise typer.Exit(1)
