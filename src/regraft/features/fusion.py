"""`A+B+C`: several networks side by side, each on its own view of an item, their features concatenated.

What must be learned from the training part before it gives features (`tfidf`) is a part like any other, once it is
`learned`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from torch import nn

from regraft.backbones.base import Body, Pretrained
from regraft.backbones.text.tokeniser import DICTIONARY
from regraft.core.errors import InputError, UnknownName
from regraft.core.types import PreprocessSpec
from regraft.data.items import Items
from regraft.data.text.texts import readable
from regraft.features.encoders.base import Mapped, MappedRows
from regraft.features.encoders.tfidf import TfIdf
from regraft.text.views import dictionary_of, steps, view

TERMS = "tfidf.json"


class TfIdfNetwork(Mapped):
    """`tfidf` as a network: without features until it has `learned`."""

    model: TfIdf | None = None

    @property
    def width(self) -> int:
        assert self.model is not None, "tfidf gives no features before it is learned"
        return self.model.width

    def viewed(self, texts: list[str]) -> list[str]:
        """The texts as the network's view shows them."""
        return [*map(view(self.spec.view, self.files.get(DICTIONARY)), texts)]

    def fitted(self, items: Items) -> TfIdfNetwork:
        texts, _, _ = readable(items)
        return tfidf(self.name, TfIdf.fitted(self.viewed(texts)), self.files.get(DICTIONARY))

    def rows_of(self, items: Items) -> MappedRows:
        assert self.model is not None
        texts, positions, failed = readable(items)
        return MappedRows(self.model(self.viewed(texts)), np.array(positions, np.int64), failed)


def tfidf(name: str = "tfidf", model: TfIdf | None = None, dictionary: bytes | None = None) -> TfIdfNetwork:
    """The map of that name, learned or not; ``tfidf[segment]`` reads texts in that view."""
    base, _, chain = name.partition("[")
    if base != "tfidf" or (chain and not chain.endswith("]")):
        raise UnknownName("backbone", name, ["tfidf", "tfidf[VIEW]"])
    body = Body([], nn.Identity())
    recipe = {"library": "regraft", "architecture": "tfidf"}
    provenance = {"weights": "counted in the training part", "pretrained_on": "nothing", "licence": "none needed"}
    spec = PreprocessSpec(modality="text", view=steps(chain.removesuffix("]")) if chain else ("plain",))
    path = dictionary_of(spec.view) if dictionary is None else None
    if path is not None:
        dictionary = path.read_bytes()
    network = TfIdfNetwork(name, body, None, spec, recipe, (), provenance)
    if dictionary is not None:
        network.files[DICTIONARY] = dictionary
    if model is not None:
        network.model = model
        network.files[TERMS] = model.to_bytes()
    return network


class Fusion(Pretrained):
    """The networks in ``parts``, their features side by side in that order."""

    parts: tuple[Pretrained, ...] = ()

    @property
    def width(self) -> int:
        return sum(p.width for p in self.parts)


def fuse(parts: list[Pretrained]) -> Pretrained:
    """One network of several, or the only part itself; raises ``InputError`` where they take unlike items."""
    if len(parts) == 1:
        return parts[0]
    kinds = {p.spec.modality for p in parts}
    names = [p.name for p in parts]
    if len(kinds) > 1:
        raise InputError(f"{'+'.join(names)} joins networks on {' and '.join(sorted(kinds))}; all must take the same.")
    if len(set(names)) < len(names):
        raise InputError(f"{'+'.join(names)} names a network twice, which adds nothing.")
    body = Body([], nn.Identity())
    recipe = {"library": "regraft", "architecture": "fusion"}
    provenance = {"weights": ", ".join(str(p.provenance.get("weights")) for p in parts),
                  "pretrained_on": "; ".join(str(p.provenance.get("pretrained_on")) for p in parts),
                  "licence": "; ".join(dict.fromkeys(str(p.provenance.get("licence")) for p in parts))}  # fmt: skip
    found = Fusion("+".join(names), body, None, parts[0].spec, recipe, (), provenance)
    found.parts = tuple(parts)
    known = [p.seen for p in parts if p.seen is not None]
    if known:
        found.seen = np.unique(np.concatenate(known))
    return found


def parts_of(network: Pretrained) -> tuple[Pretrained, ...]:
    """The networks side by side in this one; itself where it is no fusion."""
    return network.parts if isinstance(network, Fusion) else (network,)


def slices_of(networks: Sequence[Pretrained]) -> list[slice]:
    """The columns of each network among the features of all, side by side."""
    ends = [*accumulate(n.width for n in networks)]
    return [slice(end - n.width, end) for n, end in zip(networks, ends, strict=True)]


def adapted(network: Pretrained) -> bool:
    """Whether a part of it was trained by the run that it belongs to."""
    return any("adapted_by" in p.provenance for p in parts_of(network))


def learned(network: Pretrained, items: Items) -> Pretrained:
    """The network with all that must be learned from training items learned from ``items``."""
    return fuse([p.fitted(items) if isinstance(p, Mapped) else p for p in parts_of(network)])


def without_int8(network: Pretrained) -> Pretrained:
    """The same network without the quantised graph that it, or a part of it, has from another fit."""
    parts = parts_of(network)
    if not any(p.int8 for p in parts):
        return network
    kept = [copy.copy(p) for p in parts]
    for part in kept:
        part.provenance, part.int8 = {k: v for k, v in part.provenance.items() if k != "int8"}, {}
    return fuse(kept)


def learns(network: Pretrained) -> bool:
    """Whether a part of it must be learned from training items before it gives features."""
    return any(isinstance(p, Mapped) for p in parts_of(network))


def describe(network: Pretrained) -> list[dict[str, Any]]:
    """What a person is told of the parts."""
    return [{"name": p.name, "width": p.width, "view": list(p.spec.view)} for p in parts_of(network)]
