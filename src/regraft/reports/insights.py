"""The pages of ``regraft insights`` and ``regraft explain``: each one file that fetches nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from regraft.core.files import jsonable, write_text
from regraft.reports import charts
from regraft.reports.content import by_kind
from regraft.reports.templates import rendered

MOST_CURVES = 5
MOST_SHOWN = 12
_GREEN = ("pos", "positive", "good", "正面", "好评", "积极")
_ORANGE = ("neg", "negative", "bad", "负面", "差评", "消极")


def write_insights(path: Path, found: Any) -> Path:
    """Writes the page about what ``regraft insights`` found (an object or a dict of its fields)."""
    record = jsonable(found)
    shown = {c["label"] for c in sorted(record["classes"], key=lambda c: -c["items"])[:MOST_SHOWN]}
    facts = {
        "f": record,
        "shown": [i for i, c in enumerate(record["classes"]) if c["label"] in shown],
        "problems": by_kind(record["problems"]),
        "trend_chart": _trend_chart(record["trend"]) if record["trend"] else None,
        "colours": colours([c["label"] for c in record["classes"]]),
        "several": sum(c["items"] for c in record["classes"]) != record["items"],
    }
    write_text(path, rendered("insights.html.j2", **facts))
    return path


def colours(labels: list[str]) -> list[int]:
    """The number of each class's colour: what is good is never orange where the bad is green."""
    fixed = {i: 0 if name.lower() in _GREEN else 1 for i, name in enumerate(labels) if name.lower() in _GREEN + _ORANGE}
    free = [c for c in range(10) if c not in fixed.values()]
    rest = [i for i in range(len(labels)) if i not in fixed]
    return [fixed[i] if i in fixed else free[rest.index(i) % len(free)] for i in range(len(labels))]


def _trend_chart(trend: dict[str, Any]) -> str:
    """The most frequent classes over time."""
    points = trend["points"]
    totals = [sum(p["classes"][c]["items"] for p in points) for c in range(len(points[0]["classes"]))]
    labels = [c["label"] for c in points[0]["classes"]]
    curves, shades = {}, []
    for c in sorted(sorted(range(len(totals)), key=lambda c: -totals[c])[:MOST_CURVES]):
        shades.append(colours(labels)[c])
        curves[labels[c]] = [_on_curve(p["classes"][c], p["items"]) for p in points]
    return charts.trend([p["start"] for p in points], curves, shades, f"% of the texts of a {trend['period']}")


def _on_curve(share: dict[str, Any], items: int) -> dict[str, float | None]:
    low, high = share["ci95"]
    return {"share": share["share"], "low": low, "high": high} if items else dict.fromkeys(("share", "low", "high"))


def write_explanation(path: Path, found: Any) -> Path:
    """Writes the text with its words highlighted by what they do to the answer."""
    record = jsonable(found)
    classes = [{**c, "pieces": _pieces(record["text"], c["words"]),
                "strongest": sorted(c["words"], key=lambda w: -abs(w["effect"]))[:20]}
               for c in sorted(record["classes"], key=lambda c: -c["probability"])]  # fmt: skip
    write_text(path, rendered("explain.html.j2", f=record, classes=classes))
    return path


def _pieces(text: str, words: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The text in pieces: words with their effect and its strength (1 for the strongest), and what is between them."""
    strongest = max((abs(w["effect"]) for w in words), default=0.0) or 1.0
    pieces, last = [], 0
    for w in words:
        pieces.append({"text": text[last : w["start"]]})
        pieces.append({"text": w["word"], "effect": w["effect"], "strength": abs(w["effect"]) / strongest})
        last = w["end"]
    return [*pieces, {"text": text[last:]}]
