"""How the command line shows what a command returned."""

from __future__ import annotations

import unicodedata
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from regraft.commands.demo import DemoResult
    from regraft.commands.evaluate import Evaluation
    from regraft.commands.explain import ClassEffects, Explanation
    from regraft.commands.insights import Insights, Share
    from regraft.commands.inspect import Inspection


def print_json(value: Any) -> None:
    from regraft.files import dump_json

    print(dump_json(value))


def table(columns: list[str], rows: list[list[Any]]) -> None:
    """A plain aligned table: texts to the left, numbers to the right."""
    cells = [[_cell(v) for v in row] for row in rows]
    widths = [max(_width(c[i]) for c in [columns, *cells]) for i in range(len(columns))]
    right = [all(isinstance(r[i], int | float) or r[i] is None for r in rows) for i in range(len(columns))]
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


def print_inspection(found: Inspection) -> None:
    """What the data is, in a few lines and a table of classes, then every problem."""
    print(f"{found.name}: {found.task} of {found.modality} items, recognised as {found.format} ({found.evidence})")
    parts = ", ".join(f"{n} in {p}" for p, n in found.parts.items())
    facts = [f"{found.items} items{f' ({parts})' if parts else ''}"]
    if found.sizes:
        facts.append(f"sizes: {', '.join(list(found.sizes)[:5])}")
    if found.lengths:
        facts.append("lengths: {median:,} characters in the middle, {max:,} at most".format(**found.lengths))
    if found.languages:
        facts.append("languages: " + ", ".join(f"{name} {n}" for name, n in list(found.languages.items())[:8]))
    print("; ".join(facts))
    if len(found.targets) > 1:
        print(f"label columns: {', '.join(f'{n} ({t})' for n, t in found.targets.items())}; choose one with --label")
    if found.numbers:
        spread = "{min:g} to {max:g}, {median:g} in the middle".format(**found.numbers)
        print(f"{next(iter(found.targets))}: {spread}")
    if found.columns:
        table(["column", "kind"], [[n, k] for n, k in found.columns.items()])
    if found.classes:
        table(["class", "items"], [[c, n] for c, n in found.classes.items()])
    print(f"{len(found.problems) or 'no'} problem{'' if len(found.problems) == 1 else 's'}")
    for p in found.problems:
        print(f"  {p.kind}: {p.item}: {p.message}")


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


def print_predictions(rows: list[dict[str, Any]]) -> None:
    """A line an item: its class and how sure, or its number."""
    if any("value" in r for r in rows):
        more = [k for k in ("low", "high", "unlike") if any(k in r for r in rows)]
        table(["input", "value", "sigma", *more],
              [[r["input"], r["value"], r["sigma"], *(r[k] for k in more)] if "value" in r else
               [r["input"], f"not read: {r['error']}", None, *[None] * len(more)] for r in rows])  # fmt: skip
        return
    flags = ["unlike"] if any("unlike" in r for r in rows) else []
    table(["input", "label", "probability", "bits", *flags],
           [[r["input"], r.get("label", "-"), max(r["probabilities"].values()), r["entropy_bits"],
             *(r[k] for k in flags)] if "label" in r else
            [r["input"], f"not read: {r['error']}", None, None, *[None] * len(flags)] for r in rows])  # fmt: skip


def print_evaluation(found: Evaluation) -> None:
    print(f"{found.model} on {found.items} items of {found.data}")
    if found.seen:
        print(f"warning: the network's pretraining saw the labels of {100 * found.seen:.0f} % of these items")
    figures({"": found.metrics})
    for p in found.problems:
        print(f"{p.kind}: {p.item}: {p.message}")


def print_demo(found: DemoResult, page: Path, what: str) -> None:
    few = found.few
    names = list(few["curves"])
    data = "scikit-learn's digits" if what == "digits" else "reviews in English and Chinese"
    print(f"{data}, accuracy on all items not drawn, mean of {few['seeds']} draws")
    table(["labels a class", *names],
           [[n, *(few["curves"][b][i]["mean"] for b in names)] for i, n in enumerate(few["labels"])])  # fmt: skip
    print()
    print_fit(asdict(found.fit))
    print()
    table(["item", "label", "probability"],
           [[p["input"], p["label"], max(p["probabilities"].values())] for p in found.predictions])  # fmt: skip
    print(f"\nlook at {page}")


def print_fit(result: dict[str, Any]) -> None:
    from regraft.reports.facts import gained, warnings

    val, metrics = result["metrics"]["val"], result["metrics"]
    if val:
        figures({f"{result['backbone']}, {result['method']}": val, **metrics["controls"]})
    if val and "interval" in val:
        print("intervals of {level:g} hold {coverage:.4f} of the numbers; {width:.4g} wide".format(**val["interval"]))
    for q, f in (val or {}).get("quantiles", {}).items():
        print(f"quantile {q}: {100 * f['below']:.1f} % lie below it (pinball loss {f['pinball']:.4g})")
    gain = result["gain"]
    if gain:
        print(f"gain over {gain['against']}: {gained(gain)}")
    parts = metrics.get("parts")
    if parts:
        figures({**{f"{name} alone": m for name, m in parts["alone"].items()}, "late fusion": parts["late"]})
        for name, g in parts["adds"].items():
            print(f"{name} adds to the others: {gained({'metric': gain and gain['metric'], **g})}")
    if metrics.get("unlike"):
        print("unlike the training data: {flagged} of {items} judged items".format(**metrics["unlike"]))
    over = result.get("gain_over_probe")
    if over and gain and gain["against"] != "linear-probe":
        print(f"gain over linear-probe: {gained(over)}")
    for step in result["choice"].get("auto", ()):
        how = step.get("skipped") or f"inner log loss {step['inner_log_loss']:.4f} in {step['seconds']:.0f} s"
        print(f"tried {step['method']}: {how}")
    if metrics.get("abstaining"):
        a = metrics["abstaining"]
        low, high = a["accuracy_ci95"]
        print(f"below a confidence of {a['abstain_below']:.3f} to a person: {100 * a['left']:.1f} % of the items; "
              f"accuracy of the rest {a['accuracy'] or 0:.4f} ({low:.4f} to {high:.4f})")  # fmt: skip
    for text in warnings(result):
        print(f"warning: {text}")
    for p in result["problems"][:20]:
        print(f"{p['kind']}: {p['item']}: {p['message']}")
    print(f"{result['run']}: model/, report.html, predictions.csv; {result['seconds']['total']:.1f} s"
          f"{', features from the store' if result['cached'] else ''}")  # fmt: skip


def print_insights(found: Insights) -> None:
    """Shares, words, topics and what changed, as tables; the page has the rest."""
    print(f"{found.items} texts of {found.data}; mean confidence {found.confidence:.4f}"
          f"{f'; {found.failed} more cannot be read' if found.failed else ''}")  # fmt: skip
    table(["class", "texts", "share", "95 % interval"], [[s.label, s.items, *_share(s)] for s in found.classes])
    for label, terms in found.words.items():
        if terms:
            print(f"{label}: {', '.join(f'{t.term} ({t.z:.1f})' for t in terms)}")
    if found.topics:
        print()
        table(["topic", "texts", *(f"{s.label} %" for s in found.classes)],
              [[t.name, t.items, *(round(100 * s.share) for s in t.classes)] for t in found.topics])  # fmt: skip
    if found.trend:
        points = found.trend.points
        print(f"\nby {found.trend.period} from {points[0].start} to {points[-1].start} ({found.trend.column}):")
        for label, c in found.trend.changes.items():
            low, high = (100 * v for v in c["ci95"])
            print(f"  {label}: {100 * c['before']:.1f} % in the earlier half, {100 * c['after']:.1f} % in the later, "
                  f"{100 * c['value']:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})")  # fmt: skip
    for text in found.notes:
        print(f"note: {text}")
    for p in found.problems[:20]:
        print(f"{p.kind}: {p.item}: {p.message}")
    if len(found.problems) > 20:
        print(f"and {len(found.problems) - 20} more problems (--json lists them all)")
    if found.out:
        print(f"look at {found.out}")


def _share(s: Share) -> list[str]:
    return [f"{100 * s.share:.1f} %", "{:.1f} to {:.1f}".format(*(100 * v for v in s.ci95))]


def print_explanation(found: Explanation, *, colour: bool) -> None:
    """The text with its words marked for (cyan, or ``[+word+]``) and against (red, ``[-word-]``) each class."""
    for c in found.classes:
        print(f"{c.label}{'' if c.given or len(found.classes) == 1 else ' (not given)'}, {100 * c.probability:.1f} %")
        print(f"  {_marked(found.text, c, colour)}")
        best = sorted(c.words, key=lambda w: -abs(w.effect))[:5]
        print(f"  log-odds: {', '.join(f'{w.word} {w.effect:+.2f}' for w in best)}")
    if found.words_at_once > 1:
        print(f"note: the text is long, so {found.words_at_once} words at a time were left out")
    if found.out:
        print(f"look at {found.out}")


def _marked(text: str, c: ClassEffects, colour: bool) -> str:
    """Two strengths: from a fifth and from three fifths of the strongest effect on."""
    strongest = max((abs(w.effect) for w in c.words), default=0.0) or 1.0
    shown, last = "", 0
    for w in c.words:
        strength = abs(w.effect) / strongest
        shown, last = shown + text[last : w.start], w.end
        if strength < 0.2:
            shown += w.word
        elif colour:
            shown += f"\033[{'1;' if strength >= 0.6 else ''}{36 if w.effect > 0 else 31}m{w.word}\033[0m"
        else:
            sign = ("+" if w.effect > 0 else "-") * (2 if strength >= 0.6 else 1)
            shown += f"[{sign}{w.word}{sign}]"
    return shown + text[last:]
