"""How the command line shows what a command returned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regraft.commands.inspect import Inspection


def print_json(value: Any) -> None:
    from regraft.files import dump_json

    print(dump_json(value))


def table(columns: list[str], rows: list[list[Any]]) -> None:
    """A plain aligned table: texts to the left, numbers to the right."""
    cells = [[_cell(v) for v in row] for row in rows]
    widths = [max(len(c[i]) for c in [columns, *cells]) for i in range(len(columns))]
    right = [all(isinstance(r[i], int | float) or r[i] is None for r in rows) for i in range(len(columns))]
    for line in [columns, *cells]:
        print("  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True)).rstrip())


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
    if found.classes:
        table(["class", "items"], [[c, n] for c, n in found.classes.items()])
    print(f"{len(found.problems) or 'no'} problem{'' if len(found.problems) == 1 else 's'}")
    for p in found.problems:
        print(f"  {p.kind}: {p.item}: {p.message}")


_COLUMNS = {
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


def print_fit(result: dict[str, Any]) -> None:
    from regraft.reports.facts import warnings

    val, metrics = result["metrics"]["val"], result["metrics"]
    if val:
        figures({f"{result['backbone']}, {result['method']}": val, **metrics["controls"]})
    gain = result["gain"]
    if gain:
        low, high = (100 * v for v in gain["ci95"])
        print(
            f"gain over {gain['against']}: {100 * gain['value']:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})"
        )
    parts = metrics.get("parts")
    if parts:
        figures({**{f"{name} alone": m for name, m in parts["alone"].items()}, "late fusion": parts["late"]})
        for name, g in parts["adds"].items():
            low, high = (100 * v for v in g["ci95"])
            print(f"{name} adds {100 * g['value']:+.1f} points to the others (95 % interval {low:+.1f} to {high:+.1f})")
    over = result.get("gain_over_probe")
    if over and gain and gain["against"] != "linear-probe":
        low, high = (100 * v for v in over["ci95"])
        print(f"gain over linear-probe: {100 * over['value']:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})")
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
