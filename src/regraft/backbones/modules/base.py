"""From a module that a person holds to a `Pretrained`, and back from a saved model."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from regraft.backbones.base import Pretrained
from regraft.backbones.modules import families, own
from regraft.backbones.modules.contract import copied, rows_of
from regraft.backbones.modules.specs import WANTED, is_tokenizer, spec_of
from regraft.core.errors import InputError
from regraft.core.types import PreprocessSpec


def network_of(module: Any, spec: Any = None) -> Pretrained:
    """The network of a module, frozen; it is copied, and stays as it is. ``spec`` says how items are prepared, see
    `regraft.backbones.modules.specs`; model objects of torchvision and timm know that themselves.

    Models of torchvision, timm and transformers that regraft can build again lose the head of their task. Raises
    ``InputError`` where the module gives no (n, d), or nobody says how its items are prepared.
    """
    if not isinstance(module, nn.Module):
        raise InputError(f"backbone is a {type(module).__name__}; wanted is a name or an nn.Module that gives (n, d).")
    made = copied(module)
    kind = type(made).__name__
    found = families.known(made, spec)
    if found is not None:
        rows_of(found.body, found.spec, kind)
        return own.named(found)
    if is_tokenizer(spec):
        raise InputError(f"backbone={kind} with a tokenizer: on texts, models of transformers' are taken.")
    how = families.stated_spec(made, spec)
    if how is None:
        raise InputError(f"backbone={kind} needs spec=, how its pictures are prepared: {WANTED}.")
    return own.taken(families.without_head(copied(module)), kind, how)


def is_module(network: Pretrained) -> bool:
    """Whether a network was taken from a module."""
    return network.name.startswith(own.PREFIX)


def left_undrawn(network: Pretrained) -> str | None:
    """Why there is no untrained network beside that of a module; None where there is one."""
    part = own.not_drawn(network.body) if network.recipe.get("library") == own.LIBRARY else None
    return None if part is None else f"the control random is left out: {part} has no reset_parameters"


def untrained(network: Pretrained) -> Pretrained:
    """The network of a module with weights that are always the same draw; see `left_undrawn`."""
    if network.recipe["library"] == own.LIBRARY:
        body = own.redraw(copy.deepcopy(network.body))
    else:
        body = families.untrained(network)
    provenance = {"weights": "random", "pretrained_on": "nothing", "licence": network.provenance["licence"]}
    return Pretrained(f"random:{network.name}", body.freeze().eval(), None, network.spec, dict(network.recipe), (),
                      provenance, files=dict(network.files))  # fmt: skip


def rebuilt(module: Any, entry: dict[str, Any], state: dict[str, Tensor], where: Path) -> Pretrained:
    """The network of a saved model's ``entry`` from the module that it was fitted on, with the saved weights ``state``.
    Raises ``ArtefactError`` where they do not belong together.
    """
    if not isinstance(module, nn.Module):
        raise InputError(f"backbone is a {type(module).__name__}; wanted is the nn.Module of the model.")
    made = copied(module)
    spec = PreprocessSpec.from_json(entry["spec"])
    return own.rebuilt(families.without_head(made), type(made).__name__, entry["name"], entry["recipe"], spec, state,
                       where)  # fmt: skip


__all__ = ["is_module", "left_undrawn", "network_of", "rebuilt", "spec_of", "untrained"]
