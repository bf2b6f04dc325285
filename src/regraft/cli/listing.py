"""Commands that list and keep what is there."""

from __future__ import annotations

from typing import Annotated

import typer

from regraft.cli.app import app
from regraft.options import Json
from regraft.printing import print_json, table


@app.command()
def backbones(as_json: Json = False) -> None:
    """List the pretrained networks: size, input, licence, and whether the weights are on this machine."""
    from regraft.api import list_backbones as find

    found = find()
    if as_json:
        return print_json({"backbones": found})
    columns = ["name", "weights", "here", "million parameters", "giga-ops", "input", "licence"]
    table(columns, [[r["name"], r["weights"], "yes" if r["here"] else "no", round((r["parameters"] or 0) / 1e6, 1),
                      r["gigaops"], r["input"], r["licence"]] for r in found])  # fmt: skip
    return None


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
    if as_json:
        return print_json({"runs": found})
    if not found:
        print(f"no runs in {folder}")
    else:
        keys = ["run", "status", "data", "backbone", "method", "accuracy", "gain"]
        table(keys, [[r[k] for k in keys] for r in found])
    return None


@app.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="delete all stored features")] = False,
    as_json: Json = False,
) -> None:
    """Show, or clear, the stored features."""
    from regraft.api import cache as run

    found = run(clear=clear)
    if as_json:
        return print_json(found)
    if clear:
        print(f"freed {found['freed_bytes'] / 1e6:.1f} MB")
    print(f"{found['bytes'] / 1e6:.1f} MB of {found['quota_bytes'] / 1e9:g} GB in {found['folder']}")
    if found["tables"]:
        table(["network", "MB"], [[t["network"], round(t["bytes"] / 1e6, 1)] for t in found["tables"]])
    return None
