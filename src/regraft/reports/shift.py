"""The page of ``regraft shift``: one file that fetches nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from regraft.core.files import jsonable, write_text
from regraft.reports import charts
from regraft.reports.content import by_kind, saw
from regraft.reports.templates import rendered


def write_shift(path: Path, found: Any) -> Path:
    """Writes the page about what ``regraft shift`` found (an object or a dict of its fields)."""
    record = jsonable(found)
    points = [{**p, "label": p["domain"], "predicted": p["domain"]} for p in record["map"]]
    chart = charts.feature_map(points, ["source", "target"])
    page = rendered("shift.html.j2", f=record, chart=chart, problems=by_kind(record["problems"]),
                    overlap=overlap(record), saw=saw_domains(record))  # fmt: skip
    write_text(path, page)
    return path


def overlap(record: dict[str, Any]) -> str:
    """What belongs beside the accuracy on the target where the network's pretraining saw its pictures; else ""."""
    known = record["as_it_is"]
    return f"but {saw(record['backbone'], known['seen'])}" if known and known["seen"] else ""


def saw_domains(record: dict[str, Any]) -> list[str]:
    """What the network's pretraining saw of each domain, in whose features the figures are."""
    name, said = record["backbone"], "these figures are not those of a network that never did"
    return [f"{saw(name, share, f'what was looked at of the {domain}')}: {said}"
            for domain, share in record["seen"].items() if share]  # fmt: skip
