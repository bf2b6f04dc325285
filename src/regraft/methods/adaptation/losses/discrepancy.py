"""How far two domains lie apart, as losses: second moments and kernel means. All take features (n, D) and (m, D)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

BANDWIDTHS = (0.125, 0.25, 0.5, 1.0, 2.0)
JOINT_SIGMA = 0.92
"""The width of the kernel on class probabilities, as in Long et al. 2017."""


def covariance(x: Tensor) -> Tensor:
    """(n, D) -> (D, D), divided by n - 1 (by 1 where there is one row)."""
    centred = x - x.mean(0)
    return centred.T @ centred / max(len(x) - 1, 1)


def deep_coral(source: Tensor, target: Tensor) -> Tensor:
    """Squared Frobenius distance of the covariances over 4 D^2.

    Sun and Saenko 2016 (https://arxiv.org/abs/1607.01719), equation 1.
    """
    d = source.shape[1]
    return (covariance(source) - covariance(target)).square().sum() / (4 * d * d)


def squared_distances(x: Tensor) -> Tensor:
    """(n, D) -> (n, n)."""
    squares = x.square().sum(1)
    return (squares[:, None] + squares - 2 * x @ x.T).clamp_min(0).fill_diagonal_(0.0)


def gaussian_kernels(x: Tensor, bandwidths: Sequence[float] = BANDWIDTHS) -> Tensor:
    """(n, n): the sum of ``exp(-d^2 / (2 a m))`` over ``bandwidths`` a; m, the mean of d^2, is held fixed.

    Long et al. 2015 (https://arxiv.org/abs/1502.02791), section 3.1, with the mean in place of the median.
    """
    distances = squared_distances(x)
    mean = distances.detach().mean().clamp_min(torch.finfo(x.dtype).tiny)
    return torch.stack([torch.exp(-distances / (2 * a * mean)) for a in bandwidths]).sum(0)


def kernel_discrepancy(kernel: Tensor, n: int) -> Tensor:
    """The unbiased squared distance of two kernel means from a kernel (n + m, n + m), n rows of the source first.

    Gretton et al. 2012 (JMLR 13), equation 3: no item is held against itself. A domain of one row counts as 0.
    """
    m = len(kernel) - n
    within_s = (kernel[:n, :n].sum() - kernel[:n, :n].diagonal().sum()) / max(n * (n - 1), 1)
    within_t = (kernel[n:, n:].sum() - kernel[n:, n:].diagonal().sum()) / max(m * (m - 1), 1)
    return within_s + within_t - 2 * kernel[:n, n:].mean()


def multi_kernel_mmd(source: Tensor, target: Tensor, bandwidths: Sequence[float] = BANDWIDTHS) -> Tensor:
    """Multi-kernel maximum mean discrepancy (squared, unbiased): the loss of deep adaptation networks."""
    return kernel_discrepancy(gaussian_kernels(torch.cat([source, target]), bandwidths), len(source))


def joint_mmd(source: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """The discrepancy of joint distributions: features under five kernels times class probabilities under one.

    ``source`` and ``target`` are (features (n, D), probabilities (n, K)). Long et al. 2017
    (https://arxiv.org/abs/1605.06636), equation 9, with the unbiased estimate.
    """
    features, probabilities = (torch.cat([s, t]) for s, t in zip(source, target, strict=True))
    on_classes = torch.exp(-squared_distances(probabilities) / (2 * JOINT_SIGMA**2))
    return kernel_discrepancy(gaussian_kernels(features) * on_classes, len(source[0]))
