"""A number an item."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.types import Problem
from regraft.metrics import numbers as metrics
from regraft.tasks.base import Floats, Groups, Link, Wanted, unseen
from regraft.tasks.uncertainty import uncertainty


class Regression:
    """The mean, with its standard deviation, and where asked for quantiles and an interval."""

    name, headline, sign = "regression", "rmse", -1
    link: Link | None = None

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
