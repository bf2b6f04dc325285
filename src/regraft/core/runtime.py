"""The machine: device, threads, folders, progress."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from regraft.core.errors import InputError
from regraft.core.files import path_of
from regraft.version import __version__

T = TypeVar("T")

MOST_THREADS = 4096

_progress = False
_tracking = False


def cache_dir() -> Path:
    """The folder of stored rows, weights and remembered choices: ``REGRAFT_CACHE`` or the user's cache."""
    given = os.environ.get("REGRAFT_CACHE")
    if given:
        return path_of(given, "REGRAFT_CACHE")
    return path_of(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "REGRAFT_CACHE is not set, and") / "regraft"


def set_threads(threads: int | None) -> int:
    """Limits the threads of the networks; ``None`` means all cores. Returns the number in force."""
    import torch

    if threads is not None:
        if threads < 1:
            raise InputError(f"--threads is {threads}; it must be 1 or more.")
        if threads > MOST_THREADS:
            raise InputError(f"--threads is {threads}; no machine gains by more than {MOST_THREADS:,}.")
        torch.set_num_threads(threads)
    return torch.get_num_threads()


def bf16_pays(device: str = "cpu") -> bool:
    """Whether this device (``cpu``, ``cuda:0``, ...) multiplies bfloat16 faster than float32."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.is_bf16_supported()
    if device != "cpu":
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def this_process() -> dict[str, Any]:
    """What tells this process from every other: its host and number, and when it ``started``, in seconds since 1970."""
    import psutil

    own = psutil.Process()
    return {"host": platform.node(), "pid": own.pid, "started": own.create_time()}


def runs_still(process: Any) -> bool | None:
    """Whether the process that `this_process` told of is still there; None where that is on another host.

    A later process that was given the same number is another one. What is no such record tells of no process.
    """
    import psutil

    try:
        host, pid, started = str(process["host"]), int(process["pid"]), float(process["started"])
    except (TypeError, KeyError, ValueError):
        return False
    if host != platform.node():
        return None
    try:
        there = psutil.Process(pid)
        return abs(there.create_time() - started) < 1 and there.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError, OverflowError):
        return False


@contextlib.contextmanager
def interrupts_wait() -> Iterator[None]:
    """Ctrl-C is heard at the end: a library in C++ that calls Python back takes it for a fault of its own."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield  # it is heard elsewhere, or not at all
        return
    heard = list[int]()
    signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if heard:  # also where what it waited for has failed
            signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """While large libraries are imported: that makes many objects and no garbage, and looking for some among them takes
    a seventh of the time.
    """
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looked:
            gc.enable()


def keep_memory() -> None:
    """Lets the C library keep freed memory in place of giving it back, where that is glibc: it does both anew for every
    large tensor of every step otherwise. MobileNetV2 trains 1.6 times as fast on two cores; frozen networks gain too.
    """
    import ctypes

    trim, large = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(large, 1 << 30)
        mallopt(trim, (1 << 31) - 1)


def resolve_device(name: str) -> str:
    """``auto``, ``cpu``, ``cuda`` or ``mps`` -> the device that will be used.

    Raises ``InputError`` where the device is unknown or not here.
    """
    import torch

    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return "cuda" if here["cuda"] else "cpu"
    if not here.get(name.split(":")[0]):
        able = ", ".join(k for k, v in here.items() if v)
        raise InputError(f"The device {name!r} is not on this machine; there is: auto, {able}.")
    return name


def versions() -> dict[str, str]:
    """The versions that results may depend on."""
    from importlib.metadata import version

    import torch

    return {
        "regraft": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        **{name: version(name) for name in ("torchvision", "numpy", "scikit-learn", "pillow")},
    }


def show_progress(on: bool) -> None:
    """Progress on stderr: off in Python, switched on by the command line."""
    global _progress
    _progress = on


def progress_is_shown() -> bool:
    """Whether progress goes to stderr."""
    return _progress


def say(message: str) -> None:
    """One line for the person who waits, on stderr."""
    if _progress and sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):  # who listens no more stops no work
            print(message, file=sys.stderr, flush=True)


def track(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    """Yields ``items`` with a progress bar on a terminal, or a line every ten seconds elsewhere; inside of another, of
    which this is a part, without one.
    """
    global _tracking
    if not _progress or _tracking:
        yield from items
        return
    _tracking = True
    try:
        yield from _shown(items, label, total)
    finally:
        _tracking = False


def _shown(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    if sys.stderr is not None and sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            yield from bar.track(items, total=total, description=label)
    else:
        last = time.monotonic()
        for done, item in enumerate(items):
            if time.monotonic() - last > 10:
                last = time.monotonic()
                say(f"{label}: {done} of {total}")
            yield item


class Stopwatch:
    """Seconds by name: ``with watch("extract"): ...`` adds to ``watch.seconds["extract"]``; what is inside of another
    goes to the inner name alone, and what has no name to ``other``, so that all of them are the time that passed.
    """

    def __init__(self, *names: str) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(names, 0.0)
        self._start = self._last = time.perf_counter()
        self._inside = ["other"]

    def left(self, budget: float) -> float:
        """Seconds of ``budget`` that have not passed yet."""
        return budget - (time.perf_counter() - self._start)

    def move(self, seconds: float, source: str, to: str) -> None:
        """Counts ``seconds`` that are being spent in the step ``source`` for another one."""
        self.seconds[source] -= seconds
        self.seconds[to] += seconds

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self._charge()
        self._inside.append(name)
        try:
            yield
        finally:
            self._charge()
            self._inside.pop()

    def _charge(self) -> None:
        """What has passed since the last time goes to the innermost name."""
        now, name = time.perf_counter(), self._inside[-1]
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now

    def record(self) -> dict[str, Any]:
        """Seconds by step, and the ``total``, their sum."""
        self._charge()
        steps = {k: round(v, 4) for k, v in self.seconds.items()}
        return {**steps, "total": round(sum(steps.values()), 4)}


_is_command = False


@contextlib.contextmanager
def as_command() -> Iterator[None]:
    """While this process is one command of the command line: its start-up belongs to it."""
    global _is_command
    _is_command = True
    atexit.register(gc.freeze)  # what is left of torch at the end need not be looked through for garbage
    try:
        yield
    finally:
        _is_command = False


def start_up() -> float | None:
    """Seconds from the start of this process to now, where it is a command; told once, to the first who asks."""
    global _is_command
    if not _is_command:
        return None
    _is_command = False
    return max(time.time() - float(this_process()["started"]), 0.0)
