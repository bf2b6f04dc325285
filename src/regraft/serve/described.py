"""What OpenAPI says of requests and answers, and a page of it that fetches nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from regraft.core.types import Modality

DETAIL = {"type": "object", "required": ["detail"], "properties": {"detail": {"type": "string"}}}
RECORD = {
    "type": "object", "required": ["input"],
    "description": "as of 'regraft predict --json': label, probabilities, entropy_bits; labels; value, sigma, low, "
                   "high; or boxes with label, score and xyxy; unlike, distances; or error in their place",
    "properties": {"input": {"type": "string"}, "error": {"type": "string"}},
}  # fmt: skip
ANSWERS = {
    "type": "object", "required": ["model", "answers", "seconds"],
    "properties": {"model": {"type": "string"}, "answers": {"type": "array", "items": RECORD},
                   "seconds": {"type": "number"}},
}  # fmt: skip
WHY = {
    "type": "object", "required": ["model", "method", "label"],
    "properties": {
        "model": {"type": "string"}, "method": {"type": "string"}, "label": {"type": "string"},
        "map": {"type": "string", "description": "data:image/png;base64,..., the picture under its map"},
        "words": {"type": "array", "items": {"type": "object", "required": ["word", "effect"],
                                             "properties": {"word": {"type": "string"}, "effect": {"type": "number"}}}},
    },
}  # fmt: skip
MODELS = {"type": "object", "required": ["models"],
          "properties": {"models": {"type": "array", "items": {"type": "object"}}}}  # fmt: skip
STATE = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}

_CELL = {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}, {"type": "null"}]}


def _listed(key: str, kind: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": [key], "additionalProperties": False,
            "properties": {key: {"type": "array", "minItems": 1, "items": kind}}}  # fmt: skip


_FORM = {"type": "object", "required": ["files"], "properties": {
    "files": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}}}  # fmt: skip
_ITEMS = {
    "image": _listed("pictures", {"type": "string", "format": "byte"}),
    "text": _listed("texts", {"type": "string"}),
    "table": _listed("rows", {"type": "object", "additionalProperties": _CELL}),
}


def body_of(modalities: Sequence[Modality]) -> dict[str, Any]:
    """The body of a request for models of these modalities."""
    kinds: dict[str, Any] = {"application/json": {"schema": {"oneOf": [_ITEMS[m] for m in dict.fromkeys(modalities)]}}}
    if set(modalities) != {"table"}:
        kinds = {"multipart/form-data": {"schema": _FORM}} | kinds
    return {"required": True, "content": kinds}


_SAID = {
    400: "A token in the address, or a body that broke off", 401: "The token is missing or wrong",
    404: "No such model", 408: "The body did not come in time", 413: "Too many bytes or items",
    415: "A body of another type", 422: "Nothing of it can be used",
    503: "Busy or stopping, or no answer in time: try again after so many seconds",
}  # fmt: skip


def statuses(*wanted: int, ok: dict[str, Any] | None = None) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of each status; 200 has the schema ``ok``."""
    found: dict[int | str, dict[str, Any]] = {}
    if ok is not None:
        found[200] = {"description": "Answered", "content": {"application/json": {"schema": ok}}}
    for status in wanted:
        found[status] = {"description": _SAID[status], "content": {"application/json": {"schema": DETAIL}}}
    if 503 in found:
        found[503]["headers"] = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
    if 401 in found:
        found[401]["headers"] = {"WWW-Authenticate": {"description": "Bearer", "schema": {"type": "string"}}}
    return found


def page_of(openapi: dict[str, Any]) -> str:
    """The description as one plain page."""
    title = escape(openapi["info"]["title"])
    out = ["<!doctype html><html lang=en><meta charset=utf-8>",
           "<meta name=viewport content='width=device-width, initial-scale=1'>",
           "<link rel=icon href='data:,'><link rel=stylesheet href=/static/style.css>",
           f"<title>{title}</title><main class=docs><h1>{title}</h1>",
           "<p>The same for programs: <a href=/openapi.json>/openapi.json</a>."]  # fmt: skip
    for path, methods in openapi["paths"].items():
        for method, about in methods.items():
            out.append(
                f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(about.get('description', ''))}"
            )
            if parameters := about.get("parameters"):
                out.append("<ul>" + "".join(f"<li><code>?{escape(p['name'])}=</code> {escape(p.get('description', ''))}"
                                            for p in parameters) + "</ul>")  # fmt: skip
            for kind, body in about.get("requestBody", {}).get("content", {}).items():
                out.append(f"<details><summary>{escape(kind)}</summary><pre>"
                           f"{escape(json.dumps(body['schema'], indent=1))}</pre></details>")  # fmt: skip
            out.append("<ul>" + "".join(f"<li>{escape(str(status))}: {escape(one['description'])}"
                                        for status, one in about["responses"].items()) + "</ul>")  # fmt: skip
    return "\n".join(out) + "\n</main></html>\n"
