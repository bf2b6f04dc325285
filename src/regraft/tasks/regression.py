"""A number an item."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from regraft.core.errors import DataError
from regraft.core.types import LabelSpec, Problem
from regraft.metrics import numbers as metrics
from regraft.tasks.base import Array, ArrayLabels, Floats, Groups, Link, Record, Task, Wanted, unseen
from regraft.tasks.cells import LabelCells, LabelColumn
from regraft.tasks.uncertainty import uncertainty
from regraft.text.numbers import numbers

LEAST_NUMBERS, FAR = 5, 10.0


def bins(y: Array, most: int = 10) -> Array:
    """(n,) which tenth of the values each number is in, 0..9; fewer bins where there are fewer than 50 numbers."""
    rank = np.argsort(np.argsort(y, kind="stable"), kind="stable")
    return (rank * max(1, min(most, len(y) // 5)) // max(1, len(y))).astype(np.int64)


class Regression(Task):
    """The mean, with its standard deviation, and where asked for quantiles and an interval."""

    name, headline, sign, numbers = "regression", "rmse", -1, True
    held_out = "fifth held out of the training items"
    link: Link | None = None

    def of_cells(self, cells: LabelCells) -> LabelColumn:
        values = numbers(cells.name, cells.texts, cells.rows, cells.where)
        return LabelColumn(cells.name, LabelSpec(self.name), values, np.isnan(values), style=cells.style)

    def fits(self, values: Array) -> bool:
        """A number an item."""
        return values.ndim == 1

    def of_array(self, values: Array, names: tuple[str, ...] | None, where: str) -> ArrayLabels:
        """Whatever numbers they are."""
        if values.dtype.kind not in "iufb":
            raise DataError(f"--task {self.name}: the labels of {where} are no numbers.")
        return LabelSpec(self.name), values.astype(np.float64), "labels that are numbers"

    def counts(self, labels: Array, classes: Sequence[str]) -> dict[str, int]:
        return {}

    def strata(self, labels: Array, classes: Sequence[str]) -> Array:
        return bins(labels)

    def require(self, labels: Array, classes: Sequence[str], data: str, target: str) -> None:
        if len(labels) < LEAST_NUMBERS:
            raise DataError(f"{data} holds {len(labels)} rows to learn {target} from; "
                            f"{LEAST_NUMBERS} or more are needed.")  # fmt: skip
        if np.ptp(labels) == 0:
            raise DataError(f"{data}: {target} is {labels[0]:g} in every row, so there is nothing to "
                            "learn; --label chooses another column.")  # fmt: skip

    def problems(self, labels: Array, classes: Sequence[str], target: str, item: Callable[[int], str]) -> list[Problem]:
        """Numbers that are far out."""
        if not len(labels):
            return []
        low, middle, high = np.quantile(labels, [0.25, 0.5, 0.75])
        far = np.flatnonzero(np.abs(labels - middle) > FAR * max(high - low, 1e-12 * abs(middle)))
        text = f"where half of all lie between {low:g} and {high:g}: is it right?"
        return [Problem("far-out", item(int(i)), f"{target} is {labels[i]:g}, {text}") for i in far[:20] if high > low]

    def renumbered(self, labels: Array, place: Array, classes: int) -> Array:
        return labels

    def in_words(self, label: Any, classes: Sequence[str]) -> Any:
        return float(label)

    def columns(self, labels: Array) -> Floats:
        return labels.reshape(len(labels), -1).astype(np.float64)

    def headline_figure(self, labels: Array, outputs: Array) -> float:
        return float(np.sqrt(((labels - outputs[:, 0]) ** 2).mean()))

    def outputs(self, classes: int, decision: Record) -> int:
        """The mean, and one a quantile."""
        return 1 + len(decision.get("quantiles", ()))

    def probabilities(self, outputs: Array) -> Floats:
        """The numbers as they are; quantiles are put in order (Chernozhukov et al. 2010, doi 10.3982/ECTA7880)."""
        z = outputs.astype(np.float64)
        return np.hstack([z[:, :1], np.sort(z[:, 1:], 1)])

    def answers(self, said: Array, classes: Sequence[str], decision: Record) -> list[str]:
        """The means, in six digits."""
        return [f"{v:.6g}" for v in said[:, 0]]

    def entropy_bits(self, said: Array) -> Array:
        """(n,) zeros: how sure a number is, its sigma says."""
        return np.zeros(len(said))

    def figures(self, labels: Array, said: Array, decision: Record, groups: Groups, ends: Floats | None) -> Record:
        """See `regraft.metrics.numbers.regression`; with the coverage of intervals and what quantiles are worth."""
        found = metrics.regression(labels, said[:, 0], decision.get("sigma", 1.0), groups)
        if ends is not None:
            held = metrics.coverage(labels, ends[:, 0], ends[:, 1], groups)
            found["interval"] = {"level": decision["interval"]["level"], **held}
        asked = decision.get("quantiles", ())
        if len(asked):
            found["quantiles"] = metrics.quantile_figures(labels, said[:, 1 : 1 + len(asked)], asked)
        return found

    def gain(self, labels: Array, ours: Array, theirs: Array, seed: int, groups: Groups) -> Record:
        """In the root mean square error, theirs minus ours."""
        return metrics.paired_rmse_gain(labels, ours[:, 0], theirs[:, 0], groups)

    def decision(
        self, outputs: Array | None, labels: Array, classes: int, wanted: Wanted, name: str, groups: Groups
    ) -> tuple[Record, Problem | None]:
        """How sure numbers are, see `regraft.tasks.uncertainty.uncertainty`."""
        level = wanted.interval
        found = uncertainty(outputs, labels, quantiles=wanted.quantiles, level=level, groups=groups)
        if not level or "interval" in found:
            return found, None
        least = math.ceil(1 / (1 - level) - 1e-9) - 1
        why = f"{unseen(outputs, groups)} are too few for an interval of {level}"
        return found, Problem("no-interval", name, f"{why}: {least} or more carry one")

    def constant(self, labels: Array, n: int, classes: int) -> tuple[str, Floats, Record]:
        """The mean, as unsure as the numbers are spread."""
        return "mean", np.full((n, 1), labels.mean()), {"sigma": float(labels.std()) or 1.0}
