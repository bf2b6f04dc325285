"""From items to rows: what a network makes of them, computed once and kept."""

from __future__ import annotations

import numpy as np

from regraft.core.errors import DataError
from regraft.core.runtime import say
from regraft.core.types import Problem
from regraft.data.dataset import Dataset
from regraft.features.labelled import LabelledFeatures, adapted_rows
from regraft.features.reading import reading_problems
from regraft.models.model import Model
from regraft.pipelines.context import FitContext


def rows_of(context: FitContext, data: Dataset | None) -> tuple[LabelledFeatures, int]:
    """The rows of one part and the forward passes they cost; what cannot be read is listed and left out."""
    if data is None or not len(data):
        nothing = np.zeros(0, np.int64)
        return LabelledFeatures(np.zeros((0, context.network.width), np.float32), nothing, nothing), 0
    found = context.runner.stored(data.items, context.store)
    for i, why in sorted(found.failed.items()):
        context.split.problems.append(Problem("unreadable", data.items.name(i), why + "; it is set aside"))
        say(f"set aside: {data.items.name(i)}: {why}")
    if not len(found.positions):
        raise DataError(f"None of the {len(data)} items of {data.name} can be read.")
    return LabelledFeatures(found.rows, data.y[found.positions], found.positions), found.computed


def tell_how_read(context: FitContext, *parts: Dataset | None) -> None:
    """Lists among the problems how the network reads the texts of these parts, where they are texts."""
    texts = [d.items for d in parts if d is not None and d.modality == "text"]
    for problem in reading_problems(context.network, texts, context.split.train.name) if texts else ():
        context.split.problems.append(problem)
        say(f"{problem.item} {problem.message}")


def recompute_features(context: FitContext, model: Model, data: Dataset, rows: LabelledFeatures) -> LabelledFeatures:
    """The same items in the features of a trained network."""
    x = adapted_rows(model.network, data, rows, context.options.network.engine, context.runner.device)
    return LabelledFeatures(x, rows.y, rows.items)
