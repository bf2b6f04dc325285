"""What a trained network says of items held out inside, at its best epoch: loss, temperature."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.methods.probes.logistic import cross_entropy, optimal_temperature, smoothed_targets
from regraft.tasks.base import Link


def judged_at_best(
    logits: NDArray[Any], targets: NDArray[Any], link: Link, weights: NDArray[Any] | None = None
) -> tuple[float, float]:
    """Log loss at the best temperature, and that temperature: how well the classes are told apart, not how boldly."""
    smooth = smoothed_targets(targets, link)
    temperature = optimal_temperature(logits, smooth, link, weights)
    return cross_entropy(logits / temperature, smooth, link, weights), temperature


def inner_loss(
    outputs: NDArray[Any], targets: NDArray[Any], link: Link | None, weights: NDArray[Any] | None = None
) -> float:
    """How a head does on held-out items, in nats: the log loss at the best temperature, or for numbers the negative log
    of a normal density at the best standard deviation.
    """
    if link is None:
        return 0.5 * float(np.log(2 * np.pi * np.e * max(((outputs - targets) ** 2).mean(), 1e-12)))
    return judged_at_best(outputs, targets, link, weights)[0]
