"""How is shown what a saved model said."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from regraft.cli.printing.basics import box_figures, figures, problems, table

if TYPE_CHECKING:
    from regraft.explanation.occlusion import ClassEffects, Explanation
    from regraft.explanation.pictures import PictureExplanations
    from regraft.export.export import Exported
    from regraft.inference.answering import PredictResult
    from regraft.inference.evaluation import Evaluation
    from regraft.text_mining.summary import Insights, Share


def print_predictions(found: PredictResult) -> None:
    """The answers, and on stderr what was noticed of the inputs."""
    _print_answers(found)
    for p in found.problems:
        print(f"{p.kind}: {p.item}: {p.message}", file=sys.stderr)


def _print_answers(found: PredictResult) -> None:
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
    flags = _flags(found.predictions)
    table(["input", "label", "probability", "bits", *flags],
          [[r["input"], r["label"], max(r["probabilities"].values()), r["entropy_bits"], *(r[k] for k in flags)]
           if "label" in r else [r["input"], f"not read: {r['error']}", None, None, *[None] * len(flags)]
           for r in found.predictions])  # fmt: skip


def _flags(rows: list[dict[str, Any]]) -> list[str]:
    """The flags that stand beside the answers: that of rows without a value only where there are some."""
    unlike, empty = any("unlike" in r for r in rows), any(r.get("empty") for r in rows)
    return ["unlike"] * unlike + ["empty"] * empty


def _print_values(rows: list[dict[str, Any]]) -> None:
    more = [*(k for k in ("low", "high") if any(k in r for r in rows)), *_flags(rows)]
    table(["input", "value", "sigma", *more],
          [[r["input"], r["value"], r["sigma"], *(r[k] for k in more)] if "value" in r else
           [r["input"], f"not read: {r['error']}", None, *[None] * len(more)] for r in rows])  # fmt: skip


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


def print_evaluation(found: Evaluation) -> None:
    """The figures, and what a person should know of them."""
    print(f"{found.model} on {found.items} items of {found.data}")
    apart = [p for p in found.problems if p.kind == "learned-from"]
    for p in apart:
        print(f"{'note' if found.unseen else 'warning'}: {p.message} ({p.item})")
    if "per_class" in found.metrics and "map75" in found.metrics:
        box_figures(found.metrics)
    else:
        figures({"": found.metrics})
    if found.seen:
        from regraft.reports.content import beside, saw

        said = f"but {saw('its network', found.seen)}: this figure is not that of a transfer"
        print(beside(found.metrics, said))
    for p in found.problems:
        if p not in apart:
            print(f"{p.kind}: {p.item}: {p.message}")


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
    problems(found.problems)
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
    if found.warning:
        print(f"warning: {found.warning}")
    if found.words_at_once > 1:
        print(f"note: the text is long, so {found.words_at_once} words at a time were left out")
    if found.out:
        print(f"look at {found.out}")


def print_picture_explanations(found: PictureExplanations) -> None:
    """A line a picture: the answer, where in the picture it goes by, and what of the training it looks like."""
    table(["input", "answer", "probability", "looks most at", "nearest in training"],
          [[p.input, p.label, p.probability, _where(p.map), ", ".join(n["label"] for n in p.neighbours)]
           for p in found.pictures])  # fmt: skip
    if found.warning:
        print(f"warning: {found.warning}")
    for text in found.notes:
        print(f"note: {text}")
    print(f"look at {found.out}" if found.out else "--out why.html shows the maps")


def _where(found: Any) -> str:
    """The place of the strongest, in words of thirds."""
    row, column = divmod(int(found.argmax()), found.shape[1])
    down, across = (min(2, 3 * v // n) for v, n in zip((row, column), found.shape, strict=True))
    words = [w for w in (("top", "", "bottom")[down], ("left", "", "right")[across]) if w]
    return " ".join(words) or "middle"


def print_export(found: Exported) -> None:
    """What was written, and how it answers beside the model."""
    proof = found.proof
    labels = "" if proof.labels_equal is None else f"{proof.labels_equal} of {proof.items} labels are the same, "
    print(f"{found.to} in {found.precision}, {sum(found.files.values()) / 1e6:.1f} MB: {', '.join(found.files)}")
    print(f"run beside the model on {proof.items} items ({proof.data}): {labels}the largest difference is "
          f"{proof.largest_difference:.2g}{' sigma' if proof.labels_equal is None else ''}")  # fmt: skip
    if found.int8:
        cost = found.int8
        print(f"int8, calibrated on {cost.calibrated_on} training pictures: {cost.figure} {cost.int8:.4f}, in float32 "
              f"{cost.float32:.4f}, on {cost.items} pictures ({cost.data})")  # fmt: skip
    for text in found.notes:
        print(f"note: {text}")
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
