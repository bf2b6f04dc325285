"""What a request may be, who may ask, what is said of what is refused, and what the service tells of itself."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.testclient import TestClient

from regraft.core.errors import InputError
from regraft.serve.app import create_app
from regraft.serve.limits import Bodies, Limits, Refused
from regraft.serve.models import Models, named
from regraft.serve.multipart import parts_of
from regraft.serve.security import is_loopback, token_of
from tests.serve.conftest import png

PICTURE = [("files", ("a.png", png(0)))]


@pytest.mark.parametrize(("how", "status", "said"), [
    ({"files": PICTURE, "params": {"model": "none"}}, 404, "There is no model 'none'; there is: shapes"),
    ({"content": b"x", "headers": {"content-type": "image/png"}}, 415, "image/png; multipart/form-data or"),
    ({"content": b"x"}, 415, "of no told type"),
    ({"content": b"{", "headers": {"content-type": "application/json"}}, 422, "no JSON"),
    ({"content": b"[" * 200_000, "headers": {"content-type": "application/json"}}, 422, "no JSON"),
    ({"json": {"texts": ["a"]}}, 422, "this model takes pictures"),
    ({"json": {"pictures": []}}, 422, "no item"),
    ({"json": {"pictures": [1]}}, 422, "pictures[0] is int"),
    ({"json": {"pictures": ["@"]}}, 422, "no base64"),
    ({"files": [("file", ("a.png", png(0)))]}, 422, "the field 'file'"),
    ({"content": b"--b\r\n", "headers": {"content-type": "multipart/form-data; boundary=b"}}, 422, "closing boundary"),
    ({"content": b"", "headers": {"content-type": "multipart/form-data"}}, 422, "names no boundary"),
    ({"files": PICTURE * 257}, 422, "more than 256"),
    ({"json": {"pictures": ["AA=="] * 257}}, 413, "257 items"),
    ({"files": PICTURE, "params": {"model": "houses"}}, 422, "Rows come as JSON"),
    ({"json": {"rows": ["x"]}, "params": {"model": "houses"}}, 422, "an object is wanted"),
    ({"files": PICTURE, "params": {"token": "x"}}, 400, "A token in the address"),
])  # fmt: skip
def test_what_is_refused_is_said_in_a_sentence(client: Any, how: dict[str, Any], status: int, said: str) -> None:
    response = client.post("/predict", **how)
    assert response.status_code == status and said in response.json()["detail"], response.text


def test_paths_and_methods_that_are_not_there(client: Any) -> None:
    assert (
        client.get("/nowhere").status_code == 404 and "nothing at /nowhere" in client.get("/nowhere").json()["detail"]
    )
    response = client.get("/predict")
    assert response.status_code == 405 and "takes no GET" in response.json()["detail"]


def test_a_body_that_is_too_large_is_not_read_to_its_end(models: Models) -> None:
    """By the messages of ASGI, with no end of the body and no word of its length."""
    app, read, sent = create_app(models, Limits(bytes=10_000)), list[int](), list[Any]()
    scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "root_path": "",
             "scheme": "http", "headers": [(b"content-type", b"application/json")], "http_version": "1.1"}  # fmt: skip

    async def receive() -> Any:
        read.append(1)
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(asyncio.wait_for(app(scope, receive, send), 10))
    assert sent[0]["status"] == 413 and b"10,000 bytes" in sent[1]["body"] and len(read) == 11
    client = TestClient(create_app(models, Limits(bytes=10_000)))
    response = client.post("/predict", content=b"x" * 10_001, headers={"content-type": "application/json"})
    assert response.status_code == 413


def test_a_body_that_does_not_come_is_given_up(models: Models) -> None:
    app, sent = create_app(models, Limits(seconds=0.2)), list[Any]()
    scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "root_path": "",
             "scheme": "http", "headers": [], "http_version": "1.1"}  # fmt: skip

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(asyncio.wait_for(app(scope, receive, send), 10))
    assert sent[0]["status"] == 408


def test_bodies_are_bounded_together() -> None:
    bodies = Bodies(Limits(bytes=100))

    async def receive() -> Any:
        return {"type": "http.request", "body": b"xy"}

    async def read() -> tuple[bytes, int]:
        async with bodies.of(Request({"type": "http", "headers": []}, receive)) as body:
            return body, bodies.held

    bodies.held = bodies.most
    with pytest.raises(Refused) as error:
        asyncio.run(read())
    assert error.value.status == 503 and bodies.held == bodies.most
    bodies.held = 0
    assert asyncio.run(read()) == (b"xy", 2) and bodies.held == 0


@contextmanager
def kept_busy(run: str, limits: Limits) -> Iterator[TestClient]:
    """Asks a service of one model whose engine does something else."""
    models, held = Models([run], limits), threading.Event()

    async def block() -> None:
        models.find(None).batcher.submit_job(lambda: held.wait(10))

    asyncio.run(block())
    try:
        yield TestClient(create_app(models, limits))
    finally:
        held.set()
        models.stop(5)


def test_a_full_queue_says_when_to_try_again(runs: dict[str, str]) -> None:
    with kept_busy(runs["words"], Limits(queue=2)) as client:
        response = client.post("/predict", json={"texts": ["good", "bad"]})
        assert response.status_code == 503 and response.headers["retry-after"] == "1"
        assert "1 of 2 places" in response.json()["detail"]


def test_an_answer_that_does_not_come_in_time(runs: dict[str, str]) -> None:
    with kept_busy(runs["words"], Limits(seconds=0.3)) as client:
        response = client.post("/predict", json={"texts": ["good"]})
        assert response.status_code == 503 and "within 0.3 seconds" in response.json()["detail"]


def test_a_token_is_wanted_where_there_is_one(models: Models, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<title>t</title>")
    client = TestClient(create_app(models, Limits(), "secret", tmp_path))
    for path in ("/models", "/metrics", "/docs", "/openapi.json"):
        response = client.get(path)
        assert response.status_code == 401 and response.headers["www-authenticate"] == "Bearer", path
        assert client.get(path, headers={"Authorization": "Bearer secret"}).status_code == 200
        for wrong in ("Bearer Secret", "Bearer", "Basic secret", "Bearer secret2", "secret"):
            assert client.get(path, headers={"Authorization": wrong}).status_code == 401
    assert client.post("/predict", files=PICTURE).status_code == 401
    assert {client.get(p).status_code for p in ("/", "/healthz", "/readyz")} == {200}
    assert client.get("/models?access_token=secret").status_code == 400
    schema = client.get("/openapi.json", headers={"Authorization": "Bearer secret"}).json()
    assert schema["paths"]["/predict"]["post"]["security"] == [{"token": []}]


def test_where_the_token_comes_from(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("abc\n")
    assert token_of(str(tmp_path / "t"), {"REGRAFT_TOKEN": "other"}) == "abc"
    assert token_of(None, {"REGRAFT_TOKEN": "other"}) == "other" and token_of(None, {}) is None
    for text in ("", "a b", "ä"):
        (tmp_path / "t").write_text(text)
        with pytest.raises(InputError, match="token-file"):
            token_of(str(tmp_path / "t"), {})
    with pytest.raises(InputError, match="cannot be read"):
        token_of(str(tmp_path / "none"), {})
    assert [is_loopback(h) for h in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.org")] == [True] * 3 + [
        False
    ] * 2


def test_browsers_are_told_what_to_keep_to(client: Any) -> None:
    for path in ("/", "/static/app.js", "/docs", "/models", "/nowhere"):
        response = client.get(path, headers={"Origin": "http://elsewhere.example"})
        assert "default-src 'self'" in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert not [h for h in response.headers if h.startswith("access-control")]
    assert client.get("/").headers["content-type"].startswith("text/html")
    assert client.get("/static/app.js").headers["content-type"].startswith("text/javascript")
    assert client.get("/static/..%2Fapp.py").status_code == 404 == client.get("/static/index.py").status_code
    docs = client.get("/docs").text
    assert "POST /predict" in docs and not re.findall(r"(?:src|href)=['\"]?(?:https?:)?//", docs)


def test_every_status_that_is_given_is_described(client: Any) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/models", "/predict", "/explain", "/healthz", "/readyz", "/metrics"}
    for path in ("/predict", "/explain"):
        wanted = {"200", "400", "401", "404", "408", "413", "415", "422", "503"}
        assert set(paths[path]["post"]["responses"]) == wanted
    predict = paths["/predict"]["post"]
    assert "Retry-After" in predict["responses"]["503"]["headers"] and "security" not in predict
    assert predict["parameters"][0]["schema"]["enum"] == ["shapes", "words", "houses", "boxes"]
    listed = predict["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert [one["required"] for one in listed] == [["pictures"], ["texts"], ["rows"]]


def test_figures_for_prometheus(client: Any) -> None:
    def figures() -> dict[str, float]:
        lines = [line.rpartition(" ") for line in client.get("/metrics").text.splitlines() if line[0] != "#"]
        return {key: float(value) for key, _, value in lines}

    before = figures()
    client.post("/predict", params={"model": "shapes"}, files=[("files", ("a.png", png(i))) for i in range(3)])
    client.post("/predict", params={"model": "shapes"}, files=[("files", ("a.png", b"none"))])
    after = figures()

    def more(key: str) -> float:
        return after.get(key, 0.0) - before.get(key, 0.0)

    assert more('regraft_items_total{model="shapes"}') == 3
    assert sum(more(f'regraft_answers_total{{label="{c}",model="shapes"}}') for c in ("disc", "square")) == 3
    assert more('regraft_request_seconds_count{model="shapes",outcome="answered"}') == 1
    assert more('regraft_request_seconds_count{model="shapes",outcome="unusable"}') == 1
    assert more('regraft_batch_size_sum{model="shapes"}') == 3
    assert after['regraft_queue_items{model="shapes"}'] == 0


def test_it_is_ready_until_a_model_changes_on_disk(runs: dict[str, str], tmp_path: Path) -> None:
    copy = shutil.copytree(runs["words"], tmp_path / "words")
    models = Models([str(copy)], Limits())
    client = TestClient(create_app(models, Limits()))
    weights, manifest = copy / "model/model.safetensors", copy / "model/manifest.json"
    assert client.get("/readyz").json() == {"status": "ready"}
    held = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(held)  # another file of the same content
    assert client.get("/readyz").status_code == 200
    weights.unlink()
    weights.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))
    response = client.get("/readyz")
    assert response.status_code == 503 and "model.safetensors does not match its digest" in response.json()["detail"]
    assert client.post("/predict", json={"texts": ["good"]}).status_code == 200 == client.get("/healthz").status_code
    weights.unlink()
    assert "model.safetensors is missing" in client.get("/readyz").json()["detail"]
    weights.write_bytes(held)
    assert client.get("/readyz").status_code == 200
    manifest.write_text(manifest.read_text() + " ")
    assert "manifest.json is another" in client.get("/readyz").json()["detail"]
    models.begin_to_stop()
    assert "stopping" in client.get("/readyz").json()["detail"]
    models.stop(5)


def test_names_of_models(runs: dict[str, str], tmp_path: Path) -> None:
    run = runs["words"]
    assert named([run]) == {"words": run} and named([f"{run}/model"]) == {"words": f"{run}/model"}
    assert named([f"a={run}", f"b={run}"]) == {"a": run, "b": run}
    for wrong, said in (([run, run], "Two models are called words"), ([], "No model"), ([f"={run}"], "names no model"),
                        ([str(tmp_path / "none")], "no model at")):  # fmt: skip
        with pytest.raises(InputError, match=said):
            named(wrong)


@pytest.mark.parametrize("wrong", [{"bytes": 0}, {"pixels": 0}, {"queue": 0}, {"batch": 0}, {"batch": 5000},
                                   {"seconds": 0}, {"seconds": float("nan")}])  # fmt: skip
def test_limits_that_cannot_be_meant(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"--(max-bytes|max-pixels|queue|max-batch|timeout) is"):
        Limits(**wrong)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8", exclude_characters='"\\\r\n'), min_size=1, max_size=20),
                          st.binary(max_size=200)), max_size=5))  # fmt: skip
def test_forms_are_read_as_they_are_written(fields: list[tuple[str, bytes]]) -> None:
    request = httpx.Request("POST", "http://x", files=[("files", pair) for pair in fields] or [("none", ("", b""))])
    body = request.read()
    found = parts_of(body, request.headers["content-type"], 100)
    if fields:
        assert [(p.name, p.content) for p in found] == [("files", content) for _, content in fields]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_form_breaks_the_reader(noise: bytes) -> None:
    for body in (noise, b"--b" + noise, b"--b\r\n" + noise + b"\r\n--b--", b'--b\r\nContent-Disposition: ' + noise +
                 b"\r\n\r\n\r\n--b--"):  # fmt: skip
        try:
            parts_of(body, "multipart/form-data; boundary=b", 10)
        except InputError as error:
            assert str(error).endswith(".")


def test_numbers_that_json_has_not_become_null() -> None:
    from regraft.serve.app import json_response

    assert json.loads(json_response({"a": float("nan"), "b": [1.5]}).body) == {"a": None, "b": [1.5]}
