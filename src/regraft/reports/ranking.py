"""The page of ``regraft rank``: one file that fetches nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from regraft.core.files import jsonable, write_text
from regraft.reports import charts
from regraft.reports.content import by_kind
from regraft.reports.templates import rendered


def write_ranking(path: Path, found: Any) -> Path:
    """Writes the page about what ``regraft rank`` found (an object or a dict of its fields)."""
    record = jsonable(found)
    others = list(dict.fromkeys(s for r in record["ranking"] for s in r["scores"] if s != record["by"]))
    facts = {
        "f": record,
        "others": others,
        "chart": charts.ranking(record["ranking"], record["by"]),
        "seen": [r for r in record["ranking"] if r["seen"]],
        "differ": {k: v for k, v in record["favourites"].items() if v != record["ranking"][0]["backbone"]},
        "problems": by_kind(record["problems"]),
    }
    write_text(path, rendered("ranking.html.j2", **facts))
    return path
