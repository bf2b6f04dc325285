"""What methods that train a network on two domains have in common.

Such a method is a module with ``SUMMARY``, ``OPTIMISES`` (the validators it makes large itself) and
``plan_domains(blocks, options) -> DomainPlan``. It starts from a model of the source. Batch normalisation follows the
target: a pass over the source uses its own batch's statistics and leaves no trace in those that are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from regraft.backbones.base import Body
from regraft.methods.base import Options, Phase, Plan, gentle

Norm = nn.modules.batchnorm._BatchNorm


@dataclass(frozen=True)
class Sizes:
    """How many features the head takes, classes there are, and items the target has."""

    features: int
    classes: int
    items: int


@dataclass(frozen=True)
class DomainPlan:
    """``needs`` are the method's `regraft.methods.needs`; without ``source items`` its model of the source is enough.

    ``extra`` makes what is needed only while training, from the learner and the sizes of the problem. ``statistics``
    takes those of batch normalisation from all of the target in the end.
    """

    phases: tuple[Phase, ...]
    needs: tuple[str, ...] = ()
    extra: Callable[[Any, Sizes], nn.Module] | None = None
    statistics: bool = False

    @property
    def source(self) -> bool:
        """Whether the source's items are needed."""
        return "source items" in self.needs

    @property
    def labels(self) -> bool:
        """Whether the source's labels are needed."""
        return "source labels" in self.needs


@dataclass(frozen=True)
class SourceTraining:
    """How the model of the source is trained: a network without weights from scratch, others gently."""

    pretrained: bool

    def plan(self, blocks: int, options: Options) -> Plan:
        decay = gentle(blocks) if self.pretrained else 1.0
        phase = Phase("source", options.epochs, 0, options.top(1e-3 if self.pretrained else 2e-3), decay)
        return Plan((phase,), head="normed", pretrained=self.pretrained)


@contextmanager
def frozen_batch_norm_statistics(module: nn.Module) -> Iterator[None]:
    """Inside, batch normalisation uses the batch's statistics and keeps its own as they are."""
    layers = [m for m in module.modules() if isinstance(m, Norm) and m.training and m.track_running_stats]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True


def forward_both(learner: Any, x: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The source's features (n, D) and logits (n, K), then the target's, in float32, after a pass over each domain."""
    with frozen_batch_norm_statistics(learner.body):
        of_source = learner.features(x.source)
    of_target = learner.features(x.target)
    logits = [learner.head(f).float() for f in (of_source, of_target)]
    return of_source.float(), logits[0], of_target.float(), logits[1]


def full_precision(x: Any) -> torch.autocast:
    """A stretch without reduced precision: sums over pairs of items need more than bfloat16 holds."""
    return torch.autocast(x.device.type, enabled=False)


def answers(learner: Any, batches: Any, size: int = 256) -> tuple[Tensor, Tensor]:
    """Features (m, D) and logits (m, K) of all items of ``batches``, in their order, in eval mode."""
    device = next(learner.parameters()).device
    learner.eval()
    answered: tuple[Tensor, Tensor] | None = None
    with torch.no_grad():
        for x, positions in batches.epoch(0, size, 0):
            features = learner.features(x.to(device))
            both = (features.float(), learner.head(features).float())
            if answered is None:
                n = len(batches)
                answered = (both[0].new_zeros(n, both[0].shape[1]), both[1].new_zeros(n, both[1].shape[1]))
            for place, values in zip(answered, both, strict=True):
                place[torch.from_numpy(positions).to(device)] = values
    assert answered is not None
    return answered


def take_statistics(learner: Any, batches: Any, size: int = 256) -> None:
    """Batch normalisation's statistics become the means over the items of one pass.

    Li et al. 2017 (AdaBN, https://arxiv.org/abs/1603.04779), section 3.2.
    """
    device = next(learner.parameters()).device
    learner.eval()
    with recompute_batch_norm_statistics(learner.body):
        for x, _ in batches.epoch(0, even_size(len(batches), size), 0):
            learner.features(x.to(device))


def even_size(n: int, most: int) -> int:
    """The size of batches: ``most``, where the last of n items' is an eighth of that or more, else the size above half
    of it with which the last is fullest. Statistics of two or three items are none.
    """
    if n <= most or n % most == 0 or n % most >= most // 8:
        return most
    return max(range(most, most // 2, -1), key=lambda size: (n % size or size) / size)


@contextmanager
def recompute_batch_norm_statistics(body: Body) -> Iterator[None]:
    """Inside, without gradients, batch normalisation's statistics become the means over the items that pass: a batch
    counts by its size.
    """
    layers = body.norms()
    momenta, items = [m.momentum for m in layers], dict.fromkeys(layers, 0)

    def weigh(layer: Any, inputs: tuple[Tensor, ...]) -> None:
        items[layer] += len(inputs[0])
        layer.momentum = len(inputs[0]) / items[layer]

    hooks = []
    for layer in layers:
        layer.reset_running_stats()
        hooks.append(layer.register_forward_pre_hook(weigh))
        layer.train()
    with torch.no_grad():
        yield
    for layer, momentum, hook in zip(layers, momenta, hooks, strict=True):
        hook.remove()
        layer.momentum = momentum
        layer.eval()
