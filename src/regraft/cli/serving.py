"""The command that puts models behind HTTP."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from regraft.cli.app import app
from regraft.cli.arguments import Engine, Json, Threads
from regraft.cli.printing import print_json

if TYPE_CHECKING:
    from regraft.api import Serving


@app.command()
def serve(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="run folders; NAME=RUN names one [default: its folder]")
    ],
    host: Annotated[
        str, typer.Option(help="the address to listen at; 0.0.0.0: every one of this machine")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="the port; 0: any that is free")] = 8000,
    token_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="holds the bearer token that is wanted [default: $REGRAFT_TOKEN]")
    ] = None,
    engine: Engine = "auto",
    threads: Threads = None,
    max_batch: Annotated[int, typer.Option(help="items that are run together at most")] = 32,
    queue: Annotated[int, typer.Option(help="items that may wait for a model; more are answered 503")] = 256,
    max_bytes: Annotated[int, typer.Option(help="bytes of one request")] = 32 << 20,
    max_pixels: Annotated[int, typer.Option(help="pixels of one picture")] = 64_000_000,
    timeout: Annotated[float, typer.Option(help="seconds until an answer, and until it has stopped")] = 30.0,
    as_json: Json = False,
) -> None:
    """Answer over HTTP: pictures, texts, rows of a table; a page to drop pictures on; why; figures for Prometheus.

    Ends with Ctrl-C or SIGTERM, once what it took is answered. Example: regraft serve runs/photos-linear-probe-1, then
    curl -F files=@7.jpg http://127.0.0.1:8000/predict
    """
    from regraft.api import serve as run

    def begun(serving: Serving) -> None:
        if as_json:
            print_json(serving)
            sys.stdout.flush()
        print(f"serving {', '.join(serving.models)} at {serving.url} (Ctrl-C ends it)", file=sys.stderr, flush=True)
        if serving.warning:
            print(f"warning: {serving.warning}", file=sys.stderr, flush=True)

    run(models, host=host, port=port, token_file=token_file, engine=engine, threads=threads, max_batch=max_batch,
        queue=queue, max_bytes=max_bytes, max_pixels=max_pixels, timeout=timeout, begun=begun)  # fmt: skip
