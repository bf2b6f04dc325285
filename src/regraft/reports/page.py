"""``report.html``: one self-contained page about a run, made from its folder alone."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from regraft.errors import ArtefactError
from regraft.files import write_text
from regraft.metrics import confusion_matrix
from regraft.reports import charts


def write_report(run: str | Path) -> Path:
    """Writes ``report.html`` into a finished run folder; raises ``ArtefactError`` where it is none."""
    folder = Path(run)
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        manifest = json.loads((folder / "model" / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{run} is no finished run folder: {error}.") from error
    if record.get("status") != "done":
        raise ArtefactError(f"{run} did not finish: 'regraft fit ... --resume' ends it.")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("regraft", "reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda v: f"{100 * v:.1f} %"
    page = environment.get_template("page.html.j2").render(**facts(folder, record, manifest))
    write_text(folder / "report.html", page)
    return folder / "report.html"


def facts(folder: Path, record: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    """What the page shows, worked out from the files of the run."""
    result = record["result"]
    val, controls = result["metrics"]["val"], result["metrics"]["controls"]
    found: dict[str, Any] = {
        "result": result,
        "settings": record["settings"],
        "manifest": manifest,
        "val": val,
    }
    found["warnings"] = warnings(result)
    if val:
        rows = [(result["backbone"], val), *sorted(controls.items(), key=lambda c: -c[1]["accuracy"])]
        found["scores"] = rows
        found["scores_chart"] = charts.scores(
            [name for name, _ in rows],
            [m["accuracy"] for _, m in rows],
            [m["accuracy_ci95"] for _, m in rows],
        )
        found["confusion"] = confusion(folder / "predictions.csv", result["classes"])
    few = folder / "few_labels.json"
    if few.is_file():
        found["few"] = json.loads(few.read_text(encoding="utf-8"))
        found["few_chart"] = charts.few_labels(found["few"]["curves"])
    return found


def warnings(result: dict[str, Any]) -> list[str]:
    """What a reader must not overlook."""
    found = []
    gain = result["gain"]
    if result["metrics"]["val"] is None:
        found.append("Nothing could be held out to judge on: how good this model is, is not known.")
    elif gain and gain["ci95"][0] <= 0:
        found.append(
            f"The transfer does not clearly beat its control {gain['against']}: the interval of the gain reaches "
            f"{100 * gain['ci95'][0]:+.1f} points. More labels, or another network, may help."
        )
    if result["seen"]:
        found.append(
            f"{100 * result['seen']:.0f} % of the judged pictures were in the pretraining of {result['backbone']}, "
            "labels included: this figure is not that of a transfer."
        )
    return found


def confusion(predictions: Path, classes: list[str]) -> dict[str, Any]:
    """The confusion matrix of ``predictions.csv``: counts by row, the share of each cell in its row."""
    position = {name: i for i, name in enumerate(classes)}
    with open(predictions, newline="", encoding="utf-8") as f:
        pairs = [(position[r["label"]], position[r["predicted"]]) for r in csv.DictReader(f)]
    truth, predicted = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    counts = confusion_matrix(truth, predicted, len(classes))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return {
        "classes": classes,
        "rows": [list(zip(c, s, strict=True)) for c, s in zip(counts.tolist(), shares.tolist(), strict=True)],
    }
