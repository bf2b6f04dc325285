"""What a training leaves to look at."""

import csv
from pathlib import Path

import pytest

from regraft.training.logs import Logs
from regraft.training.loop import train
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
