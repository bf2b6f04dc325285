"""What a format is: how a program of `torch.export` becomes a file of another runtime."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch

from regraft.core.errors import InputError
from regraft.export.base import Exportable


class Format(Protocol):
    """``NEEDS`` are the packages that write it, ``INSTALL`` what brings them. ``GRAPH`` is the name of its file."""

    NEEDS: ClassVar[tuple[str, ...]]
    INSTALL: ClassVar[str]
    GRAPH: ClassVar[str]

    @staticmethod
    def write(program: Any, exportable: Exportable, about: str, path: Path) -> None:
        """Writes a program of `torch.export` to ``path``, with what is known of it, ``about``, in JSON inside."""


def program_of(exportable: Exportable) -> Any:
    """The graph as a program of `torch.export` for inputs of any size; raises ``InputError`` where a part of it cannot
    be in one.
    """
    free = torch.export.Dim.DYNAMIC
    shapes = tuple({i: free for i, n in enumerate(port.shape) if isinstance(n, str)} for port in exportable.inputs)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = exportable.module.eval()
            return torch.export.export(module, exportable.example, dynamic_shapes=given_as(module, shapes))
    except Exception as error:
        raise unwritable(exportable, "torch.export", error) from error


def given_as(module: torch.nn.Module, shapes: tuple[Any, ...]) -> tuple[Any, ...]:
    """The shapes as `forward` takes its arguments: together where it takes any number of them."""
    return (shapes,) if module.forward.__code__.co_flags & inspect.CO_VARARGS else shapes


def unwritable(exportable: Exportable, writer: str, error: Exception) -> InputError:
    """Which part could not be written, and what can be done instead."""
    said = " ".join(str(error).split()) or type(error).__name__
    said = said if len(said) <= 200 else f"{said[:200]} ..."
    network = exportable.about.get("network", "The network")
    return InputError(f"{network} cannot be exported: {writer} does not take it ({said}). Try another --to; "
                      "regraft.load(MODEL).to_torch() gives it as a module of PyTorch.")  # fmt: skip
