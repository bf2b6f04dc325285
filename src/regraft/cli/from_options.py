"""The command line of a command whose options are declared in `regraft.options`, and ``--help`` in titled panels."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from regraft.options.base import Declared


class Panels(TyperCommand):
    """A command whose ``--help`` shows its options under their titles, in the order in which they were declared."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments first, then a section a title. (Typer may bring a click of its own, hence no types of click's.)"""
        found: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                title = getattr(parameter, "rich_help_panel", None)
                plain = "Arguments" if parameter.param_type_name == "argument" else "Options"
                found.setdefault(title or plain, []).append(record)
        for title, records in found.items():
            with formatter.section(title):
                formatter.write_dl(records)


def parameter(one: Declared) -> inspect.Parameter:
    """An option as typer takes it: its type, its help, its title, its switch."""
    told = one.option
    kind: Any = one.type if told.typed is None else told.typed | None
    names = [told.flag] if told.flag else []
    words = "|".join(told.choices) if told.choices else None
    shown = typer.Option(*names, help=told.help, metavar=told.metavar or words, rich_help_panel=one.panel)
    return inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default,
                             annotation=Annotated[kind, shown])  # fmt: skip


def with_options(run: Callable[..., Any], first: Iterable[inspect.Parameter], options: Iterable[Declared],
                 last: Iterable[inspect.Parameter]) -> Callable[..., Any]:  # fmt: skip
    """``run`` with a signature that typer reads: the parameters ``first``, those of ``options``, then ``last``."""
    every = [*first, *(parameter(one) for one in options), *last]

    def command(**given: Any) -> Any:
        return run(**given)

    command.__name__, command.__doc__ = run.__name__, run.__doc__
    command.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in every}
    return command


def extra(name: str, kind: Any, default: Any, *names: str, **more: Any) -> inspect.Parameter:
    """An option of the command line alone."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default,
                             annotation=Annotated[kind, typer.Option(*names, **more)])  # fmt: skip
