"""What many texts say, by a model of texts: the share of each class, its words, topics, a trend over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.arrays import stack_rows
from regraft.core.errors import DataError, InputError
from regraft.core.runtime import Stopwatch
from regraft.core.types import Hints, Problem
from regraft.data.formats import table
from regraft.data.formats.table import DatedTexts
from regraft.data.frames import is_frame
from regraft.data.inputs import as_items
from regraft.data.open import open_inputs
from regraft.features.fusion import parts_of
from regraft.inference.predictor import Predictor
from regraft.metrics.intervals import proportion, share_change
from regraft.text_mining.terms import Term, Wording, clipped
from regraft.text_mining.topics import FEWEST, clusters, compact, number_of_topics
from regraft.text_mining.trends import between, periods

TERMS, TOPIC_TERMS, TYPICAL = 12, 6, 3


NAMED_BY = 3


@dataclass(frozen=True)
class Share:
    """How many of some texts the model gives a class, with the 95 % Wilson interval of the share; ``confidence`` is the
    mean probability of the class in those texts.
    """

    label: str
    items: int
    share: float
    ci95: tuple[float, float]
    confidence: float | None = None


@dataclass(frozen=True)
class Topic:
    """A cluster of texts, named by what tells it from the rest; ``typical`` are the texts nearest its centre."""

    name: str
    items: int
    share: float
    terms: list[Term]
    classes: list[Share]
    typical: list[str]


@dataclass(frozen=True)
class Point:
    """The classes of the texts of one period, which begins on the day ``start``."""

    start: str
    items: int
    classes: list[Share]


@dataclass(frozen=True)
class Trend:
    """The shares by ``period`` (day to year) of the dates in ``column``; ``unread`` texts have none that can be read.

    ``changes`` maps class -> the share in the later half of the periods less that in the earlier, with 95 % interval.
    """

    column: str
    period: str
    points: list[Point]
    changes: dict[str, dict[str, Any]]
    unread: int


@dataclass(frozen=True)
class Insights:
    """What a model finds in ``items`` texts; ``failed`` more cannot be read and are in ``problems``.

    ``words`` maps class -> the terms that tell its texts from the rest; ``notes`` says what was left out and why.
    """

    model: str
    data: str
    items: int
    failed: int
    confidence: float
    classes: list[Share]
    words: dict[str, list[Term]]
    topics: list[Topic]
    trend: Trend | None
    notes: list[str]
    problems: list[Problem]
    seconds: dict[str, float] = field(default_factory=dict)
    out: str | None = None


@dataclass
class _Answers:
    """The texts that can be read, their places among all, features and probabilities, and which class is whose."""

    texts: list[str]
    positions: NDArray[np.int64]
    rows: Any
    probabilities: NDArray[np.float64]
    given: NDArray[np.bool_]


def opened(data: Any, hints: Hints, date: str | None) -> DatedTexts:
    """The texts, and where a column of dates is named or found, when each was written. Raises ``DataError``."""
    path = Path(data).expanduser() if isinstance(data, str | Path) else None
    if path is None and is_frame(data):
        return table.read_dated(data, hints, date)
    if path is not None and path.is_file() and table.sniff(path):
        return table.read_dated(path, hints, date)
    for option, column in (("--text", hints.text), ("--date", date)):
        if column:
            raise DataError(f"{option} {column}: {data if path else 'the data'} is no table, so it has no columns.")
    if path is None:
        return DatedTexts(as_items(data, modality="text"), [])
    read = open_inputs(str(data), modality="text", hints=hints)
    return DatedTexts(read.items, read.problems)


def _answered(predictor: Predictor, opened: DatedTexts) -> tuple[_Answers, list[Problem]]:
    items = opened.items
    if items.modality != "text":
        raise DataError(f"insights reads texts, and this data holds {items.modality}s.")
    parts = list(predictor.runner.stream(items, "texts"))
    failed = {i: why for p in parts for i, why in p.failed.items()}
    problems = [*opened.problems, *(Problem("unreadable", items.name(i), why) for i, why in sorted(failed.items()))]
    positions = np.concatenate([p.positions for p in parts]) if parts else np.zeros(0, np.int64)
    if not len(positions):
        raise DataError("Not one text can be read: every one is empty.")
    rows, model = stack_rows([p.rows for p in parts]), predictor.model
    probabilities = model.probabilities(rows)
    if model.several:
        given = probabilities >= model.thresholds
    else:
        given = np.eye(probabilities.shape[1], dtype=bool)[probabilities.argmax(1)]
    return _Answers([items.load(int(i)) for i in positions], positions, rows, probabilities, given), problems


def _shares(found: _Answers, chosen: NDArray[np.bool_], labels: Sequence[str]) -> list[Share]:
    """The classes of the texts ``chosen`` (n,), with the mean probability of each where it is given."""
    n, shares = int(chosen.sum()), []
    for c, label in enumerate(labels):
        mine = chosen & found.given[:, c]
        hits = int(mine.sum())
        sure = float(found.probabilities[mine, c].mean()) if hits else None
        shares.append(Share(label, hits, hits / n if n else 0.0, proportion(hits, n), sure))
    return shares


def _words(found: _Answers, wording: Wording, labels: Sequence[str]) -> dict[str, list[Term]]:
    words = {}
    for c, label in enumerate(labels):
        chosen, used = found.given[:, c], set[int]()
        words[label] = [
            Term(t.term, t.z, t.log_odds, t.items, t.others,
                 wording.examples(t.term, chosen, found.probabilities[:, c], 2, used))
            for t in wording.telling(chosen, TERMS)
        ]  # fmt: skip
    return words


def _why_no_words(found: _Answers, labels: Sequence[str]) -> str:
    every = [label for c, label in enumerate(labels) if found.given[:, c].all()]
    if every:
        return (
            f"no words by class: the model gives every text the class {every[0]}, so there is no rest to compare with"
        )
    return "no words by class: none stands clearly more often in the texts of one class than in the rest"


def _topics(
    found: _Answers, wording: Wording, labels: Sequence[str], predictor: Predictor, topics: int | None
) -> list[Topic]:
    points = compact(found.rows, [p.width for p in parts_of(predictor.model.network)])
    place, distance = clusters(points, topics or number_of_topics(len(points)))
    number = int(place.max()) + 1
    made = []
    for k in range(number if number > 1 else 0):
        chosen = place == k
        terms = wording.telling(chosen, TOPIC_TERMS)
        near = [int(i) for i in np.argsort(distance, kind="stable") if chosen[i]]
        typical = list(dict.fromkeys(clipped(found.texts[i]) for i in near))[:TYPICAL]
        name = ", ".join(t.term for t in terms[:NAMED_BY]) or "(no words of its own)"
        made.append(
            Topic(name, int(chosen.sum()), float(chosen.mean()), terms, _shares(found, chosen, labels), typical)
        )
    return made


def _trend(found: _Answers, opened: DatedTexts, labels: Sequence[str], notes: list[str]) -> Trend | None:
    """The classes by date, of the texts whose date can be read."""
    if opened.column is None:
        return None
    days = opened.days[found.positions]
    known = ~np.isnat(days)
    unread = int((~known).sum())
    if unread:
        notes.append(f"{opened.column}: {unread} of {len(days)} dates cannot be read; these texts are not in the trend")
    if len(np.unique(days[known])) < 2:
        notes.append(f"no trend: the dates in {opened.column} do not name two days")
        return None
    period, starts = periods(days[known])
    points = []
    for start in between(starts.min(), starts.max(), period):
        chosen = known.copy()
        chosen[known] = starts == start
        points.append(Point(str(start), int(chosen.sum()), _shares(found, chosen, labels)))
    middle = len(points) // 2
    changes = {}
    for c, label in enumerate(labels):
        halves = [
            (sum(p.classes[c].items for p in half), sum(p.items for p in half))
            for half in (points[:middle], points[middle:])
        ]
        if all(n for _, n in halves):
            (a, n), (b, m) = halves
            changes[label] = {"before": a / n, "after": b / m, **share_change((a, n), (b, m))}
    return Trend(opened.column, period, points, changes, unread)


def summarise(predictor: Predictor, opened: DatedTexts, topics: int | None, watch: Stopwatch) -> Insights:
    """What the texts say by the model: ``topics`` is how many to find, None where their number is to be found too.
    Raises ``InputError`` for more topics than the texts carry.
    """
    with watch("model"):
        found, problems = _answered(predictor, opened)
    labels, notes = predictor.model.target.classes, []
    if opened.doubtful:
        notes.append(f"{opened.column}: day and month could be either way round; the day was taken to be first")
    with watch("words"):
        wording = Wording(found.texts)
        words = _words(found, wording, labels)
        if not any(words.values()):
            notes.append(_why_no_words(found, labels))
    with watch("topics"):
        groups, why = _grouped(found, wording, labels, predictor, topics)
        notes += [why] if why else []
    trend = _trend(found, opened, labels, notes)
    return Insights(
        model="", data="", items=len(found.texts), failed=sum(p.kind == "unreadable" for p in problems),
        confidence=float(found.probabilities.max(1).mean()),
        classes=_shares(found, np.ones(len(found.texts), bool), labels), words=words, topics=groups, trend=trend,
        notes=notes, problems=problems, seconds=watch.record(),
    )  # fmt: skip


def _grouped(
    found: _Answers, wording: Wording, labels: Sequence[str], predictor: Predictor, topics: int | None
) -> tuple[list[Topic], str | None]:
    """The topics, or why there are none."""
    count = len(found.texts)
    if count < FEWEST:
        return [], f"no topics: {count} texts are too few, {FEWEST} are the least"
    if topics is not None and topics > count // 5:
        raise InputError(f"--topics is {topics}, of {count} texts; {count // 5} is the most (five texts each).")
    groups = _topics(found, wording, labels, predictor, topics)
    return groups, None if groups else "no topics: to the model all texts are the same"
