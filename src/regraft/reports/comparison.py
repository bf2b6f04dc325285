"""The page of ``regraft compare``: one file that fetches nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from regraft.core.files import jsonable, write_text
from regraft.reports.templates import rendered

LEVEL = 0.05


def write_comparison(path: Path, found: Any) -> Path:
    """Writes the page about what ``regraft compare`` found (an object or a dict of its fields)."""
    record = jsonable(found)
    rows = [{**row, "said": verdict(record, row), "by": by(record, row["difference"]),
             "ends": ends(record, row)} for row in record["against"]]  # fmt: skip
    write_text(path, rendered("comparison.html.j2", f=record, rows=rows, kinds=_names(record), shown=shown))
    return path


def _names(record: dict[str, Any]) -> list[str]:
    return [run["run"] for run in record["runs"]]


def by(record: dict[str, Any], value: float) -> str:
    """A difference: in points of a share, else in the unit of the numbers."""
    return f"{value:+.4g}" if record["metric"] == "rmse" else f"{100 * value:+.1f} points"


def ends(record: dict[str, Any], row: dict[str, Any]) -> str:
    """The interval of a difference, in the same."""
    if None in row["ci95"]:
        return "anything"
    return " to ".join(by(record, end).removesuffix(" points") for end in row["ci95"])


def verdict(record: dict[str, Any], row: dict[str, Any]) -> str:
    """In a sentence, whether a run differs from the first."""
    first, p = record["runs"][0]["run"], row["p_holm"]
    if p >= LEVEL:
        return f"nothing in these {record['items']:,} items shows that {row['run']} and {first} differ"
    return f"{row['run']} is {'better' if row['difference'] > 0 else 'worse'} than {first}"


def shown(value: Any) -> str:
    """A setting as the page shows it."""
    return "not set" if value is None else "yes" if value is True else "no" if value is False else str(value)
