"""The evidence of a ridge regression with an intercept: LogME's for numbers, whatever their unit and origin.

MacKay 1992 (https://doi.org/10.1162/neco.1992.4.3.415): features are centred, targets centred and of variance 1;
the intercept takes one of the n degrees of freedom.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.selection.scores.base import Given, Gram, NotApplicable
from regraft.selection.scores.logme import maximised

SUMMARY = "log evidence of a ridge regression with intercept (MacKay 1992)"
TASKS = ("regression",)


def ridge_evidence(x: NDArray[Any], targets: NDArray[Any], *, gram: Gram | None = None) -> float:
    """Features (n, d) and targets (n,) or (n, t) -> mean over targets of the log evidence a sample."""
    gram, y = gram or Gram(x), np.asarray(targets, np.float64).reshape(len(x), -1)
    y = y - y.mean(0)
    spread = y.std(0)
    if not spread.all():
        raise NotApplicable("a target is the same for every item")
    y = y / spread
    seen = gram.seen(y)
    return float(maximised(gram.centred_tridiagonal, gram.n - 1, gram.by_rows, seen, (y**2).sum(0)).value.mean())


def score(given: Given) -> float:
    return ridge_evidence(given.x, given.y, gram=given.gram)
