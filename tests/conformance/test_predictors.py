"""Whatever is saved, one function loads it and one interface answers: by it comes what the command says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import regraft
from regraft.core.errors import ArtefactError, InputError
from regraft.inference.base import BasePredictor
from regraft.inference.detector import BoxPredictor
from regraft.inference.load import load, load_any
from regraft.inference.multi_task import TaskPredictor
from regraft.inference.predictor import Predictor
from regraft.models.artefact import detector as detectors

KINDS = {"classes": Predictor, "numbers": Predictor, "texts": Predictor, "tasks": TaskPredictor, "boxes": BoxPredictor}


@pytest.mark.parametrize("kind", KINDS)
def test_the_interface_says_what_the_command_says(
    kind: str, saved: Path, monkeypatch: pytest.MonkeyPatch, fresh_cache: Path
) -> None:
    monkeypatch.chdir(saved / kind)
    inputs = json.loads(Path("expected.json").read_text(encoding="utf-8"))["inputs"]
    predictor = load_any("run")
    assert type(predictor) is KINDS[kind] and isinstance(predictor, BasePredictor)
    items = predictor.items(inputs[0])
    rows = [row for answers in predictor.stream(items) for row in predictor.describe(items, answers)]
    expected = regraft.predict("run", inputs[:1]).predictions
    assert [i for i, _ in rows] == list(range(len(items)))
    assert [r | {"input": ""} for _, r in rows] == [r | {"input": ""} for r in expected]
    assert not any(predictor.failed(answers) for answers in predictor.stream(items))
    said = predictor.predict(items)
    assert all(len(v) == len(items) for v in (said.values() if isinstance(said, dict) else [said]))


def test_who_wants_one_kind_is_told_of_another(saved: Path) -> None:
    classes, tasks, boxes = (str(saved / kind / "run") for kind in ("classes", "tasks", "boxes"))
    with pytest.raises(ArtefactError, match="is a detector: predict, evaluate"):
        load(boxes)
    for ask in (load, lambda path: regraft.evaluate(path, "embedded:digits")):
        with pytest.raises(ArtefactError, match="holds the tasks .*: name one, as .*#"):
            ask(tasks)
    with pytest.raises(ArtefactError, match="is a model of one task; leave out #x"):
        load_any(f"{classes}#x")
    for model, task in ((classes, "classification"), (tasks, "several tasks")):
        for ask in (detectors.load, detectors.recipe_of):
            with pytest.raises(ArtefactError, match=f"is a model for {task}, not a detector"):
                ask(model)
    for options, message in (({"form": "coco"}, "^--as and --tiles are for detectors.$"),
                             ({"copy": True}, "--copy is for --sort-into"),
                             ({"out": "x.csv"}, "answers 2 tasks: --out takes a .jsonl")):  # fmt: skip
        with pytest.raises(InputError, match=message):
            regraft.predict(tasks, ["x.png"], **options)
    with pytest.raises(InputError, match="^--label, --text, --image, --encoding and --adapt are not for det"):
        regraft.evaluate(boxes, "embedded:digits", adapt="tent")
