"""`raw` on tables with named columns: numbers as they are, categories one-hot, what is missing filled in.

What stands in for missing values, and which categories there are, is learned from the training rows and travels in the
artefact.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from regraft.backbones.base import Body, Pretrained
from regraft.core.errors import InputError
from regraft.core.types import PreprocessSpec, Problem
from regraft.data.items import Items, TableRows
from regraft.data.tabular.cells import Cells
from regraft.features.encoders.base import Mapped, MappedRows
from regraft.text.numbers import is_missing, kind_of, number, why_not

COLUMNS = "columns.json"
MOST_LEVELS, SHOWN = 50, 10


@dataclass(frozen=True)
class TableMap:
    """Rows of a table -> numbers (n, D) in float64.

    ``numbers`` maps a column to what stands in for a missing value, the median; ``levels`` maps a column of categories
    to those that get a column of 0 and 1 each. The most frequent category, ``base``, has none: it is what the others
    are compared with, and what an unknown one is taken for. "" is the category of missing values.
    """

    order: list[str]
    numbers: dict[str, float]
    levels: dict[str, list[str]]
    base: dict[str, str]

    @classmethod
    def fitted(cls, cells: Cells) -> TableMap:
        numbers, levels, base = {}, {}, {}
        for name in cells.columns:
            if kind_of(cells.columns[name]) in ("number", "empty"):
                values = cells.numbers(name)
                known = values[~np.isnan(values)]
                numbers[name] = float(np.median(known)) if len(known) else 0.0
            else:
                counts = Counter(_level(t) for t in cells.texts(name))
                first, *rest = sorted(counts, key=lambda level: (-counts[level], level))[:MOST_LEVELS]
                base[name], levels[name] = first, sorted(rest)
        return cls(list(cells.columns), numbers, levels, base)

    @property
    def names(self) -> list[str]:
        """(D,) what a person calls each column of the result: ``area``, ``district=north``."""
        found = []
        for name in self.order:
            found += [name] if name in self.numbers else [f"{name}={v or '(missing)'}" for v in self.levels[name]]
        return found

    def __call__(self, items: Items) -> MappedRows:
        """Rows (m, D) of the items that can be read; those with a cell that is no finite number fail by name.

        Raises ``DataError`` where a column is missing, ``InputError`` where the items are no table.
        """
        if isinstance(items, TableRows) and not self.levels:
            if items.array.shape[1] != len(self.order):
                raise InputError(f"The model takes {len(self.order)} columns ({', '.join(self.order[:10])}) and the "
                                 f"table has {items.array.shape[1]}.")  # fmt: skip
            return MappedRows(items.array[items.index].astype(np.float64), np.arange(len(items)), {})
        if not isinstance(items, Cells):
            raise InputError("The model takes a table with named columns: a CSV file or a DataFrame.")
        failed = items.failed()
        blocks = [self._column(name, items.texts(name), failed) for name in self.order]
        rows = np.concatenate(blocks, 1) if blocks else np.zeros((len(items), 0))
        good = np.array([i for i in range(len(items)) if i not in failed], np.int64)
        return MappedRows(rows[good], good, failed)

    def _column(self, name: str, texts: list[str], failed: dict[int, str]) -> NDArray[np.float64]:
        """(n, d) what one column becomes; cells that are no numbers are added to ``failed``."""
        if name in self.levels:
            levels = np.array([_level(t) for t in texts], object)
            return (levels[:, None] == np.array(self.levels[name], object)[None, :]).astype(np.float64)
        values = _numbers(name, texts, failed)
        return np.where(np.isnan(values), self.numbers[name], values)[:, None]

    def oddities(self, cells: Cells) -> list[Problem]:
        """What of other rows is filled in, or was not there to be learned: gaps, rows of nothing else, and categories
        that are new.
        """
        found = []
        if empty := self.empty(cells, range(len(cells))):
            more = f" and {len(empty) - SHOWN:,} more" if len(empty) > SHOWN else ""
            text = "holds no value: what stands in for each column is answered to, so the answer says nothing of it"
            found.append(Problem("empty-row", ", ".join(cells.name(i) for i in empty[:SHOWN]) + more, text))
        for name in (n for n in self.order if n in cells.columns):
            texts = cells.texts(name)
            gaps, known = sum(map(is_missing, texts)), {self.base.get(name), *self.levels.get(name, ())}
            if name in self.numbers:
                in_place = f"the median of training, {self.numbers[name]:g},"
            else:
                in_place = "their own category" if "" in known else f"the most frequent one, {self.base[name]},"
            if gaps:
                text = f"has {gaps:,} missing values of {len(texts):,}: {in_place} stands in for them"
                found.append(Problem("missing-values", name, text))
            new = Counter(t for t in texts if name in self.levels and not is_missing(t) and t not in known)
            if new:
                some = ", ".join(f"{t} in {n:,} {'row' if n == 1 else 'rows'}" for t, n in new.most_common(5))
                more = f" and {len(new) - 5:,} more" if len(new) > 5 else ""
                text = f"holds what training did not ({some}{more}): {self.base[name]} stands in for it"
                found.append(Problem("unknown-category", name, text))
        return found

    def empty(self, cells: Cells, positions: Iterable[int]) -> list[int]:
        """Which of the rows at ``positions`` hold no value in any column."""
        columns = [cells.columns[name] for name in self.order if name in cells.columns]
        places = ((i, int(cells.index[i])) for i in positions)
        return [i for i, at in places if at not in cells.faults and all(is_missing(c[at]) for c in columns)]

    def to_bytes(self) -> bytes:
        """As JSON, for a file of the artefact."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> TableMap:
        """From what `to_bytes` gave."""
        return cls(**json.loads(data))


def _level(text: str) -> str:
    return "" if is_missing(text) else text


def _numbers(name: str, texts: list[str], failed: dict[int, str]) -> NDArray[np.float64]:
    """(n,) the cells as numbers, NaN where one is missing; those that are no finite numbers are added to ``failed``."""
    values = np.full(len(texts), np.nan)
    for i, text in enumerate(texts):
        value = number(text)
        if value is None or math.isinf(value):
            failed.setdefault(i, f"{name!r} is {text!r}, {why_not(text)[:-1]}")
        else:
            values[i] = value
    return values


class TableNetwork(Mapped):
    """The columns of a table as a network: without features until it has learned what they are."""

    model: TableMap | None = None

    @property
    def width(self) -> int:
        assert self.model is not None, "a table gives no features before its columns are known"
        return len(self.model.names)

    def fitted(self, items: Items) -> TableNetwork:
        if not isinstance(items, Cells):
            raise InputError("Columns are learned from a table with named columns: a CSV file or a DataFrame.")
        return table_network(TableMap.fitted(items))

    def oddities(self, items: Items) -> list[Problem]:
        """`TableMap.oddities` of what was learned."""
        return [] if self.model is None or not isinstance(items, Cells) else self.model.oddities(items)

    def empty(self, cells: Cells, positions: Iterable[int]) -> list[int]:
        """`TableMap.empty` by what was learned."""
        return [] if self.model is None else self.model.empty(cells, positions)

    def rows_of(self, items: Items) -> MappedRows:
        assert self.model is not None
        return self.model(items)


def row_prints(items: Items, network: Pretrained | None) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Of the m rows that can be read: positions (m,), and digests (m,) of their cells as ``network`` reads them:
    numbers to twelve digits, however they were written, and categories, in the order of the columns that it has
    learned.
    """
    model = network.model if isinstance(network, TableNetwork) else None
    failed: dict[int, str] = {}
    words: list[list[str]] = []
    if isinstance(items, Cells):
        failed |= items.failed()
        names = list(items.columns) if model is None else model.order
        levels = [n for n in names if model is not None and n in model.levels]
        columns = [_numbers(n, items.texts(n), failed) for n in names if n not in levels]
        words = [[_level(t) for t in items.texts(n)] for n in levels]
    else:
        columns = list(np.array([items.load(i) for i in range(len(items))], np.float64).T)
    values = np.stack(columns, 1) if columns else np.zeros((len(items), 0))
    plain = np.where(np.isnan(values), np.nan, values) + 0.0
    kept = (plain.view(np.int64) + (1 << 11)) >> 12  # 40 bits of the fraction
    good = [i for i in range(len(items)) if i not in failed]
    found = [hashlib.blake2b(kept[i].tobytes() + repr([w[i] for w in words]).encode("utf-8", "surrogatepass"),
                             digest_size=8).digest() for i in good]  # fmt: skip
    return np.array(good, np.int64), np.frombuffer(b"".join(found), "<u8").astype(np.uint64)


def columns_of(network: Pretrained) -> list[str] | None:
    """The names of the columns that a table becomes, for networks on tables with named columns."""
    return network.model.names if isinstance(network, TableNetwork) and network.model else None


def table_network(model: TableMap | None = None) -> TableNetwork:
    """`raw` for tables with named columns, learned or not."""
    provenance = {"weights": "none", "pretrained_on": "nothing", "licence": "none needed"}
    recipe: dict[str, Any] = {"library": "regraft", "architecture": "table"}
    spec = PreprocessSpec(modality="table", columns=0 if model is None else len(model.names))
    network = TableNetwork("raw", Body([("columns", nn.Identity())], nn.Identity()), None, spec, recipe, (), provenance)
    if model is not None:
        network.model = model
        network.files[COLUMNS] = model.to_bytes()
    return network
