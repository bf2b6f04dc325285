"""The process: a socket before anything is loaded, uvicorn on it, and an end that finishes what was taken."""

from __future__ import annotations

import errno
import math
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from regraft.core.errors import InputError
from regraft.core.files import why

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; clients that come before the models are loaded wait. Raises ``InputError`` where the port
    is in use or may not be had, or there is no such address here.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"--port is {port}; wanted is a number up to 65535, or 0 for any that is free.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise InputError(f"--host {host} is no address of this machine ({error}).") from error
    found = socket.socket(family, kind, protocol)  # asyncio sends small answers at once where the protocol is told
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"The port {port} of {host} is in use: end what listens there, or take another "
                             "with --port (0: any that is free).") from error  # fmt: skip
        raise InputError(f"The port {port} of {host} cannot be had: {why(error)}.") from error
    return found


def address_of(found: socket.socket, host: str) -> str:
    """What to type into a browser."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{found.getsockname()[1]}"


class _Server(uvicorn.Server):
    """uvicorn, which tells of its end once, and ends a process by its own status, not by the signal."""

    def __init__(self, config: uvicorn.Config, stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self.stopping, self.caught = stopping, 0

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._caught) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _caught(self, number: int, frame: Any) -> None:
        self.caught = self.caught or number
        self.stopping()
        self.handle_exit(number, frame)


def run(app: Any, found: socket.socket, seconds: float, stopping: Callable[[], None]) -> None:
    """Serves until SIGTERM or Ctrl-C, which raises ``KeyboardInterrupt``: then nothing new is accepted, and what was
    taken is answered, for so many ``seconds`` at most. ``stopping`` is called first.
    """
    config = uvicorn.Config(app, ws="none", lifespan="on", log_config=None, access_log=False, server_header=False,
                            proxy_headers=False, timeout_keep_alive=30, backlog=BACKLOG,
                            timeout_graceful_shutdown=math.ceil(seconds))  # fmt: skip
    server = _Server(config, stopping)
    server.run(sockets=[found])
    if server.caught == signal.SIGINT:
        raise KeyboardInterrupt
