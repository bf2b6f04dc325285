"""What the service takes at most, and how it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import Request

from regraft.core.errors import InputError

RETRY_SECONDS = 1
HELD_AT_LEAST = 256 << 20
"""All bodies that are being answered may fill so many bytes, or four of the largest."""


@dataclass(frozen=True)
class Limits:
    """``bytes`` of one request's body, ``pixels`` of one picture, ``queue`` items that may wait for one model (and so
    the most in one request), ``batch`` items that an engine gets at once, ``seconds`` from a request to its answer.
    Raises ``InputError`` naming the option of what cannot be meant.
    """

    bytes: int = 32 << 20
    pixels: int = 64_000_000
    queue: int = 256
    batch: int = 32
    seconds: float = 30.0

    def __post_init__(self) -> None:
        for flag, value in (("--max-bytes", self.bytes), ("--max-pixels", self.pixels), ("--queue", self.queue),
                            ("--max-batch", self.batch)):  # fmt: skip
            if value < 1:
                raise InputError(f"{flag} is {value}; it must be 1 or more.")
        if self.batch > 1024:
            raise InputError(f"--max-batch is {self.batch}; engines take at most 1024 items at once.")
        if not 0 < self.seconds <= 3600:
            raise InputError(f"--timeout is {self.seconds:g}; wanted are seconds above 0, an hour at most.")


class Refused(Exception):
    """An answer that is no answer: its HTTP ``status`` and one sentence."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


def busy(detail: str) -> Refused:
    """503, with when to try again."""
    return Refused(503, detail, {"Retry-After": str(RETRY_SECONDS)})


class Bodies:
    """Reads the bodies of requests, and knows how many bytes of them are held."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.most = max(HELD_AT_LEAST, 4 * limits.bytes)
        self.held = 0

    @asynccontextmanager
    async def of(self, request: Request) -> AsyncIterator[bytes]:
        """The body, held until the block ends. Raises ``Refused`` as soon as it is too large, when all are too large
        together, or when it does not come.
        """
        size, parts = 0, list[bytes]()
        self._check(int(declared) if (declared := request.headers.get("content-length", "")).isdecimal() else 0)
        try:
            async with asyncio.timeout(self.limits.seconds):
                async for part in request.stream():
                    size += len(part)
                    self.held += len(part)
                    self._check(size)
                    parts.append(part)
        except BaseException as error:
            self.held -= size
            if isinstance(error, TimeoutError):
                raise Refused(408, f"The body did not come whole within {self.limits.seconds:g} seconds.") from None
            raise
        try:
            yield b"".join(parts)
        finally:
            self.held -= size

    def _check(self, size: int) -> None:
        if size > self.limits.bytes:
            raise Refused(413, f"The body is larger than the {self.limits.bytes:,} bytes that this service takes.")
        if self.held > self.most:
            raise busy(f"Requests that are being answered fill {self.most:,} bytes already; try again in a moment.")
