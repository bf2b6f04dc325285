"""Who may ask, and what browsers are told to keep to: a bearer token, headers, no token in addresses."""

from __future__ import annotations

import hmac
import ipaddress
import json
import os
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from regraft.core.errors import InputError
from regraft.core.files import path_of, why

TOKEN_VARIABLE = "REGRAFT_TOKEN"
OPEN = ("/", "/healthz", "/readyz")
"""What needs no token, with the files of the page: the page asks for the token, orchestrators have none."""
IN_QUERY = {"token", "access_token", "bearer", "authorization"}
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]


def token_of(file: str | None, environment: Mapping[str, str] = os.environ) -> str | None:
    """The token in ``file``, else that of the environment, None where neither is given. Raises ``InputError`` where it
    is empty or holds what a header cannot.
    """
    where, token = TOKEN_VARIABLE, environment.get(TOKEN_VARIABLE)
    if file is not None:
        where = f"--token-file {file}"
        try:
            token = path_of(file, "--token-file").read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            reason = why(error) if isinstance(error, OSError) else "it is no text"
            raise InputError(f"{where} cannot be read: {reason}.") from error
    if token is not None and not (token.isascii() and token.isprintable() and token and " " not in token):
        raise InputError(f"The token of {where} is {'empty' if not token else 'no visible ASCII without blanks'}: "
                         "letters, digits and signs are wanted.")  # fmt: skip
    return token


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _never() -> bool:
    return False


class Guard:
    """An ASGI application around another: refuses who has no token (401) or has it in the address (400), and adds the
    headers that browsers keep to; once it is ``stopping``, connections are told to end with their answer.
    """

    def __init__(self, app: Any, token: str | None = None, stopping: Callable[[], bool] = _never) -> None:
        self.app, self.stopping = app, stopping
        self.token = None if token is None else token.encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                end = [(b"connection", b"close")] if self.stopping() else []
                message["headers"] = [*message.get("headers", ()), *HEADERS, *end]
            await send(message)

        query = scope.get("query_string", b"")
        if query and IN_QUERY & {k.lower() for k, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)}:
            await _refuse(sent, 400, "A token in the address is kept in logs and histories, so it is refused: send it "
                          "as the header 'Authorization: Bearer TOKEN'.")  # fmt: skip
        elif self.token is None or self._is_open(scope["path"]) or self._has_token(scope["headers"]):
            await self.app(scope, receive, sent)
        else:
            await _refuse(sent, 401, "This service wants the header 'Authorization: Bearer TOKEN', with its own token.",
                          (b"www-authenticate", b"Bearer"))  # fmt: skip

    @staticmethod
    def _is_open(path: str) -> bool:
        return path in OPEN or path.startswith("/static/")

    def _has_token(self, headers: list[tuple[bytes, bytes]]) -> bool:
        given = next((v for k, v in headers if k == b"authorization"), b"")
        kind, _, token = given.partition(b" ")
        assert self.token is not None
        return hmac.compare_digest(token.strip(), self.token) and kind.lower() == b"bearer"


async def _refuse(send: Any, status: int, detail: str, *headers: tuple[bytes, bytes]) -> None:
    body = json.dumps({"detail": detail}).encode()
    await send({"type": "http.response.start", "status": status,
                "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
                            *headers]})  # fmt: skip
    await send({"type": "http.response.body", "body": body})
