"""What labels with classes have in common, whether an item has one, several, or boxes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from regraft.core.errors import DataError
from regraft.core.types import Problem
from regraft.tasks.base import Array, LabelKind

FEW, IMBALANCE = 5, 10.0


class NamedClasses(LabelKind):
    """Two classes or more are needed, and each is told of that is empty, tiny, or much like another."""

    def require(self, labels: Array, classes: Sequence[str], data: str, target: str) -> None:
        present = [name for name, count in self.counts(labels, classes).items() if count]
        if len(present) < 2:
            what = f"one class ({present[0]})" if present else "no labelled item"
            raise DataError(f"{data} holds {what} to learn from; a classifier needs two classes or more.")

    def problems(self, labels: Array, classes: Sequence[str], target: str, item: Callable[[int], str]) -> list[Problem]:
        found: list[Problem] = []
        counts = self.counts(labels, classes)
        for name, count in counts.items():
            if count == 0:
                found.append(Problem("empty-class", name, "has no example here"))
            elif count == 1:
                found.append(Problem("tiny-class", name, "has one example: it is learned from, and cannot be judged"))
            elif count < FEW:
                found.append(Problem("tiny-class", name, f"has {count} examples: its figures will be rough"))
        present = {n: c for n, c in counts.items() if c}
        if present and max(present.values()) > IMBALANCE * min(present.values()):
            most, least = max(present, key=lambda n: present[n]), min(present, key=lambda n: present[n])
            text = f"{most} has {present[most]} examples and {least} {present[least]}: look at {self.look_at}"
            found.append(Problem("imbalance", f"{most}, {least}", text))
        folded = Counter(map(_folded, counts))
        for name in (n for n, c in folded.items() if c > 1):
            alike = [n for n in counts if _folded(n) == name]
            text = "differ by case or white space alone: is one meant?"
            found.append(Problem("classes-differ-by-case", ", ".join(alike), text))
        return found


def _folded(name: str) -> str:
    """A class's name without what the eye passes over: case, and which white space it is."""
    return " ".join(name.casefold().split())
