"""Joint training: one body for several labelled domains, batch normalisation with statistics of each.

Chang et al. 2019 (domain-specific batch normalisation, https://arxiv.org/abs/1906.03950), with statistics of their own
and one scale and shift. Classes of one name are one class. Domains that share no class, not even by way of others, have
heads of their own: rows of one linear layer, of which a domain sees only its own.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from regraft.methods.adaptation.on_networks import Norm
from regraft.methods.base import Options, Phase, Supervised, gentle

KIND, NEEDS = "domains", ("whole network",)
SUMMARY = "several DATA: one model for all of them, normalised by domain (Chang et al. 2019)"
RATE, UNTRAINED_RATE = 1e-3, 2e-3


class DomainNorm(nn.Module):
    """Batch normalisation with ``domains`` sets of statistics, (domains, C); ``at`` says which is in force."""

    def __init__(self, norm: Any, domains: int) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias
        self.momentum, self.eps, self.at = norm.momentum, norm.eps, 0
        self.register_buffer("mean", norm.running_mean.repeat(domains, 1))
        self.register_buffer("var", norm.running_var.repeat(domains, 1))

    def forward(self, x: Tensor) -> Tensor:
        mean, var = self.mean[self.at], self.var[self.at]  # type: ignore[index]
        return nn.functional.batch_norm(x, mean, var, self.weight, self.bias, self.training, self.momentum, self.eps)

    def put(self, norm: Any, domain: int | None) -> Any:
        """The statistics of a domain, or of all of them mixed, in a plain layer."""
        mean, var = self.mean, self.var
        own = (mean[domain], var[domain]) if domain is not None else (  # type: ignore[index]
            mean.mean(0), var.mean(0) + mean.var(0, unbiased=False))  # type: ignore[operator]  # fmt: skip
        norm.weight, norm.bias = copy.deepcopy(self.weight), copy.deepcopy(self.bias)
        norm.running_mean, norm.running_var = (v.detach().clone() for v in own)
        return norm


def divided(body: nn.Module, domains: int) -> nn.Module:
    """The body with a `DomainNorm` in place of every batch normalisation."""
    return _replaced(body, Norm, lambda layer: DomainNorm(layer, domains))


def undivided(body: Any, plain: nn.Module, domain: int | None) -> Any:
    """A copy of a divided body in the form of ``plain``, for one domain or (None) for whatever comes."""
    layers = iter([m for m in plain.modules() if isinstance(m, Norm)])
    return _replaced(copy.deepcopy(body), DomainNorm, lambda layer: layer.put(copy.deepcopy(next(layers)), domain))


def _replaced(module: nn.Module, kind: Any, make: Any) -> nn.Module:
    for name, child in module.named_children():
        if isinstance(child, kind):
            setattr(module, name, make(child))
        else:
            _replaced(child, kind, make)
    return module


def turn_to(body: nn.Module, domain: int) -> None:
    """Normalises by the statistics of ``domain`` from now on."""
    for layer in body.modules():
        if isinstance(layer, DomainNorm):
            layer.at = domain


def heads(classes: Sequence[Sequence[str]]) -> list[list[str]]:
    """The class names of each domain's head: those of all domains it shares a class with, also through others."""
    shared = [set(names) for names in classes]
    for _ in shared:
        shared = [set().union(*(other for other in shared if other & own)) for own in shared]
    order = list(dict.fromkeys(name for names in classes for name in names))
    return [[name for name in order if name in own] for own in shared]


class SharedLoss:
    """The loss of a batch of one domain: cross-entropy among the classes (indices) of its head, by the domains' names;
    ``class_weight`` (k,) weighs the items by their class.
    """

    def __init__(
        self, of_domain: Mapping[str, Sequence[int]], smoothing: float, class_weight: Sequence[float] | None = None
    ) -> None:
        self.names, self.of_domain = list(of_domain), [torch.tensor(list(c)) for c in of_domain.values()]
        self.smoothing = smoothing
        self.class_weight = None if class_weight is None else torch.tensor(class_weight, dtype=torch.float32)

    def __call__(self, learner: Any, x: Any, targets: Tensor, supervised: Supervised) -> dict[str, Tensor]:
        turn_to(learner.body, x.domain)
        own = self.of_domain[x.domain].to(x.device)
        logits = learner(x.x).float()[:, own]
        each = nn.functional.cross_entropy(logits, targets[:, own], label_smoothing=self.smoothing, reduction="none")
        if self.class_weight is not None:
            each = each * (targets * self.class_weight.to(x.device)).sum(1)
        loss = each.mean()
        return {"loss": loss, f"{self.names[x.domain]}_loss": loss}


def phase(blocks: int, options: Options, pretrained: bool, loss: SharedLoss) -> Phase:
    """The one phase of joint training; what no pretraining has seen learns twice as fast."""
    rate = options.top(RATE if pretrained else UNTRAINED_RATE)
    return Phase("joint", options.epochs, 0, rate, gentle(blocks) if pretrained else 1.0, step=loss)
