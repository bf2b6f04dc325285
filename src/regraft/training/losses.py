"""What training makes small, by task: mean losses in nats of outputs against targets."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

Loss = Callable[[Tensor, Tensor, float, Tensor | None], Tensor]


def cross_entropy(
    logits: Tensor, targets: Tensor, smoothing: float = 0.0, class_weight: Tensor | None = None
) -> Tensor:
    """Mean cross-entropy against target probabilities (n, k), smoothed towards the uniform ones.

    Szegedy et al. 2016 (https://arxiv.org/abs/1512.00567), section 7. ``class_weight`` (k,) weighs the examples by
    their targets; what smoothing moves to other classes does not count.
    """
    if class_weight is None:
        return nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing)
    each = nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none")
    return (each * (targets * class_weight).sum(1)).mean()


def binary_cross_entropy(
    logits: Tensor, targets: Tensor, smoothing: float = 0.0, class_weight: Tensor | None = None
) -> Tensor:
    """Mean over examples and classes of the cross-entropy of yes and no, targets (n, k) smoothed towards 1/2.

    ``class_weight`` (k,) multiplies the terms of the classes.
    """
    wanted = targets * (1 - smoothing) + smoothing / 2
    return nn.functional.binary_cross_entropy_with_logits(logits, wanted, weight=class_weight)


def gaussian(outputs: Tensor, targets: Tensor, smoothing: float = 0.0, class_weight: Tensor | None = None) -> Tensor:
    """Mean over examples of half the squared error (n, k): the negative log of a normal density of standard deviation
    1, without its constant. Neither ``smoothing`` nor ``class_weight`` has a meaning for numbers.
    """
    return (outputs - targets).square().sum(1).mean() / 2


LOSSES: dict[str, Loss] = {
    "classification": cross_entropy, "multilabel": binary_cross_entropy, "regression": gaussian,
}  # fmt: skip
