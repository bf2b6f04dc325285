"""Models of every other kind: numbers, several classes, several tasks, networks side by side, columns without names."""

from __future__ import annotations

import asyncio
import csv
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

import regraft
from regraft.serve import lanes
from regraft.serve.app import create_app
from regraft.serve.limits import Limits
from regraft.serve.models import Models
from tests.serve.conftest import png


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    with zipfile.ZipFile(Path(__file__).parents[1] / "golden" / "runs-0.1.zip") as z:
        z.extractall(folder)
    return folder


@contextmanager
def service(run: Path | str) -> Iterator[tuple[TestClient, Models]]:
    models = Models([f"it={run}"], Limits(), engine="torch")
    try:
        yield TestClient(create_app(models, Limits())), models
    finally:
        models.stop(5)


def alike(found: Any, expected: Any) -> bool:
    """Equal, numbers to five digits; texts of inputs aside."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(k == "input" or alike(found[k], expected[k]) for k in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(alike, found, expected))
    return found == (pytest.approx(expected, rel=1e-5, abs=1e-5) if isinstance(expected, float) else expected)


@pytest.mark.parametrize(("name", "kind"), [("classes", "classes"), ("numbers", "number"), ("multilabel", "labels"),
                                            ("tasks", "tasks"), ("boxes", "boxes")])  # fmt: skip
def test_a_model_saved_long_ago_is_answered_from(saved: Path, name: str, kind: str) -> None:
    recorded = json.loads((saved / name / "expected.json").read_text("utf-8"))
    files = [saved / name / one for one in recorded["inputs"]]
    with service(saved / name / "run") as (client, _):
        [about] = client.get("/models").json()["models"]
        assert (about["kind"], about["default"]) == (kind, True)
        if about["modality"] == "table":
            rows = [row for file in files for row in csv.DictReader(file.read_text("utf-8").splitlines())]
            assert {c["name"] for c in about["columns"]} <= rows[0].keys()
            response = client.post("/predict", json={"rows": rows})
        else:
            response = client.post("/predict", files=[("files", (f.name, f.read_bytes())) for f in files])
        found = response.json()["answers"]
        assert alike(found, regraft.predict(str(saved / name / "run"), [str(f) for f in files]).predictions)
        figures = client.get("/metrics").text
        if name == "tasks":
            assert about["tasks"] == {"form": ["disc", "square"], "mean": []} and not about["explains"]
            assert 'regraft_answers_total{label="form: ' in figures
        assert f'regraft_items_total{{model="it"}} {len(found)}.0' in figures


def test_networks_side_by_side_read_the_files_themselves(shapes: Path, tmp_path: Path) -> None:
    regraft.fit(str(shapes), backbone="regraft_tiny+raw", out=str(tmp_path / "run"), controls="none", size=28)
    (tmp_path / "a.png").write_bytes(png(3))
    with service(tmp_path / "run") as (client, models):
        assert isinstance(models.find(None).lane, lanes.FileLane)
        found = client.post("/predict", files=[("files", ("a.png", png(3))), ("files", ("a.png", png(4))),
                                               ("files", ("a.png", b"none"))]).json()["answers"]  # fmt: skip
        [expected] = regraft.predict(str(tmp_path / "run"), [str(tmp_path / "a.png")]).predictions
        assert [r["input"] for r in found] == ["a.png"] * 3 and "no picture" in found[2]["error"]
        assert alike(found[0], expected) and not alike(found[1], expected)


def test_columns_without_names_are_numbered(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    regraft.Classifier(backbone="raw").fit(x, (x[:, 0] > 0).astype(int)).save(tmp_path / "run")
    expected = regraft.load(tmp_path / "run").predict_proba(x[:2])
    with service(tmp_path / "run") as (client, _):
        [about] = client.get("/models").json()["models"]
        names = [c["name"] for c in about["columns"]]
        rows: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in x[:2].tolist()]
        response = client.post("/predict", json={"rows": [*rows, {**rows[0], names[1]: "x"}, {names[0]: 1}]})
        found = response.json()["answers"]
        assert np.allclose([list(r["probabilities"].values()) for r in found[:2]], expected, atol=1e-9)
        assert "no number" in found[2]["error"] and "no column" in found[3]["error"]


def test_a_client_that_leaves_is_not_answered(runs: dict[str, str]) -> None:
    """By the messages of ASGI: the body, then that nobody is there, while the engine does something else."""
    models, held = Models([runs["words"]], Limits()), threading.Event()
    app, batcher = create_app(models, Limits()), models.find(None).batcher
    messages = [{"type": "http.request", "body": b'{"texts": ["good"]}'}, {"type": "http.disconnect"}]
    scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "root_path": "",
             "scheme": "http", "headers": [(b"content-type", b"application/json")], "http_version": "1.1"}  # fmt: skip
    computed: list[int] = []

    async def ask() -> None:
        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            """Nobody listens."""

        busy = batcher.submit_job(lambda: held.wait(10))
        batcher.answered = lambda records: computed.append(len(records))
        await asyncio.wait_for(app(scope, receive, send), 5)
        held.set()
        await busy.done
        await batcher.submit_job(lambda: None).done

    try:
        asyncio.run(ask())
        assert computed == [] and batcher.waiting == 0
    finally:
        held.set()
        models.stop(5)
