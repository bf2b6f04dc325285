"""The service as a process: how it begins, what stops it from beginning, and how it ends."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from regraft.core.errors import InputError
from regraft.serve.run import listen
from tests.serve.conftest import png


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "regraft", "-q", "serve", *words]


def hear_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def service(*words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The process, and what it printed once it had begun; it hears Ctrl-C also where whoever tests does not."""
    with subprocess.Popen(command(*words, "--port", "0", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, preexec_fn=hear_ctrl_c) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            yield process, json.loads(_object(process.stdout))
        finally:
            process.kill()


def _object(stream: Any) -> str:
    lines = []
    for line in stream:
        lines.append(line)
        if line == "}\n":
            break
    return "".join(lines)


def refusal(*words: str) -> str:
    """What a service that cannot begin says."""
    done = subprocess.run(command(*words), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_sigterm_finishes_what_was_taken_and_ends_with_0(runs: dict[str, str]) -> None:
    with service(runs["shapes"], "--engine", "torch") as (process, begun):
        assert begun["models"] == ["shapes"] and not begun["token"] and begun["warning"] is None
        url, found = begun["url"], list[httpx.Response]()
        pictures = [("files", (f"{i}.png", png(i))) for i in range(200)]

        def ask() -> None:
            found.append(httpx.post(f"{url}/predict", files=pictures, timeout=30))

        thread = threading.Thread(target=ask)
        assert httpx.get(f"{url}/readyz").status_code == 200
        thread.start()
        while thread.is_alive() and not float(_queue(url)):
            pass
        process.send_signal(signal.SIGTERM)
        thread.join()
        assert process.wait(20) == 0
        assert [r.status_code for r in found] == [200] and len(found[0].json()["answers"]) == 200
        assert found[0].headers["connection"] == "close"
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/healthz")


def _queue(url: str) -> str:
    text = httpx.get(f"{url}/metrics").text
    return next(line for line in text.splitlines() if line.startswith("regraft_queue_items{")).rpartition(" ")[2]


def test_ctrl_c_ends_with_130(runs: dict[str, str]) -> None:
    with service(runs["words"], "--host", "0.0.0.0") as (process, begun):
        assert "anybody who reaches 0.0.0.0 may ask" in begun["warning"]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


def test_a_port_in_use_is_said_before_a_model_is_loaded(runs: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"The port {port} of 127.0.0.1 is in use: .* --port"):
            listen("127.0.0.1", port)
        said = refusal(runs["words"], "--port", str(port))
        assert f"The port {port} of 127.0.0.1 is in use" in said


@pytest.mark.parametrize(("host", "port", "said"), [("127.0.0.1", 70_000, "--port is 70000"),
                                                    ("no.such.host.invalid", 0, "no address"),
                                                    ("192.0.2.1", 0, "cannot be had")])  # fmt: skip
def test_places_where_nothing_can_listen(host: str, port: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        listen(host, port)


def test_small_answers_are_not_held_back() -> None:
    """asyncio switches Nagle's algorithm off where a socket says that it is TCP: else every answer waits 40 ms."""
    with listen("127.0.0.1", 0) as found:
        assert found.proto == socket.IPPROTO_TCP


def test_models_that_cannot_be_served(runs: dict[str, str], tmp_path: Path) -> None:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(runs["words"], tmp_path / name)) / "model"

    damaged, newer, lacking = copy("damaged"), copy("newer"), copy("lacking")
    weights = damaged / "model.safetensors"
    held = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))
    manifest = json.loads((newer / "manifest.json").read_text())
    (newer / "manifest.json").write_text(json.dumps({**manifest, "format_version": 99}))
    (lacking / "model.safetensors").unlink()
    from regraft.serve.limits import Limits
    from regraft.serve.models import Models

    for folder, said in ((newer, "has format version 99"), (lacking, "model.safetensors is missing")):
        with pytest.raises(InputError, match=said):
            Models([str(folder)], Limits())
    assert "does not match its digest" in refusal(str(damaged), "--port", "0")
    (tmp_path / "token").write_text("")
    assert "token-file" in refusal(runs["words"], "--port", "0", "--token-file", str(tmp_path / "token"))
