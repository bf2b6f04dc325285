"""How sure a model of numbers is: found on items that its head had not seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.metrics.numbers import conformal_radius

LEAST = 1e-6


def uncertainty(
    outputs: NDArray[Any] | None,
    truth: NDArray[Any],
    *,
    quantiles: Sequence[float] | None = None,
    level: float | None = None,
    groups: NDArray[Any] | None = None,
) -> dict[str, Any]:
    """What a `Model` keeps in ``decision``: ``sigma``, the root mean square by which unseen numbers are missed, and
    with ``level`` a conformal ``interval``, left out where the items are too few for it.

    ``outputs`` (m, 1 or more) are for items with the numbers ``truth`` (m,) that the head had not seen; None where
    there are none: then sigma is the spread of ``truth``. New items are taken for those of new ``groups`` (m,).
    """
    spread = float(np.std(truth)) or 1.0
    off = None if outputs is None else truth - outputs[:, 0]
    sigma = spread if off is None else max(float(np.sqrt((off**2).mean())), LEAST * spread)
    by = "the spread of the numbers" if off is None else f"{len(off)} items that the head had not seen"
    found: dict[str, Any] = {"sigma": sigma, "sigma_by": by}
    if quantiles:
        found["quantiles"] = [float(q) for q in quantiles]
    radius = np.inf if off is None or level is None else conformal_radius(off, level, groups)
    return found | ({"interval": {"level": level, "radius": radius, "by": by}} if np.isfinite(radius) else {})
