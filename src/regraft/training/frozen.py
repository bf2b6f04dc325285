"""What of a learner a training leaves as it is, in every phase.

It gets no gradients, the optimiser and the averages know nothing of it, and no checkpoint holds it. A resumed run takes
it from the network that it starts from, which has to be the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from regraft.backbones.base import word_vectors
from regraft.core.errors import InputError
from regraft.methods.base import Phase


def let_learn(learner: Any, phase: Phase, embeddings: bool) -> None:
    """Body and head get the gradients that they have in ``phase``; without ``embeddings`` word vectors get none."""
    learner.body.freeze(phase.frozen)
    for name, parameter in learner.body.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and phase.only in name)
    learner.head.requires_grad_(phase.head)
    if not embeddings:
        for table in word_vectors(learner):
            table.requires_grad_(False)


def changing(learner: Any, embeddings: bool) -> list[str]:
    """The names, in the learner's state, of what may change in the phase that `let_learn` has prepared."""
    blocks = [block for _, block in learner.body.blocks[: learner.body.frozen]]
    still: Iterable[Tensor] = (*(t for b in blocks for t in (*b.parameters(), *b.buffers())),
                               *(p for _, p in learner.body.named_parameters() if not p.requires_grad),
                               *(p for p in learner.head.parameters() if not p.requires_grad),
                               *([] if embeddings else word_vectors(learner)))  # fmt: skip
    known = {id(t) for t in still}
    return [name for name, t in learner.state_dict(keep_vars=True).items() if id(t) not in known]


def changing_ever(learner: Any, phases: Sequence[Phase], embeddings: bool) -> list[str]:
    """The names of what may change in any of ``phases``, in the order of the learner's state. A penalty notes, phase by
    phase, the weights that the run starts from.
    """
    found: set[str] = set()
    for phase in phases:
        let_learn(learner, phase, embeddings)
        found |= {*changing(learner, embeddings)}
        if phase.penalty is not None:
            phase.penalty(learner)
    return [name for name in learner.state_dict() if name in found]


def fingerprint(tensors: dict[str, Tensor]) -> dict[str, Any]:
    """The names of some tensors, and a digest of what they hold."""
    h = hashlib.blake2b(digest_size=16)
    for name, value in sorted(tensors.items()):
        h.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        h.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return {"names": sorted(tensors), "digest": h.hexdigest()}


def check_same_start(before: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    """Raises ``InputError`` where what a checkpoint has left out is not what the run starts from now."""
    if before != now:
        raise InputError(
            f"The checkpoint in {folder} leaves out {len(before['names'])} tensors that did not learn, and the network "
            "that the run starts from holds others now: bring back its weights, or --overwrite."
        )


def left_alone(learner: nn.Module, learning: Collection[str]) -> dict[str, int]:
    """How many weights stay as they are, where the names of what learns are given, and how many are word vectors."""
    ids = {id(t) for t in word_vectors(learner)}
    kept = [p for name, p in learner.named_parameters() if name not in learning]
    return {"weights": sum(p.numel() for p in kept), "word_vectors": sum(p.numel() for p in kept if id(p) in ids)}
