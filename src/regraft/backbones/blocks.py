"""How the networks of each family fall into blocks: the only thing regraft needs to know about a family.

A chain function takes the whole network, as its publisher wrote it, and returns the blocks in the order of the
forward pass, the pooling after them, and the head: the way from the last block's output to the logits. A new family
is one function here and one line in ``CHAINS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from regraft.backbones.base import SpatialMean
from regraft.core.vision import torchvision


class Chain(NamedTuple):
    """Named blocks, the pooling after them, and the head of the source task."""

    blocks: list[tuple[str, nn.Module]]
    pool: nn.Module
    head: nn.Module


Named = list[tuple[str, nn.Module]]


class FromChannelsLast(nn.Module):
    """Runs a module that works on (N, H, W, C) between maps of the usual (N, C, H, W)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Tokens(nn.Module):
    """The patches of a vision transformer with its class token and positions: (N, 3, H, W) -> (N, 1 + T, C)."""

    def __init__(self, vit: Any) -> None:
        super().__init__()
        self.projection, self.dropout = vit.conv_proj, vit.encoder.dropout
        self.class_token, self.positions = vit.class_token, vit.encoder.pos_embedding

    def forward(self, x: Tensor) -> Tensor:
        patches = self.projection(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(x.shape[0], -1, -1), patches], 1)
        return self.dropout(tokens + self.positions)


class FirstToken(nn.Module):
    """(N, T, C) -> (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0]


def _named(net: nn.Module, *names: str) -> Named:
    return [(name, net.get_submodule(name)) for name in names]


def _children(net: nn.Module, name: str) -> Named:
    return [(f"{name}.{child}", module) for child, module in net.get_submodule(name).named_children()]


def joined(parts: Named) -> Named:
    """Parts without parameters join the block before them, so that every block has something to learn."""
    blocks: Named = []
    for name, module in parts:
        if blocks and not any(True for _ in module.parameters()):
            blocks[-1] = (blocks[-1][0], nn.Sequential(blocks[-1][1], module))
        else:
            blocks.append((name, module))
    return blocks


def _mean_then(head: nn.Module) -> nn.Module:
    return nn.Sequential(SpatialMean(), head)


def resnet(net: Any) -> Chain:
    stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
    stages = [b for i in range(1, 5) for b in _children(net, f"layer{i}")]
    return Chain([("stem", stem), *stages], SpatialMean(), _mean_then(net.fc))


def features_then_classifier(net: Any) -> Chain:
    """MobileNet V2 and EfficientNet: a sequence of blocks, the mean over places, dropout and a linear layer."""
    return Chain(joined(_children(net, "features")), SpatialMean(), _mean_then(net.classifier))


def squeezenet(net: Any) -> Chain:
    """The last layer is a 1 x 1 convolution on the map: the features are that map's mean over places."""
    head = nn.Sequential(net.classifier, nn.Flatten())
    return Chain(joined(_children(net, "features")), SpatialMean(), head)


def hidden_layers(net: Any) -> Chain:
    """AlexNet, VGG and MobileNet V3: fully connected layers between the last map and the last layer."""
    *hidden, (_, last) = _children(net, "classifier")
    first = nn.Sequential(net.avgpool, nn.Flatten())
    blocks = joined(_children(net, "features"))
    waiting: list[nn.Module] = [first]
    for name, module in hidden:
        if any(True for _ in module.parameters()):
            blocks.append((name, nn.Sequential(*waiting, module)))
            waiting = []
        elif waiting:
            waiting.append(module)
        else:
            blocks[-1] = (blocks[-1][0], nn.Sequential(blocks[-1][1], module))
    return Chain(blocks, nn.Identity(), last)


def densenet(net: Any) -> Chain:
    parts = [*_children(net, "features"), ("relu", nn.ReLU())]
    return Chain(joined(parts), SpatialMean(), _mean_then(net.classifier))


def googlenet(net: Any) -> Chain:
    names = ["conv1", "maxpool1", "conv2", "conv3", "maxpool2", "inception3a", "inception3b", "maxpool3",
             *(f"inception4{c}" for c in "abcde"), "maxpool4", "inception5a", "inception5b"]  # fmt: skip
    return Chain(joined(_named(net, *names)), SpatialMean(), nn.Sequential(SpatialMean(), net.dropout, net.fc))


def inception_v3(net: Any) -> Chain:
    names = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1", "Conv2d_4a_3x3",
             "maxpool2", *(f"Mixed_5{c}" for c in "bcd"), *(f"Mixed_6{c}" for c in "abcde"),
             *(f"Mixed_7{c}" for c in "abc")]  # fmt: skip
    return Chain(joined(_named(net, *names)), SpatialMean(), nn.Sequential(SpatialMean(), net.dropout, net.fc))


def convnext(net: Any) -> Chain:
    norm = nn.Sequential(net.avgpool, net.classifier[0], net.classifier[1])
    return Chain([*joined(_children(net, "features")), ("norm", norm)], nn.Identity(), net.classifier[2])


def regnet(net: Any) -> Chain:
    stages = [b for name, _ in net.trunk_output.named_children() for b in _children(net, f"trunk_output.{name}")]
    return Chain([("stem", net.stem), *stages], SpatialMean(), _mean_then(net.fc))


def shufflenet(net: Any) -> Chain:
    stages = [b for i in (2, 3, 4) for b in _children(net, f"stage{i}")]
    blocks = joined([*_named(net, "conv1", "maxpool"), *stages, ("conv5", net.conv5)])
    return Chain(blocks, SpatialMean(), _mean_then(net.fc))


def mnasnet(net: Any) -> Chain:
    return Chain(joined(_children(net, "layers")), SpatialMean(), _mean_then(net.classifier))


def vit(net: Any) -> Chain:
    norm = nn.Sequential(net.encoder.ln, FirstToken())
    return Chain([("tokens", Tokens(net)), *_children(net, "encoder.layers"), ("norm", norm)], nn.Identity(), net.heads)


def swin(net: Any) -> Chain:
    (name, stem), *stages = _children(net, "features")
    back = torchvision.ops.Permute([0, 3, 1, 2])
    blocks: Named = [(name, nn.Sequential(stem, back)), *((n, FromChannelsLast(m)) for n, m in stages)]
    return Chain([*blocks, ("norm", FromChannelsLast(net.norm))], SpatialMean(), _mean_then(net.head))


def maxvit(net: Any) -> Chain:
    layers = [b for name, _ in net.blocks.named_children() for b in _children(net, f"blocks.{name}.layers")]
    return Chain(
        [("stem", net.stem), *layers, ("norm", net.classifier[:-1])], nn.Identity(), net.classifier[-1]
    )  # fmt: skip


def lite(net: Any) -> Chain:
    stages = [b for name, _ in net.blocks.named_children() for b in _children(net, f"blocks.{name}")]
    blocks: Named = [("stem", nn.Sequential(net.conv_stem, net.bn1)), *stages]
    return Chain([*blocks, ("head", nn.Sequential(net.conv_head, net.bn2))], SpatialMean(), _mean_then(net.classifier))


def tiny(net: Any) -> Chain:
    return Chain(_children(net, "blocks"), SpatialMean(), _mean_then(net.head))


CHAINS: dict[str, Callable[[Any], Chain]] = {
    r"(wide_)?res(net|next)\d+.*": resnet,
    r"efficientnet_lite[012]": lite,
    r"mobilenet_v2|efficientnet_.*": features_then_classifier,
    r"alexnet|vgg\d+(_bn)?|mobilenet_v3_.*": hidden_layers,
    r"squeezenet1_[01]": squeezenet,
    r"densenet\d+": densenet,
    r"googlenet": googlenet,
    r"inception_v3": inception_v3,
    r"convnext_.*": convnext,
    r"regnet_.*": regnet,
    r"shufflenet_v2_.*": shufflenet,
    r"mnasnet.*": mnasnet,
    r"vit_[bhl]_\d+": vit,
    r"swin_.*": swin,
    r"maxvit_t": maxvit,
    r"regraft_tiny|lenet": tiny,
}


def chain_of(architecture: str) -> Callable[[Any], Chain] | None:
    """The chain function of an architecture, or None where the family is unknown."""
    return next((f for pattern, f in CHAINS.items() if re.fullmatch(pattern, architecture)), None)
