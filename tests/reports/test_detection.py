"""The report of a detector, from a run folder written by hand."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regraft.core.boxes import Boxes, Found
from regraft.core.files import write_json
from regraft.core.types import LabelSpec
from regraft.data.dataset import Dataset
from regraft.data.items import picture_array
from regraft.metrics.detection import evaluate
from regraft.pipelines.evidence.detections import side_by_side, write_detections
from regraft.reports.page import write_report

N = 14


def made() -> tuple[Dataset, list[Found]]:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (N, 60, 80, 3)).astype(np.uint8)
    truth = np.empty(N, object)
    found = []
    for i in range(N):
        corner = rng.uniform(0, 40, (i % 4, 2))
        truth[i] = Boxes(np.concatenate([corner, corner + 15], 1), rng.integers(0, 2, i % 4))
        wrong = i % 5 == 0
        xyxy = np.concatenate([truth[i].xyxy + (3 if wrong else 0), [[60, 40, 75, 55]]])
        found.append(Found(xyxy, rng.uniform(0.2, 1, len(xyxy)), [*truth[i].labels, 0]))
    names = [f"{'<b>' if i == 0 else ''}{i}.png" for i in range(N)]
    spec = {"boxes": LabelSpec("detection", ("cat", "dog", "<i>"))}
    return Dataset("x", picture_array(pixels, "x", names), spec, {"boxes": truth}, np.full(N, "val")), found


@pytest.fixture
def run(tmp_path: Path) -> Path:
    data, found = made()
    figures = {"val": evaluate(list(data.y), found, data.classes), "controls": {}}
    history = [{"phase": "all", "loss": 2.0, "inner": 0.5}, {"phase": "all", "loss": 1.0, "inner": 0.4}]
    result = {"task": "detection", "method": "finetune", "detector": "yolo", "backbone": "yolo", "metrics": figures,
              "classes": data.classes, "items": {"train": 30, "val": N}, "split": "its parts train and val",
              "seconds": {"total": 3.0}, "choice": {"history": history, "steps": 7}, "decision": {"threshold": 0.4},
              "gain": None,
              "problems": [{"kind": "no-area", "item": "3.png", "message": "a box of <i>cat</i>"}]}  # fmt: skip
    write_json(tmp_path / "run.json", {"status": "done", "settings": {"data": "cells"}, "result": result})
    origin = {"weights": "COCO (nano.pth)", "record": {"kept": {}, "new": ["cat", "dog"], "dropped": 80}}
    manifest = {"network": {"name": "yolo", "provenance": origin}, "versions": {"torch": "2"}}
    (tmp_path / "model").mkdir()
    write_json(tmp_path / "model" / "manifest.json", manifest)
    write_detections(tmp_path, data, found, 0.4)
    return tmp_path


def test_the_page_shows_what_was_measured(run: Path) -> None:
    page = write_report(run).read_text()
    for heading in ("Class by class", "Precision and recall", "What goes wrong", "Confusion matrix",
                    "The worst pictures", "The best pictures", "Training", "How it was made"):  # fmt: skip
        assert f"<h2>{heading}</h2>" in page
    assert page.count("<svg") == 3 and page.count("data:image/jpeg;base64,") == page.count("<figure>") == 12
    figures = json.loads((run / "run.json").read_text())["result"]["metrics"]["val"]
    assert f"<b>{figures['map50']:.4f}</b>" in page and "none there" in page
    assert "starts from COCO (nano.pth)" in page
    assert "hold no box of &lt;i&gt;" in page and "<i>cat" not in page and "<b>0.png" not in page
    plain = re.sub(r'xmlns(:\w+)?="[^"]*"|href="#[^"]*"|<!DOCTYPE[^>]*>|<metadata>.*?</metadata>', "", page, flags=re.S)
    assert not re.findall(r"https?://|<script|<link|@import|url\((?!#)", plain)


def test_a_control_that_does_better_is_said(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    result = record["result"]
    result["metrics"]["controls"]["scratch"] = result["metrics"]["val"]
    result["gain"] = {"against": "scratch", "value": -0.051, "ci95": [-0.08, -0.02]}
    write_json(run / "run.json", record)
    page = write_report(run).read_text()
    assert "Negative transfer: from random weights the same detector is 5.1 points" in page and "-8.0 to -2.0" in page


def test_the_same_run_gives_the_same_page(run: Path) -> None:
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first


def test_the_evidence_holds_everything_found(run: Path) -> None:
    record = json.loads((run / "detections.json").read_text())
    data, found = made()
    assert record["threshold"] == 0.4 and len(record["pictures"]) == N
    assert record["pictures"][3]["truth"]["labels"] == data.y[3].labels.tolist()
    assert record["pictures"][3]["found"]["scores"] == found[3].scores.tolist()
    assert [one["best"] for one in record["shown"]] == [False] * 8 + [True] * 4
    worst = [one["f1"] for one in record["shown"][:8]]
    assert worst == sorted(worst) and min(one["f1"] for one in record["shown"][8:]) >= max(worst)
    assert Image.open(run / "shown" / "00.jpg").size == (166, 60)


def test_nothing_to_judge_on(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    record["result"]["metrics"]["val"] = None
    (run / "run.json").write_text(json.dumps(record))
    page = write_report(run).read_text()
    assert "how good this model is, is not known" in page and "Class by class" not in page


@pytest.mark.parametrize("shape", [(20_000, 3), (1, 1), (900, 600)])
def test_pictures_of_any_shape_grey_or_coloured(shape: tuple[int, int]) -> None:
    for extra in ((), (1,), (3,)):
        truth = Boxes([[0, 0, shape[1], shape[0]]], [0])
        pair = side_by_side(np.zeros((*shape, *extra), np.uint8), truth, Found.none(), ["a"])
        assert max(pair.height, (pair.width - 6) // 2) == min(440, max(shape))
