"""A module of the user's own as a network. It is code: a saved model keeps its weights, and is given it to load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from regraft.backbones import weights as files
from regraft.backbones.base import Body, Pretrained
from regraft.backbones.blocks import joined
from regraft.backbones.modules.contract import close, looks, rows_of
from regraft.core.errors import ArtefactError, WeightsError
from regraft.core.types import PreprocessSpec

LIBRARY, PREFIX = "module", "module:"
GIVEN = {"weights": "a module of the user's", "pretrained_on": "not known", "licence": "not known"}


def taken(features: nn.Module, kind: str, spec: PreprocessSpec) -> Pretrained:
    """The network of a module (a copy) called ``kind`` that gives (n, d); raises ``InputError`` where it does not."""
    body = body_of(features)
    recipe: dict[str, Any] = {"library": LIBRARY, "architecture": kind, "looks": looks(rows_of(body, spec, kind))}
    return named(Pretrained(kind, body, None, spec, recipe, (), dict(GIVEN)))


def named(network: Pretrained) -> Pretrained:
    """The network under the name of a module: its kind, and the digest of what it is."""
    network.name = f"{PREFIX}{network.name}-{network.digest()[:8]}"
    return network


def body_of(features: nn.Module) -> Body:
    """The children of a plain ``nn.Sequential`` as blocks, where each holds weights of its own; else one block."""
    parts = [(name, part) for name, part in features._modules.items() if part is not None]
    weights = [id(p) for _, part in parts for p in part.parameters()]
    if type(features) is nn.Sequential and weights and len(set(weights)) == len(weights):
        return Body(joined(parts), nn.Identity())
    return Body([("network", features)], nn.Identity())


def rebuilt(
    features: nn.Module, kind: str, name: str, recipe: dict[str, Any], spec: PreprocessSpec, state: dict[str, Tensor],
    where: Path,
) -> Pretrained:  # fmt: skip
    """The network of a saved model from the module given (a copy), with the saved weights. Raises ``ArtefactError``
    where these do not fit it, or it does not answer as the saved one did.
    """
    fitted, body = recipe["architecture"], body_of(features)
    try:
        files.fill(body, state, where, f"backbone={kind}")
    except WeightsError as error:
        raise ArtefactError(f"{error} The model was fitted on a {fitted}.") from error
    network = Pretrained(name, body.freeze(), None, spec, dict(recipe))
    body.eval()
    if not close(torch.tensor(looks(rows_of(body, spec, kind))), torch.tensor(recipe["looks"])):
        raise ArtefactError(f"backbone={kind} answers otherwise than the {fitted} that {where.parent} was fitted on, "
                            "with the same weights: its code is not the same.")  # fmt: skip
    return network


def as_saved(network: Pretrained) -> dict[str, Any]:
    """The recipe of a network as a saved model keeps it: of a module, with how it answers now."""
    if network.recipe.get("library") != LIBRARY:
        return network.recipe
    kind = network.recipe["architecture"]
    device = next((p.device for p in network.body.parameters()), torch.device("cpu"))
    rows = rows_of(network.body.to("cpu").eval(), network.spec, kind)
    network.body.to(device)
    return network.recipe | {"looks": looks(rows)}


def not_drawn(body: Body) -> str | None:
    """The first part whose weights cannot be drawn anew, since it has no ``reset_parameters``; None where all can."""
    for module in body.modules():
        if any(True for _ in module.parameters(recurse=False)) and _reset(module) is None:
            return type(module).__name__
    return None


def redraw(body: Body) -> Body:
    """All weights of ``body`` drawn anew, always the same draw."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        for module in body.modules():
            if (reset := _reset(module)) is not None:
                reset()
    return body


def _reset(module: nn.Module) -> Any:
    return getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
