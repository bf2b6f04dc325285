"""Charts as inline SVG that follow the page's light or dark theme."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.figure import Figure

INK, FAINT, MAIN, OTHER = "#010101", "#020202", "#030303", "#040404"
_THEME = {INK: "var(--ink)", FAINT: "var(--line)", MAIN: "var(--main)", OTHER: "var(--other)"}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "regraft",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.edgecolor": FAINT,
    "grid.color": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
}


def themed_svg(figure: Figure, title: str) -> str:
    """The figure as an SVG element whose colours are the page's CSS variables."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    for colour, variable in _THEME.items():
        svg = svg.replace(colour, variable)
    svg = re.sub(r' (width|height)="[^"]*pt"', "", svg, count=2)
    return svg.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)


def scores(names: Sequence[str], values: Sequence[float], intervals: Sequence[Sequence[float]]) -> str:
    """Horizontal points with their intervals; the first is ours, the others are controls."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 0.5 + 0.36 * len(names)))
        axes = figure.subplots()
        for i, (value, (low, high)) in enumerate(zip(values, intervals, strict=True)):
            colour = MAIN if i == 0 else OTHER
            axes.plot([low, high], [i, i], color=colour, linewidth=2.5, solid_capstyle="round")
            axes.plot([value], [i], "o", color=colour, markersize=7)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.02)
        axes.set_xlabel("accuracy, with 95 % interval")
        axes.grid(axis="x", linewidth=0.6)
        return themed_svg(figure, "accuracy of the model and its controls")


def few_labels(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Accuracy against labels a class; each curve is a list of ``labels``, ``mean``, ``low``, ``high``."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 3.4))
        axes = figure.subplots()
        for i, (name, points) in enumerate(curves.items()):
            colour = MAIN if i == 0 else OTHER
            x = [p["labels"] for p in points]
            axes.plot(x, [p["mean"] for p in points], "o-", color=colour, label=name)
            axes.fill_between(x, [p["low"] for p in points], [p["high"] for p in points], color=colour, alpha=0.18)
        axes.set_xscale("log")
        axes.set_xticks(x, [str(v) for v in x])
        axes.minorticks_off()
        axes.set_xlabel("labelled pictures a class")
        axes.set_ylabel("accuracy on all others")
        axes.grid(linewidth=0.6)
        axes.legend(frameon=False, loc="lower right")
        return themed_svg(figure, "accuracy against the number of labels")
