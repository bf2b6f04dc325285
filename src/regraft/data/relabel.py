"""The labels of other data in the terms of the training data."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from regraft.core.errors import DataError
from regraft.core.types import Problem
from regraft.data.dataset import Dataset


def relabel(data: Dataset, classes: tuple[str, ...], *, strict: bool = True) -> Dataset:
    """The same items with labels that index ``classes`` by name; -1 for a class that is not among them. Classes written
    1.0 are those written 1, as pandas writes whole numbers either way, which is said.

    Raises ``DataError`` listing the unknown classes where ``strict``.
    """
    data = _as_whole_numbers(data, classes)
    found, unknown = renumbered(data, classes)
    if unknown and strict:
        raise _not_known(data, unknown, classes)
    return found


def matched_classes(data: Dataset, classes: tuple[str, ...]) -> tuple[Dataset, dict[str, int]]:
    """`renumbered` pictures with boxes; raises ``DataError`` where ``data`` has none of the classes."""
    found, left = renumbered(data, classes)
    if left and not any(len(b) for b in found.y):
        raise _not_known(data, left, classes)
    return found, left


def _not_known(data: Dataset, others: Iterable[str], classes: tuple[str, ...]) -> DataError:
    return DataError(f"{data.name} has the classes {', '.join([*others][:10])}, which the model has not: it knows "
                     f"{', '.join(classes[:10])}.")  # fmt: skip


def renumbered(data: Dataset, classes: tuple[str, ...]) -> tuple[Dataset, dict[str, int]]:
    """The same items with labels that index ``classes`` by name, and how often others are told of."""
    position = {name: i for i, name in enumerate(classes)}
    place = np.array([position.get(name, -1) for name in data.classes], np.int64)
    y = data.kind.renumbered(data.y, place, len(classes))
    others = {name: count for name, count in data.class_counts().items() if count and name not in position}
    target = {data.target_name: replace(data.target, classes=classes)}
    return replace(data, targets=target, labels={data.target_name: y}), others


_FLOAT = re.compile(r"(-?\d+)\.0")


def _as_whole_numbers(data: Dataset, known: tuple[str, ...]) -> Dataset:
    """The data with its classes spelled as the ``known`` ones are, where the one are 1.0 and 2.0, the other 1 and 2."""
    plain = {name: _FLOAT.sub(r"\1", name) for name in data.classes}
    spelled = {_FLOAT.sub(r"\1", name): name for name in known}
    if not any(map(_FLOAT.fullmatch, (*data.classes, *known))) or len(spelled) < len(known):
        return data
    names = tuple(spelled.get(plain[name], name) for name in data.classes)
    if names == data.classes or len(set(names)) < len(names):
        return data
    pairs = [(a, b) for a, b in zip(data.classes, names, strict=True) if a != b]
    text = f"is taken for the class {pairs[0][1]}, and the other numbers likewise"
    said = Problem("class-spelling", pairs[0][0], text)
    return replace(data, targets={data.target_name: replace(data.target, classes=names)},
                   problems=(*data.problems, said))  # fmt: skip
