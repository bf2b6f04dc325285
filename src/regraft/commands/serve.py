"""``regraft serve``: models behind HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from regraft.core.errors import InputError
from regraft.core.runtime import set_threads, show_progress

NEEDS = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")


@dataclass(frozen=True)
class Serving:
    """A service that has begun: its ``url``, the names of its ``models``, whether a ``token`` is wanted, and a
    ``warning`` where anybody may ask.
    """

    url: str
    models: list[str]
    token: bool
    warning: str | None = None


def _nobody(serving: Serving) -> None:
    """Tells nobody."""


def serve(
    models: str | Sequence[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token_file: str | None = None,
    engine: str = "auto",
    threads: int | None = None,
    max_batch: int = 32,
    queue: int = 256,
    max_bytes: int = 32 << 20,
    max_pixels: int = 64_000_000,
    timeout: float = 30.0,
    begun: Callable[[Serving], None] = _nobody,
) -> None:
    """Answers over HTTP until SIGTERM, then finishes what it took; Ctrl-C raises ``KeyboardInterrupt`` after the same.

    ``models`` are runs, or NAME=RUN; ``begun`` is called once they are loaded. A bearer token is wanted where
    ``token_file`` or the variable REGRAFT_TOKEN gives one. ``queue`` items may wait for a model, ``timeout`` seconds
    pass till an answer. Raises ``InputError`` for a port in use before anything is loaded, ``ArtefactError``.
    """
    lacks = [name for name in NEEDS if find_spec(name) is None]
    if lacks:
        raise InputError(f"regraft serve needs {' and '.join(lacks)}: pip install 'regraft[serve]'.")
    from regraft.serve.limits import Limits
    from regraft.serve.run import address_of, listen, run
    from regraft.serve.security import is_loopback, token_of

    given = [models] if isinstance(models, str) else list(models)
    limits = Limits(max_bytes, max_pixels, queue, max_batch, timeout)
    token = token_of(token_file)
    with listen(host, port) as socket:
        from regraft.serve.app import create_app  # what follows brings torch
        from regraft.serve.models import Models

        set_threads(threads)
        loaded = Models(given, limits, engine)
        app = create_app(loaded, limits, token)
        show_progress(False)  # each batch would tell of itself
        warning = None
        if token is None and not is_loopback(host):
            warning = f"anybody who reaches {host} may ask: REGRAFT_TOKEN or --token-file sets a token"
        begun(Serving(address_of(socket, host), list(loaded.served), token is not None, warning))
        run(app, socket, timeout, loaded.begin_to_stop)
