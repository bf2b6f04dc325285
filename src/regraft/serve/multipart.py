"""A form of files (RFC 7578) in memory, cut at its boundary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from regraft.core.errors import InputError


class Part(NamedTuple):
    """One field of a form: its name, the name of its file (None where it is no file) and what it holds."""

    name: str
    filename: str | None
    content: bytes


def parts_of(body: bytes, content_type: str, most: int) -> list[Part]:
    """The fields of a form in their order. Raises ``InputError`` where it is none, or holds more than ``most``."""
    from python_multipart.multipart import parse_options_header

    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary or len(boundary) > 200:
        raise InputError("The form names no boundary: multipart/form-data; boundary=... is wanted.")
    first, between = b"--" + boundary, b"\r\n--" + boundary
    if body.count(between) > most:
        raise InputError(f"The form holds more than {most:,} fields, which is what one request may.")
    start = 0 if body.startswith(first) else body.find(between) + 2
    pieces = [b""] if start == 1 else body[start + len(first) :].split(between)
    if not pieces[-1].startswith(b"--"):
        raise InputError("The form is not whole: its closing boundary is missing.")
    return [_part(piece, parse_options_header) for piece in pieces[:-1]]


def _part(piece: bytes, options_of: Callable[[bytes], Any]) -> Part:
    head, blank, content = piece.partition(b"\r\n\r\n")
    if not blank or not head.startswith(b"\r\n") or len(head) > 8192:
        raise InputError("A field of the form has no head that can be read: Content-Disposition is wanted.")
    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.strip().lower() == b"content-disposition":
            _, options = options_of(value.strip())
            name, file = options.get(b"name"), options.get(b"filename")
            if name is not None:
                return Part(_text(name), None if file is None else _text(file), content)
    raise InputError('A field of the form has no name: Content-Disposition: form-data; name="files" is wanted.')


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")[:255]
