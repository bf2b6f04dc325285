"""``regraft shift``: how far apart two domains lie, and whether adapting from one to the other is worth it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from regraft.backbones.licences import trusting
from regraft.core.errors import InputError
from regraft.core.files import checked_page
from regraft.core.row_store import RowStore
from regraft.core.runtime import resolve_device, set_threads
from regraft.core.types import Hints
from regraft.data.open import open_data
from regraft.data.parts import training_part
from regraft.features.fusion import learned
from regraft.features.network import network_for
from regraft.features.runner import Runner
from regraft.pipelines.shift import Shift, measure
from regraft.pipelines.stages.open_target import open_target
from regraft.reports.shift import write_shift
from regraft.tasks import TASKS


def shift(
    source: Any,
    target: Any,
    *,
    backbone: str | None = None,
    mapping: str | None = None,
    out: str | None = None,
    format: str | None = None,
    label: str | None = None,
    text: str | None = None,
    image: str | None = None,
    features: str | None = None,
    encoding: str | None = None,
    seed: int = 0,
    device: str = "auto",
    engine: str = "auto",
    threads: int | None = None,
    trust: bool = False,
) -> Shift:
    """Measures the shift from ``source`` (labelled) to ``target`` on the features of a frozen network.

    At most 2,000 items a domain are looked at. ``out`` is a page (.html) that shows it; ``trust``
    takes weights whatever their licence. Raises ``InputError`` where one
    is empty or they share no class.
    """
    page = checked_page(out)
    set_threads(threads)
    hints = Hints(label, text=text, image=image, features=features, encoding=encoding)
    opened = training_part(open_data(source, format=format, hints=hints))
    task = TASKS.get(opened.target.task)
    if task is None or task.link != "softmax":
        raise InputError(f"{opened.name} is for {opened.target.task}; the shift is measured for one class an item.")
    goal = open_target(target, opened, mapping=mapping, hints=replace(hints, kept=opened.roles, lenient=True))
    with trusting(trust):
        network = learned(network_for(opened.items, backbone, one=True, others=[goal.learn.items]), opened.items)
    found = measure(opened, goal, Runner(network, engine, resolve_device(device)), RowStore(), seed)
    names = (source if isinstance(source, str) else opened.name, target if isinstance(target, str) else goal.learn.name)
    found = replace(found, source=names[0], target=names[1])
    return replace(found, out=str(write_shift(page, found))) if page else found
