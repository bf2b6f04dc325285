"""What every saved model answers, whatever it tells of an item."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Generic, TypeVar

from regraft.core.border import tell
from regraft.core.errors import DataError, InputError
from regraft.core.types import Hints, Modality, Problem
from regraft.data.inputs import as_read_by
from regraft.data.items import Items

A = TypeVar("A")
_FLAGS = {"form": "--as"}


class BasePredictor(ABC, Generic[A]):
    """A model ready to answer: ``stream`` gives answers ``A`` of a batch of items, ``describe`` makes records of them.

    ``manifest`` is what the model says of itself, ``modality`` what its items are: pictures, texts or rows of a table,
    of which ``hints`` name the columns that it learned from; ``classes_`` are the names of its classes. ``USELESS`` are
    the options of commands that have no use for it, and ``WHY``.
    """

    manifest: dict[str, Any]
    modality: Modality
    hints: Hints
    classes_: Any
    USELESS: ClassVar[tuple[str, ...]]
    WHY: ClassVar[str]

    def items(self, x: Any) -> Items:
        """``x`` as items of the kind the model takes: a list of strings holds texts for a model of texts."""
        return as_read_by(self.modality, x, self.hints)

    def oddities(self, items: Items, others: Iterable[str] = ()) -> list[Problem]:
        """What a person should know of items to answer to. Of rows: gaps that are filled in, rows of nothing else, new
        categories, and columns (of the items or ``others``) that were left out in training. Of texts: long ones, and
        scripts that the network does not know.
        """
        return []

    @abstractmethod
    def stream(self, items: Items, label: str = "predictions") -> Iterator[A]:
        """Answers batch by batch, in the order of the items; memory does not grow with their number."""

    @abstractmethod
    def failed(self, answers: A) -> dict[int, str]:
        """The positions of items that cannot be read, and why."""

    @abstractmethod
    def describe(self, items: Items, answers: A) -> list[tuple[int, dict[str, Any]]]:
        """(position, record) of each item, in order: ``input`` and what is answered; or ``input`` and ``error``."""

    @abstractmethod
    def predict(self, x: Any) -> Any:
        """The answers to ``x``; raises ``DataError`` naming the first item that cannot be read."""

    @abstractmethod
    def to_torch(self) -> Any:
        """The model as a plain module of PyTorch, preprocessing inside; of several tasks a module by task."""

    def all_of(self, x: Any, **how: Any) -> list[A]:
        """All that `stream` gives of ``x``; oddities are told. Raises ``DataError`` as `predict`."""
        items, parts = self.items(x), []
        tell(self.oddities(items))
        for answers in self.stream(items, **how):
            for i, why in sorted(self.failed(answers).items()):
                raise DataError(f"{items.name(i)} cannot be used: {why}.")
            parts.append(answers)
        return parts

    def refuse(self, options: Mapping[str, Any]) -> None:
        """Raises ``InputError`` where an option is given that has no use for this model."""
        useless = [name for name in options if name in self.USELESS]
        if any(options[name] for name in useless):
            flags = [_FLAGS.get(name, f"--{name.replace('_', '-')}") for name in useless]
            raise InputError(f"{', '.join(flags[:-1])} and {flags[-1]} {self.WHY}.")
