"""What a tracker is given of a finished run."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regraft.core.types import Problem
from regraft.pipelines.run_folder import read_settings
from regraft.pipelines.tracking import TRACKERS

FIGURES = ("metrics", "gain", "gain_over_probe", "seconds", "items", "rows", "boxes", "seen", "seen_in_training",
           "seen_in_target")  # fmt: skip
FACTS = ("task", "engine", "detector", "split", "classes", "cross_validation")
CURVES = ("rate", "loss", "inner")


@dataclass(frozen=True)
class TrackedRun:
    """A finished run: its ``folder`` and ``name``, ``parameters`` (the settings and what the data is), ``figures`` by
    names such as ``val/accuracy``, ``curves`` of a training (step, figures).
    """

    folder: Path
    name: str
    parameters: dict[str, Any]
    figures: dict[str, float]
    curves: list[tuple[int, dict[str, float]]]

    @classmethod
    def read(cls, folder: Path) -> TrackedRun:
        """Out of a run folder."""
        record = read_settings(folder)
        result = record["result"]
        facts = {k: result[k] for k in FACTS if result.get(k) is not None}
        figures = dict(flat({k: result.get(k) for k in FIGURES}))
        return cls(folder, result["run"].replace("\\", "/").rpartition("/")[2],
                   {**record["settings"], **{k: _plain(v) for k, v in facts.items()}},
                   {k.removeprefix("metrics/"): v for k, v in figures.items()},
                   curves(result["choice"].get("history") or ()))  # fmt: skip

    @property
    def files(self) -> list[Path]:
        """The report, the settings and the answers, of those that are there; the model is in ``model/``."""
        names = ("report.html", "run.json", "predictions.csv", "detections.json", "training.csv")
        return [self.folder / name for name in names if (self.folder / name).is_file()]


def flat(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """The finite numbers of nested objects and lists, under names joined by ``/``."""
    if isinstance(value, dict | list | tuple):
        named = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in named:
            yield from flat(one, f"{name}/{key}" if name else str(key))
    elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        yield name, float(value)


def curves(history: Any) -> list[tuple[int, dict[str, float]]]:
    """What a training went through, by step: ``train/loss``, ``train/inner``, ``train/rate``, and the loss's parts."""
    return [(int(row["step"]), dict(flat({"train": {k: row.get(k) for k in CURVES} | row.get("parts", {})})))
            for row in history]  # fmt: skip


def track(name: str, folder: str | Path) -> Problem | None:
    """Hands a finished run to the tracker ``name``; what goes wrong there loses nothing and is told.

    What a tracker prints goes to stderr.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            TRACKERS.get(name).send(TrackedRun.read(Path(folder)))
    except Exception as error:  # noqa: BLE001 a tracker that is away must not cost a run
        reason = " ".join(str(error).split()) or type(error).__name__
        return Problem("not-tracked", name, f"{folder} is whole, but {name} did not take it: {reason}")
    return None


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
