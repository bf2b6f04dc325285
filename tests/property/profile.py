"""How many random examples a property is tried on: a fixed draw, or REGRAFT_EXAMPLES times as many at will."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, settings

TIMES = float(os.environ.get("REGRAFT_EXAMPLES", "0"))


def examples(usual: int) -> Callable[[Any], Any]:
    """``usual`` examples, the same each time; with REGRAFT_EXAMPLES=25 25 times as many, others each time."""
    return settings(
        max_examples=int(usual * TIMES) if TIMES else usual, derandomize=not TIMES, deadline=None, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )  # fmt: skip
