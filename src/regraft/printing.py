"""How the command line shows what a command returned."""

from __future__ import annotations

import unicodedata
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from regraft.commands.convert import Conversion
    from regraft.commands.demo import DemoResult
    from regraft.commands.evaluate import Evaluation
    from regraft.commands.explain import ClassEffects, Explanation
    from regraft.commands.insights import Insights, Share
    from regraft.commands.inspect import Inspection
    from regraft.commands.predict import PredictResult
    from regraft.commands.rank import Ranking
    from regraft.commands.shift import Shift


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
    if found.boxes:
        print("{all} boxes (small {small}, medium {medium}, large {large}); at most {most} in a picture, "
              "{pictures_without} pictures without".format(**found.boxes))  # fmt: skip
        table(["class", "boxes", "pictures", "median size"],
              [[c, n, *found.box_classes[c].values()] for c, n in found.classes.items()])  # fmt: skip
    elif found.classes:
        table(["class", "items"], [[c, n] for c, n in found.classes.items()])
    print(f"{len(found.problems) or 'no'} problem{'' if len(found.problems) == 1 else 's'}")
    for p in found.problems:
        print(f"  {p.kind}: {p.item}: {p.message}")


def print_predictions(found: PredictResult) -> None:
    if found.out:
        unread = f", {found.failed} items could not be read" if found.failed else ""
        print(f"{found.items} predictions in {found.out}{unread}")
        return
    if any("tasks" in r for r in found.predictions):
        return print_tasks(found.predictions)
    if any("boxes" in r for r in found.predictions):
        return print_boxes(found.predictions)
    if any("value" in r for r in found.predictions):
        return _print_values(found.predictions)
    table(["input", "label", "probability", "bits"],
          [[r["input"], r.get("label", "-"), max(r["probabilities"].values()), r["entropy_bits"]]
           if "label" in r else [r["input"], f"not read: {r['error']}", None, None]
           for r in found.predictions])  # fmt: skip


def _print_values(rows: list[dict[str, Any]]) -> None:
    more = [k for k in ("low", "high") if any(k in r for r in rows)]
    table(["input", "value", "sigma", *more],
          [[r["input"], r["value"], r["sigma"], *(r[k] for k in more)] if "value" in r else
           [r["input"], f"not read: {r['error']}", None, *[None] * len(more)] for r in rows])  # fmt: skip


def print_runs(found: list[dict[str, Any]], folder: str) -> None:
    if not found:
        print(f"no runs in {folder}")
        return
    keys = ["run", "status", "data", "backbone", "method", "accuracy", "rmse", "map", "gain"]
    table(keys, [[r[k] for k in keys] for r in found])


def print_backbones(found: list[dict[str, Any]]) -> None:
    columns = ["name", "weights", "here", "million parameters", "giga-ops", "input", "licence"]
    table(columns, [[r["name"], r["weights"], "yes" if r["here"] else "no", round((r["parameters"] or 0) / 1e6, 1),
                     r["gigaops"], r["input"], r["licence"]] for r in found])  # fmt: skip


def print_cache(found: dict[str, Any], cleared: bool) -> None:
    if cleared:
        print(f"freed {found['freed_bytes'] / 1e6:.1f} MB")
    print(f"{found['bytes'] / 1e6:.1f} MB of {found['quota_bytes'] / 1e9:g} GB in {found['folder']}")
    if found["tables"]:
        table(["network", "MB"], [[t["network"], round(t["bytes"] / 1e6, 1)] for t in found["tables"]])


def print_conversion(found: Conversion) -> None:
    parts = ", ".join(f"{n} in {p}" for p, n in found.parts.items())
    print(f"{found.out}: {found.pictures} pictures{f' ({parts})' if parts else ''} with {found.boxes} boxes of "
          f"{len(found.classes)} classes, from {found.format} to {found.to}")  # fmt: skip
    for what, count in found.lost.items():
        print(f"warning: {found.to} has no place for {count} {what}")
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


def print_detection(result: dict[str, Any]) -> None:
    val = result["metrics"]["val"]
    if val:
        box_figures(val)
    for p in result["problems"][:20]:
        print(f"{p['kind']}: {p['item']}: {p['message']}")
    print(f"boxes are shown from a confidence of {result['decision']['threshold']:.3f} on")
    print(f"{result['run']}: model/, report.html, detections.json; {result['seconds']['total']:.1f} s")


def box_figures(val: dict[str, Any]) -> None:
    """COCO's figures, all classes first."""
    keys = ["map", "map50", "map75"]
    table(["", *keys, "boxes"],
          [["all", *(val[k] for k in keys), sum(c["boxes"] for c in val["per_class"].values())],
           *([name, *(c[k] for k in keys), c["boxes"]] for name, c in val["per_class"].items())])  # fmt: skip


def print_boxes(predictions: list[dict[str, Any]]) -> None:
    """A line a box."""
    table(["input", "label", "score", "left", "top", "right", "bottom"],
          [[r["input"], b["label"], b["score"], *(round(v) for v in b["xyxy"])]
           for r in predictions for b in r.get("boxes", ())])  # fmt: skip
    for r in predictions:
        if "error" in r:
            print(f"{r['input']}: not read: {r['error']}")
        elif not r["boxes"]:
            print(f"{r['input']}: nothing found")


def print_evaluation(found: Evaluation) -> None:
    print(f"{found.model} on {found.items} items of {found.data}")
    if "per_class" in found.metrics and "map75" in found.metrics:
        box_figures(found.metrics)
        for p in found.problems:
            print(f"{p.kind}: {p.item}: {p.message}")
        return
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


def print_fits(result: dict[str, Any]) -> None:
    """One fit, or several tasks on one network."""
    for name, one in result.get("tasks", {}).items():
        print(f"{name}:")
        print_fit(one)
        print()
    if "tasks" not in result:
        return print_fit(result)
    for p in result["problems"]:
        print(f"{p['kind']}: {p['item']}: {p['message']}")
    print(
        f"{result['run']}: model/ answers {', '.join(result['tasks'])} in one pass; {result['seconds']['total']:.1f} s"
    )
    return None


def print_tasks(rows: list[dict[str, Any]]) -> None:
    """Predictions of several tasks, one row an item."""
    names = list(next(r["tasks"] for r in rows if "tasks" in r))
    table(["input", *names],
          [[r["input"], *(_sure(r["tasks"][n]) for n in names)] if "tasks" in r
           else [r["input"], f"not read: {r['error']}", *[""] * (len(names) - 1)] for r in rows])  # fmt: skip


def _sure(answer: dict[str, Any]) -> str:
    if "value" in answer:
        return f"{answer['value']:.4g} (sigma {answer['sigma']:.2g})"
    return f"{answer['label']} ({max(answer['probabilities'].values()):.3f})"


def print_fit(result: dict[str, Any]) -> None:
    from regraft.reports.facts import gained, warnings

    val, metrics = result["metrics"]["val"], result["metrics"]
    if metrics.get("target"):
        figures(
            {f"{result['method']}, on the target": metrics["target"], **metrics["controls"], "on the source": val}
            if val
            else {f"{result['method']}, on the target": metrics["target"], **metrics["controls"]}
        )
    elif val:
        figures({f"{result['backbone']}, {result['method']}": val, **metrics["controls"]})
    if val and "interval" in val:
        print("intervals of {level:g} hold {coverage:.4f} of the numbers; {width:.4g} wide".format(**val["interval"]))
    for q, f in (val or {}).get("quantiles", {}).items():
        print(f"quantile {q}: {100 * f['below']:.1f} % lie below it (pinball loss {f['pinball']:.4g})")
    for name, d in (metrics.get("domains") or {}).items():
        if d["joint"]:
            both = {f"{name}, joint": d["joint"]} | ({f"{name}, alone": d["alone"]} if "alone" in d else {})
            figures(both)
    gain = result["gain"]
    if gain:
        print(f"gain over {gain['against']}: {gained(gain)}")
    parts = metrics.get("parts")
    if parts:
        figures({**{f"{name} alone": m for name, m in parts["alone"].items()}, "late fusion": parts["late"],
                 **({"stacked": parts["stacked"]} if parts.get("stacked") else {})})  # fmt: skip
        for name, g in parts["adds"].items():
            print(f"{name} adds to the others: {gained({'metric': gain and gain['metric'], **g})}"
                  f"{': nothing that the data can tell' if g['ci95'][0] <= 0 else ''}")  # fmt: skip
    over = result.get("gain_over_probe")
    if over and gain and gain["against"] != "linear-probe":
        print(f"gain over linear-probe: {gained(over)}")
    print_search(result["choice"].get("search"))
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


def print_search(found: dict[str, Any] | None) -> None:
    """What ``--backbone auto`` tried, round by round, and why it chose."""
    for r in found["rounds"] if found else ():
        shown = ", ".join(f"{n} {c['probe']:.3f}" if "probe" in c else n for n, c in r["candidates"].items())
        print(f"tried on {r['items']} items: {shown}"
              f"{'; logme would take ' + r['logme_would_take'] if 'logme_would_take' in r else ''}")  # fmt: skip
    for one in found["left_out"] if found else ():
        print(f"left out: {one['backbone']}: {one['why']}")


def print_ranking(found: Ranking) -> None:
    """The candidates, best first, with the controls beside the scores; who was left out; where the scores disagree."""
    names = list(dict.fromkeys(s for r in found.ranking for s in r.scores if s != found.by))
    print(f"{found.data}: {found.items} items, ranked by {found.by}")
    table(["", "backbone", found.by, *names, "ImageNet", "million parameters", "MB", "items/s", "seconds", "seen"],
          [[("*" if r.backbone == found.choice else "") + ("|" if r.pareto else ""), r.backbone, r.score,
            *(r.scores.get(n) for n in names), r.published_accuracy, round(r.parameters / 1e6, 2),
            round(r.megabytes, 1), round(r.items_per_second, 1), round(sum(r.seconds.values()), 1),
            f"{100 * r.seen:.0f} %" if r.seen else ""]
           for r in found.ranking])  # fmt: skip
    print("| no other is as good and as fast; * the fastest that is good enough")
    for name, backbone in found.favourites.items():
        if backbone != found.ranking[0].backbone:
            print(f"{name.replace('_', ' ')} would take {backbone}")
    for r in found.ranking:
        if r.seen:
            print(f"warning: the pretraining of {r.backbone} saw the labels of {100 * r.seen:.0f} % of these items")
    for one in found.left_out:
        print(f"left out: {one['backbone']}: {one['why']}")
    for p in found.problems[:20]:
        print(f"{p.kind}: {p.item}: {p.message}")
    if found.out:
        print(f"look at {found.out}")


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


def print_shift(found: Shift) -> None:
    print(f"{found.source} ({found.items['source']} items) and {found.target} ({found.items['target']} items) in the "
          f"features of {found.backbone}")  # fmt: skip
    print(f"proxy A-distance {found.a_distance['value']:.2f} (0 alike, 2 apart); MMD {found.mmd:.4f}")
    if found.as_it_is:
        low, high = (100 * v for v in found.as_it_is["accuracy_ci95"])
        print(f"a probe of the source is right on {100 * found.as_it_is['accuracy']:.1f} % of the target as it is "
              f"(95 % interval {low:.1f} to {high:.1f})")  # fmt: skip
    table(["class", "distance over spread"], [[n, d] for n, d in found.classes.items()])
    print(found.word)
    for p in found.problems[:20]:
        print(f"{p['kind']}: {p['item']}: {p['message']}")
    if found.out:
        print(f"look at {found.out}")


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
