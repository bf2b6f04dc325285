"""The queue: what waits goes together, what is too much is refused, what nobody waits for is not computed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from regraft.core.errors import UnreadableItem
from regraft.serve.batching import Batcher
from regraft.serve.inputs import Given
from regraft.serve.limits import Limits, Refused


class Lane:
    """Answers each number with its double, once ``gate`` is open; keeps the batches."""

    def __init__(self) -> None:
        self.gate, self.begun = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []

    def prepare(self, given: Given) -> int:
        if given.data is None:
            raise UnreadableItem("there is none")
        return int(given.data)

    def answer(self, names: Sequence[str], ready: Sequence[int]) -> list[dict[str, Any]]:
        self.begun.set()
        assert self.gate.wait(10)
        self.batches.append(list(ready))
        if 13 in ready:
            raise RuntimeError("unlucky")
        return [{"input": n, "value": 2 * r} for n, r in zip(names, ready, strict=True)]

    def warm(self, batch: int) -> None:
        """Nothing."""


def given(*numbers: int | None) -> list[Given]:
    return [Given(str(n), n) for n in numbers]


def with_batcher(use: Any, **limits: Any) -> Lane:
    """Runs ``use(batcher, lane)`` in a loop of its own."""
    lane = Lane()
    with ThreadPoolExecutor(2) as pool:
        batcher = Batcher(lane, Limits(**limits), "test", pool)
        try:
            asyncio.run(use(batcher, lane))
        finally:
            lane.gate.set()
            batcher.stop(5)
    assert batcher.waiting == 0
    return lane


async def until(true: Any) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came")


def test_what_waits_goes_together_and_a_single_one_at_once() -> None:
    async def use(batcher: Batcher, lane: Lane) -> None:
        first = batcher.submit(given(0))
        await until(lane.begun.is_set)  # alone, without waiting for company
        works = [batcher.submit(given(2 * i + 1, 2 * i + 2)) for i in range(5)]
        await until(lambda: len(batcher._queue) == 10)
        lane.gate.set()
        assert (await first.done)[0]["value"] == 0
        for i, work in enumerate(works):
            assert [r["value"] for r in await work.done] == [4 * i + 2, 4 * i + 4]

    lane = with_batcher(use, batch=8)
    assert [len(b) for b in lane.batches] == [1, 8, 2]


def test_more_than_may_wait_is_refused_whole_and_room_comes_back() -> None:
    async def use(batcher: Batcher, lane: Lane) -> None:
        kept = batcher.submit(given(1, 2, 3))
        with pytest.raises(Refused) as error:
            batcher.submit(given(4, 5))
        assert error.value.status == 503 and error.value.headers["Retry-After"] == "1"
        last = batcher.submit(given(6))
        lane.gate.set()
        await kept.done
        await last.done
        await until(lambda: batcher.waiting == 0)
        assert len(await batcher.submit(given(7, 8, 9, 10)).done) == 4

    with_batcher(use, queue=4)


def test_what_nobody_waits_for_is_not_computed() -> None:
    async def use(batcher: Batcher, lane: Lane) -> None:
        first = batcher.submit(given(1))
        await until(lane.begun.is_set)
        left = batcher.submit(given(2, 3))
        stays = batcher.submit(given(4))
        late = batcher.submit(given(5))
        await until(lambda: len(batcher._queue) == 4)
        left.gone, late.deadline = True, 0.0
        lane.gate.set()
        assert [r["value"] for r in (*await first.done, *await stays.done)] == [2, 8]
        assert await late.done == [None]

    lane = with_batcher(use)
    assert lane.batches == [[1], [4]]


def test_one_that_fails_fails_alone(capfd: pytest.CaptureFixture[str]) -> None:
    async def use(batcher: Batcher, lane: Lane) -> None:
        first = batcher.submit(given(1))
        await until(lane.begun.is_set)
        rest = batcher.submit(given(2, None, 13, 4))
        await until(lambda: len(batcher._queue) == 3)
        lane.gate.set()
        await first.done
        found = await rest.done
        assert [r.get("value") for r in found] == [4, None, None, 8]
        assert found[1]["error"] == "there is none" and "unlucky" in found[2]["error"]

    with_batcher(use)
    assert "13: RuntimeError: unlucky" in capfd.readouterr().err


def test_a_job_runs_alone_between_batches() -> None:
    async def use(batcher: Batcher, lane: Lane) -> None:
        first = batcher.submit(given(1))
        await until(lane.begun.is_set)
        before = batcher.submit(given(2))
        await until(lambda: len(batcher._queue) == 1)
        job = batcher.submit_job(lambda: list(lane.batches))
        after = batcher.submit(given(3))
        await until(lambda: len(batcher._queue) == 3)
        lane.gate.set()
        await asyncio.gather(first.done, before.done, after.done)
        assert await job.done == [[[1], [2]]]
        [error] = await batcher.submit_job(lambda: 1 / 0).done
        assert isinstance(error, ZeroDivisionError)

    assert with_batcher(use).batches == [[1], [2], [3]]


def test_what_was_taken_is_answered_when_it_stops() -> None:
    async def use(batcher: Batcher, lane: Lane) -> None:
        works = [batcher.submit(given(0))]
        await until(lane.begun.is_set)
        works += [batcher.submit(given(i)) for i in range(1, 6)]
        await until(lambda: len(batcher._queue) == 5)
        stopping = asyncio.create_task(asyncio.to_thread(batcher.stop, 5))
        await until(lambda: batcher._stopped)
        with pytest.raises(Refused, match="stopping"):
            batcher.submit(given(9))
        lane.gate.set()
        await stopping
        assert [r["value"] for w in works for r in await w.done] == [0, 2, 4, 6, 8, 10]

    with_batcher(use)
