"""Small models of every kind behind one service, made once."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import regraft
from regraft.models.artefact import detector as saved_detector
from regraft.serve.app import create_app
from regraft.serve.limits import Limits
from regraft.serve.models import Models
from tests.conftest import shape
from tests.detection.test_engines import tiny

WORDS = ("good fine lovely superb", "bad awful dull poor")
SEASIDE = [f"{city},{size},{'yes' if city == 'sea' else 'no'}" for size in range(30) for city in ("sea", "hill")]


@pytest.fixture(scope="session")
def runs(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The run of each kind of model by name."""
    at = tmp_path_factory.mktemp("served")
    rng = np.random.default_rng(0)
    texts = [f'"{" ".join(rng.choice(WORDS[i % 2].split(), 5))}",{("up", "down")[i % 2]}' for i in range(40)]
    (at / "texts.csv").write_text("\n".join(["text,label", *texts]) + "\n")
    (at / "rows.csv").write_text("\n".join(["place,size,label", *SEASIDE]) + "\n")
    regraft.fit(str(shapes), backbone="regraft_tiny", out=str(at / "shapes"), controls="none")
    regraft.fit(str(at / "texts.csv"), backbone="tfidf", out=str(at / "words"), controls="none")
    regraft.fit(str(at / "rows.csv"), out=str(at / "houses"), controls="none")
    saved_detector.save(tiny(), at / "boxes", decision={"threshold": 0.2}, metrics={}, record={}, learned=None)
    return {name: str(at / name) for name in ("shapes", "words", "houses", "boxes")}


@pytest.fixture(scope="session")
def models(runs: dict[str, str]) -> Iterator[Models]:
    """All of them, with torch as the engine, which converts nothing."""
    made = Models(list(runs.values()), Limits(), engine="torch")
    yield made
    made.stop(5)


def png(seed: int, kind: str = "disc") -> bytes:
    """The file of a small picture, another for each seed."""
    held = io.BytesIO()
    shape(kind, np.random.default_rng(seed)).save(held, "PNG")
    return held.getvalue()


def blank(width: int, height: int) -> bytes:
    held = io.BytesIO()
    Image.new("1", (width, height)).save(held, "PNG")
    return held.getvalue()


@pytest.fixture(scope="session")
def client(models: Models, tmp_path_factory: pytest.TempPathFactory) -> object:
    """Asks the service; the page is a placeholder."""
    from starlette.testclient import TestClient

    page = tmp_path_factory.mktemp("page")
    (page / "index.html").write_text("<!doctype html><title>page</title>")
    (page / "app.js").write_text("'use strict';")
    return TestClient(create_app(models, Limits(), page=page))
