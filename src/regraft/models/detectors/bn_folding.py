"""Batch normalisation folded into the convolution before it, YOLOX's focus into the one behind it: the same answers to
rounding, sooner.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from regraft.models.detectors.base import Detector
from regraft.models.detectors.yolox import Conv, Focus


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
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Focus):
                setattr(module, name, _in_one(child))
    ready: Detector = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return ready


def _in_one(focus: Focus) -> nn.Sequential:
    """Every fourth pixel into a channel of its own, then 3 x 3: the same as 6 x 6 over the pixels as they lie."""
    old = focus.conv.conv
    new = nn.Conv2d(3, old.out_channels, 6, 2, 2)
    with torch.no_grad():
        for i, (down, right) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
            new.weight[:, :, down::2, right::2] = old.weight[:, 3 * i : 3 * i + 3]
        new.bias.copy_(old.bias)  # type: ignore[union-attr,arg-type]
    return nn.Sequential(new, focus.conv.act)
