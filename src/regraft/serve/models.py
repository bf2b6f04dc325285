"""The models of a service: loaded, warmed, named, and watched on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from regraft.core.errors import InputError
from regraft.core.runtime import say
from regraft.core.types import PreprocessSpec
from regraft.data.items import Stamp
from regraft.features.engines.auto import AutoEngine
from regraft.inference.detector import BoxPredictor
from regraft.inference.load import AnyPredictor, load_any
from regraft.inference.multi_task import TaskPredictor
from regraft.models import artefact
from regraft.serve.batching import Batcher
from regraft.serve.lanes import lane_of, table_of
from regraft.serve.limits import Limits, Refused
from regraft.serve.metrics import Metrics

PREPARING = max(2, min(8, os.cpu_count() or 1))
MANY = 100_000
"""A service is to answer so many pictures, by which ``auto`` chooses what to try."""


class Stamps:
    """The files of an artefact, by their digests; they are read again only where size, time or number of one differs
    from when they were ``judged``.
    """

    def __init__(self, path: str) -> None:
        self.folder = artefact.find(artefact.split_task(path)[0])
        self.manifest = artefact.read_manifest(self.folder)
        self.bytes = (self.folder / artefact.MANIFEST).read_bytes()
        self.judged = self._now()
        self.found: str | None = None

    def _now(self) -> dict[str, Stamp | None]:
        return {name: _stamp(self.folder / name) for name in (artefact.MANIFEST, *self.manifest["files"])}

    def change(self) -> str | None:
        """What differs on disk from what was loaded, in words; None where nothing does. Files that were only touched
        or copied over are the same by their digests.
        """
        now = self._now()
        if now != self.judged:
            self.found, self.judged = self._damage(), now
        return self.found

    def _damage(self) -> str | None:
        try:
            same = (self.folder / artefact.MANIFEST).read_bytes() == self.bytes
        except OSError:
            same = False
        found = artefact.damage(self.folder, self.manifest) if same else [f"{artefact.MANIFEST} is another"]
        if not found:
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
    """The predictor; ``auto`` chooses as for many pictures, and what it finds is remembered, for commands too."""
    predictor = load_any(path, engine=engine)
    if not isinstance(predictor, BoxPredictor) and predictor.modality == "image":
        for network, one in predictor.runner.parts:
            if isinstance(one, AutoEngine):
                one.settle(MANY, partial(_smooth, network.spec))
    return predictor


def _smooth(spec: PreprocessSpec, size: int, count: int) -> Iterator[NDArray[np.uint8]]:
    """Batches of coarse noise, smoothed: what engines are timed and compared on before there is a request."""
    rng, channels = np.random.default_rng(0), 1 if spec.colour == "grey" else 3
    for _ in range(count):
        made = [Image.fromarray(rng.integers(0, 256, (4 + i % 13, 4 + i % 13, 3), np.uint8)).resize(
            (spec.width, spec.height), Image.Resampling.BICUBIC) for i in range(size)]  # fmt: skip
        yield np.stack([np.asarray(picture)[:, :, :channels] for picture in made])


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
