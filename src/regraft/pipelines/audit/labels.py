"""The audit of a data set with a label an item: what to look at, the worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from regraft.backbones.base import Pretrained
from regraft.core.errors import DataError
from regraft.core.row_store import RowStore
from regraft.core.types import Problem
from regraft.data.audit.audit import Audited, audited
from regraft.data.audit.checks import require_target, share_seen, target_problems
from regraft.data.audit.duplicates import exact_pairs, near_pairs
from regraft.data.corrections import digest_of
from regraft.data.dataset import Dataset
from regraft.data.folds import deal
from regraft.data.folds import in_words as dealt_in_words
from regraft.data.items import Items
from regraft.data.relabel import relabel
from regraft.features.labelled import LabelledFeatures
from regraft.features.runner import Runner
from regraft.methods.probes.logistic import by_own_units
from regraft.pipelines.audit.out_of_fold import out_of_fold
from regraft.pipelines.audit.result import ERROR, EXACT, HARD, KINDS, NEAR, OUTLIER, TWO_LABELS, Audit, Finding
from regraft.pipelines.audit.verdicts import Verdicts, in_words, verdicts
from regraft.pipelines.stages.outliers import beyond, fit_outlier_detector
from regraft.tasks import TASKS

MOST_HARD, SHARE_HARD = 50, 0.02
NEIGHBOURS, BLOCK = 5, 256
HALVES = 1000
"""From so many items on, each half shows what is unlike the other; below, every fold what is unlike the rest."""


@dataclass
class _Seen:
    """What is known of one item that is to be looked at."""

    kinds: list[str] = field(default_factory=list)
    near: int | None = None
    unlike: float | None = None


@dataclass(frozen=True)
class _Rows:
    """The features of the items that can be read, at the positions ``rows.items`` of ``data``, in ``folds``."""

    data: Dataset
    network: Pretrained
    rows: LabelledFeatures
    groups: NDArray[Any] | None
    folds: NDArray[np.int64]
    problems: list[Problem]


def audit_labels(
    opened: Dataset, network_for: Callable[[Items], Pretrained], *, engine: str, device: str, store: RowStore,
    seed: int = 0, cv: int | None = None, accept: float | None = None,
) -> tuple[Audit, Dataset]:  # fmt: skip
    """What of the labelled items of all parts is to be looked at, and these items. Raises ``DataError`` where they are
    too few for any to be judged by a model that had not seen them.

    ``network_for`` gives the frozen network, ready to run, whose features a probe is fitted on; ``cv`` is the number of
    folds, ``accept`` the probability from which a suggestion is taken.
    """
    known = np.flatnonzero(~opened.kind.unknown(opened.y))
    data = opened.take(known) if len(known) < len(opened) else opened
    used = tuple(name for name, count in data.class_counts().items() if count)
    whole = audited(relabel(data, used, strict=False), store)
    require_target(whole.data)
    found = _rows(whole, network_for(whole.data.items), engine, device, store, seed, cv)
    y = found.rows.y
    said = out_of_fold(found.network, found.rows.x, y, whole.data.target, found.folds, found.groups, seed)
    judged = np.flatnonzero(~np.isnan(said[:, 0]))
    data, task = found.data, TASKS[whole.data.target.task]
    told = verdicts(task, y[judged], said[judged], data.classes)
    seen: dict[int, _Seen] = {}
    _labels(seen, told, found.rows.items[judged])
    _copies(seen, whole)
    expected = _outliers(seen, found, seed)
    findings = _findings(seen, found, told, judged, accept)
    errors = [f for f in findings if ERROR in f.kinds]
    pairs = Counter((f.label, f.suggested) for f in errors) if not task.numbers and not task.several else Counter()
    return Audit(
        data=data.name, task=task.name, modality=data.modality, backbone=found.network.name, items=len(data),
        judged=len(judged), classes=data.classes, findings=findings,
        how=dealt_in_words({"folds": int(found.folds.max()) + 1, "rounds": len(found.folds)}),
        counts={kind: n for kind in KINDS if (n := sum(kind in f.kinds for f in findings))},
        headline={task.headline: task.headline_figure(y[judged], said[judged])},
        pairs=[{"label": a, "suggested": b, "items": n} for (a, b), n in pairs.most_common()],
        problems=found.problems, expected=expected,
    ), data  # fmt: skip


def _rows(
    whole: Audited, network: Pretrained, engine: str, device: str, store: RowStore, seed: int, cv: int | None
) -> _Rows:
    data = whole.data
    problems = [*whole.problems, *target_problems(data)]
    found = Runner(network, engine, device).stored(data.items, store)
    problems += [Problem("unreadable", data.items.name(i), f"{why}; it is set aside")
                 for i, why in sorted(found.failed.items())]  # fmt: skip
    looked, known = whole.facts, network.seen
    if looked is not None and known is not None and (share := share_seen(looked.pixels, known)):
        text = f"the pretraining of {network.name} saw {100 * share:.0f} % of these items with their labels"
        problems.append(Problem("seen-in-pretraining", data.name, text))
    at = found.positions
    groups = None if whole.groups is None else whole.groups[at]
    folds = deal(data.y[at], groups, cv, seed)
    if folds is None:
        raise DataError(f"{data.name} holds too few items of a class ({len(at)} in all): none can be judged by a model "
                        "that had not seen it.")  # fmt: skip
    if alone := int((folds[0] < 0).sum()):
        text = f"{alone} items are the only ones of their class, or copies of such: nothing is said of their labels"
        problems.append(Problem("not-judged", data.name, text))
    return _Rows(data, network, LabelledFeatures(found.rows, data.y[at], at), groups, folds, problems)


def _labels(seen: dict[int, _Seen], told: Verdicts, items: NDArray[np.int64]) -> None:
    """The likely errors, and the hardest of the others."""
    hardest = np.flatnonzero(told.hard)[np.argsort(told.order[told.hard], kind="stable")]
    most = min(MOST_HARD, int(np.ceil(SHARE_HARD * len(items))))
    for kind, some in ((ERROR, np.flatnonzero(told.wrong)), (HARD, hardest[:most])):
        for i in items[some].tolist():
            seen.setdefault(i, _Seen()).kinds.append(kind)


def _copies(seen: dict[int, _Seen], whole: Audited) -> None:
    """Items that are there twice: both where their labels differ, else the later one."""
    if whole.facts is None:
        return
    y, kind = whole.data.y, whole.data.kind
    for name, pairs in ((EXACT, exact_pairs(whole.facts)), (NEAR, near_pairs(whole.facts))):
        for a, b in whole.facts.positions[pairs].tolist():
            differ = kind.differ(y[a], y[b], exact=name == EXACT)
            for i, other in ((b, a), (a, b)) if differ else ((b, a),):
                one = seen.setdefault(i, _Seen())
                if differ and TWO_LABELS not in one.kinds:
                    one.kinds.append(TWO_LABELS)
                    one.near = other
                if name not in one.kinds and not differ:
                    one.kinds.append(name)
                    one.near = other if one.near is None else one.near


def _outliers(seen: dict[int, _Seen], found: _Rows, seed: int) -> float | None:
    """Items unlike those of other folds; the share expected of items like them, None where it cannot be said."""
    rows, expected = found.rows, []
    fold = np.maximum(found.folds[0], 0)
    fold = fold % 2 if len(fold) > HALVES else fold
    for f in range(int(fold.max()) + 1):
        learn, judge = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        groups = None if found.groups is None else found.groups[learn]
        known, why = fit_outlier_detector(found.data, rows.at(learn), groups, seed)
        if known is None:
            found.problems.extend([why] if why else [])
            return None
        expected.append(known.expected)
        scores = known.scores(rows.x[judge])
        far = beyond(known, scores)
        for k in np.flatnonzero(known.unlike(scores)):
            one = seen.setdefault(int(rows.items[judge[k]]), _Seen())
            one.kinds.append(OUTLIER)
            one.unlike = float(far[k])
    return float(np.mean(expected))


def _findings(
    seen: dict[int, _Seen], found: _Rows, told: Verdicts, judged: NDArray[np.int64], accept: float | None
) -> list[Finding]:
    """What is known of each item, by kind, the worst first."""
    data, kind = found.data, found.data.kind
    place = {int(i): k for k, i in enumerate(found.rows.items[judged])}
    rank = {name: n for n, name in enumerate(KINDS)}
    alike = _neighbours(found, sorted(seen))

    def order(i: int) -> tuple[int, float, int]:
        one, first = seen[i], min(rank[k] for k in seen[i].kinds)
        worst = -(one.unlike or 0.0) if first == rank[OUTLIER] else told.order[place[i]] if i in place else 0.0
        return first, float(worst), i

    findings = []
    for i in sorted(seen, key=order):
        one, k = seen[i], place.get(i)
        kinds = sorted(one.kinds, key=rank.__getitem__)
        figures: dict[str, Any] = {} if k is None else {name: float(v[k]) for name, v in told.figures.items()}
        doubted = k is not None and (ERROR in kinds or HARD in kinds)
        figures |= {} if doubted else {"probability": None}
        near: dict[str, Any] = {} if one.near is None else {"near": data.items.name(one.near),
                                            "near_label": in_words(kind, data.y[one.near], data.classes)}  # fmt: skip
        accepted = accept is not None and ERROR in kinds and figures.get("probability", 0.0) >= accept
        findings.append(Finding(
            item=data.items.name(i), kinds=kinds, label=in_words(kind, data.y[i], data.classes),
            suggested=told.suggested[k] if doubted and k is not None else "", part=str(data.parts[i]),
            digest=digest_of(data.items, i), unlike=one.unlike, neighbours=alike.get(i, []), accepted=accepted,
            **figures, **near,
        ))  # fmt: skip
    return findings


def _neighbours(found: _Rows, items: list[int]) -> dict[int, list[str]]:
    """Of some items the labels of those nearest to them by the cosine of their features, copies of them left out."""
    rows, kind, data = found.rows, found.data.kind, found.data
    x: Any = by_own_units(rows.x)(rows.x) if found.network.spec.modality == "table" else rows.x
    x = x.tocsr() if issparse(x) else np.asarray(x, np.float32)
    length = np.sqrt(np.asarray(x.multiply(x).sum(1)).reshape(-1)) if issparse(x) else np.linalg.norm(x, axis=1)
    place, nearest = {int(i): k for k, i in enumerate(rows.items)}, {}
    some = np.array([place[i] for i in items if i in place], np.int64)
    group = np.arange(len(length)) if found.groups is None else found.groups
    for start in range(0, len(some), BLOCK):
        block = some[start : start + BLOCK]
        near = x[block] @ x.T
        near = (near.toarray() if issparse(near) else near) / np.maximum(length, 1e-12)
        near[group[block][:, None] == group[None]] = -np.inf
        for k, row in zip(block, near, strict=True):
            best = np.argsort(-row, kind="stable")[:NEIGHBOURS]
            labels = [in_words(kind, rows.y[j], data.classes) for j in best if np.isfinite(row[j])]
            nearest[int(rows.items[k])] = labels
    return nearest


def with_model(found: Audit, model: str, learned: dict[str, int] | None, trained: bool) -> Audit:
    """The same in the features of a saved model; what its training makes of that is listed where it has ``trained``."""
    problems = [*found.problems]
    known = sum((learned or {}).values())
    if trained and (known or learned is None):
        how = "may have been" if learned is None else f"was, by {known:,} of these items,"
        text = (f"its network {how} trained on these labels, and vouches for them: fewer errors are found than there "
                "are; without MODEL a network looks that has not seen them")  # fmt: skip
        problems.append(Problem("trained-on-these-labels", model, text))
    return replace(found, model=model, learned=learned, problems=problems)
