"""Which network a fit starts from: the catalog's, or the one another run has trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from regraft.backbones import catalog
from regraft.backbones.base import Pretrained
from regraft.core.errors import InputError
from regraft.core.types import Problem
from regraft.data.splits import Split
from regraft.features.fusion import fuse, parts_of
from regraft.features.network import network_for
from regraft.models import artefact
from regraft.models.heads import LinearHead
from regraft.models.model import Model
from regraft.options.network import NetworkOptions


def started(split: Split, data: str, asked: NetworkOptions) -> tuple[Pretrained, LinearHead | None]:
    """The network, and with ``--init`` (a run) that run's head brought to the classes at hand.

    What of the head could be kept, and what not, is listed in the problems of ``split``, that of ``data``. Raises
    ``InputError`` where the run's network is of another architecture than ``--backbone``.
    """
    init, backbone, weights = asked.init, asked.backbone, asked.weights
    if init is None:
        return network_for(split.train.items, backbone, weights, asked.size, trains=True), None
    if weights is not None:
        raise InputError(f"--init {init} brings its own weights; leave out --weights {weights}.")
    model, network, manifest = of_run(asked)
    wanted = network if backbone in (None, network.name) else network_for(split.train.items, backbone, trains=True)
    fits = [] if _same_architecture(wanted, network) else [_same_architecture(p, network) for p in parts_of(wanted)]
    if fits and sum(fits) != 1:
        raise InputError(f"--init {init} holds the network {network.name}, and --backbone asks for {backbone}: the "
                         "weights of one do not fit the other; leave out one of the two.")  # fmt: skip
    if network.spec.modality != split.train.modality:
        raise InputError(f"--init {init} holds a network on {network.spec.modality} items; those of the data are "
                         f"{split.train.modality} items.")  # fmt: skip
    head, problem = brought(model, split.train.classes, init)
    record = manifest["record"]
    if (record.get("refit") or record.get("cross_validation")) and record.get("data") == data:
        head, problem = None, Problem("init", init, "the body is taken; its head has learned from items judged here")
    if fits:
        network = fuse([network if own else p for p, own in zip(parts_of(wanted), fits, strict=True)])
        head, problem = None, Problem("init", init, f"its body is taken for one of the networks of {network.name}; its "
                                      "head, which reads that one alone, is not")  # fmt: skip
    split.problems.append(problem)
    return network, head


def of_run(asked: NetworkOptions) -> tuple[Model, Pretrained, dict[str, Any]]:
    """The model of the run ``--init``, its network as a fit begins with it, and its manifest."""
    assert asked.init is not None
    model, manifest = artefact.load(asked.init)
    parts = [p if asked.size is None else catalog.fed(p, asked.size) for p in parts_of(model.network)]
    network = fuse(parts)
    for part in {id(p): p for p in (*parts, network)}.values():
        part.provenance = {k: v for k, v in part.provenance.items() if k not in ("adapted_by", "digest")}
        part.provenance |= {"init": asked.init, "trained_on": manifest["record"].get("data")}
    return model, network, manifest


def _same_architecture(a: Pretrained, b: Pretrained) -> bool:
    parts, others = parts_of(a), parts_of(b)
    if len(parts) != len(others):
        return False
    if len(parts) > 1:
        return all(map(_same_architecture, parts, others))
    keys = ("library", "architecture", "block", "config", "words")
    inner = [n.recipe.get("of", {}) for n in (a, b)]
    return a.spec.view == b.spec.view and all(
        one.get(k) == other.get(k) for one, other in ((a.recipe, b.recipe), inner) for k in keys
    )


def brought(model: Model, classes: tuple[str, ...], name: str) -> tuple[LinearHead | None, Problem]:
    """The rows of a linear head under the names of ``classes``, zero where a class is new, and what became of them."""
    before = model.target.classes
    kept = [c for c in classes if c in before]
    new, dropped = [c for c in classes if c not in before], [c for c in before if c not in classes]
    words = [f"head rows kept: {_some(kept)}", f"new: {_some(new)}", f"dropped: {_some(dropped)}"]
    if not isinstance(model.head, LinearHead):
        return None, Problem("init", name, f"the body is taken; its {model.head.kind} head is not")
    if not kept:
        return None, Problem("init", name, f"the body is taken; no class has the name of one of its: {_some(dropped)}")
    head = LinearHead.zero(model.head.linear.in_features, len(classes))
    rows, source = [classes.index(c) for c in kept], [before.index(c) for c in kept]
    with torch.no_grad():
        head.mean.copy_(model.head.mean)
        head.scale.copy_(model.head.scale)
        head.linear.weight[rows] = model.head.linear.weight[source]
        head.linear.bias[rows] = model.head.linear.bias[source]
        # what is new starts where the known classes are on average, not above or below all of them
        rest = np.setdiff1d(np.arange(len(classes)), rows)
        head.linear.bias[rest] = model.head.linear.bias[source].mean()
    return head, Problem("init", name, "; ".join(words))


def _some(names: list[str] | tuple[str, ...]) -> str:
    shown = ", ".join(names[:8]) or "none"
    return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")
