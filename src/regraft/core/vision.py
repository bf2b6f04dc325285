"""torchvision, without torch's compiler: ``from regraft.core.vision import torchvision``.

torchvision's ops ask ``torch._dynamo`` whether a device can compile, and importing that to ask takes longer than all of
torchvision. Nothing is compiled here: the question is kept for whoever asks it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

MODULE, QUESTION = "torch._dynamo.utils", "is_compile_supported"


def _asked_later(device: str) -> bool:
    return bool(getattr(import_module(MODULE), QUESTION)(device))


class _StandIn(ModuleType):
    """The module while torchvision is imported: it has the one question, and gives way to whoever wants more of it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == QUESTION and "torch._dynamo" not in sys.modules:
            return _asked_later
        if sys.modules.get(MODULE) is self:
            del sys.modules[MODULE]
        return getattr(import_module(MODULE), name)


@contextmanager
def _compiler_left_out() -> Iterator[None]:
    if MODULE in sys.modules or "torchvision" in sys.modules:
        yield
        return
    sys.modules[MODULE] = standing_in = _StandIn(MODULE)
    try:
        yield
    finally:
        if sys.modules.get(MODULE) is standing_in:
            del sys.modules[MODULE]


with _compiler_left_out():
    import torchvision

__all__ = ["torchvision"]
