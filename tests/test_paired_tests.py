"""Paired tests keep their level: where two models are as good, p is below 0.05 in a twentieth of draws or less, and
95 % of intervals hold the difference; counted on seeded draws.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from scipy import stats

from regraft.core.boxes import Boxes, Found
from regraft.metrics.detection import weighted_precisions
from regraft.metrics.paired_tests import Paired, holm, mcnemar, paired_bootstrap, widened
from regraft.pipelines.comparison.answers import Classes, FoundBoxes, Numbers, SeveralClasses
from regraft.pipelines.stages.cross_validation import widening


def test_mcnemar_is_the_binomial_test_of_the_items_that_one_alone_has_right() -> None:
    for wins, losses, ties in ((3, 12, 40), (0, 0, 9), (1, 0, 5), (7, 7, 0), (40, 61, 1000), (700, 800, 3000)):
        ours = np.repeat([1, 0, 1], [wins, losses, ties])
        theirs = np.repeat([0, 1, 1], [wins, losses, ties])
        expected = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
        assert mcnemar(ours, theirs) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(np.zeros(0), np.zeros(0)) == 1.0


def test_mcnemar_of_groups_is_the_share_of_all_ways_to_change_them() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(9), [1, 5, 2, 3, 4, 1, 6, 2, 3])
    ours, theirs = rng.random((2, len(groups))) < [[0.8], [0.5]]
    sums = [int(ours[groups == g].sum()) - int(theirs[groups == g].sum()) for g in range(9)]
    every = [abs(sum(s * d for s, d in zip(signs, sums, strict=True))) for signs in product([1, -1], repeat=9)]
    assert mcnemar(ours, theirs, groups) == pytest.approx(np.mean(np.array(every) >= abs(sum(sums))))
    assert mcnemar(ours, theirs, np.zeros(len(groups))) == 1.0, "one group tells nothing"
    assert mcnemar(ours, theirs, np.arange(len(groups))) == mcnemar(ours, theirs)


def test_holm_against_its_definition() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.6]) == [1.0, 1.0] and holm([0.02]) == [0.02] and holm([]) == []


def test_a_wider_error_makes_p_larger() -> None:
    assert widened(0.05, 2**0.5) == pytest.approx(2 * stats.norm.sf(1.959964 / 2**0.5), rel=1e-5)
    assert widened(0.3, 1.0) == pytest.approx(0.3) and widened(0.0, 2.0) == 0.0 and widened(1.0, 2.0) == 1.0


def rejected(draws: int, one: Callable[[np.random.Generator], float]) -> float:
    return float(np.mean([one(np.random.default_rng(s)) < 0.05 for s in range(draws)]))


@pytest.mark.parametrize(("n", "share"), [(20, 0.8), (60, 0.9), (300, 0.7)])
def test_the_level_of_mcnemar(n: int, share: float) -> None:
    """Two models with the same chance to be right on an item, more on some items than on others."""

    def one(rng: np.random.Generator) -> float:
        chance = np.clip(share + rng.normal(0, 0.2, n), 0, 1)
        return mcnemar(*(rng.random((2, n)) < chance))

    assert rejected(2000, one) <= 0.05


def test_the_level_in_groups_where_items_alone_would_break_it() -> None:
    """Twelve groups of five that are mostly right or wrong together: taken for single items, far too many differ."""
    groups = np.repeat(np.arange(12), 5)

    def answers(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        together = rng.random((2, 12)) < 0.6
        return tuple(np.where(rng.random(60) < 0.9, one[groups], rng.random(60) < 0.6) for one in together)  # type: ignore[return-value] # fmt: skip

    assert rejected(1500, lambda rng: mcnemar(*answers(rng), groups)) <= 0.05
    assert rejected(1500, lambda rng: mcnemar(*answers(rng))) > 0.2


def test_a_difference_that_is_there_is_found() -> None:
    def one(rng: np.random.Generator) -> float:
        return mcnemar(rng.random(300) < 0.9, rng.random(300) < 0.75)

    assert rejected(300, one) > 0.95


def covered(draws: int, one: Callable[[np.random.Generator], tuple[Paired, float]]) -> tuple[float, float]:
    """The share of intervals that hold the truth, and of p below 0.05 (the same but where the truth is not 0)."""
    found = [one(np.random.default_rng(s)) for s in range(draws)]
    return (float(np.mean([f.ci95[0] <= true <= f.ci95[1] for f, true in found])),
            float(np.mean([f.p < 0.05 for f, _ in found])))  # fmt: skip


@pytest.mark.parametrize(("n", "of_groups"), [(15, False), (40, False), (60, True)])
def test_the_bootstrap_of_rmse(n: int, of_groups: bool) -> None:
    """Two models with errors of a common part and one of their own: 95 % of intervals hold 0, and p agrees."""
    groups = np.repeat(np.arange(n // 4), 4) if of_groups else None

    def one(rng: np.random.Generator) -> tuple[Paired, float]:
        def drawn() -> np.ndarray:
            return rng.standard_t(8, n) if groups is None else rng.standard_t(8, n) + 1.5 * rng.normal(size=n // 4)[groups]  # noqa: E501 # fmt: skip

        common = drawn()
        models = [Numbers([0.0] * n, common + drawn()) for _ in range(2)]
        return models[0].against(models[1], groups, 0), 0.0

    held, found = covered(600, one)
    assert held >= 0.93 and found <= 0.07 and held == pytest.approx(1 - found, abs=0.002)


def test_the_bootstrap_of_rmse_holds_a_true_difference() -> None:
    def one(rng: np.random.Generator) -> tuple[Paired, float]:
        ours, theirs = (Numbers([0.0] * 30, s * rng.normal(size=30)) for s in (1.0, 1.6))
        return ours.against(theirs, None, 0), 0.6

    assert covered(400, one)[0] >= 0.92


def test_the_bootstrap_of_several_classes() -> None:
    def one(rng: np.random.Generator) -> tuple[Paired, float]:
        marks = (rng.random((60, 3)) < 0.4).astype(np.int64)
        models = [SeveralClasses([()] * 60, marks, marks + rng.normal(0, 1, (60, 3))) for _ in range(2)]
        return models[0].against(models[1], None, 0), 0.0

    held, found = covered(400, one)
    assert held >= 0.93 and found <= 0.07, "with replacement 0.071 of 1,000 were below 0.05, so 0.050"


def detector(rng: np.random.Generator, truth: list[Boxes]) -> list[Found]:
    """Finds most boxes a little aside, and a few that are not there."""
    found = []
    for t in truth:
        some, corner = t.xyxy[rng.random(len(t)) < 0.8], rng.uniform(0, 60, (1, 2))
        boxes = np.concatenate([some + rng.normal(0, 2, some.shape), np.hstack([corner, corner + 20])])
        scores = np.concatenate([rng.uniform(0.3, 1, len(some)), rng.uniform(0, 0.6, 1)])
        found.append(Found(boxes, scores, np.zeros(len(boxes), np.int64)))
    return found


@pytest.mark.slow
def test_the_bootstrap_of_boxes() -> None:
    """Over pictures: its draws are the map of the pictures drawn, a picture as often as it was drawn."""

    def pictures(rng: np.random.Generator, n: int) -> list[Boxes]:
        corners = [rng.uniform(0, 60, (int(rng.integers(1, 4)), 2)) for _ in range(n)]
        return [Boxes(np.hstack([c, c + 24]), np.zeros(len(c), np.int64)) for c in corners]

    def one(rng: np.random.Generator) -> tuple[Paired, float]:
        truth = pictures(rng, 30)
        models = [FoundBoxes([()] * 30, truth, detector(rng, truth), ("a",)) for _ in range(2)]
        return models[0].against(models[1], None, 0), 0.0

    held, found = covered(60, one)
    assert held >= 0.9 and found <= 0.1
    rng = np.random.default_rng(1)
    truth = pictures(rng, 8)
    said, times = detector(rng, truth), np.array([[2, 0, 1, 1, 0, 3, 1, 0]])
    drawn = np.repeat(np.arange(8), times[0])
    again = weighted_precisions([truth[i] for i in drawn], [said[i] for i in drawn], 1, np.ones((1, 8), np.int64))
    assert weighted_precisions(truth, said, 1, times)[0, 0] == pytest.approx(again[0, 0])


def test_of_a_cross_validation_the_level_holds_for_learners_that_are_as_good() -> None:
    """Ridges on either half of ten features that tell alike of the label, judged by five folds."""

    def one(rng: np.random.Generator) -> float:
        n = 60
        x = rng.normal(size=(n, 10))
        y = np.sign(x.sum(1) + 2 * rng.normal(size=n))
        right, fold = [], np.arange(n) % 5
        for part in (x[:, :5], x[:, 5:]):
            said = np.zeros(n)
            for f in range(5):
                inside = part[fold != f]
                w = np.linalg.solve(inside.T @ inside + np.eye(5), inside.T @ y[fold != f])
                said[fold == f] = part[fold == f] @ w
            right.append(np.sign(said) == y)
        return widened(mcnemar(*right), widening(1))

    assert rejected(800, one) <= 0.05


def test_degenerate_bootstraps() -> None:
    same = Numbers([1.0, 2.0, 3.0], np.zeros(3))
    assert same.against(same, None, 0) == (0.0, [0.0, 0.0], 1.0)
    alone = paired_bootstrap(lambda times: times.sum(1) / 1.0, 3, np.zeros(3))
    assert alone.p == 1.0 and alone.ci95 == [-np.inf, np.inf], "one group"
    one = Classes(["a", "b"], ["a", "a"])
    assert one.against(one, None, 0).p == 1.0
