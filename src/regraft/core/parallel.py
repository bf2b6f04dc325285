"""Work in threads, its results in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")

WORKERS = max(2, min(8, os.cpu_count() or 1))
TOGETHER = 8
"""Items that one thread makes in a row: handing over a single one would cost more than a small picture does."""


def in_order(make: Callable[[T], U], items: Sequence[T], ahead: int) -> Generator[U, None, None]:
    """``make`` of each of ``items``, in their order; threads are about ``ahead`` items before who takes the results.
    Few items are made as they are asked for, without threads.
    """
    if len(items) <= TOGETHER:
        yield from map(make, items)
        return

    def some(start: int) -> list[U]:
        return [make(item) for item in items[start : start + TOGETHER]]

    waiting: deque[Future[list[U]]] = deque()
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for start in range(0, len(items), TOGETHER):
                waiting.append(pool.submit(some, start))
                if len(waiting) * TOGETHER > ahead:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
