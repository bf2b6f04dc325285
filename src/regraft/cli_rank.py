"""``regraft rank`` on the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from regraft import printing
from regraft.options import Data, Device, Format, Group, Json, Label, Page, TaskName, Text, Threads
from regraft.printing import print_json


def rank(
    data: Data,
    backbones: Annotated[str | None, typer.Option(help="candidates, with commas [default: all that are here]")] = None,
    scores: Annotated[str | None, typer.Option(help="scores, with commas [default: all that apply]")] = None,
    by: Annotated[str | None, typer.Option(help="the score that decides [default: probe, else logme]")] = None,
    items: Annotated[int, typer.Option(help="look at no more items than these")] = 2000,
    label: Label = None,
    text: Text = None,
    group: Group = None,
    task: TaskName = None,
    size: Annotated[int | None, typer.Option(help="pixels a side of the pictures fed [default: the network's]")] = None,
    format: Format = None,
    seed: Annotated[int, typer.Option(min=0, help="decides which items and the folds")] = 0,
    out: Page = None,
    device: Device = "auto",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Compare pretrained networks on this data without training them: scores, size, speed, and which is good enough."""
    given = {k: v for k, v in locals().items() if k != "as_json"}
    from regraft.api import rank as run

    found = run(**given)
    print_json(found) if as_json else printing.print_ranking(found)
