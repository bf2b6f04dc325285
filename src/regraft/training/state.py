"""What a training is told, what learns, and where it stands."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from regraft.core.errors import InputError
from regraft.data.transforms.policy import DRAWN
from regraft.version import __version__


@dataclass(frozen=True)
class Settings:
    """What the loop is told besides the phases.

    A step learns from ``batch`` examples, taken in ``accumulate`` pieces whose gradients are added. ``ema`` is the
    decay of the averaged weights (0: none). A phase ends early where ``patience`` epochs (0: never) brought nothing on
    the inner part. ``focal`` above 0 lets what is answered well count less, by that power, in place of ``smoothing``.
    ``batch_norm``: ``keep`` leaves batch normalisation the statistics it has, ``learn`` takes each batch's own. Without
    ``train_embeddings`` word vectors stay as they are. ``class_weight`` holds a factor a class. ``data`` names what is
    trained on: a checkpoint of other data is refused.
    """

    batch: int = 32
    accumulate: int = 1
    task: str = "classification"
    schedule: str = "cosine"
    weight_decay: float = 0.02
    ema: float = 0.99
    clip: float = 1.0
    smoothing: float = 0.05
    focal: float = 0.0
    mix: str = "none"
    precision: str = "auto"
    batch_norm: str = "learn"
    patience: int = 0
    train_embeddings: bool = True
    class_weight: tuple[float, ...] | None = None
    seed: int = 0
    data: str = ""


@dataclass
class Progress:
    """Where a run stands, and what it has seen; in the end also how many weights it left as they were."""

    phase: int = 0
    epoch: int = 0
    batch: int = 0
    step: int = 0
    accumulation_steps: int = 1
    best: float = math.inf
    stale: int = 0
    smooth: float = 0.0
    lowest: float = math.inf
    history: list[dict[str, Any]] = field(default_factory=list)
    left_alone: dict[str, int] = field(default_factory=dict)


def versions() -> dict[str, str]:
    """What the bits of a resumed run depend on."""
    return {"regraft": __version__, "torch": torch.__version__, "augmentation": str(DRAWN)}


def check_same(state: dict[str, Any], settings: Settings, folder: Path) -> None:
    """Raises ``InputError`` where a checkpoint is of other settings, data or versions."""
    before = asdict(Settings()) | state["settings"]  # a setting that has come since was as it is by default
    now = json.loads(json.dumps(asdict(settings)))
    differ = [k for k in now if before[k] != now[k]]
    if "data" in differ:
        raise InputError(f"The data has changed since the checkpoint in {folder} was made: --overwrite begins anew.")
    if differ:
        changes = ", ".join(f"{k} was {before[k]} and is {now[k]}" for k in differ)
        raise InputError(
            f"The checkpoint in {folder} was made with other settings ({changes}); repeat them or --overwrite."
        )
    for name, version in versions().items():
        if state.get("versions", {}).get(name) != version:
            raise InputError(
                f"The checkpoint in {folder} was made by {name} {state.get('versions', {}).get(name)} and this is "
                f"{version}, which may not go on to the same bits: --overwrite begins anew."
            )
