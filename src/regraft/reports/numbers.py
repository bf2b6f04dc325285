"""What the report shows of a model that gives numbers, worked out from the files of its run folder."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.arrays import subsample
from regraft.reports import charts

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
SHOWN = 1000


def number_facts(folder: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Predicted against true numbers, residuals, coverage, coefficients, and the line through two columns."""
    with open(folder / "predictions.csv", newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    truth, predicted, sigma = (np.array([float(r[k]) for r in rows]) for k in ("label", "predicted", "sigma"))
    some = subsample(len(rows), SHOWN)
    worst = np.argsort(-np.abs(predicted - truth), kind="stable")[:10]
    covered = coverage_rows(truth, predicted, sigma)
    found: dict[str, Any] = {
        "truth_chart": charts.against_truth(truth[some], predicted[some]),
        "residual_chart": charts.residuals(predicted[some], (truth - predicted)[some], float(sigma[0])),
        "coverage_chart": charts.coverage(covered),
        "coverage_rows": covered,
        "furthest": [{**rows[i], "off": float(predicted[i] - truth[i])} for i in worst],
        "coefficients": result["choice"].get("coefficients"),
        "numbers": True,
    }
    line = folder / "line.json"
    if line.is_file():
        record = json.loads(line.read_text(encoding="utf-8"))
        found |= {"line": record, "line_chart": charts.line(record)}
    return found


def coverage_rows(truth: NDArray[Any], predicted: NDArray[Any], sigma: NDArray[Any]) -> list[dict[str, float]]:
    """The share of numbers within the interval of each ``level`` that sigma promises."""
    z = np.abs(truth - predicted) / sigma
    return [{"level": v, "covered": float((z <= NormalDist().inv_cdf((1 + v) / 2)).mean())} for v in LEVELS]
