"""Tables and JSON on the terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any


def print_json(value: Any) -> None:
    """One JSON object on stdout."""
    from regraft.core.files import dump_json

    print(dump_json(value))


class Written(str):
    """A number that is text already."""


def table(columns: list[str], rows: list[list[Any]]) -> None:
    """A plain aligned table: texts to the left, numbers to the right."""
    cells = [[_cell(v) for v in row] for row in rows]
    widths = [max(_width(c[i]) for c in [columns, *cells]) for i in range(len(columns))]
    right = [all(isinstance(r[i], int | float | Written) or r[i] is None for r in rows) for i in range(len(columns))]
    for line in [columns, *cells]:
        blanks = [" " * (w - _width(c)) for c, w in zip(line, widths, strict=True)]
        print("  ".join(b + c if r else c + b for c, b, r in zip(line, blanks, right, strict=True)).rstrip())


def _width(cell: str) -> int:
    """Places on a terminal: Chinese characters take two."""
    return len(cell) if cell.isascii() else sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in cell)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def problems(found: Sequence[Any], most: int = 20) -> None:
    """A line a problem (`regraft.core.types.Problem`, or a dict of its fields); of more than ``most`` some of each
    kind.
    """
    rows = [p if isinstance(p, dict) else asdict(p) for p in found]
    kinds = dict.fromkeys(p["kind"] for p in rows)
    each = len(rows) if len(rows) <= most else max(1, most // len(kinds))
    for kind in kinds:
        alike = [p for p in rows if p["kind"] == kind]
        for p in alike[:each]:
            print(f"{kind}: {p['item']}: {p['message']}")
        if len(alike) > each:
            print(f"{kind}: and {len(alike) - each} more (--json lists them all)")


def took(seconds: dict[str, float]) -> str:
    """The seconds in all, and what they went to, the most first; what is less than a twentieth of a second is left
    out.
    """
    parts = sorted(((s, step) for step, s in seconds.items() if step != "total" and s >= 0.05), reverse=True)
    told = ", ".join(f"{'start-up' if step == 'startup' else step} {s:.1f}" for s, step in parts)
    return f"{seconds['total']:.1f} s" + (f" ({told})" if told else "")


_COLUMNS = {
    "rmse": "rmse", "rmse_ci95": "95 % interval", "mae": "mae", "r2": "r2", "nll": "nll", "coverage90": "cover 90 %",
    "accuracy": "accuracy", "map": "map", "accuracy_ci95": "95 % interval", "map_ci95": "95 % interval",
    "balanced_accuracy": "balanced",
    "micro_f1": "micro F1", "exact_match": "exact match", "log_loss": "log loss", "ece": "ECE",
}  # fmt: skip


def figures(rows: dict[str, dict[str, Any]]) -> None:
    """A table of figures, one row a model."""
    keys = [k for k in _COLUMNS if k in next(iter(rows.values()))]
    table(["", *(_COLUMNS[k] for k in keys)],
           [[name, *("{:.4f} to {:.4f}".format(*m[k]) if k.endswith("_ci95") else m[k] for k in keys)]
            for name, m in rows.items()])  # fmt: skip


def box_figures(val: dict[str, Any]) -> None:
    """COCO's figures, all classes first."""
    keys = ["map", "map50", "map75"]
    table(["", *keys, "boxes"],
          [["all", *(val[k] for k in keys), sum(c["boxes"] for c in val["per_class"].values())],
           *([name, *(c[k] for k in keys), c["boxes"]] for name, c in val["per_class"].items())])  # fmt: skip
