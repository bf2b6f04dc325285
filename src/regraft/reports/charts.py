"""Charts as inline SVG that follow the page's light or dark theme."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray

from regraft.metrics.densities import gaussian_density

INK, FAINT, MAIN, OTHER = "#010101", "#020202", "#030303", "#040404"
_THEME = {INK: "var(--ink)", FAINT: "var(--line)", MAIN: "var(--main)", OTHER: "var(--other)"}
CLASSES = [f"#0500{i:02x}" for i in range(10)]
_THEME |= {colour: f"var(--c{i})" for i, colour in enumerate(CLASSES)}
_STYLE: dict[Any, Any] = {
    "text.parse_math": False,
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


def _axes(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height))
    axes = figure.subplots()
    axes.grid(linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def styled(draw: Callable[..., str]) -> Callable[..., str]:
    """Runs a chart in the page's style."""

    @functools.wraps(draw)
    def wrapped(*args: Any, **more: Any) -> str:
        with matplotlib.rc_context(_STYLE):
            return draw(*args, **more)

    return wrapped


@styled
def scores(
    names: Sequence[str], values: Sequence[float], intervals: Sequence[Sequence[float]], what: str, most: float = 1.02
) -> str:
    """Horizontal points with their intervals on an axis up to ``most``; the first is ours, the others are controls."""
    figure, axes = _axes(4.6, 0.6 + 0.36 * len(names))
    for i, (value, (low, high)) in enumerate(zip(values, intervals, strict=True)):
        colour = MAIN if i == 0 else OTHER
        axes.plot([low, high], [i, i], color=colour, linewidth=2.5, solid_capstyle="round")
        axes.plot([value], [i], "o", color=colour, markersize=7)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, most)
    axes.set_xlabel(what)
    axes.grid(visible=False, axis="y")
    return themed_svg(figure, f"{what} of the model and its controls")


@styled
def few_labels(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Accuracy against labels a class; each curve is a list of ``labels``, ``mean``, ``low``, ``high``."""
    figure, axes = _axes(5.2, 3.2)
    for i, (name, points) in enumerate(curves.items()):
        colour = MAIN if i == 0 else OTHER
        x = [p["labels"] for p in points]
        axes.plot(x, [p["mean"] for p in points], "o-", color=colour, label=name)
        axes.fill_between(x, [p["low"] for p in points], [p["high"] for p in points], color=colour, alpha=0.18)
    axes.set_xscale("log")
    axes.set_xticks(x, [str(v) for v in x])
    axes.minorticks_off()
    axes.set_xlabel("labelled items a class")
    axes.set_ylabel("accuracy on all others")
    axes.legend(frameon=False, loc="lower right")
    return themed_svg(figure, "accuracy against the number of labels")


@styled
def training(history: Sequence[Mapping[str, Any]]) -> str:
    """Training loss, its parts where it has several, and, where some items were held out inside the training part,
    theirs, epoch by epoch.
    """
    figure, axes = _axes(5.2, 3.0)
    epochs = range(1, len(history) + 1)
    axes.plot(epochs, [h["loss"] for h in history], color=OTHER, label="training (its own loss)")
    parts = dict.fromkeys(name for h in history for name in h.get("parts", {}))
    for name, colour in zip(parts, CLASSES, strict=False):
        values = [h.get("parts", {}).get(name, float("nan")) for h in history]
        axes.plot(epochs, values, linewidth=0.8, color=colour, label=name.replace("_", " "))
    if any(h.get("inner") is not None for h in history):
        inner = [h.get("inner") for h in history]
        axes.plot(epochs, inner, "o-", color=MAIN, markersize=4, label="held out inside the training part")
    for i in range(1, len(history)):
        if history[i]["phase"] != history[i - 1]["phase"]:
            axes.axvline(i + 0.5, color=FAINT, linewidth=1.5)
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.legend(frameon=False)
    return themed_svg(figure, "log loss by epoch")


@styled
def reliability(rows: Sequence[Mapping[str, float]]) -> str:
    """Accuracy against confidence in bins with ``confidence``, ``accuracy`` and ``count``; perfect is the diagonal."""
    figure, axes = _axes(4.2, 4.0)
    axes.plot([0, 1], [0, 1], color=OTHER, linewidth=1, linestyle="--")
    most = max((r["count"] for r in rows), default=1)
    for r in rows:
        axes.plot([r["confidence"]] * 2, [r["confidence"], r["accuracy"]], color=MAIN, linewidth=1)
        axes.plot(r["confidence"], r["accuracy"], "o", color=MAIN, markersize=4 + 10 * (r["count"] / most) ** 0.5)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence", ylabel="accuracy")
    return themed_svg(figure, "accuracy against confidence")


@styled
def abstention(left: Sequence[float], accuracy: Sequence[float], chosen: tuple[float, float] | None) -> str:
    """Accuracy of the items answered against the share left to a person; ``chosen`` marks the threshold's place."""
    figure, axes = _axes(4.4, 4.0)
    axes.plot([100 * v for v in left], accuracy, color=MAIN)
    if chosen:
        axes.plot(100 * chosen[0], chosen[1], "o", color=MAIN, markersize=8)
    axes.set_xlim(0, 100)
    axes.set_ylim(min(accuracy) - 0.01, 1.005)
    axes.set_xlabel("% of the items left to a person")
    axes.set_ylabel("accuracy of the rest")
    return themed_svg(figure, "accuracy against abstention")


@styled
def feature_map(points: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> str:
    """Items in the plane by class (up to ten colours), those predicted wrongly ringed; without classes by number, the
    larger the darker.
    """
    figure, axes = _axes(5.2, 4.4)
    if not classes:
        values = np.argsort(np.argsort([float(p["label"]) for p in points])) / max(1, len(points) - 1)
        for p, share in zip(points, values.tolist(), strict=True):
            axes.plot(
                p["x"], p["y"], "o", color=MAIN, alpha=0.15 + 0.85 * float(share), markersize=4, markeredgewidth=0
            )
    coloured = 0 < len(classes) <= len(CLASSES)
    for i, name in enumerate((classes if coloured else ["items"]) if classes else ()):
        mine = [p for p in points if p["label"] == name] if coloured else list(points)
        axes.scatter(
            [p["x"] for p in mine],
            [p["y"] for p in mine],
            s=14,
            color=CLASSES[i],
            linewidths=0,
            label=name.replace("_", "\u200b_", 1),
        )
    wrong = [p for p in points if p["label"] != p["predicted"]] if classes else []
    axes.scatter(
        [p["x"] for p in wrong], [p["y"] for p in wrong], s=60, facecolors="none", edgecolors=INK, linewidths=1
    )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    if coloured:
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return themed_svg(figure, "a map of the features")


@styled
def precision_recall(curves: Mapping[str, Sequence[float]]) -> str:
    """Precision at 101 recalls, a curve a class; beyond ten classes their mean alone."""
    figure, axes = _axes(5.2, 4.0)
    recalls = np.linspace(0, 1, 101)
    if len(curves) <= len(CLASSES):
        for colour, (name, curve) in zip(CLASSES, curves.items(), strict=False):
            axes.plot(recalls, curve, color=colour, linewidth=1.4, label=name.replace("_", "\u200b_", 1))
    if len(curves) != 1:
        axes.plot(recalls, np.mean(list(curves.values()), 0), color=INK, linewidth=2, label="mean")
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    axes.legend(frameon=False, loc="lower left")
    return themed_svg(figure, "precision against recall")


@styled
def error_kinds(kinds: Mapping[str, Mapping[str, Any]]) -> str:
    """A bar a kind of error: the mAP50 that it costs."""
    figure, axes = _axes(4.8, 0.6 + 0.32 * len(kinds))
    axes.barh(range(len(kinds)), [100 * max(0.0, k["cost"]) for k in kinds.values()], color=MAIN, height=0.6)
    axes.set_yticks(range(len(kinds)), list(kinds))
    axes.set_ylim(len(kinds) - 0.5, -0.5)
    axes.set_xlabel("points of mAP50 that it costs")
    axes.grid(visible=False, axis="y")
    return themed_svg(figure, "errors by kind")


@styled
def class_bars(names: Sequence[str], values: Sequence[float], base: Sequence[float], what: str) -> str:
    """A bar a class, and a mark for what guessing reaches."""
    figure, axes = _axes(4.8, 0.6 + 0.32 * len(names))
    axes.barh(range(len(names)), values, color=MAIN, height=0.6)
    axes.plot(base, range(len(names)), "|", color=INK, markersize=14, markeredgewidth=2)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel(what)
    return themed_svg(figure, f"{what} by class")


@styled
def trend(
    starts: Sequence[str], curves: Mapping[str, Sequence[Mapping[str, Any]]], colours: Sequence[int], what: str
) -> str:
    """Shares by period; each curve is a list of ``share``, ``low``, ``high``, all None where a period has no texts."""
    figure, axes = _axes(6.4, 3.2)
    x = np.array(starts, "datetime64[D]")
    for (name, points), i in zip(curves.items(), colours, strict=True):
        share, low, high = ([np.nan if p[k] is None else 100 * p[k] for p in points] for k in ("share", "low", "high"))
        axes.plot(x, share, "o-", color=CLASSES[i], markersize=3.5, label=name.replace("_", "\u200b_", 1))
        axes.fill_between(x, low, high, color=CLASSES[i], alpha=0.18, linewidth=0)
    locator = AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_ylim(0, 102)
    axes.set_ylabel(what)
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=min(5, len(curves)))
    return themed_svg(figure, f"{what} by date")


@styled
def against_truth(truth: NDArray[Any], predicted: NDArray[Any]) -> str:
    """Predicted numbers (n,) against the true ones (n,); right is the diagonal."""
    figure, axes = _axes(4.4, 4.0)
    ends = [float(min(truth.min(), predicted.min())), float(max(truth.max(), predicted.max()))]
    axes.plot(ends, ends, color=OTHER, linewidth=1, linestyle="--")
    axes.plot(truth, predicted, "o", color=MAIN, markersize=3.5, alpha=0.6, markeredgewidth=0)
    axes.set(xlabel="truth", ylabel="predicted")
    return themed_svg(figure, "predicted against true numbers")


@styled
def residuals(predicted: NDArray[Any], off: NDArray[Any], sigma: float) -> str:
    """The truth less the prediction against the prediction, both (n,), with two sigma on either side; beside it how
    often each difference occurs, and the normal density of that sigma.
    """
    figure = Figure(figsize=(5.6, 4.0))
    axes, beside = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
    axes.grid(linewidth=0.6)
    axes.axhline(0, color=OTHER, linewidth=1, linestyle="--")
    axes.axhspan(-2 * sigma, 2 * sigma, color=MAIN, alpha=0.1, linewidth=0)
    axes.plot(predicted, off, "o", color=MAIN, markersize=3.5, alpha=0.6, markeredgewidth=0)
    axes.set(xlabel="predicted", ylabel="truth less predicted")
    beside.hist(off, bins=24, density=True, orientation="horizontal", color=OTHER, alpha=0.4)
    low, high = axes.get_ylim()
    at = np.linspace(low, high, 200)
    beside.plot(gaussian_density(at, 0.0, max(sigma, 1e-12)), at, color=MAIN)
    beside.set(xticks=[], xlabel="how often")
    return themed_svg(figure, "residuals")


@styled
def coverage(rows: Sequence[Mapping[str, float]]) -> str:
    """The share of numbers that intervals hold (``covered``) against the share they promise (``level``)."""
    figure, axes = _axes(4.2, 4.0)
    axes.plot([0, 1], [0, 1], color=OTHER, linewidth=1, linestyle="--")
    axes.plot([r["level"] for r in rows], [r["covered"] for r in rows], "o-", color=MAIN)
    axes.set(xlim=(0.4, 1.02), ylim=(0, 1.02), xlabel="promised", ylabel="held")
    return themed_svg(figure, "coverage of the intervals")


@styled
def line(record: Mapping[str, Any]) -> str:
    """A fitted line with its band (rows of x, value, low, high) over the ``points`` it was learned and judged on."""
    figure, axes = _axes(6.4, 3.8)
    x, value, low, high = np.array(record["line"]).T
    axes.fill_between(x, low, high, color=MAIN, alpha=0.15, linewidth=0)
    axes.plot(x, value, color=MAIN)
    for part, colour in (("learned from", OTHER), ("judged", INK)):
        points = np.array(record["points"][part]).reshape(-1, 2)
        axes.plot(*points.T, "o", color=colour, markersize=4, alpha=0.7, markeredgewidth=0, label=part)
    axes.set(xlabel=record["column"], ylabel=record["label"])
    axes.legend(frameon=False)
    return themed_svg(figure, "the fitted line")


def _named(figure: Figure, axes: Any, points: Sequence[tuple[str, float, float]]) -> None:
    """A name at the upper right of each point, moved up as far as it takes not to lie on another."""
    line, letter = 11.0, 6.0  # in points of print
    placed: list[tuple[float, float, float]] = []
    for name, x, y in sorted(points, key=lambda p: p[2]):
        left, at = axes.transData.transform((x, y)) * 72 / figure.dpi
        right, height = left + letter * len(name), at
        for begin, end, other in placed:
            if begin < right and left < end and abs(height - other) < line:
                height = other + line
        placed.append((left, right, height))
        axes.annotate(name, (x, y), xytext=(6, 4 + height - at), textcoords="offset points")


@styled
def ranking(points: Sequence[Mapping[str, Any]], what: str) -> str:
    """Candidates by speed and score; those on the front, which none beats at both, are joined."""
    figure, axes = _axes(6.4, 3.6)
    for p in points:
        axes.plot(p["items_per_second"], p["score"], "o", color=MAIN if p["pareto"] else OTHER, markersize=7)
    front = sorted((p["items_per_second"], p["score"]) for p in points if p["pareto"])
    axes.plot(*zip(*front, strict=True), color=MAIN, linewidth=1)
    axes.set_xscale("log")
    speeds = [p["items_per_second"] for p in points]
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(speeds) < 30 * min(speeds) else (1,)))
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:,.0f}" if v >= 1 else f"{v:g}")
    axes.xaxis.set_minor_formatter(lambda *_: "")
    axes.margins(0.15)
    axes.set_xlabel("items a second")
    axes.set_ylabel(what)
    _named(figure, axes, [(p["backbone"], p["items_per_second"], p["score"]) for p in points])
    return themed_svg(figure, f"{what} against items a second")
