"""The routes of the service."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from regraft.core.errors import InputError
from regraft.core.files import jsonable
from regraft.serve import described
from regraft.serve.batching import Work
from regraft.serve.described import statuses
from regraft.serve.explain import why
from regraft.serve.inputs import Given, given_of
from regraft.serve.limits import Bodies, Limits, Refused, busy
from regraft.serve.metrics import TYPE
from regraft.serve.models import Models, Served
from regraft.serve.security import Guard
from regraft.version import __version__

PAGE = Path(__file__).parent / "page"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml",
         ".png": "image/png", ".json": "application/json"}  # fmt: skip
LARGE = 1 << 18
"""Bodies of more bytes are taken apart by a thread, so that others need not wait for it."""

Model = Annotated[str | None, Query(description="The name of a model of /models; the default where none is named")]
Label = Annotated[str | None, Query(description="The class to explain; the one answered where none is named")]
Box = Annotated[int | None, Query(ge=1, le=100_000, description="Of a detector: which box, the best being 1")]
ASKED = (400, 401, 404, 408, 413, 415, 422, 503)


def create_app(models: Models, limits: Limits, token: str | None = None, page: Path = PAGE) -> Guard:
    """The service as an ASGI application; ``page`` is the folder of the files of its web page."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(models.stop, limits.seconds)

    app = FastAPI(title="regraft serve", version=__version__, lifespan=life, docs_url=None, redoc_url=None,
                  redirect_slashes=False, description="Models behind HTTP.")  # fmt: skip
    _add_errors(app)
    _add_answers(app, Asked(models, limits))
    _add_states(app, models)
    _add_pages(app, page)
    _add_details(app, list(models.served), token is not None)
    return Guard(app, token, lambda: models.stopping)


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """``value`` as JSON; what is not finite becomes null."""
    try:
        body = json.dumps(value, allow_nan=False)
    except (ValueError, TypeError):
        body = json.dumps(jsonable(value), allow_nan=False)
    return Response(body, status, headers, "application/json")


class Asked:
    """From a request to what it is answered."""

    def __init__(self, models: Models, limits: Limits) -> None:
        self.models, self.limits, self.bodies = models, limits, Bodies(limits)

    async def predict(self, request: Request, model: str | None) -> Response:
        """A record for each item, in order; 422 where none can be read."""
        served, begun = self.models.find(model), time.perf_counter()
        status = 500
        try:
            async with self.bodies.of(request) as body:
                found = await self._items(body, request, served)
                records = await finished(served.batcher.submit(found), request, self.limits)
            status = 422 if all("error" in r for r in records) else 200
            answer: dict[str, Any] = {"model": served.name, "answers": records,
                                      "seconds": round(time.perf_counter() - begun, 6)}  # fmt: skip
            if status == 422:
                answer["detail"] = f"None of the items can be used; {records[0]['input']}: {records[0]['error']}."
            return json_response(answer, status)
        except (Refused, InputError) as error:
            status = error.status if isinstance(error, Refused) else 422
            raise
        finally:
            self.models.metrics.request(served.name, status, time.perf_counter() - begun)

    async def explain(self, request: Request, model: str | None, label: str | None, box: int | None) -> Response:
        """Why one item got its answer."""
        served = self.models.find(model)
        async with self.bodies.of(request) as body:
            found = await self._items(body, request, served)
            if len(found) != 1:
                raise InputError(f"The request holds {len(found)} items; one is explained at a time.")
            work = served.batcher.submit_job(lambda: why(served, found[0], label, box))
            [told] = await finished(work, request, self.limits)
        if isinstance(told, Exception):
            raise told
        return json_response(told)

    async def _items(self, body: bytes, request: Request, served: Served) -> list[Given]:
        asked = body, request.headers.get("content-type", ""), served.predictor.modality, self.limits.queue
        return await asyncio.to_thread(given_of, *asked) if len(body) > LARGE else given_of(*asked)


async def finished(work: Work, request: Request, limits: Limits) -> list[Any]:
    """The records of ``work``; raises ``Refused`` (503) where they come too late, or nobody waits for them."""
    gone = asyncio.ensure_future(_left(request))
    ends: list[asyncio.Future[Any]] = [work.done, gone]
    try:
        await asyncio.wait(ends, timeout=max(0.0, work.deadline - time.monotonic()),
                           return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
    finally:
        work.gone = not work.done.done()
        gone.cancel()
    records = [] if work.gone else work.done.result()
    if work.gone or any(r is None for r in records):
        raise busy(f"There was no answer within {limits.seconds:g} seconds; try again in a moment.")
    return records


async def _left(request: Request) -> None:
    """Returns when the client is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _add_errors(app: FastAPI) -> None:
    async def refused(request: Request, error: Any) -> Response:
        return json_response({"detail": error.detail}, error.status, error.headers)

    async def unusable(request: Request, error: Any) -> Response:
        return json_response({"detail": str(error)}, 422)

    async def invalid(request: Request, error: Any) -> Response:
        first = error.errors()[0]
        return json_response({"detail": f"{first['loc'][-1]} cannot be used: {first['msg']}."}, 422)

    async def told(request: Request, error: Any) -> Response:
        detail = {404: f"There is nothing at {request.url.path[:200]}; /docs lists what there is.",
                  405: f"{request.url.path[:200]} takes no {request.method}; /docs lists what it takes."}  # fmt: skip
        found = {"detail": detail.get(error.status_code, str(error.detail))}
        return json_response(found, error.status_code, error.headers)

    async def broke_off(request: Request, error: Any) -> Response:
        return json_response({"detail": "The body broke off."}, 400)

    async def fault(request: Request, error: Any) -> Response:
        return json_response({"detail": f"A fault in regraft: {type(error).__name__}; its log says more."}, 500)

    for kind, handler in ((Refused, refused), (InputError, unusable), (RequestValidationError, invalid),
                          (HTTPException, told), (ClientDisconnect, broke_off), (Exception, fault)):  # fmt: skip
        app.add_exception_handler(kind, handler)


def _add_answers(app: FastAPI, asked: Asked) -> None:
    async def models() -> Response:
        """The models: what they read, what they answer, and whether they can say why."""
        return json_response(asked.models.about())

    app.add_api_route("/models", models, responses=statuses(400, 401, ok=described.MODELS))

    predicts = {**statuses(*ASKED, ok=described.ANSWERS)}
    predicts[422] = {**predicts[422], "content": {"application/json": {
        "schema": {"anyOf": [described.DETAIL, described.ANSWERS]}}}}  # fmt: skip

    async def predict(request: Request, model: Model = None) -> Response:
        """Answers to one or many pictures, texts or rows: a record for each, in order; what cannot be read has an
        error in its record."""
        return await asked.predict(request, model)

    body = described.body_of([s.predictor.modality for s in asked.models.served.values()])
    more: dict[str, Any] = {"methods": ["POST"], "openapi_extra": {"requestBody": body}}
    app.add_api_route("/predict", predict, responses=predicts, **more)

    async def explain(request: Request, model: Model = None, label: Label = None, box: Box = None) -> Response:
        """Why one picture or text got its answer: a map over the picture, or what each word does."""
        return await asked.explain(request, model, label, box)

    app.add_api_route("/explain", explain, responses=statuses(*ASKED, ok=described.WHY), **more)


def _add_states(app: FastAPI, models: Models) -> None:
    async def healthz() -> Response:
        """Whether the process is alive."""
        return json_response({"status": "alive"})

    app.add_api_route("/healthz", healthz, responses=statuses(400, ok=described.STATE))

    def readyz() -> Response:
        """Whether requests should be sent here: not while it stops, nor once a model has changed on disk."""
        if (reason := models.unready()) is not None:
            raise busy(reason)
        return json_response({"status": "ready"})

    app.add_api_route("/readyz", readyz, responses=statuses(400, 503, ok=described.STATE))

    plain = {"description": "Figures", "content": {"text/plain": {"schema": {"type": "string"}}}}

    def metrics() -> Response:
        """Figures for Prometheus: seconds, sizes of batches, the queue, classes, what is unlike the training data."""
        return Response(models.metrics.text(), headers={"Content-Type": TYPE})

    app.add_api_route("/metrics", metrics, responses={**statuses(400, 401), 200: plain}, response_class=Response)


def _add_pages(app: FastAPI, folder: Path) -> None:
    files = {f.name: (f.read_bytes(), TYPES[f.suffix]) for f in sorted(folder.glob("*")) if f.suffix in TYPES}

    def sent(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        content, kind = files[name]
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    async def index() -> Response:
        return sent("index.html")

    app.add_api_route("/", index, include_in_schema=False)

    async def static(name: str) -> Response:
        return sent(name)

    app.add_api_route("/static/{name}", static, include_in_schema=False)

    async def docs() -> Response:
        return Response(described.page_of(app.openapi()), media_type="text/html")

    app.add_api_route("/docs", docs, include_in_schema=False)


def _add_details(app: FastAPI, names: list[str], token: bool) -> None:
    """Says in OpenAPI which models there are, and that a bearer token is wanted."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        found = plain()
        if token:
            found.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for about in (one for methods in found["paths"].values() for one in methods.values()):
            for parameter in about.get("parameters", ()):
                if parameter["name"] == "model":
                    parameter["schema"] = {"type": "string", "enum": names}
            if token and "401" in about["responses"]:
                about["security"] = [{"token": []}]
        return found

    app.openapi = openapi  # type: ignore[method-assign]
