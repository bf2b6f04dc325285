"""What ``regraft audit`` leaves: a page to look at, and a table to fill in."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from regraft.core.boxes import Found
from regraft.core.errors import UnreadableItem
from regraft.core.files import jsonable, new_file, write_text
from regraft.data.box_correction_rows import ACTION, FOUND_PLACE, NEW_PLACE, PLACE
from regraft.data.corrections import DIGEST, ITEM, NEW, digest_of
from regraft.data.dataset import Dataset
from regraft.data.image.drawing import small
from regraft.data.tabular.cells import Cells
from regraft.pipelines.audit.result import BOX_KINDS, ERROR, KINDS, Audit, BoxFinding, Finding
from regraft.pipelines.evidence.detections import side_by_side
from regraft.reports.content import by_kind
from regraft.reports.templates import rendered

THUMB, LETTERS = 160, 400
SHOWN_ERRORS, SHOWN, SHOWN_PICTURES = 60, 24, 24
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_audit(folder: Path, found: Audit, data: Dataset, boxes: Sequence[Found] | None = None) -> None:
    """Writes ``audit.csv`` and ``audit.html`` into ``folder``; ``data`` are the items that were looked at, ``boxes``
    what a detector found on each.
    """
    place = {data.items.name(i): i for i in range(len(data))}
    if boxes is None:
        _write_csv(folder / "audit.csv", [_row(f, data, place[f.item]) for f in found.findings])
        pictures: list[dict[str, Any]] = []
    else:
        _write_csv(folder / "audit.csv", [_box_row(f, digest_of(data.items, place[f.item])) for f in found.findings]
                   or [dict.fromkeys(_BOX_COLUMNS, "")])  # fmt: skip
        pictures = _pictures(found, data, place, boxes)
    groups = [] if boxes is not None else _groups(found, data, place)
    page = rendered("audit.html.j2", f=jsonable(found), kinds=BOX_KINDS if boxes is not None else KINDS, groups=groups,
                    pictures=pictures, problems=by_kind(jsonable(found.problems)), modality=data.modality)  # fmt: skip
    write_text(folder / "audit.html", page)


_COLUMNS = (ITEM, "kinds", "label", "suggested", NEW, "probability", "self_confidence", "margin", "z", "near",
            "near_label", "unlike", "neighbours", "part", "content", DIGEST)  # fmt: skip
_BOX_COLUMNS = (ITEM, "kind", "label", "suggested", ACTION, NEW, *NEW_PLACE, "score", "overlap", *PLACE, *FOUND_PLACE,
                "part", "learned", DIGEST)  # fmt: skip


def _row(f: Finding, data: Dataset, i: int) -> dict[str, str]:
    """A row to fill in; it is read back by ITEM, NEW and DIGEST alone."""
    figures = {n: "" if (v := getattr(f, n)) is None else f"{v:.6g}"
               for n in ("probability", "self_confidence", "margin", "z", "unlike")}  # fmt: skip
    content = "" if data.modality == "image" else _content(data, i)
    content = f" {content}" if content.startswith(_FORMULA) else content  # no formula to a spreadsheet
    return {ITEM: f.item, "kinds": "|".join(f.kinds), "label": f.label, "suggested": f.suggested,
            NEW: f.suggested if f.accepted else "", **figures, "near": f.near, "near_label": f.near_label,
            "neighbours": ", ".join(f.neighbours), "part": f.part, "content": content, DIGEST: f.digest}  # fmt: skip


def _box_row(f: BoxFinding, digest: str) -> dict[str, str]:
    """A row to fill in, see `regraft.data.box_corrections`."""
    found: list[Any] = [""] * 4 if f.found is None else [*f.found]
    values = (f.item, f.kind, f.label, f.suggested, *[""] * 6, f.score, f.overlap, *f.box, *found, f.part,
              None if f.learned is None else "yes" if f.learned else "no", digest)  # fmt: skip
    return {n: "" if v is None else f"{v:.6g}" if isinstance(v, float) else str(v)
            for n, v in zip(_BOX_COLUMNS, values, strict=True)}  # fmt: skip


def _write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    """With the mark by which spreadsheets know UTF-8."""
    columns = list(rows[0]) if rows else list(_COLUMNS)
    with (
        new_file(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8-sig", errors="backslashreplace") as f,
    ):
        writer = csv.DictWriter(f, columns)
        writer.writeheader()
        writer.writerows(rows)


def _content(data: Dataset, i: int) -> str:
    """A text, or a row of a table, in a line."""
    items = data.items
    if isinstance(items, Cells):
        return "; ".join(f"{n}: {v}" for n, v in zip(items.columns, items.row(i), strict=True))[:LETTERS]
    try:
        loaded = items.load(i)
    except UnreadableItem:
        return ""
    text = loaded if isinstance(loaded, str) else ", ".join(f"{v:.6g}" for v in loaded)
    return " ".join(text.split())[:LETTERS]


def _groups(found: Audit, data: Dataset, place: dict[str, int]) -> list[dict[str, Any]]:
    """What the page shows of each kind, each item where it is worst."""
    groups = []
    for kind, meaning in KINDS.items():
        mine = [f for f in found.findings if f.kinds[0] == kind]
        if kind in found.counts:
            shown = [_shown(f, data, place) for f in mine[: SHOWN_ERRORS if kind == ERROR else SHOWN]]
            groups.append({"kind": kind, "meaning": meaning, "count": found.counts[kind], "shown": shown,
                           "elsewhere": found.counts[kind] - len(mine), "more": len(mine) - len(shown)})  # fmt: skip
    return groups


def _shown(f: Finding, data: Dataset, place: dict[str, int]) -> dict[str, Any]:
    record = {**jsonable(f), "sources": []}
    if data.modality != "image":
        near = _content(data, place[f.near]) if f.near else ""
        return {**record, "text": _content(data, place[f.item]), "near_text": near}
    for name in (f.item, f.near) if f.near else (f.item,):
        try:
            record["sources"].append(_embedded(small(data.items.load(place[name]), THUMB)))
        except UnreadableItem:
            continue
    return record


def _pictures(found: Audit, data: Dataset, place: dict[str, int], boxes: Sequence[Found]) -> list[dict[str, Any]]:
    """The pictures of most findings, each with its boxes and with what was found."""
    of: dict[str, list[BoxFinding]] = {}
    for f in found.findings:
        of.setdefault(f.item, []).append(f)
    shown = []
    for item in sorted(of, key=lambda name: -len(of[name]))[:SHOWN_PICTURES]:
        i = place[item]
        try:
            pair = side_by_side(data.items.load(i), data.y[i], boxes[i].above(found.threshold or 0.0), data.classes)
        except UnreadableItem:
            continue
        shown.append({"item": item, "src": _embedded(pair), "findings": jsonable(of[item])})
    return shown


def _embedded(image: Image.Image) -> str:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"
