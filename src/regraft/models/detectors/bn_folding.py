"""Batch normalisation folded into the convolution before it: the same answers to rounding, sooner."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from regraft.models.detectors.base import Detector
from regraft.models.detectors.yolox import Conv


def folded(detector: Detector) -> Detector:
    """A copy that only predicts (Jacob et al. 2018, https://arxiv.org/abs/1712.05877, section 3.2)."""
    net = detector.copy().eval()
    for module in list(net.modules()):
        if isinstance(module, Conv):
            module.conv = fuse_conv_bn_eval(module.conv, module.bn)
            setattr(module, "bn", nn.Identity())  # noqa: B010 the type of the attribute changes
        elif isinstance(module, nn.Sequential):
            for (place, first), (behind, second) in pairwise(list(module.named_children())):
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    setattr(module, place, fuse_conv_bn_eval(first, second))
                    setattr(module, behind, nn.Identity())
    ready: Detector = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return ready
