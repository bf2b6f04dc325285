"""Items whose labels, where there are any, are not looked at, with the parts that they lie in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError
from regraft.core.types import Hints
from regraft.data.dataset import Dataset
from regraft.data.items import Items
from regraft.data.open import open_data, open_inputs, part_named, split_part
from regraft.data.parts import part_of


def open_unlabelled(data: Any, modality: str, hints: Hints, read: Callable[..., Dataset] = open_data) -> Dataset:
    """The items of ``data``, a path or a DataFrame, as a `Dataset` without targets: of labelled data all, labelled or
    not; else loose pictures, files of text, or the lines of one. ``read`` is `open_data`, or does as it does.

    Raises ``DataError`` where there is nothing to read.
    """
    try:
        found = read(data, hints=replace(hints, labels="none", label=None))
        parts = found.parts if found.roles or (found.parts != "").any() else _parts_of(found.items)
        return replace(found, targets={}, labels={}, parts=parts)
    except DataError:
        if not isinstance(data, str | PurePath):
            raise
    where, part = split_part(str(data))
    loose = open_inputs(where, modality=modality, hints=replace(hints, group=None, label=None))
    found = Dataset(where, loose.items, {}, {}, _parts_of(loose.items), format="items", problems=tuple(loose.problems))
    return found if part is None else part_named(found, part)


def _parts_of(items: Items) -> NDArray[np.str_]:
    return parts_in([items.name(i) for i in range(len(items))])


def parts_in(names: Sequence[str]) -> NDArray[np.str_]:
    """(n,) the part of each file by the first folder that differs, where all of these are called as parts are; else
    "".
    """
    folders = [name.split("/")[:-1] for name in names]
    for depth in range(min(map(len, folders), default=0)):
        called = {inside[depth] for inside in folders}
        parts = {folder: part_of(folder) for folder in called}
        if all(parts.values()):
            return np.array([parts[inside[depth]] for inside in folders], np.str_)
        if len(called) > 1:
            break
    return np.full(len(names), "", np.str_)
