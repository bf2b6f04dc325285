"""The page of ``regraft runs``: one file that fetches nothing, with a table whose columns sort."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from regraft.core.files import write_text
from regraft.reports.templates import rendered

COLUMNS = {"run": "", "date": "", "status": "", "data": "", "backbone": "", "method": "", "accuracy": ".4f",
           "map": ".4f", "rmse": ".4g", "gain": "+.4g", "seconds": ".1f"}  # fmt: skip
"""By its title how a column is written; empty for text."""


def write_runs(path: Path, runs: Sequence[dict[str, Any]], folder: str, sort: str, *, rising: bool) -> Path:
    """Writes the page about ``runs`` as `regraft.commands.runs.runs` gives them, in their order: that of ``sort``, the
    least first where it is ``rising``. A figure that none of them has gets no column.
    """
    rows = [{name: _cell(run, name, form) for name, form in COLUMNS.items()} for run in runs]
    columns = [name for name, form in COLUMNS.items() if not form or any(row[name]["shown"] for row in rows)]
    shown = [[row[name] for name in columns] for row in rows]
    write_text(path, rendered("runs.html.j2", folder=folder, columns=columns, rows=shown, by=sort,
                              numbers=[bool(COLUMNS[name]) for name in columns],
                              direction="ascending" if rising else "descending"))  # fmt: skip
    return path


def _cell(run: dict[str, Any], name: str, form: str) -> dict[str, Any]:
    """What is shown, and by what it is sorted."""
    if name == "date":
        at = datetime.fromtimestamp(run["changed"]).astimezone()
        return {"shown": f"{at:%Y-%m-%d %H:%M}", "value": f"{at:%Y-%m-%d %H:%M:%S}"}
    value = run[name]
    if value is None:
        return {"shown": "", "value": ""}
    return {"shown": format(value, form) if form else str(value), "value": value}
