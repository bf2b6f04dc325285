"""``report.html``: one self-contained page about a run, made from its folder alone."""

from __future__ import annotations

import json
from pathlib import Path

from regraft.core.border import written_by_regraft
from regraft.core.errors import ArtefactError
from regraft.core.files import path_of, write_text
from regraft.reports.content import facts
from regraft.reports.detection import detection_facts
from regraft.reports.templates import rendered


def write_report(run: str | Path) -> Path:
    """Writes ``report.html`` into a finished run folder; raises ``ArtefactError`` where it is none."""
    folder = path_of(run, "RUN")
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        manifest = json.loads((folder / "model" / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{run} is no finished run folder: {error}.") from error
    with written_by_regraft(folder):
        if record.get("status") != "done":
            raise ArtefactError(f"{run} did not finish: 'regraft fit ... --resume' ends it.")
        if "tasks" in record["result"]:
            raise ArtefactError(f"{run} holds several tasks, each with a report of its own in {run}/tasks/.")
        record["result"]["seconds"] = to_a_model(record["result"]["seconds"])
        if record["result"]["task"] == "detection":
            page = rendered("detection.html.j2", **detection_facts(folder, record, manifest))
        else:
            page = rendered("page.html.j2", **facts(folder, record, manifest))
    write_text(folder / "report.html", page)
    return folder / "report.html"


def to_a_model(seconds: dict[str, float]) -> dict[str, float]:
    """The seconds of a fit up to its model: the page cannot tell how long it took itself."""
    if "other" not in seconds:  # a run of 0.1
        return seconds
    steps = {name: s for name, s in seconds.items() if name not in ("report", "other", "total")}
    return {**steps, "total": sum(steps.values())}
