"""What a request asks about: pictures, texts or rows, from a form of files or from JSON."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, NamedTuple

from regraft.core.errors import InputError, UnreadableItem
from regraft.core.types import Modality
from regraft.data.names import shown
from regraft.data.text.encoding import decode_text, is_binary
from regraft.serve.limits import Refused
from regraft.serve.multipart import parts_of

KEYS: dict[Modality, str] = {"image": "pictures", "text": "texts", "table": "rows"}
FORM, JSON = "multipart/form-data", "application/json"


class Given(NamedTuple):
    """One item as it came: its name, and bytes of a file, a text, or a row by column."""

    name: str
    data: Any


def given_of(body: bytes, content_type: str, modality: Modality, most: int) -> list[Given]:
    """The items of a body for a model of that modality. Raises ``Refused`` (415, 413) and ``InputError``."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in (FORM, JSON):
        raise Refused(415, f"The body is {kind or 'of no told type'}; {FORM} or {JSON} is wanted.")
    found = _of_form(body, content_type, modality, most) if kind == FORM else _of_json(body, modality)
    if not found:
        raise InputError(f"The request holds no item: {_wanted(modality)}.")
    if len(found) > most:
        raise Refused(413, f"The request holds {len(found):,} items; one may hold {most:,}.")
    return found


def _wanted(modality: Modality) -> str:
    example = {"image": '{"pictures": ["<base64>"]}', "text": '{"texts": ["a text"]}',
               "table": '{"rows": [{"column": 1.5}]}'}[modality]  # fmt: skip
    files = {"image": "pictures in the field files of a form, or ", "text": "text files in the field files of a form, "
             "or ", "table": ""}[modality]  # fmt: skip
    return f"this model takes {files}{example}"


def _of_form(body: bytes, content_type: str, modality: Modality, most: int) -> list[Given]:
    if modality == "table":
        raise InputError(f"Rows come as JSON: {_wanted(modality)}.")
    parts = parts_of(body, content_type, most)
    for part in parts:
        if part.name != "files" or part.filename is None:
            raise InputError(f"The form has the field {part.name[:80]!r}; files in the field 'files' are wanted.")
    return [Given(shown(p.filename or f"files[{i}]"), p.content) for i, p in enumerate(parts)]


def _of_json(body: bytes, modality: Modality) -> list[Given]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError(f"The body is no JSON: {' '.join(str(error).split())[:200]}.") from error
    key = KEYS[modality]
    if not isinstance(found, dict) or set(found) != {key} or not isinstance(found[key], list):
        raise InputError(f"The JSON is not as wanted: {_wanted(modality)}, and nothing beside it.")
    kind = dict if modality == "table" else str
    for i, one in enumerate(found[key]):
        if not isinstance(one, kind):
            raise InputError(f"{key}[{i}] is {type(one).__name__}; {'an object' if kind is dict else 'a string'} is "
                             "wanted.")  # fmt: skip
    return [Given(f"{key}[{i}]", one) for i, one in enumerate(found[key])]


def picture_bytes(given: Given) -> bytes:
    """The file of a picture; raises ``UnreadableItem``."""
    if isinstance(given.data, bytes):
        return given.data
    try:
        return base64.b64decode(given.data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnreadableItem("it is no base64, in which pictures come in JSON") from error


def text_of(given: Given, longest: int) -> str:
    """The text itself, or what a file of it holds in whatever encoding; raises ``UnreadableItem``."""
    text = given.data
    if isinstance(text, bytes):
        if is_binary(text):
            raise UnreadableItem("it is no text in any encoding")
        if len(text) > 4 * longest:  # no encoding takes more bytes for a letter
            raise UnreadableItem(f"it has {len(text):,} bytes; this service takes texts of up to {longest:,} letters")
        text = decode_text(text).text.strip()
    if len(text) > longest:
        raise UnreadableItem(f"it has {len(text):,} letters; this service takes texts of up to {longest:,}")
    return str(text)
