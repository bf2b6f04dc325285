"""Losses on what a model itself says of the target: certainty, diversity, confusion, disagreement, pseudo-labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from regraft.methods.adaptation.losses.adversarial import entropy


def diversity(probabilities: Tensor) -> Tensor:
    """The entropy, in nats, of the mean answer of a batch (n, K)."""
    mean = probabilities.mean(0)
    return -(mean * mean.clamp_min(torch.finfo(mean.dtype).tiny).log()).sum()


def information_maximisation(logits: Tensor) -> Tensor:
    """Mean entropy less that of the mean answer: small where each answer is certain and all together are diverse.

    Liang, Hu and Feng 2020 (https://arxiv.org/abs/2002.08546), equations 3 and 4.
    """
    return entropy(logits).mean() - diversity(logits.softmax(1))


def class_confusion(logits: Tensor, temperature: float = 2.5) -> Tensor:
    """How far the classes are confused with each other in a batch (n, K), between 0 and 1.

    Jin et al. 2020 (https://arxiv.org/abs/1912.03699), equations 2 to 6.
    """
    cooled = logits / temperature
    p = cooled.softmax(1)
    weights = 1 + torch.exp(-entropy(cooled))
    weights = (weights / weights.sum() * len(p)).detach()
    confusion = (p * weights[:, None]).T @ p
    confusion = confusion / confusion.sum(1, keepdim=True)
    return (confusion.sum() - confusion.trace()) / p.shape[1]


def disagreement(one: Tensor, other: Tensor) -> Tensor:
    """Mean absolute difference of the probabilities of two heads' logits (n, K).

    Saito et al. 2018 (https://arxiv.org/abs/1712.02560), equation 2.
    """
    return (one.softmax(1) - other.softmax(1)).abs().mean()


def margin_disparity(
    source: Tensor, source_second: Tensor, target: Tensor, target_second: Tensor, margin: float
) -> Tensor:
    """How far a second head goes with the first on the source, ``margin`` times, and against it on the target; at most
    0. All are logits (n, K).

    Zhang et al. 2019 (https://arxiv.org/abs/1904.05801), equation 30. The first head's classes carry no gradient.
    """
    agreed = source_second.log_softmax(1).gather(1, source.argmax(1, keepdim=True))
    p = target_second.softmax(1).gather(1, target.argmax(1, keepdim=True))
    return margin * agreed.mean() + (1 - p + 1e-6).log().mean()


def centroid_labels(features: Tensor, logits: Tensor, rounds: int = 2) -> Tensor:
    """Labels (n,) by the nearest class centroid in the cosine, centroids first weighted by the model's answers (n, K).

    ``features`` are (n, D). A class that no item is given to has no centroid. Liang, Hu and Feng 2020 (SHOT),
    equations 5 and 6.
    """
    z = nn.functional.normalize(torch.cat([features, torch.ones_like(features[:, :1])], 1), dim=1)
    share = logits.softmax(1)
    labels = logits.argmax(1)
    for _ in range(rounds):
        there = torch.bincount(labels, minlength=share.shape[1]) > 0
        centroids = share.T @ z / share.sum(0).clamp_min(1e-8)[:, None]
        likeness = z @ nn.functional.normalize(centroids, dim=1).T
        labels = likeness.masked_fill(~there, -torch.inf).argmax(1)
        share = nn.functional.one_hot(labels, share.shape[1]).to(z.dtype)
    return labels


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, decay: float) -> None:
    """The teacher's weights and statistics become ``decay * own + (1 - decay) * student's``.

    Tarvainen and Valpola 2017 (https://arxiv.org/abs/1703.01780), equation 1.
    """
    for own, new in zip(teacher.state_dict().values(), student.state_dict().values(), strict=True):
        if own.is_floating_point():
            own.lerp_(new, 1 - decay)
        else:
            own.copy_(new)


def confident_cross_entropy(logits: Tensor, teacher: Tensor, threshold: float) -> Tensor:
    """Cross-entropy of ``logits`` against the classes of the ``teacher``'s logits, both (n, K), of the items of which
    the teacher's probability is at least ``threshold``; the mean is over all n.

    Sohn et al. 2020 (FixMatch, https://arxiv.org/abs/2001.07685), equation 4.
    """
    sure, labels = teacher.softmax(1).max(1)
    each = nn.functional.cross_entropy(logits, labels, reduction="none")
    return (each * (sure >= threshold)).mean()
