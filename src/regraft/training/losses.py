"""What training makes small, by task: mean losses in nats of outputs against targets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from regraft.tasks import TASKS, Link

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


def focal_cross_entropy(
    logits: Tensor, targets: Tensor, smoothing: float = 0.0, class_weight: Tensor | None = None, *, gamma: float
) -> Tensor:
    """`cross_entropy` without smoothing, each term times ``(1 - p) ** gamma``: what is answered well counts less.

    Lin et al. 2017 (https://arxiv.org/abs/1708.02002), equation 4, for the class of several that is the true one.
    """
    logs = logits.log_softmax(1)
    each = -(targets * (1 - logs.exp()).clamp(min=0) ** gamma * logs).sum(1)
    return (each if class_weight is None else each * (targets * class_weight).sum(1)).mean()


def focal_binary(
    logits: Tensor, targets: Tensor, smoothing: float = 0.0, class_weight: Tensor | None = None, *, gamma: float
) -> Tensor:
    """`binary_cross_entropy` without smoothing, each term times ``(1 - p) ** gamma``, p that of its truth."""
    each = nn.functional.binary_cross_entropy_with_logits(logits, targets, weight=class_weight, reduction="none")
    p = logits.sigmoid()
    return (each * (1 - targets * p - (1 - targets) * (1 - p)).clamp(min=0) ** gamma).mean()


def loss_of(task: str, focal: float = 0.0) -> Loss:
    """The loss of a task, by how its outputs become probabilities; with ``focal`` above 0 the focal one."""
    link = TASKS[task].link
    return partial(FOCAL[link], gamma=focal) if focal else LOSSES[link]


LOSSES: dict[Link | None, Loss] = {"softmax": cross_entropy, "sigmoid": binary_cross_entropy, None: gaussian}
FOCAL: dict[Link | None, Callable[..., Tensor]] = {"softmax": focal_cross_entropy, "sigmoid": focal_binary}
