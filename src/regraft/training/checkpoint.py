"""The state of a training run on disk: tensors and readable JSON, whole or not at all."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn, optim

from regraft.backbones.weights import write_state
from regraft.core.errors import ArtefactError
from regraft.core.files import disk_errors, new_folder, write_json

LAST = "last"


def save(folder: Path, state: dict[str, Any], tensors: dict[str, dict[str, Tensor]]) -> None:
    """Replaces the checkpoint in ``folder``; ``tensors`` are tables of named tensors, by what they are."""
    with new_folder(folder / LAST) as temporary:
        flat = {f"{kind}/{name}": t for kind, table in tensors.items() for name, t in table.items()}
        write_state(temporary / "state.safetensors", flat)
        write_json(temporary / "state.json", state)


def try_disk(folder: Path, tensors: dict[str, Tensor], most: int) -> int:
    """Writes about ``most`` bytes of some tensors beside the checkpoint, and takes them away; how many they were."""
    folder.mkdir(parents=True, exist_ok=True)
    largest = max(tensors.values(), key=lambda t: t.nbytes).flatten()
    part = largest[: max(1, most // largest.element_size())]
    with disk_errors(folder), tempfile.TemporaryDirectory(prefix=".trial-", dir=folder) as trial:
        write_state(Path(trial) / "state.safetensors", {"part": part})
    return part.nbytes


def load(folder: Path) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]] | None:
    """The last checkpoint, or None where there is none; raises ``ArtefactError`` where it is damaged."""
    if not (folder / LAST).is_dir():
        return None
    try:
        state = json.loads((folder / LAST / "state.json").read_text(encoding="utf-8"))
        flat = load_file(folder / LAST / "state.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise ArtefactError(f"The checkpoint in {folder} is damaged ({error}); --overwrite begins anew.") from error
    tensors: dict[str, dict[str, Tensor]] = {}
    for key, value in flat.items():
        kind, _, name = key.partition("/")
        tensors.setdefault(kind, {})[name] = value
    return state, tensors


def optimiser_tensors(optimiser: optim.Optimizer, names: dict[Tensor, str]) -> dict[str, Tensor]:
    """What an optimiser remembers of each parameter, by the parameter's name."""
    return {f"{names[p]}:{key}": value for p, memory in optimiser.state.items() for key, value in memory.items()
            if isinstance(value, Tensor)}  # fmt: skip


def restore_optimiser(
    optimiser: optim.Optimizer, table: dict[str, Tensor], parameters: dict[str, nn.Parameter]
) -> None:
    """Puts `optimiser_tensors` back."""
    for key, value in table.items():
        name, _, what = key.rpartition(":")
        place = parameters[name]
        if value.shape == place.shape:  # a fused step takes memory as it lies: in the parameter's own order
            value = torch.empty_like(place).copy_(value)
        optimiser.state[place][what] = value.detach().to(place.device)
