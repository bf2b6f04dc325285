"""What a module has to be, to be taken as a network: rows (n, d) out, the same each time, each from its item alone."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from regraft.backbones.base import Body
from regraft.core.errors import InputError
from regraft.core.types import PreprocessSpec

ITEMS, LOOKS, ALIKE = 2, 8, 1e-3
FEW = 5
"""Any vocabulary has so many tokens."""


def copied(module: nn.Module) -> Any:
    """A copy on the CPU in evaluation mode, without what compiles it or spreads it over devices."""
    inner = getattr(module, "_orig_mod", module)
    if isinstance(inner, nn.DataParallel | nn.parallel.DistributedDataParallel):
        inner = inner.module
    if any(nn.parameter.is_lazy(p) for p in (*inner.parameters(), *inner.buffers())):
        raise InputError(f"backbone={type(inner).__name__} has lazy parameters without a shape yet: run it once first.")
    if any(t.is_meta for t in (*inner.parameters(), *inner.buffers())):
        raise InputError(f"backbone={type(inner).__name__} has parameters on the device meta, which hold no numbers.")
    try:
        made = copy.deepcopy(inner)
    except Exception as error:  # a module may hold anything
        raise InputError(f"backbone={type(inner).__name__} cannot be copied: {_reason(error)}.") from error
    if odd := [k for k, v in made.state_dict().items() if not isinstance(v, Tensor)]:
        raise InputError(f"backbone={type(inner).__name__} keeps state that is no tensor ({odd[0]}), which no file of "
                         "weights holds.")  # fmt: skip
    return made.to("cpu").eval()


def example(spec: PreprocessSpec, n: int = ITEMS) -> Tensor:
    """Prepared items that are always the same: noise as pictures (n, C, height, width), token numbers (n, 2, 8)."""
    draw = torch.Generator().manual_seed(0)
    if spec.modality == "text":
        return torch.stack([torch.randint(0, FEW, (n, 8), generator=draw), torch.ones(n, 8, dtype=torch.int64)], 1)
    return torch.randn(n, len(spec.mean), spec.height, spec.width, generator=draw)


def rows_of(body: Body, spec: PreprocessSpec, kind: str) -> Tensor:
    """What the body gives of the `example`, float32 (2, d). Raises ``InputError`` in a sentence where it fails, gives
    something else, or not the same twice or by itself.
    """
    x = example(spec)
    shape = tuple(x.shape)
    try:
        with torch.no_grad():
            found, again, alone = body.features(x), body.features(x), body.features(x[:1])
    except Exception as error:  # a module may raise anything
        raise InputError(f"backbone={kind} fails on a float32 batch {shape} prepared as spec= says: "
                         f"{_reason(error)}.") from error  # fmt: skip
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != len(x) or not found.shape[1]:
        raise InputError(f"backbone={kind} gives {_seen(found)} of a batch {shape}; wanted is a tensor ({len(x)}, d), "
                         f"one row of features an item{_mended(found)}.")  # fmt: skip
    if found.dtype != torch.float32:
        raise InputError(f"backbone={kind} gives features of the type {found.dtype}; wanted is torch.float32: "
                         "module.float() makes it so.")  # fmt: skip
    if not found.isfinite().all():
        raise InputError(f"backbone={kind} gives numbers that are not finite: its weights are damaged.")
    if not torch.equal(found, again):
        raise InputError(f"backbone={kind} gives something else each time: in evaluation mode nothing may be drawn.")
    if not close(alone, found[:1]):
        raise InputError(f"backbone={kind} gives an item other features beside others than alone: in evaluation mode a "
                         "row may depend on its item only.")  # fmt: skip
    return found


def looks(rows: Tensor) -> list[float]:
    """What the rows (2, d) of the `example` come to along eight fixed directions: two modules of the same weights that
    reckon otherwise differ in it.
    """
    draw = torch.Generator().manual_seed(0)
    along = torch.randn(rows.shape[1], LOOKS, generator=draw, dtype=torch.float64)
    found: list[float] = (rows.double() @ along).flatten().tolist()
    return found


def close(a: Tensor, b: Tensor) -> bool:
    """Whether two answers are the same but for rounding: within a thousandth of the largest."""
    return a.shape == b.shape and bool((a - b).abs().max() <= ALIKE * max(float(b.abs().max()), 1e-6))


def _seen(found: Any) -> str:
    if isinstance(found, Tensor):
        return f"a tensor {tuple(found.shape)}"
    if isinstance(found, tuple | list):
        return f"a {type(found).__name__} of {len(found)}"
    return f"a {type(found).__name__}"


def _mended(found: Any) -> str:
    if not isinstance(found, Tensor):
        return "; let its forward return the one tensor"
    if found.ndim == 4:
        return "; end it with nn.AdaptiveAvgPool2d(1) and nn.Flatten()"
    return "; let it take the first token, or the mean of all" if found.ndim == 3 else ""


def _reason(error: Exception) -> str:
    said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return said if len(said) <= 200 else f"{said[:200]} ..."
