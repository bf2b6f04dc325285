"""The load generator of ``bench_serve.py``, a process of its own: clients that send pictures over connections that stay
open, one request after the other.

On stdin JSON: ``port``, ``clients``, ``pictures`` (paths), and ``seconds`` or ``requests``; ``expected``, a list of
`numbers_of` each picture, by which every answer is checked. On stdout JSON: ``answered``, ``seconds``,
``latencies`` (milliseconds), ``wrong`` answers, and ``errors`` by kind: each one a client saw, and asked again.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

WAIT, PATIENCE = 0.05, 60.0
"""Seconds until a client that saw an error asks again, and after which a request counts as lost."""
NEAR = 1e-4


@dataclass
class Seen:
    answered: int = 0
    wrong: int = 0
    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


def request_of(path: str) -> bytes:
    """The whole HTTP request of one picture."""
    name = Path(path).name
    body = (f'--b7e1\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
            "Content-Type: image/jpeg\r\n\r\n").encode() + Path(path).read_bytes() + b"\r\n--b7e1--\r\n"  # fmt: skip
    return ("POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b7e1\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body  # fmt: skip


def numbers_of(record: dict[str, Any]) -> list[float]:
    """What tells the answer to one picture from others: probabilities, and how unlike the training data it is."""
    return [*record["probabilities"].values(), *record["distances"].values()]


async def asked(streams: Any, request: bytes) -> tuple[int, bytes, bool]:
    """The status, the body, and whether the server closes the connection after it."""
    reader, writer = streams
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
    return int(lines[0].split()[1]), await reader.readexactly(length), b"connection: close" in lines


async def client(order: Any, wanted: dict[str, Any], requests: list[bytes], more: Any, seen: Seen) -> None:
    streams, expected = None, wanted.get("expected")
    while more():
        i = next(order) % len(requests)
        while True:
            begun = time.perf_counter()
            try:
                if streams is None:
                    streams = await asyncio.open_connection("127.0.0.1", wanted["port"])
                status, body, closed = await asyncio.wait_for(asked(streams, requests[i]), PATIENCE)
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                seen.errors["lost" if isinstance(error, TimeoutError) else type(error).__name__] += 1
                if streams is not None:
                    streams[1].close()
                streams = None
            else:
                if closed:
                    streams[1].close()
                    streams = None
                if status == 200:
                    seen.answered += 1
                    seen.latencies.append(1000 * (time.perf_counter() - begun))
                    if expected is not None:
                        found = numbers_of(json.loads(body)["answers"][0])
                        seen.wrong += any(abs(a - b) > NEAR * max(1, abs(b))
                                          for a, b in zip(found, expected[i], strict=True))  # fmt: skip
                    break
                seen.errors[str(status)] += 1
            await asyncio.sleep(WAIT)
    if streams is not None:
        streams[1].close()


async def main() -> None:
    wanted = json.loads(sys.stdin.readline())
    requests, seen = [request_of(p) for p in wanted["pictures"]], Seen()
    order, taken, begun = count(), count(), time.perf_counter()
    if "requests" in wanted:

        def more() -> bool:
            return next(taken) < wanted["requests"]
    else:

        def more() -> bool:
            return time.perf_counter() - begun < wanted["seconds"]

    await asyncio.gather(*(client(order, wanted, requests, more, seen) for _ in range(wanted["clients"])))
    print(json.dumps({"answered": seen.answered, "wrong": seen.wrong, "errors": dict(seen.errors),
                      "seconds": time.perf_counter() - begun, "latencies": seen.latencies}))  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main())
