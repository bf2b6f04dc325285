"""What a person should know about the data before training: every problem by name, nothing dropped in silence."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.types import Problem
from regraft.data.audit.duplicates import clusters, exact_pairs, near_pairs
from regraft.data.audit.facts import FORMATS, Facts
from regraft.data.dataset import Dataset
from regraft.data.image.decoding import ENDINGS_OF
from regraft.data.tabular.cells import Cells
from regraft.data.text.shortening import has_words
from regraft.data.text.texts import TextFacts, near_between
from regraft.tasks import LABEL_KINDS
from regraft.text.numbers import is_missing

FEW_JUDGED = 10
LONG, DAMAGED = 20_000, "\ufffd"


def require_target(data: Dataset) -> None:
    """Raises ``DataError`` unless two classes or more have an example, or numbers enough differ."""
    data.kind.require(data.y, data.classes, data.name, data.target_name)


def target_problems(data: Dataset) -> list[Problem]:
    """Classes that are empty, tiny, out of balance, or differ only by case; numbers far out, or a table too wide."""
    found: list[Problem] = []
    if isinstance(data.items, Cells) and len(data.items.columns) >= len(data):
        text = f"has {len(data.items.columns)} columns and {len(data)} rows: many lines fit them all; more rows help"
        found.append(Problem("more-columns-than-rows", data.name, text))
    return found + data.kind.problems(data.y, data.classes, data.target_name, data.items.name)


def few_judged(data: Dataset) -> list[Problem]:
    """The classes of which the judged items ``data`` hold so few that an average precision tells little; of one class
    an item nothing, since its accuracy does not rest on each class alone.
    """
    counts = data.class_counts() if data.kind.by_class else {}
    few = {name: count for name, count in counts.items() if count < FEW_JUDGED}
    if not few or not any(counts.values()):
        return []
    shown = ", ".join(f"{name} {count or 'none'}" for name, count in [*few.items()][:10])
    more = f" and {len(few) - 10} classes more" if len(few) > 10 else ""
    text = (f"few judged examples ({shown}{more}): their average precision is rough and mostly too high, and with it "
            "map; its interval counts that in")  # fmt: skip
    return [Problem("few-judged", data.name, text)]


def group_problems(data: Dataset) -> list[Problem]:
    """Groups that the data's own parts tear."""
    if data.groups is None or len(data.part_names) < 2:
        return []
    found = []
    for group in np.unique(data.groups):
        parts = sorted({str(p) for p in data.parts[data.groups == group]} - {""})
        if len(parts) > 1:
            found.append(Problem("group-across-parts", str(group), f"lies in the parts {', '.join(parts)}"))
    return found


def picture_problems(data: Dataset, facts: Facts, failed: dict[int, str]) -> list[Problem]:
    """Files that cannot be read, lie about their format, were turned, are animated; and the same picture twice."""
    name = data.items.name
    found = [Problem("unreadable", name(i), why) for i, why in sorted(failed.items())]
    for i, (_, _, rotated, place, frames, bits) in zip(facts.positions, facts.info, strict=True):
        ending = PurePosixPath(name(int(i))).suffix.lower()
        kind = FORMATS[place]
        if kind and ending and ending not in ENDINGS_OF[kind]:
            found.append(Problem("wrong-extension", name(int(i)), f"is a {kind} file; it is read as one"))
        if rotated:
            found.append(Problem("exif-rotation", name(int(i)), "is stored turned; it is read upright (EXIF)"))
        if bits:
            text = f"holds numbers of {bits} bits in a file that has room for others; they are scaled from that to 8"
            found.append(Problem("bit-depth", name(int(i)), text))
        if frames > 1 and kind != "MPO":
            found.append(Problem("animated", name(int(i)), f"has {frames} frames; the first is read"))
    return found + _pair_problems(data, facts)


def text_problems(data: Dataset, facts: TextFacts, failed: dict[int, str]) -> list[Problem]:
    """Texts that are empty, of one character, without a word, a word for nothing, very long or damaged, and the same
    text twice.
    """
    name = data.items.name
    found = [Problem("empty", name(i), why) for i, why in sorted(failed.items())]
    for position, length in zip(facts.positions.tolist(), facts.lengths.tolist(), strict=True):
        loaded = data.items.load(position)
        if not has_words(loaded):
            found.append(Problem("no-words", name(position), "holds no letter and no digit"))
        elif is_missing(loaded):
            text = f"says {loaded!r}, as tools write where nothing is known; it is read as that word"
            found.append(Problem("looks-missing", name(position), text))
        elif length == 1:
            found.append(Problem("short", name(position), "is one character long"))
        elif length > LONG:
            text = f"is {length:,} characters long; networks read it in windows, up to a number that each has"
            found.append(Problem("long", name(position), text))
        if DAMAGED in loaded:
            what = f"holds {loaded.count(DAMAGED)} characters that could not be decoded ({DAMAGED})"
            found.append(Problem("damaged-text", name(position), what))
    return found + _pair_problems(data, facts)


def _pair_problems(data: Dataset, facts: Facts | TextFacts) -> list[Problem]:
    found = []
    for kind, pairs in (("duplicate", exact_pairs(facts)), ("near-duplicate", near_pairs(facts))):
        found += [_pair_problem(kind, data, *facts.positions[pair].tolist()) for pair in pairs]
    return found


_HOW = {
    ("image", "duplicate"): "has the same pixels as", ("image", "near-duplicate"): "looks the same as",
    ("text", "duplicate"): "is the same text as", ("text", "near-duplicate"): "is nearly the same text as",
}  # fmt: skip


def _pair_problem(kind: str, data: Dataset, a: int, b: int) -> Problem:
    """One item that is there twice, by what is worst about it: two labels, then two parts."""
    text = f"{_HOW[data.modality, kind]} {data.items.name(a)}"
    kinds = {name: LABEL_KINDS[spec.task] for name, spec in data.targets.items()}
    if any(kinds[n].differ(y[a], y[b], exact=kind == "duplicate") for n, y in data.labels.items()):
        return Problem(f"{kind}-two-labels", data.items.name(b), f"{text}, which has another label")
    if data.parts[a] != data.parts[b]:
        where = f"{data.parts[a] or 'no part'} and {data.parts[b] or 'no part'}"
        return Problem(f"{kind}-across-parts", data.items.name(b), f"{text}: it lies in {where}")
    return Problem(kind, data.items.name(b), text)


def duplicate_groups(n: int, facts: Facts | TextFacts, groups: NDArray[Any] | None = None) -> NDArray[np.int64] | None:
    """(n,) numbers that all copies of an item share, and all of one of ``groups`` (n,); None where there are none."""
    pairs = [facts.positions[p] for p in (exact_pairs(facts), near_pairs(facts)) if len(p)]
    if groups is not None:
        _, first, member = np.unique(groups, return_index=True, return_inverse=True)
        pairs.append(np.stack([first[member.reshape(-1)], np.arange(n)], 1))
    return clusters(n, *pairs) if pairs else None


def rows_of(facts: Facts | TextFacts, rows: NDArray[np.int64]) -> Facts | TextFacts:
    """The facts of some items, where those of all are there; of texts without what is near, which copies are found by
    anew.
    """
    if isinstance(facts, Facts):
        return Facts(np.arange(len(rows)), facts.pixels[rows], facts.thumbs[rows], facts.info[rows])
    nothing = np.zeros((0, 2), np.int64)
    return TextFacts(np.arange(len(rows)), facts.pixels[rows], facts.lengths[rows], [""] * len(rows), nothing)


def copies_between(
    train: Dataset, facts: Facts | TextFacts, other: Dataset, others: Facts | TextFacts
) -> tuple[NDArray[np.bool_], list[Problem]]:
    """(m,) which items of ``other``, a part in data of its own, have a copy in ``train``, to the pixel or nearly, also
    by way of a third; and a problem for each, as for copies across the parts of one data set. The facts line up with
    them.
    """
    # what is judged comes first: of very many pictures only the first are compared
    m, n = len(other), len(train)
    if isinstance(facts, Facts) and isinstance(others, Facts):
        arrays: Any = [np.concatenate([b, a]) for a, b in zip(facts[1:], others[1:], strict=True)]
        both: Facts | TextFacts = Facts(np.arange(m + n), *arrays)
    else:
        both = TextFacts(np.arange(m + n), *_texts_of(other, train))
    group = clusters(m + n, exact_pairs(both), near_pairs(both))
    copied = np.isin(group[:m], group[m:])
    found = []
    for i in np.flatnonzero(copied):
        alike = np.flatnonzero(group[m:] == group[i])
        same = alike[both.pixels[m:][alike] == both.pixels[i]]
        kind, j = ("duplicate", int(same[0])) if len(same) else ("near-duplicate", int(alike[0]))
        text = f"{_HOW[other.modality, kind]} {train.items.name(j)}"
        said = [data.kind.in_words(data.y[k], data.classes) for data, k in ((train, j), (other, i))]
        if said[0] != said[1]:
            found.append(Problem(f"{kind}-two-labels", other.items.name(int(i)), f"{text}, which has another label"))
        else:
            where = f"{text}: it lies in the training items and in {other.name}"
            found.append(Problem(f"{kind}-across-parts", other.items.name(int(i)), where))
    return copied, found


def _texts_of(first: Dataset, second: Dataset) -> tuple[Any, ...]:
    """The fields of `TextFacts` behind the positions that tell of copies."""
    digests, near = near_between(first.items, second.items)
    return digests, np.zeros(len(digests), np.int64), [""] * len(digests), near


def share_seen(pixels: NDArray[np.uint64], seen: NDArray[np.uint64]) -> float:
    """The share of items whose ``pixels`` (m,) are among ``seen``, sorted `pixel_digest`s of a pretraining set."""
    return float(np.isin(pixels, seen).mean()) if len(pixels) else 0.0
