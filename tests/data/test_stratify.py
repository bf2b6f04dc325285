"""Splits and folds of items with several labels: each part has its share of every label, and of the items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import regraft
from regraft.core.boxes import Boxes, classes_present
from regraft.core.types import LabelSpec
from regraft.data.audit.checks import few_judged
from regraft.data.dataset import Dataset, classification_dataset
from regraft.data.folds import hold_out, strata, stratified_folds
from regraft.data.items import TableRows
from regraft.methods.probes.linear_probe import fit_features
from regraft.training.detector import inner_pictures
from regraft.training.validation import validation_split


def labels(n: int, k: int, share: float, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((n, k)) < share).astype(int)


@pytest.mark.parametrize(
    ("n", "k", "share"), [(200, 5, 0.3), (200, 10, 0.3), (200, 15, 0.3), (1000, 20, 0.2), (500, 40, 0.08)]
)
def test_a_fifth_of_every_label_is_held_out(n: int, k: int, share: float) -> None:
    """As the issue that found it: by combinations of labels 5 of 200 were held out, with half the labels an item."""
    y = labels(n, k, share)
    kept, held = hold_out(strata(y), None)
    assert sorted([*kept, *held]) == list(range(n)) and len(held) == pytest.approx(0.2 * n, abs=0.02 * n + 1)
    of_label = y[held].sum(0) / y.sum(0)
    assert of_label.min() > 0.15 and of_label.max() < 0.25
    assert y[held].sum(1).mean() == pytest.approx(y.sum(1).mean(), rel=0.06)
    inner = validation_split(y[kept], None, 0)[1]
    assert len(inner) == pytest.approx(0.15 * len(kept), abs=0.02 * n + 1)
    assert np.array_equal(hold_out(y, None)[1], held) and not np.array_equal(hold_out(y, None, seed=1)[1], held)


def test_a_label_of_one_stays_in_training() -> None:
    y = np.eye(8, dtype=int)[np.repeat(np.arange(8), [1, 2, 3, 4, 5, 6, 7, 40])]
    y[:12, 7] = 1  # the rare ones come with the common one
    kept, held = hold_out(y, None)
    assert (y[kept].sum(0) > 0).all() and len(held) == 13
    together = np.zeros((30, 4), int)
    together[:3] = 1  # all that any label has lies in three items
    for seed in range(20):
        kept, held = hold_out(together, None, share=0.5, seed=seed)
        assert (together[kept].sum(0) > 0).all() and len(held) == pytest.approx(15, abs=1)


def test_no_group_is_torn_and_labels_are_shared_out_among_groups() -> None:
    y = labels(600, 6, 0.2, 1)
    groups = np.random.default_rng(2).integers(0, 120, 600)
    kept, held = hold_out(y, groups)
    assert not set(groups[kept]) & set(groups[held])
    of_label = y[held].sum(0) / y.sum(0)
    assert of_label.min() > 0.12 and of_label.max() < 0.28
    fold = stratified_folds(y, 5, np.random.default_rng(0), groups)
    assert all(len(set(fold[groups == g])) == 1 for g in np.unique(groups))
    assert np.bincount(fold).min() > 100


def test_folds_hold_their_share() -> None:
    y = labels(300, 15, 0.3)
    fold = stratified_folds(y, 5, np.random.default_rng(0))
    assert np.bincount(fold).tolist() == pytest.approx([60] * 5, abs=3)
    table = np.stack([y[fold == f].sum(0) for f in range(5)]) / y.sum(0)
    assert table.min() > 0.15 and table.max() < 0.25


def test_the_probe_chooses_by_folds_that_hold_every_label(monkeypatch: pytest.MonkeyPatch) -> None:
    """By combinations, most of which are there once, a label of ten could lie in three folds of five."""
    y = labels(200, 12, 0.3, 3)
    y[:, 0] = np.arange(200) < 10
    x = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    dealt = []

    def seen(*given: Any) -> Any:
        dealt.append(stratified_folds(*given))
        return dealt[-1]

    monkeypatch.setattr("regraft.methods.probes.linear_probe.stratified_folds", seen)
    fit_features(x, y, LabelSpec("multilabel", tuple("abcdefghijkl")))
    table = np.stack([y[dealt[0] == f].sum(0) for f in range(5)])
    assert table[:, 0].tolist() == [2] * 5 and (table.max(0) - table.min(0)).max() <= 3


def test_pictures_with_boxes_by_all_their_classes() -> None:
    """By the rarest class of each alone, what is common in pictures of rare ones went where these went."""
    rng, truth = np.random.default_rng(0), []
    for _ in range(150):
        kinds = np.flatnonzero(rng.random(6) < [0.9, 0.5, 0.3, 0.2, 0.1, 0.05])
        truth.append(Boxes(np.tile([0, 0, 5, 5], (len(kinds), 1)), kinds))
    there = classes_present(truth, 6)
    assert there.shape == (150, 6) and there[0].tolist() == [int(k in truth[0].labels) for k in range(6)]
    for seed in range(5):
        _, held = hold_out(there, None, seed=seed)
        assert len(held) == pytest.approx(30, abs=3)
        assert (np.abs(there[held].sum(0) - 0.2 * there.sum(0)) <= 1.2).all()
    crowd = classes_present([Boxes([[0, 0, 1, 1]] * 2, [0, 1], [True, False])], 2)
    assert crowd.tolist() == [[0, 1]]

    class Some:
        y, classes = truth, tuple("abcdef")

        def __len__(self) -> int:
            return len(truth)

    hold = inner_pictures(Some(), None, 0)[1]  # type: ignore[arg-type]
    assert len(hold) == pytest.approx(22, abs=3) and (there[hold].sum(0) > 0).sum() >= 5


def test_a_fit_is_judged_on_a_fifth_like_the_rest(tmp_path: Path) -> None:
    """300 rows with 15 labels: 11 were judged before, and said 0.94 where fresh rows give 0.83."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(4300, 8)), rng.normal(size=(8, 15))
    y = x @ w * 0.6 + rng.normal(size=(4300, 15)) > 0.9
    frame = pd.DataFrame(x, columns=[f"c{i}" for i in range(8)]).round(4)
    frame["label"] = ["|".join(f"L{j}" for j in np.flatnonzero(row)) for row in y]
    frame[:300].to_csv(tmp_path / "ml.csv", index=False)
    frame[300:].to_csv(tmp_path / "fresh.csv", index=False)
    result = regraft.fit(str(tmp_path / "ml.csv"), label="label", task="multilabel", out=str(tmp_path / "r"),
                         controls="none", refit=False)  # fmt: skip
    assert 55 <= result.items["val"] <= 65
    fresh = regraft.evaluate(result.run, str(tmp_path / "fresh.csv")).metrics["map"]
    assert result.metrics["val"]["map"] == pytest.approx(fresh, abs=0.07)
    low, high = result.metrics["val"]["map_ci95"]
    assert low <= fresh <= high


def test_classes_of_few_judged_items_are_named() -> None:
    y = np.zeros((60, 3), int)
    y[:30, 0], y[:4, 1] = 1, 1
    items = TableRows(np.zeros((60, 2)), "x")
    data = Dataset("d", items, {"l": LabelSpec("multilabel", ("a", "b", "c"))}, {"l": y}, np.full(60, ""))
    (found,) = few_judged(data)
    assert found.kind == "few-judged" and "(b 4, c none)" in found.message
    assert few_judged(classification_dataset("d", items, y[:, 1], ("a", "b"))) == []
    assert few_judged(data.take(np.arange(50, 60))) == [], "where there is no label at all nothing is judged"
