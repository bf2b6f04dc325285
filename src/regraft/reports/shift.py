"""The page of ``regraft shift``: one file that fetches nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from regraft.files import jsonable, write_text
from regraft.reports import charts
from regraft.reports.facts import by_kind
from regraft.reports.templates import rendered


def write_shift(path: Path, found: Any) -> Path:
    """Writes the page about what ``regraft shift`` found (an object or a dict of its fields)."""
    record = jsonable(found)
    points = [{**p, "label": p["domain"], "predicted": p["domain"]} for p in record["map"]]
    chart = charts.feature_map(points, ["source", "target"])
    write_text(path, rendered("shift.html.j2", f=record, chart=chart, problems=by_kind(record["problems"])))
    return path
