"""What a training leaves to look at while it runs: ``training.csv``, and TensorBoard's files where they are wanted."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regraft.core.errors import InputError
from regraft.core.files import new_file

if TYPE_CHECKING:
    from regraft.training.state import Progress

COLUMNS = ("phase", "epoch", "step", "rate", "loss", "inner")
"""Behind them come the parts of the loss, where a method has several."""


@dataclass(frozen=True)
class Logs:
    """Writes the history of a run into its folder after every epoch."""

    folder: Path
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if self.tensorboard:
            _writer()

    def __call__(self, at: Progress) -> None:
        with new_file(self.folder / "training.csv") as temporary, open(temporary, "w", newline="") as f:
            rows = [{k: row.get(k) for k in COLUMNS} | row.get("parts", {}) for row in at.history]
            table = csv.DictWriter(f, list(dict.fromkeys(name for row in rows for name in row)) or COLUMNS, restval="")
            table.writeheader()
            table.writerows({k: _short(v) for k, v in row.items()} for row in rows)
        if self.tensorboard:
            last = at.history[-1]
            with _writer()(str(self.folder / "tensorboard"), purge_step=last["step"]) as board:
                parts = {f"loss/{name}": value for name, value in last.get("parts", {}).items()}
                for name, value in ({k: last.get(k) for k in ("rate", "loss", "inner")} | parts).items():
                    if value is not None:
                        board.add_scalar(name, value, last["step"])


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else value


def _writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError("--tensorboard needs tensorboard: pip install 'regraft[tensorboard]'.") from error
    return SummaryWriter
