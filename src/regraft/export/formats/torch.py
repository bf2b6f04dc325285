"""A program of `torch.export`, as PyTorch itself saves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from regraft.export.base import Exportable
from regraft.export.predict import ABOUT


class Torch:
    """See `regraft.export.formats.base.Format`."""

    NEEDS, INSTALL, GRAPH = ("torch",), "export", "model.pt2"

    @staticmethod
    def write(program: Any, exportable: Exportable, about: str, path: Path) -> None:
        """See the format."""
        torch.export.save(program, path, extra_files={ABOUT: about})
