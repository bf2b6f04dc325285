"""The service under load: ``python benchmarks/bench_serve.py [speed|restarts|fuzz|schema ...] [--small]``.

The model is a probe on mobilenet_v2, fitted on the training photos of hymenoptera; its 153 other photos are sent, by a
process of its own on the same cores (`serve_load.py`).

- ``speed``: requests a second, p50 and p99 at 1, 8 and 64 clients, against a plain FastAPI handler around eager PyTorch
  (`serve_plain.py`), once called in threads and once in the loop; all run in turns, ROUNDS times (5), and the ratio is
  that of each round to the faster of the two.
- ``restarts``: 20,000 requests, while the service is stopped by SIGTERM and begun anew twice: every answer is compared
  with that of `regraft predict` to its picture, every error is one that its client saw.
- ``fuzz``: 10,000 mutated uploads: statuses, and the peak of the memory before and after.
- ``schema``: schemathesis on the OpenAPI description of that model and of one of texts, rows, tasks and boxes each.

``--small`` runs each part with small numbers and writes nothing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import regraft
from common import keep, need, unzipped
from serve_load import numbers_of

HERE = Path(__file__).parent
PARTS = ("speed", "restarts", "fuzz", "schema")
CLIENTS = (1, 8, 64)


@contextmanager
def process(command: list[str], port: int, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A server that answers on ``port``; ended by its number."""
    with subprocess.Popen(command, **more) as found:
        try:
            until_it_answers(port)
            yield found
        finally:
            found.terminate()


def until_it_answers(port: int, path: str = "/openapi.json") -> None:
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit(f"nothing answers on port {port}")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def serve(run: str, port: int, *more: str) -> list[str]:
    return [sys.executable, "-m", "regraft", "-q", "serve", f"model={run}", "--port", str(port), *more]


def load(**wanted: Any) -> subprocess.Popen[str]:
    """The load generator, begun."""
    found = subprocess.Popen([sys.executable, str(HERE / "serve_load.py")], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert found.stdin is not None
    found.stdin.write(json.dumps(wanted) + "\n")
    found.stdin.flush()
    return found


def figures(found: dict[str, Any]) -> dict[str, float]:
    cuts = statistics.quantiles(found["latencies"], n=100)
    return {"a_second": found["answered"] / found["seconds"], "p50_ms": cuts[49], "p99_ms": cuts[98]}


def one_load(**wanted: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(load(**wanted).communicate()[0])
    return found


def speed(run: str, pictures: list[str], small: bool) -> dict[str, Any]:
    rounds, seconds = (1, 3.0) if small else (int(os.environ.get("ROUNDS", "5")), 15.0)
    ports = {name: free_port() for name in ("service", "plain", "plain_async")}
    commands = {"service": serve(run, ports["service"]),
                **{f"plain{end}": [sys.executable, str(HERE / "serve_plain.py"), run, str(ports[f"plain{end}"]), how]
                   for end, how in (("", "def"), ("_async", "async"))}}  # fmt: skip
    measured: dict[str, list[dict[str, Any]]] = {str(n): [] for n in CLIENTS}
    with process(commands["service"], ports["service"]), process(commands["plain"], ports["plain"]), \
            process(commands["plain_async"], ports["plain_async"]):  # fmt: skip
        for port in ports.values():
            one_load(port=port, clients=8, seconds=2.0, pictures=pictures)
        for turn in range(rounds):
            for clients in CLIENTS:
                each = {name: figures(one_load(port=port, clients=clients, seconds=seconds, pictures=pictures))
                        for name, port in ports.items()}  # fmt: skip
                faster = max(each["plain"]["a_second"], each["plain_async"]["a_second"])
                measured[str(clients)].append({**each, "times": each["service"]["a_second"] / faster})
                print(turn, clients, {n: {k: round(v, 1) for k, v in f.items()} for n, f in each.items()},
                      f"{each['service']['a_second'] / faster:.2f} times", flush=True)  # fmt: skip
    found = {n: {**{name: {k: statistics.median(t[name][k] for t in turns) for k in turns[0][name]} for name in ports},
                 "times": statistics.median(t["times"] for t in turns),
                 "times_range": [min(t["times"] for t in turns), max(t["times"] for t in turns)]}
             for n, turns in measured.items()}  # fmt: skip
    return {"rounds": rounds, "seconds": seconds, "load": os.getloadavg()[0], "clients": found}


def restarts(run: str, pictures: list[str], small: bool) -> dict[str, Any]:
    requests, port = (600 if small else 20_000), free_port()
    begun, ends = time.perf_counter(), []
    server = subprocess.Popen(serve(run, port))
    try:
        until_it_answers(port)  # what runs the network is remembered from here on
        expected = [numbers_of(r) for r in regraft.predict(run, pictures).predictions]
        asking = load(port=port, clients=32, requests=requests, pictures=pictures, expected=expected)
        for third in (1, 2):
            while answered(port) < requests / 3 and asking.poll() is None:
                time.sleep(0.2)
            server.send_signal(signal.SIGTERM)
            ends.append(server.wait(60))
            server = subprocess.Popen(serve(run, port))
            until_it_answers(port)
            print(f"restarted {third}", flush=True)
        found = json.loads(asking.communicate()[0])
    finally:
        server.terminate()
        ends.append(server.wait(60))
    return {"requests": requests, "pictures": len(pictures),
            "distinct": len({tuple(round(v, 3) for v in one) for one in expected}),
            "answered": found["answered"], "wrong": found["wrong"],
            "errors_seen_by_clients": found["errors"], "lost": found["errors"].get("lost", 0), "exit_statuses": ends,
            "seconds": round(time.perf_counter() - begun, 1)}  # fmt: skip


def answered(port: int) -> float:
    """How many items the service has run since it began."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return next((float(v) for k, _, v in (line.rpartition(" ") for line in text.splitlines())
                 if k.startswith("regraft_items_total")), 0.0)  # fmt: skip


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The bytes with some changed, cut, doubled or put in."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        at, kind = rng.randrange(max(1, min(len(found), rng.choice((200, 2000, 1 << 30))))), rng.randrange(5)
        if kind == 0 and found:
            found[at] = rng.randrange(256)
        elif kind == 1:
            del found[at : at + rng.choice((1, 4, 100, len(found)))]
        elif kind == 2:
            found[at:at] = rng.randbytes(rng.choice((1, 4, 100)))
        elif kind == 3:
            found[at:at] = found[at : at + rng.choice((4, 100, 5000))]
        elif found:
            found[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\r\n\r\n"))
    return bytes(found)


def upload(pictures: list[bytes], rng: random.Random) -> tuple[str, bytes, str]:
    """A path, a body and its type, something of which is not as it should be."""
    data, kind, path = (
        rng.choice(pictures),
        "multipart/form-data; boundary=b7e1",
        rng.choice(("/predict",) * 9 + ("/explain",)),
    )
    head = b'--b7e1\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
    form = head + (mutated(data, rng) if rng.random() < 0.7 else data) + b"\r\n--b7e1--\r\n"
    if rng.random() < 0.4:
        form = mutated(form, rng)
    if rng.random() < 0.05:
        form, kind = mutated(json.dumps({"pictures": ["AAAA", data[:300].hex()]}).encode(), rng), "application/json"
    if rng.random() < 0.05:
        kind = "".join(c if " " <= c <= "~" else "?" for c in mutated(kind.encode(), rng).decode("latin-1"))
    return path, form, kind


def fuzz(run: str, pictures: list[str], small: bool) -> dict[str, Any]:
    import psutil

    count, port, rng = (300 if small else 10_000), free_port(), random.Random(0)
    contents, statuses = [Path(p).read_bytes() for p in pictures[:40]], Counter[str]()
    held: list[int] = []
    with process(serve(run, port), port) as server:
        own = psutil.Process(server.pid)
        for i in range(count):
            path, body, kind = upload(contents, rng)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                connection.request("POST", path, body, {"Content-Type": kind})
                statuses[str(connection.getresponse().status)] += 1
            except (OSError, http.client.HTTPException) as error:
                statuses[type(error).__name__] += 1
            connection.close()
            if i % max(1, count // 10) == 0:
                held.append(own.memory_info().rss >> 20)
                print(i, dict(statuses), held[-1], "MiB", flush=True)
        until_it_answers(port, "/readyz")
        peak = next(int(line.split()[1]) >> 10 for line in Path(f"/proc/{server.pid}/status").read_text().splitlines()
                    if line.startswith("VmHWM"))  # fmt: skip
    return {"uploads": count, "statuses": dict(sorted(statuses.items())), "memory_mib": held, "memory_peak_mib": peak}


def schema(run: str, pictures: list[str], small: bool) -> dict[str, Any]:
    port, examples = free_port(), 10 if small else 200
    checks = ("not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
              "response_schema_conformance,unsupported_method")  # fmt: skip
    saved = unzipped(HERE.parent / "tests" / "golden" / "runs-0.1.zip")
    others = [f"{name}={saved / name / 'run'}" for name in ("texts", "numbers", "tasks", "boxes")]
    with process(serve(run, port, *others), port):
        done = subprocess.run([str(Path(sys.executable).with_name("schemathesis")), "run",
                               f"http://127.0.0.1:{port}/openapi.json", "--checks", checks, "--max-examples",
                               str(examples), "--seed", "0", "--no-color"], capture_output=True, text=True)  # fmt: skip
    print(done.stdout[-3000:])
    return {"examples_an_operation": examples, "checks": checks.split(","), "exit_status": done.returncode}


def main() -> None:
    """Fits the model once, runs the parts and keeps what they found."""
    reader = argparse.ArgumentParser()
    reader.add_argument("parts", nargs="*", default=PARTS)
    reader.add_argument("--small", action="store_true")
    asked = reader.parse_args()
    archive, weights = need("data/hymenoptera.zip", "weights")
    os.environ.setdefault("REGRAFT_WEIGHTS", str(weights))
    folder = unzipped(archive)
    with tempfile.TemporaryDirectory() as work:
        run = f"{work}/run"
        regraft.fit(str(archive), backbone="mobilenet_v2", controls="none", out=run)
        pictures = sorted(str(p) for p in folder.rglob("val/*/*.jpg"))
        for part in asked.parts or PARTS:
            found = {"speed": speed, "restarts": restarts, "fuzz": fuzz, "schema": schema}[part](
                run, pictures, asked.small
            )
            if asked.small:
                print(json.dumps(found, indent=1))
            else:
                keep("serve", PARTS, part, found, network="mobilenet_v2")


if __name__ == "__main__":
    main()
