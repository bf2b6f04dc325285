"""What a training leaves to look at."""

import csv
from pathlib import Path

import pytest

from regraft.training import logs
from regraft.training.logs import COLUMNS, Logs
from regraft.training.loop import train
from regraft.training.state import Progress
from tests.training.test_loop import PHASES, SETTINGS, problem


def test_the_table_grows_with_every_epoch(tmp_path: Path) -> None:
    learner, data, targets = problem()
    train(learner, PHASES, data, targets, SETTINGS, folder=tmp_path / "c", report=Logs(tmp_path), inner=lambda _: 0.25)
    rows = list(csv.DictReader(open(tmp_path / "training.csv")))
    assert [(r["phase"], r["epoch"]) for r in rows] == [("head", "0"), ("all", "0"), ("all", "1"), ("all", "2")]
    assert rows[-1]["step"] == "20" and rows[-1]["inner"] == "0.25" and float(rows[-1]["loss"]) > 0


def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is an extra")
    learner, data, targets = problem()
    train(learner, PHASES, data, targets, SETTINGS, folder=tmp_path / "c", report=Logs(tmp_path, tensorboard=True))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [e.step for e in board.Scalars("loss")] == [5, 10, 15, 20]


def test_parts_of_the_loss_stand_behind_it(tmp_path: Path) -> None:
    """A phase may have parts that another has not; a plain training has no columns for them."""
    row = {"phase": "a", "epoch": 0, "step": 5, "rate": 0.1, "loss": 3.0, "inner": 0.5}
    rows = [row, {**row, "parts": {"classification": 1.0, "transfer": 2.0}}, {**row, "parts": {"penalty": 3.0}}]
    Logs(tmp_path)(Progress(history=rows[:1]))
    assert (tmp_path / "training.csv").read_text().splitlines()[0] == ",".join(COLUMNS)
    Logs(tmp_path)(Progress(history=rows))
    table = list(csv.reader(open(tmp_path / "training.csv")))
    assert table[0] == [*COLUMNS, "classification", "transfer", "penalty"]
    assert [r[-3:] for r in table[1:]] == [["", "", ""], ["1", "2", ""], ["", "", "3"]]


def test_tensorboard_has_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scalars = []

    class Board:
        def __init__(self, folder: str, purge_step: int) -> None: ...

        def __enter__(self) -> "Board":
            return self

        def __exit__(self, *_: object) -> None: ...

        def add_scalar(self, *scalar: object) -> None:
            scalars.append(scalar)

    monkeypatch.setattr(logs, "_writer", lambda: Board)
    row = {"phase": "a", "epoch": 0, "step": 5, "rate": 0.1, "loss": 3.0, "parts": {"domain": 1.0, "transfer": 2.0}}
    Logs(tmp_path, tensorboard=True)(Progress(history=[row]))
    assert scalars == [("rate", 0.1, 5), ("loss", 3.0, 5), ("loss/domain", 1.0, 5), ("loss/transfer", 2.0, 5)]
