"""A number an item."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError
from regraft.core.types import LabelSpec, Problem
from regraft.metrics import numbers as metrics
from regraft.tasks.base import Floats, Groups, Link, Task, Wanted, unseen
from regraft.tasks.cells import LabelCells, LabelColumn
from regraft.tasks.uncertainty import uncertainty
from regraft.text.numbers import numbers

LEAST_NUMBERS, FAR = 5, 10.0


class Regression(Task):
    """The mean, with its standard deviation, and where asked for quantiles and an interval."""

    name, headline, sign, numbers = "regression", "rmse", -1, True
    link: Link | None = None

    def of_cells(self, cells: LabelCells) -> LabelColumn:
        values = numbers(cells.name, cells.texts, cells.rows, cells.where)
        return LabelColumn(cells.name, LabelSpec(self.name), values, np.isnan(values), style=cells.style)

    def fits(self, values: NDArray[Any]) -> bool:
        """A number an item."""
        return values.ndim == 1

    def of_array(
        self, values: NDArray[Any], names: tuple[str, ...] | None, where: str
    ) -> tuple[LabelSpec, NDArray[Any], str]:
        """Whatever numbers they are."""
        if values.dtype.kind not in "iufb":
            raise DataError(f"--task {self.name}: the labels of {where} are no numbers.")
        return LabelSpec(self.name), values.astype(np.float64), "labels that are numbers"

    def counts(self, labels: NDArray[Any], classes: Sequence[str]) -> dict[str, int]:
        return {}

    def require(self, labels: NDArray[Any], classes: Sequence[str], data: str, target: str) -> None:
        if len(labels) < LEAST_NUMBERS:
            raise DataError(f"{data} holds {len(labels)} rows to learn {target} from; "
                            f"{LEAST_NUMBERS} or more are needed.")  # fmt: skip
        if np.ptp(labels) == 0:
            raise DataError(f"{data}: {target} is {labels[0]:g} in every row, so there is nothing to "
                            "learn; --label chooses another column.")  # fmt: skip

    def problems(
        self, labels: NDArray[Any], classes: Sequence[str], target: str, item: Callable[[int], str]
    ) -> list[Problem]:
        """Numbers that are far out."""
        if not len(labels):
            return []
        low, middle, high = np.quantile(labels, [0.25, 0.5, 0.75])
        far = np.flatnonzero(np.abs(labels - middle) > FAR * max(high - low, 1e-12 * abs(middle)))
        text = f"where half of all lie between {low:g} and {high:g}: is it right?"
        return [Problem("far-out", item(int(i)), f"{target} is {labels[i]:g}, {text}") for i in far[:20] if high > low]

    def renumbered(self, labels: NDArray[Any], place: NDArray[np.int64], classes: int) -> NDArray[Any]:
        return labels

    def in_words(self, label: Any, classes: Sequence[str]) -> Any:
        return float(label)

    def columns(self, labels: NDArray[Any]) -> Floats:
        return labels.reshape(len(labels), -1).astype(np.float64)

    def headline_figure(self, labels: NDArray[Any], outputs: NDArray[Any]) -> float:
        return float(np.sqrt(((labels - outputs[:, 0]) ** 2).mean()))

    def outputs(self, classes: int, decision: dict[str, Any]) -> int:
        """The mean, and one a quantile."""
        return 1 + len(decision.get("quantiles", ()))

    def probabilities(self, outputs: NDArray[Any]) -> Floats:
        """The numbers as they are; quantiles are put in order (Chernozhukov et al. 2010, doi 10.3982/ECTA7880)."""
        z = outputs.astype(np.float64)
        return np.hstack([z[:, :1], np.sort(z[:, 1:], 1)])

    def answers(self, said: NDArray[Any], classes: Sequence[str], decision: dict[str, Any]) -> list[str]:
        """The means, in six digits."""
        return [f"{v:.6g}" for v in said[:, 0]]

    def entropy_bits(self, said: NDArray[Any]) -> NDArray[Any]:
        """(n,) zeros: how sure a number is, its sigma says."""
        return np.zeros(len(said))

    def figures(
        self, labels: NDArray[Any], said: NDArray[Any], decision: dict[str, Any], groups: Groups, ends: Floats | None
    ) -> dict[str, Any]:
        """See `regraft.metrics.numbers.regression`; with the coverage of intervals and what quantiles are worth."""
        found = metrics.regression(labels, said[:, 0], decision.get("sigma", 1.0), groups)
        if ends is not None:
            held = metrics.coverage(labels, ends[:, 0], ends[:, 1], groups)
            found["interval"] = {"level": decision["interval"]["level"], **held}
        asked = decision.get("quantiles", ())
        if len(asked):
            found["quantiles"] = metrics.quantile_figures(labels, said[:, 1 : 1 + len(asked)], asked)
        return found

    def gain(
        self, labels: NDArray[Any], ours: NDArray[Any], theirs: NDArray[Any], seed: int, groups: Groups
    ) -> dict[str, Any]:
        """In the root mean square error, theirs minus ours."""
        return metrics.paired_rmse_gain(labels, ours[:, 0], theirs[:, 0], groups)

    def decision(
        self, outputs: NDArray[Any] | None, labels: NDArray[Any], classes: int, wanted: Wanted, name: str,
        groups: Groups,
    ) -> tuple[dict[str, Any], Problem | None]:  # fmt: skip
        """How sure numbers are, see `regraft.tasks.uncertainty.uncertainty`."""
        level = wanted.interval
        found = uncertainty(outputs, labels, quantiles=wanted.quantiles, level=level, groups=groups)
        if not level or "interval" in found:
            return found, None
        least = math.ceil(1 / (1 - level) - 1e-9) - 1
        why = f"{unseen(outputs, groups)} are too few for an interval of {level}"
        return found, Problem("no-interval", name, f"{why}: {least} or more carry one")

    def constant(self, labels: NDArray[Any], n: int, classes: int) -> tuple[str, Floats, dict[str, Any]]:
        """The mean, as unsure as the numbers are spread."""
        return "mean", np.full((n, 1), labels.mean()), {"sigma": float(labels.std()) or 1.0}
