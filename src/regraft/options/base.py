"""What an option is: a field with its default, its range or choices, its help, and for what it means something."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_type_hints

from regraft.core.errors import InputError, UnknownName

Scenario = Literal["single", "target", "domains", "tasks", "taught"]
"""One target; another domain to adapt to; several domains, one model; several tasks, one network; one target and a
teacher."""

Kind = Literal["features", "training", "adapting features", "adapting networks", "domains", "auto", "detector"]
"""What a method learns: a head on features; a network; either of them for another domain; a network for several
domains; the probe and then maybe a network; a detector."""

TASK_WORDS = {"classification": "one class an item", "multilabel": "several classes an item", "regression": "numbers",
              "detection": "boxes"}  # fmt: skip
SCENARIO_WORDS = {"single": "one data set", "target": "--target", "domains": "--method joint",
                  "tasks": "--share parameters", "taught": "--teacher"}  # fmt: skip


@dataclass(frozen=True)
class Option:
    """How a field is shown and what may stand in it.

    ``low`` and ``high`` bound a number (in ``open_ends`` the ends themselves are out), ``choices`` are the words that
    can be meant, ``such_as`` is an example of what would be right. ``tasks``, ``scenarios`` and ``kinds`` say for which
    it means something, all where None; ``reasons`` tell by one of these why it cannot mean anything there. ``typed`` is
    the type on the command line where Python takes more, ``flag`` how a switch is written there. ``panel`` is the title
    under which ``--help`` shows it, by default its group's.
    """

    help: str
    low: float | None = None
    high: float | None = None
    open_ends: bool = False
    choices: tuple[str, ...] | None = None
    such_as: str | None = None
    tasks: tuple[str, ...] | None = None
    scenarios: tuple[Scenario, ...] | None = None
    kinds: tuple[Kind, ...] | None = None
    reasons: tuple[tuple[str, str], ...] = ()
    typed: type | None = None
    flag: str | None = None
    metavar: str | None = None
    panel: str | None = None


def option(default: Any, help: str, **more: Any) -> Any:
    """A field of a group of options: see `Option`."""
    return field(default=default, metadata={"option": Option(help, **more)})


@dataclass(frozen=True)
class Declared:
    """A field as it was declared: its name, its type, its default, its `Option` and the title it stands under."""

    name: str
    type: Any
    default: Any
    option: Option
    panel: str

    @property
    def long_name(self) -> str:
        """The name on the command line."""
        return f"--{self.name.replace('_', '-')}"

    def shown(self, value: Any) -> str:
        """The option as it would be typed with this value, for a message."""
        if isinstance(value, bool):
            off = (self.option.flag or "").partition("/")[2]
            return off if off and not value else self.long_name
        plain = isinstance(value, str | int | float | list)
        return f"{self.long_name} {value if plain else f'of the type {type(value).__name__}'}"

    def wrong(self, value: Any) -> InputError | None:
        """What is wrong with ``value``, whatever it is for; None where it can be meant."""
        known, low, high = self.option.choices, self.option.low, self.option.high
        if value is None or isinstance(value, bool):
            return None
        if known is not None and value not in known:
            return UnknownName(self.long_name, str(value), known)
        if low is None and high is None:
            return None
        if not isinstance(value, int | float):
            return InputError(f"{self.long_name} is {value!r}; it takes a number{self._example()}.")
        below = low is not None and (value < low or (self.option.open_ends and value == low))
        above = high is not None and (value > high or (self.option.open_ends and value == high))
        if below or above or value != value:
            return InputError(f"{self.long_name} is {value}; {self._range()}{self._example()}.")
        return None

    def _example(self) -> str:
        return f", such as {self.option.such_as}" if self.option.such_as else ""

    def _range(self) -> str:
        low, high = self.option.low, self.option.high
        if low is None or high is None:
            end, side = (low, "more") if high is None else (high, "less")
            return f"it must be above {end:g}" if self.option.open_ends else f"it must be {end:g} or {side}"
        return f"it must lie between {low:g} and {high:g}"


def declared(*groups: type) -> Iterator[Declared]:
    """The options of some groups, in their order."""
    for group in groups:
        types = get_type_hints(group)
        for one in fields(group):
            shown: Option = one.metadata["option"]
            yield Declared(one.name, types[one.name], one.default, shown, shown.panel or group.PANEL)  # type: ignore[attr-defined]
