"""Where in a picture a network looks: pure functions on a body, a head and a prepared picture (1, C, H, W)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from regraft.backbones.base import Body

Map = NDArray[np.float64]
"""(h, w) how much each place of a grid over the picture tells, more is more; 0 is nothing."""


class Halves(NamedTuple):
    """A body in two: up to its last map of more than one place, (N, C, h, w), and from there on to its features."""

    before: Callable[[Tensor], Tensor]
    after: Callable[[Tensor], Tensor]


def halves(body: Body, example: Tensor) -> Halves | None:
    """The body in two, None where it has no such map, as transformers over patches have none."""
    blocks, x, last = list(body.chain.values()), example, -1
    with torch.no_grad():
        for i, block in enumerate(blocks):
            x = block(x)
            last = i if _is_map(x) else last
    if last < 0:
        return _of_timm(blocks, example)
    return Halves(nn.Sequential(*blocks[: last + 1]), nn.Sequential(*blocks[last + 1 :], body.pool))


def _is_map(x: Any) -> bool:
    return isinstance(x, Tensor) and x.ndim == 4 and x.shape[2] * x.shape[3] > 1


def _of_timm(blocks: list[nn.Module], example: Tensor) -> Halves | None:
    """A network of timm is one block: its own two steps, the maps brought to (N, C, h, w)."""
    net: Any = getattr(blocks[0], "net", None) if len(blocks) == 1 else None
    if net is None:
        return None
    with torch.no_grad():
        x = net.forward_features(example)
    if not _is_map(x):
        return None
    last = x.shape[3] == getattr(net, "num_features", 0) != x.shape[1]  # channels last, as Swin's maps are
    to, back = ((0, 3, 1, 2), (0, 2, 3, 1)) if last else ((0, 1, 2, 3), (0, 1, 2, 3))
    return Halves(lambda p: net.forward_features(p).permute(*to),
                  lambda m: net.forward_head(m.permute(*back), pre_logits=True))  # fmt: skip


def grad_cam(parts: Halves, score: Callable[[Tensor], Tensor], x: Tensor) -> Map:
    """Grad-CAM: the last map's channels, each weighed by the mean over places of the gradient of ``score`` (features
    (1, D) -> a number), summed; what speaks against the class is cut off. Selvaraju et al. 2017
    (https://arxiv.org/abs/1610.02391), equations 1 and 2.
    """
    with torch.enable_grad():
        maps = parts.before(x).detach().requires_grad_(True)
        [slope] = torch.autograd.grad(score(parts.after(maps)), maps)
    found = torch.relu((slope.mean((2, 3), keepdim=True) * maps).sum(1))[0]
    return found.detach().cpu().numpy().astype(np.float64)


def attention_layers(body: Body) -> list[nn.Module]:
    """The layers that attend among all patches, in their order: torchvision's and timm's; empty where there are none,
    or where they attend inside windows.
    """
    own: list[nn.Module] = [m for m in body.modules() if isinstance(m, nn.MultiheadAttention)]
    return own or [m for m in body.modules() if hasattr(m, "fused_attn") and hasattr(m, "attn_drop")]


def prefix(body: Body) -> int:
    """How many tokens come before those of the patches."""
    told: list[Any] = [m for m in body.modules() if hasattr(m, "num_prefix_tokens")]
    return int(told[0].num_prefix_tokens) if told else 1


def rollout(body: Body, x: Tensor) -> Map:
    """Attention rollout: how much of each patch reaches the first token, where every layer mixes half of what a token
    was with what it attends to (the mean over heads); without a first token, what reaches all. The same for every
    class. Abnar and Zuidema 2020 (https://arxiv.org/abs/2005.00928), section 3.
    """
    before, found = prefix(body), list[Tensor]()
    with torch.no_grad(), _listening(attention_layers(body), found):
        body.features(x)
    mixed = [(0.5 * a + 0.5 * torch.eye(a.shape[-1], device=a.device)) for a in found]
    whole = reduce(lambda reached, layer: layer @ reached, mixed)
    told = (whole[0] if before else whole.mean(0))[before:]
    rows = _rows(len(told), x.shape[2], x.shape[3])
    return told.reshape(rows, -1).cpu().numpy().astype(np.float64)


def _rows(patches: int, height: int, width: int) -> int:
    """How many rows of equal patches a picture falls into: of all ways to arrange them the one of square patches."""
    return min((r for r in range(1, patches + 1) if patches % r == 0),
               key=lambda r: abs(height / r - width / (patches // r)))  # fmt: skip


@contextmanager
def _listening(layers: list[nn.Module], found: list[Tensor]) -> Iterator[None]:
    """Fills ``found`` with the attention (T, T) of each layer, the mean over heads, of the first picture."""

    def asks(_: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        return args, {**kwargs, "need_weights": True, "average_attn_weights": True}

    def told(_: nn.Module, __: Any, output: Any) -> None:
        found.append(output[1][0].detach())

    def dropped(_: nn.Module, args: Any) -> None:
        found.append(args[0][0].mean(0).detach())

    with ExitStack() as after:
        for layer in layers:
            one: Any = layer
            if isinstance(layer, nn.MultiheadAttention):
                after.callback(layer.register_forward_pre_hook(asks, with_kwargs=True).remove)
                after.callback(layer.register_forward_hook(told).remove)
            else:
                after.callback(setattr, one, "fused_attn", one.fused_attn)
                one.fused_attn = False
                after.callback(one.attn_drop.register_forward_pre_hook(dropped).remove)
        yield


def windows(height: int, width: int, share: float = 0.2) -> list[tuple[int, int, int, int]]:
    """Overlapping windows (top, left, bottom, right) of a ``share`` of each side, half a window apart."""

    def starts(side: int, window: int) -> list[int]:
        count = max(1, round(2 * (side - window) / window)) + 1
        return sorted({round(v) for v in np.linspace(0, side - window, count)})

    h, w = max(1, round(share * height)), max(1, round(share * width))
    return [(t, left, t + h, left + w) for t in starts(height, h) for left in starts(width, w)]


def occlusion(change: NDArray[Any], boxes: list[tuple[int, int, int, int]], height: int, width: int) -> Map:
    """(height, width) the mean ``change`` (k,) of the windows that cover each pixel: how far a score falls where the
    ``boxes`` are grey. Zeiler and Fergus 2014 (https://arxiv.org/abs/1311.2901), section 2.
    """
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for fall, (top, left, bottom, right) in zip(change.tolist(), boxes, strict=True):
        total[top:bottom, left:right] += fall
        count[top:bottom, left:right] += 1
    found: Map = total / np.maximum(count, 1)
    return found
