"""The commands about two domains, added to the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from regraft import options, printing
from regraft.options import Data, Device, Engine, Format, Json, Label, Page, Text, Threads
from regraft.printing import print_json


def shift(
    source: Data,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="data of another domain; labels only report")],
    backbone: Annotated[str | None, typer.Option(help=options.BACKBONE)] = None,
    mapping: Annotated[str | None, typer.Option(help="rename classes of TARGET: kitten=cat,puppy=dog")] = None,
    out: Page = None,
    format: Format = None,
    label: Label = None,
    text: Text = None,
    seed: Annotated[int, typer.Option(min=0, help="decides which items are looked at")] = 0,
    engine: Engine = "auto",
    device: Device = "auto",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Measure how far two domains lie apart, and say whether adapting is worth it."""
    from regraft.api import shift as run

    found = run(source, target, backbone=backbone, mapping=mapping, out=out, format=format, label=label, text=text,
                seed=seed, engine=engine, device=device, threads=threads)  # fmt: skip
    print_json(found) if as_json else printing.print_shift(found)


def add(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command()(shift)
