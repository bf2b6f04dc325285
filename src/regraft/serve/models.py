"""The models of a service: loaded, warmed, named, and watched on disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from regraft.core.errors import InputError
from regraft.core.runtime import resolve_device, say
from regraft.data.items import Stamp
from regraft.features.engines.auto import is_remembered
from regraft.features.engines.base import ENGINES, missing
from regraft.features.engines.openvino_int8 import carries
from regraft.features.fusion import parts_of
from regraft.inference.detector import BoxPredictor
from regraft.inference.load import AnyPredictor, load_any
from regraft.inference.multi_task import TaskPredictor
from regraft.models import artefact
from regraft.serve.batching import Batcher
from regraft.serve.lanes import lane_of, table_of
from regraft.serve.limits import Limits, Refused
from regraft.serve.metrics import Metrics

PREPARING = max(2, min(8, os.cpu_count() or 1))
CONVERTED = "openvino"


class Stamps:
    """The files of an artefact as they were: size, time and number of each."""

    def __init__(self, path: str) -> None:
        self.folder = artefact.find(artefact.split_task(path)[0])
        self.manifest = artefact.read_manifest(self.folder)
        self.bytes = (self.folder / artefact.MANIFEST).read_bytes()
        self.known = self._now()

    def _now(self) -> dict[str, Stamp | None]:
        return {name: _stamp(self.folder / name) for name in (artefact.MANIFEST, *self.manifest["files"])}

    def change(self) -> str | None:
        """What differs on disk from what was loaded, in words; None where nothing does. Files that were only touched
        or copied over are the same by their digests.
        """
        now = self._now()
        if now == self.known:
            return None
        try:
            same = (self.folder / artefact.MANIFEST).read_bytes() == self.bytes
        except OSError:
            same = False
        found = artefact.damage(self.folder, self.manifest) if same else [f"{artefact.MANIFEST} is another"]
        if not found:
            self.known = now
            return None
        return f"{self.folder} has changed on disk since it was loaded ({found[0]}); answers come from what was loaded."


def _stamp(path: Path) -> Stamp | None:
    try:
        told = os.stat(path)
    except OSError:
        return None
    return told.st_ino, told.st_size, told.st_mtime_ns


class Served:
    """One model: its ``name`` and ``path``, the predictor, its queue and what is on disk."""

    def __init__(self, name: str, path: str, engine: str, limits: Limits) -> None:
        self.name, self.path, self.limits = name, path, limits
        self.stamps = Stamps(path)
        self.predictor = _loaded(path, engine)
        self.lane = lane_of(self.predictor, limits.pixels)
        self.lane.warm(limits.batch)
        self.batcher: Batcher

    def start(self, preparing: ThreadPoolExecutor, metrics: Metrics) -> None:
        """Begins to take requests."""
        self.batcher = Batcher(self.lane, self.limits, self.name, preparing,
                               lambda records: metrics.batch(self.name, records))  # fmt: skip
        metrics.watch_queue(self.name, lambda: self.batcher.waiting)

    @property
    def kind(self) -> str:
        """What it answers: classes, labels (several may be true), number, boxes; tasks where several of these."""
        if isinstance(self.predictor, BoxPredictor):
            return "boxes"
        if isinstance(self.predictor, TaskPredictor):
            return "tasks"
        model = self.predictor.model
        return "number" if model.numbers else "labels" if model.several else "classes"

    @property
    def explains(self) -> bool:
        """Whether it can say why."""
        if self.kind == "tasks" or self.predictor.modality == "table":
            return False
        return self.predictor.modality == "image" or self.kind != "number"

    def about(self, default: bool) -> dict[str, Any]:
        """What `/models` says of it."""
        classes: Any = self.predictor.classes_
        found = {"name": self.name, "modality": self.predictor.modality, "kind": self.kind,
                 "classes": [] if self.kind == "tasks" else list(map(str, classes)), "explains": self.explains,
                 "default": default}  # fmt: skip
        if self.kind == "tasks":
            found["tasks"] = {task: list(map(str, names)) for task, names in classes.items()}
        if self.predictor.modality == "table":
            found["columns"] = self._columns()
        return found

    def _columns(self) -> list[dict[str, Any]]:
        assert not isinstance(self.predictor, BoxPredictor)
        known = table_of(self.predictor)
        if known is None:
            return [{"name": name, "type": "number"} for name in self.lane.columns]  # type: ignore[attr-defined]
        values = {name: [v for v in (known.base[name], *levels) if v] for name, levels in known.levels.items()}
        return [{"name": name, "type": "category", "values": values[name]} if name in values else
                {"name": name, "type": "number"} for name in known.order]  # fmt: skip


def _loaded(path: str, engine: str) -> AnyPredictor:
    """The predictor; of ``auto`` for a network on pictures what was found on this machine before, else OpenVINO, which
    a service repays at once.
    """
    predictor = load_any(path, engine=engine)
    if engine != "auto" or isinstance(predictor, BoxPredictor) or predictor.modality != "image":
        return predictor
    device = resolve_device("auto")
    networks = [p for p, e in predictor.runner.parts if e is not None]
    first = predictor.first.model if isinstance(predictor, TaskPredictor) else predictor.model
    left = any(is_remembered(n, device) for n in networks) or all(map(carries, parts_of(first.network)))
    if not networks or left or device != "cpu" or missing(ENGINES.get(CONVERTED)):
        return predictor
    return load_any(path, engine=CONVERTED)


class Models:
    """The models of a service by their names, the first being the one that is meant where none is named."""

    def __init__(self, given: Sequence[str], limits: Limits, engine: str = "auto") -> None:
        paths = named(given)
        self.metrics = Metrics()
        self.preparing = ThreadPoolExecutor(PREPARING, "serve preparing")
        self.served: dict[str, Served] = {}
        for name, path in paths.items():
            say(f"loading {name} from {path}")
            self.served[name] = Served(name, path, engine, limits)
        for served in self.served.values():
            served.start(self.preparing, self.metrics)
        self.stopping = False

    def find(self, name: str | None) -> Served:
        """The model of that name, the first where it is None; raises ``Refused`` (404)."""
        if name is None:
            return next(iter(self.served.values()))
        if name not in self.served:
            raise Refused(404, f"There is no model {name[:80]!r}; there is: {', '.join(self.served)}.")
        return self.served[name]

    def about(self) -> dict[str, Any]:
        """What `/models` says."""
        return {"models": [s.about(i == 0) for i, s in enumerate(self.served.values())]}

    def unready(self) -> str | None:
        """Why no requests should be sent here now; None where they should."""
        if self.stopping:
            return "The service is stopping."
        return next((why for s in self.served.values() if (why := s.stamps.change())), None)

    def begin_to_stop(self) -> None:
        """Is not ready any more."""
        self.stopping = True

    def stop(self, seconds: float) -> None:
        """Answers what waits, for so many seconds at most, and ends."""
        self.stopping = True
        for served in self.served.values():
            served.batcher.stop(seconds)
        self.preparing.shutdown(wait=False, cancel_futures=True)


def named(given: Sequence[str]) -> dict[str, str]:
    """``[NAME=]PATH`` of each model -> its path by its name, by default that of its folder. Raises ``InputError``."""
    if not given:
        raise InputError("No model is named: regraft serve RUN.")
    found: dict[str, str] = {}
    for one in given:
        name, sign, path = one.partition("=")
        if not sign or "/" in name or Path(one).exists():
            path = one
            at = Path(artefact.split_task(one)[0]).resolve()
            name = at.parent.name if at.name == "model" else at.name
            name += "".join(f"-{task}" for task in [artefact.split_task(one)[1]] if task)
        if not name or not path:
            raise InputError(f"{one!r} names no model: NAME=PATH is wanted.")
        if name in found:
            raise InputError(f"Two models are called {name}: give them names, as {name}-2={path}.")
        found[name] = path
    for path in found.values():
        artefact.find(artefact.split_task(path)[0])
    return found
