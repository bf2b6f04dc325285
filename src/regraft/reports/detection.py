"""What the report of a detector shows, worked out from ``run.json`` and ``detections.json`` of its run folder.

``detections.json`` holds ``classes``, the ``threshold`` from which boxes are shown, ``pictures`` (a list of ``input``,
``truth`` with ``xyxy``, ``labels``, ``crowd``, and ``found`` with ``xyxy``, ``scores``, ``labels``; also those below
the threshold) and ``shown`` (``file`` in the folder ``shown``, ``input``, ``f1``, ``boxes``, ``found``, ``best``).
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.boxes import Boxes, Found
from regraft.metrics.detection import SIZES, best_threshold, confusion, precision_curves
from regraft.metrics.detection_errors import errors
from regraft.reports import charts
from regraft.reports.content import by_kind

CURVE_ROWS = 11


def detection_facts(folder: Path, record: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    """Everything the page of a detector shows."""
    result = record["result"]
    found: dict[str, Any] = {
        "result": result, "settings": record["settings"], "manifest": manifest, "val": result["metrics"]["val"],
        "problems": by_kind(result["problems"]), "warnings": warnings(result),
    }  # fmt: skip
    history = result["choice"].get("history")
    if history:
        found["training_chart"] = charts.training(history)
    path = folder / "detections.json"
    if found["val"] and path.is_file():
        found |= _evidence(json.loads(path.read_text(encoding="utf-8")), folder / "shown", found["val"])
    return found


def warnings(result: dict[str, Any]) -> list[str]:
    """What a reader must not overlook."""
    val = result["metrics"]["val"]
    if val is None:
        return ["Nothing could be held out to judge on: how good this model is, is not known."]
    gain, texts = result["gain"], list[str]()
    if gain and gain["ci95"][1] < 0:
        texts.append(f"Negative transfer: from random weights the same detector is {-100 * gain['value']:.1f} points "
                     "of mAP better. Try more epochs, a lower --lr, or --method lp-ft.")  # fmt: skip
    unjudged = [name for name, one in val["per_class"].items() if not one["boxes"]]
    if unjudged:
        texts.append(f"The judged pictures hold no box of {', '.join(unjudged)}: nothing is known of it.")
    rest = result["metrics"].get("val_without_copies")
    if rest:
        figure = "no figure" if rest.get("map") is None else f"map {rest['map']:.4f}"
        texts.append(f"Some judged pictures have a copy among the training pictures; without them: {figure} on "
                     f"{rest['items']} pictures.")  # fmt: skip
    return texts


def _evidence(record: dict[str, Any], shown: Path, val: dict[str, Any]) -> dict[str, Any]:
    classes, threshold = record["classes"], record["threshold"]
    there = [p["truth"] for p in record["pictures"]]
    truth = [Boxes(np.array(t["xyxy"]), t["labels"], t["crowd"], t.get("difficult", ())) for t in there]
    found = [Found(np.array(p["found"]["xyxy"]), p["found"]["scores"], p["found"]["labels"])
             for p in record["pictures"]]  # fmt: skip
    curves = {name: curve for name, curve in precision_curves(truth, found, classes).items() if curve is not None}
    kinds = errors(truth, found, classes, threshold)
    at = np.linspace(0, 100, CURVE_ROWS).round().astype(int).tolist()
    sizes = [{"size": size, "map": val[f"map_{size}"], "ar": val[f"ar_{size}"]} for size in SIZES[1:]]
    return {
        "threshold": threshold, "sizes": sizes, "best": best_threshold(truth, found),
        "without_boxes": sum(not len(t) for t in truth), "curves": curves,
        "curve_rows": [{"recall": i / 100, "precision": [c[i] for c in curves.values()]} for i in at],
        "curves_chart": charts.precision_recall(curves) if curves else "",
        "errors": kinds, "errors_chart": charts.error_kinds(kinds),
        "confusion": _matrix(truth, found, classes, threshold),
        "worst": [one for one in _pictures(record["shown"], shown) if not one["best"]],
        "finest": [one for one in _pictures(record["shown"], shown) if one["best"]],
    }  # fmt: skip


def _matrix(truth: list[Boxes], found: list[Found], classes: list[str], threshold: float) -> dict[str, Any]:
    counts = confusion(truth, found, len(classes), threshold)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    rows = [list(zip(c, s, strict=True)) for c, s in zip(counts.tolist(), shares.tolist(), strict=True)]
    return {"classes": [*classes, "background"], "rows": rows if len(classes) <= 30 else []}


def _pictures(shown: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    found = []
    for one in shown:
        data = base64.b64encode((folder / one["file"]).read_bytes()).decode()
        found.append({**one, "src": f"data:image/jpeg;base64,{data}"})
    return found
