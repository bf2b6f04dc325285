"""Networks for weights that follow from a file: drawing some first would take longer than to read them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class _NothingDrawn(TorchFunctionMode):
    """Leaves out what draws weights: without storage it has no effect, but imports torch's compiler. What has storage
    gets the middle of the draw, since ``trunc_normal_`` draws again until all lies between its bounds.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not getattr(func, "__name__", "").endswith(("normal_", "uniform_")):
            return func(*args, **(kwargs or {}))
        tensor = args[0] if args else kwargs["tensor"]
        if tensor.is_meta:
            return tensor
        return tensor.fill_(args[1]) if func is torch.Tensor.normal_ and args[1:] else tensor.zero_()


class _EmptyWithoutStorage(_NothingDrawn):
    """Gives ``torch.empty``, of which layers make their weights, no storage."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.empty:
            kwargs = {**(kwargs or {}), "device": "meta"}
        return super().__torch_function__(func, types, args, kwargs)


@contextmanager
def shapes_alone() -> Iterator[None]:
    """Networks made inside have shapes but no storage, and nothing is drawn for them."""
    with torch.device("meta"), _NothingDrawn():
        yield


@contextmanager
def weights_without_storage() -> Iterator[None]:
    """Networks made inside have weights without storage, for which nothing is drawn. What a network computes for itself
    and no file holds (positions, frequencies) is there.
    """
    with _EmptyWithoutStorage():
        yield
