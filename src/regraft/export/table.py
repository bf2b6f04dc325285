"""Models of tables: numbers with gaps and codes of categories in, answers out."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from regraft.backbones.base import Pretrained
from regraft.core.errors import InputError
from regraft.data.items import Items
from regraft.data.tabular.cells import Cells
from regraft.export.answers import told_of
from regraft.export.base import Arrays, Exportable, Port
from regraft.export.heads import Head, output_of, told
from regraft.export.table_inputs import TableInputs
from regraft.features.encoders.table import TableMap, TableNetwork
from regraft.inference.load import AnyPredictor
from regraft.inference.predictor import Predictor


class Columns(nn.Module):
    """`TableMap` in a graph. Numbers float64 (N, numbers), NaN where one is missing, and codes of categories int64
    (N, categories), -1 for the one that has no column -> (N, D).
    """

    median: Tensor

    def __init__(self, learned: TableMap) -> None:
        super().__init__()
        self.widths = [len(learned.levels.get(name, ())) if name in learned.levels else -1 for name in learned.order]
        numbers = [learned.numbers[name] for name in learned.order if name in learned.numbers]
        self.register_buffer("median", torch.tensor(numbers, dtype=torch.float64))

    def forward(self, *given: Tensor) -> Tensor:
        numbers = torch.where(given[0].isnan(), self.median, given[0]) if len(self.median) else None
        blocks, number, category = [], 0, 0
        for width in self.widths:
            if width < 0:
                assert numbers is not None
                blocks.append(numbers[:, number : number + 1])
                number += 1
            else:
                codes = given[-1][:, category : category + 1]
                blocks.append((codes == torch.arange(width)).double())
                category += 1
        return torch.cat(blocks, 1)


class Plain(nn.Module):
    """Numbers float64 (N, columns) without gaps -> (N, D), by the network that takes them."""

    def __init__(self, network: Pretrained) -> None:
        super().__init__()
        self.body = copy.deepcopy(network.body).to("cpu").eval().requires_grad_(False)

    def forward(self, numbers: Tensor) -> Tensor:
        return self.body.features(numbers)


class TableGraph(nn.Module):
    """What the columns become, and the head on it."""

    def __init__(self, columns: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.columns, self.head = columns, head

    def forward(self, *given: Tensor) -> tuple[Tensor]:
        return (self.head(self.columns(*given)),)


def exportable(predictor: AnyPredictor, model: str) -> Exportable:
    """What is to be written of a model of rows; raises ``InputError`` where its features are more than the columns."""
    assert isinstance(predictor, Predictor)
    network = predictor.model.network
    columns: nn.Module
    if isinstance(network, TableNetwork) and network.model is not None:
        columns, known = Columns(network.model), _columns(network.model, predictor)
    elif network.spec.columns and len(network.body.blocks):
        columns, known = Plain(network), [{"kind": "number"}] * network.spec.columns
    else:
        raise InputError(f"{model} cannot be exported: {network.name} is more than the columns; fit --backbone raw.")
    kinds = [column["kind"] for column in known]
    counts = {"columns": kinds.count("number"), "categories": kinds.count("category")}
    inputs = tuple(Port(name, "float64" if name == "columns" else "int64", ("items", count))
                   for name, count in counts.items() if count)  # fmt: skip
    example = tuple(torch.zeros((2, counts[p.name]), dtype=getattr(torch, p.dtype)) for p in inputs)
    about = {**told_of(predictor), "columns": known}
    graph = TableGraph(columns, Head(predictor.model)).eval()

    def feeds(items: Items) -> Iterator[tuple[Arrays, Arrays]]:
        read = TableInputs(about)
        for i, said in told(predictor, items):
            yield read(_cells(items, i, known)), said

    return Exportable("table", graph, inputs, (output_of(predictor.model),), example, about, feeds)


def _columns(learned: TableMap, predictor: Predictor) -> list[dict[str, Any]]:
    """Each column by name and kind, its categories in the order of their codes, and how its numbers are written."""
    roles, found = predictor.hints.kept, []
    for name in learned.order:
        column: dict[str, Any] = {"name": name, "kind": "category" if name in learned.levels else "number"}
        if name in learned.levels:
            column |= {"levels": learned.levels[name], "base": learned.base[name]}
        if roles is not None and name in roles.decimals:
            column["written"] = roles.decimals[name]
        found.append(column)
    return found


def _cells(items: Items, i: int, columns: list[dict[str, Any]]) -> list[str]:
    """The cells of row ``i`` in the order of the columns."""
    if isinstance(items, Cells) and "name" in columns[0]:
        return [items.columns[column["name"]][int(items.index[i])] for column in columns]
    return [repr(float(value)) for value in np.asarray(items.load(i))]
