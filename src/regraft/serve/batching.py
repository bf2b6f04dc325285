"""Dynamic batching: whatever waits when the engine is free is run together; what waits alone goes at once.

Threads prepare items (`regraft.serve.lanes`) while one thread a model, the only one that touches its engine, answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, NamedTuple

from regraft.core.errors import RegraftError
from regraft.serve.inputs import Given
from regraft.serve.lanes import Lane, Record
from regraft.serve.limits import Limits, busy


class Work:
    """One request: a record for each of its items, and ``done``, a future that comes once all are there. ``gone``:
    nobody waits for it any more.
    """

    def __init__(self, count: int, seconds: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[list[Any]] = self.loop.create_future()
        self.records: list[Any] = [None] * count
        self.left = count
        self.deadline = time.monotonic() + seconds
        self.gone = False

    @property
    def useless(self) -> bool:
        """Whether an answer would come too late, or to nobody."""
        return self.gone or time.monotonic() > self.deadline


class _Entry(NamedTuple):
    """One item on its way: its place in ``work``, its name and what was prepared; or a ``job`` to be run alone."""

    work: Work
    place: int
    name: str = ""
    ready: Any = None
    job: Callable[[], Any] | None = None


def _ignore(records: Sequence[Any]) -> None:
    """Tells nobody."""


class Batcher:
    """The queue and the thread of one model. ``answered`` is told of the records of each batch, by that thread."""

    def __init__(self, lane: Lane, limits: Limits, name: str, preparing: Executor,
                 answered: Callable[[Sequence[Record]], None] = _ignore) -> None:  # fmt: skip
        self.lane, self.limits, self.preparing, self.answered = lane, limits, preparing, answered
        self.waiting = 0
        self._queue: deque[_Entry] = deque()
        self._lock = threading.Condition(threading.RLock())
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=f"serve {name}", daemon=True)
        self._thread.start()

    def submit(self, items: Sequence[Given]) -> Work:
        """Takes the items of a request, all or none of them: raises ``Refused`` (503) where too many wait."""
        work = self._admit(len(items))
        for i, given in enumerate(items):
            self.preparing.submit(self._prepare, work, i, given)
        return work

    def submit_job(self, job: Callable[[], Any]) -> Work:
        """Takes something else that needs the engine; its result, or the error it raised, is the only record."""
        work = self._admit(1)
        self._put(_Entry(work, 0, job=job))
        return work

    def _admit(self, count: int) -> Work:
        with self._lock:
            if self._stopped:
                raise busy("The service is stopping.")
            if self.waiting + count > self.limits.queue:
                raise busy(f"{self.waiting:,} of {self.limits.queue:,} places in the queue are taken; try again soon.")
            self.waiting += count
        return Work(count, self.limits.seconds)

    def _put(self, entry: _Entry) -> None:
        with self._lock:
            self._queue.append(entry)
            self._lock.notify()

    def _prepare(self, work: Work, place: int, given: Given) -> None:
        """In a thread of ``preparing``: from what came to what waits for the engine, or the record of why not."""
        if work.useless:
            return self._settle([_Entry(work, place)], [None])
        try:
            ready = self.lane.prepare(given)
        except Exception as error:  # noqa: BLE001 whatever one item does is told in its own record
            self._settle([_Entry(work, place)], [_failed(given.name, error)])
        else:
            self._put(_Entry(work, place, given.name, ready))

    def _run(self) -> None:
        while taken := self._take():
            if (job := taken[0].job) is not None:
                self._settle(taken, [_outcome(job)])
                continue
            records = self._records(taken)
            self.answered(records)
            self._settle(taken, records)

    def _take(self) -> list[_Entry]:
        """What is run next: a job, or the items that wait, as many as go together; none once all is done and the
        service stops.
        """
        taken, dropped = list[_Entry](), list[_Entry]()
        with self._lock:
            while not taken:
                while not self._queue and not self._stopped:
                    self._lock.wait()
                if not self._queue:
                    return []
                while self._queue and len(taken) < self.limits.batch:
                    if taken and self._queue[0].job is not None:
                        break
                    entry = self._queue.popleft()
                    (dropped if entry.work.useless else taken).append(entry)
                    if taken and taken[0].job is not None:
                        break
                if dropped:
                    self._settle(dropped, [None] * len(dropped))
                    dropped = []
        return taken

    def _records(self, taken: list[_Entry]) -> list[Record]:
        """A record for each; where the batch fails, each item is tried alone, so that one does not fail the others."""
        try:
            return self.lane.answer([e.name for e in taken], [e.ready for e in taken])
        except Exception as error:  # noqa: BLE001 as above
            if len(taken) == 1:
                return [_failed(taken[0].name, error)]
            return [self._records([one])[0] for one in taken]

    def _settle(self, entries: Sequence[_Entry], records: Sequence[Any]) -> None:
        """Hands records to the requests they belong to, and wakes those that have all of theirs."""
        whole: dict[asyncio.AbstractEventLoop, list[Work]] = {}
        with self._lock:
            self.waiting -= len(entries)
            for entry, found in zip(entries, records, strict=True):
                entry.work.records[entry.place] = found
                entry.work.left -= 1
                if entry.work.left == 0:
                    whole.setdefault(entry.work.loop, []).append(entry.work)
        for loop, works in whole.items():
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
                loop.call_soon_threadsafe(_wake, works)

    def stop(self, seconds: float) -> None:
        """Takes nothing more, answers what waits, and ends the thread; waits for that so many seconds at most."""
        with self._lock:
            self._stopped = True
            self._lock.notify_all()
        self._thread.join(seconds)


def _wake(works: Sequence[Work]) -> None:
    for work in works:
        if not work.done.done():
            work.done.set_result(work.records)


def _outcome(job: Callable[[], Any]) -> Any:
    try:
        return job()
    except Exception as error:  # noqa: BLE001 whoever asked for the job is told
        return error


def _failed(name: str, error: Exception) -> Record:
    """The record of an item that cannot be answered to; what nobody foresaw is told on stderr too."""
    if isinstance(error, RegraftError):
        return {"input": name, "error": str(error)}
    why = " ".join(str(error).split())[:300] or type(error).__name__
    print(f"regraft: {name}: {type(error).__name__}: {why}", file=sys.stderr)
    return {"input": name, "error": f"it cannot be answered to: {why}"}
