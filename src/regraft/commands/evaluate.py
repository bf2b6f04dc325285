"""``regraft evaluate``: a saved model against labelled data."""

from __future__ import annotations

from typing import Any

from regraft.core.runtime import set_threads
from regraft.core.types import Hints
from regraft.inference.evaluation import Evaluation, evaluated
from regraft.inference.load import load_any


def evaluate(
    model: str,
    data: Any,
    *,
    format: str | None = None,
    label: str | None = None,
    text: str | None = None,
    image: str | None = None,
    encoding: str | None = None,
    group: str | None = None,
    adapt: str | None = None,
    unseen: bool = False,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    backbone: Any = None,
) -> Evaluation:
    """Judges on the part test of ``data``, else val, else all. Class names are matched, never class numbers.

    ``group`` names what belongs together, by which intervals go; by default what the model's own fit was told, where
    the data has it. ``adapt``: ``tent`` lets the model adapt to the items, without their labels, before it answers.
    Items that the model has learned from, and near copies of them, make the figures too good and are counted;
    ``unseen`` leaves them out. ``backbone`` is as for `regraft.load`. Raises ``InputError`` and its kinds, see
    `regraft.core.errors`.
    """
    set_threads(threads)
    hints = Hints(label, group, text=text, image=image, encoding=encoding)
    predictor = load_any(model, engine=engine, device=device, backbone=backbone)
    return evaluated(predictor, model, data, hints, format=format, adapt=adapt,
                     unseen=unseen, engine=engine, device=device)  # fmt: skip
