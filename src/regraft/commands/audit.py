"""``regraft audit``: which labels are likely wrong, and what else of the data is to be looked at."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from regraft.backbones.base import Pretrained
from regraft.backbones.licences import trusting
from regraft.core.errors import ArtefactError, InputError
from regraft.core.files import new_folder, output
from regraft.core.row_store import RowStore
from regraft.core.runtime import resolve_device, set_threads
from regraft.core.types import Hints
from regraft.data.items import Items
from regraft.data.open import name_of, open_data
from regraft.features.fusion import adapted, learned
from regraft.features.network import network_for
from regraft.pipelines.audit.result import Audit
from regraft.pipelines.run_folder import next_out
from regraft.tasks import TASKS


def audit(
    data: Any,
    model: str | None = None,
    *,
    backbone: str | None = None,
    weights: str | None = None,
    size: int | None = None,
    cv: int | None = None,
    accept: float | None = None,
    out: str | None = None,
    format: str | None = None,
    label: str | None = None,
    text: str | None = None,
    image: str | None = None,
    features: str | None = None,
    drop: str | None = None,
    group: str | None = None,
    part: str | None = None,
    encoding: str | None = None,
    task: str | None = None,
    seed: int = 0,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    trust: bool = False,
) -> Audit:
    """Looks for likely label errors, copies, outliers and hard examples among the labelled items of all parts of
    ``data``, by probes that had not seen them on the features of a frozen network: ``backbone``, or that of a saved
    ``model``. For boxes a ``model`` is needed: its detector is compared with them.

    Writes ``audit.csv`` (to fill in, and to give to `fit` as ``corrections``) and ``audit.html`` into the new folder
    ``out``. ``accept`` fills in the suggestion for likely errors whose suggested class has at least that probability;
    ``trust`` takes weights whatever their licence. Raises ``InputError`` and its kinds.
    """
    begun, place = time.perf_counter(), _place(out, data)
    if accept is not None and not 0 < accept < 1:
        raise InputError(f"--accept is {accept}; it must lie between 0 and 1, as 0.9.")
    set_threads(threads)
    hints = Hints(label, group, task, text, drop=drop, image=image, features=features, part=part, encoding=encoding)
    probe = {"seed": seed, "cv": cv, "accept": accept}
    if model is None:
        opened = open_data(data, format=format, hints=hints)
        if opened.target.task not in TASKS:
            raise InputError(f"{opened.name} has boxes: name a MODEL, whose detector is compared with them, at best "
                             "one that has not learned from these pictures.")  # fmt: skip
        if accept is not None and opened.kind.numbers:
            raise InputError(f"--accept is for classes; {opened.target_name} is a number.")
        make: Callable[[Items], Pretrained] = partial(_network, backbone, weights, size)
        with trusting(trust):
            found, shown = _of_labels(opened, make, probe, engine, device)
        return _written(place, replace(found, data=name_of(data)), shown, None, begun)
    given = {"backbone": backbone, "weights": weights, "size": size}
    if any(given.values()):
        names = ", ".join(f"--{n}" for n, value in given.items() if value)
        raise InputError(f"{model} brings its own network; leave out {names}.")
    return _with_model(data, model, place, probe, format, hints, engine, device, begun)


def _place(out: str | None, data: Any) -> Path:
    place = next_out(name_of(data), "audit", Path("audits")) if out is None else output(out)
    if place.exists():
        raise ArtefactError(f"{place} exists, and may hold corrections that somebody has filled in: choose another "
                            "--out; nothing was touched.")  # fmt: skip
    return place


def _network(backbone: str | None, weights: str | None, size: int | None, items: Items) -> Pretrained:
    return learned(network_for(items, backbone, weights, size), items)


def _of_labels(
    opened: Any, make: Callable[[Items], Pretrained], probe: dict[str, Any], engine: str, device: str
) -> tuple[Audit, Any]:
    from regraft.pipelines.audit.labels import audit_labels

    return audit_labels(opened, make, engine=engine, device=resolve_device(device), store=RowStore(), **probe)


def _with_model(
    data: Any, model: str, place: Path, probe: dict[str, Any], format: str | None, hints: Hints, engine: str,
    device: str, begun: float,
) -> Audit:  # fmt: skip
    """In the features of a saved model, or for boxes by its detector."""
    from regraft.data.open import open_boxes
    from regraft.features.fingerprints import fingerprints
    from regraft.inference.detector import BoxPredictor
    from regraft.inference.evaluation import opened_for
    from regraft.inference.load import load_any
    from regraft.inference.multi_task import TaskPredictor
    from regraft.models import artefact
    from regraft.pipelines.audit.boxes import audit_boxes
    from regraft.pipelines.audit.labels import with_model

    predictor = load_any(model, engine=engine, device=device)
    if isinstance(predictor, TaskPredictor):
        raise artefact.unnamed(model, predictor.tasks)
    if isinstance(predictor, BoxPredictor):
        if probe["cv"] or probe["accept"]:
            raise InputError("--cv and --accept are for labels; a detector is compared with the boxes as it is.")
        found, shown, boxes = audit_boxes(predictor, model, open_boxes(data, format, hints), RowStore())
        return _written(place, replace(found, data=name_of(data)), shown, boxes, begun)
    opened, network = opened_for(predictor, data, format, hints), predictor.model.network
    if opened.target.task != predictor.model.target.task:
        raise InputError(f"{opened.name} is for {opened.target.task} and the model for {predictor.model.target.task}.")
    found, shown = _of_labels(opened, lambda _: network, probe, engine, device)
    known = artefact.learned_by(model)
    counts = None
    if known is not None:
        counts = known.among(shown.items, fingerprints(shown.items, network, RowStore())).counts()
    found = with_model(found, model, counts, adapted(network))
    return _written(place, replace(found, data=name_of(data)), shown, None, begun)


def _written(place: Path, found: Audit, shown: Any, boxes: Any, begun: float) -> Audit:
    from regraft.reports.audit import write_audit

    found = replace(found, out=str(place), seconds=round(time.perf_counter() - begun, 3))
    with new_folder(place) as folder:
        write_audit(folder, found, shown, boxes)
    return found
