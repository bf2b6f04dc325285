"""Arguments and options that several commands share; what `fit` has too is told in its words (`regraft.options`)."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from regraft.options.data import DATA
from regraft.options.fit import OPTIONS


def as_in_fit(name: str) -> Any:
    """An option with the help that `fit` has for it."""
    return typer.Option(help=OPTIONS[name].option.help)


Data = Annotated[str, typer.Argument(metavar="DATA", help=DATA)]
ModelPath = Annotated[str, typer.Argument(metavar="MODEL", help="a run folder or the model folder in it")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object on stdout and nothing else")]
Page = Annotated[str | None, typer.Option(metavar="FILE.html", help="write a page that stands alone")]
Adapt = Annotated[str | None, typer.Option(help="tent: adapts batch normalisation to the items before it answers")]
Format = Annotated[str | None, as_in_fit("format")]
Text = Annotated[str | None, as_in_fit("text")]
Image = Annotated[str | None, as_in_fit("image")]
Features = Annotated[str | None, as_in_fit("features")]
Drop = Annotated[str | None, as_in_fit("drop")]
Part = Annotated[str | None, as_in_fit("part")]
Encoding = Annotated[str | None, as_in_fit("encoding")]
Label = Annotated[str | None, as_in_fit("label")]
Group = Annotated[str | None, as_in_fit("group")]
TaskName = Annotated[str | None, as_in_fit("task")]
Backbone = Annotated[str | None, as_in_fit("backbone")]
Size = Annotated[int | None, as_in_fit("size")]
Engine = Annotated[str, as_in_fit("engine")]
Device = Annotated[str, as_in_fit("device")]
Trust = Annotated[bool, typer.Option("--trust", help=OPTIONS["trust"].option.help)]
Threads = Annotated[int | None, as_in_fit("threads")]
