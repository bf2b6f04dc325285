"""Which network to start from when the user names none, and loading the one that was named."""

from __future__ import annotations

from pathlib import Path

from regraft.backbones import catalog
from regraft.backbones.base import Pretrained
from regraft.backbones.side_network import beside
from regraft.core.errors import InputError, UnreadableItem
from regraft.data.items import Items
from regraft.data.tabular.cells import Cells
from regraft.data.transforms.loaders import SMALL_SIDE, require_modality, sample_of, shape_of
from regraft.features.encoders.table import table_network
from regraft.features.fusion import fuse, tfidf
from regraft.options.fit import require_name
from regraft.options.network import SMALL, parts_in

LOOKED_AT = 16


def default_backbone(items: Items) -> str:
    """``raw`` for numeric rows; for texts ``minilm`` where its package is installed, else ``regraft_tiny_text``;
    for pictures ``regraft_tiny`` where the largest side of the first is at most 64 pixels, else ``mobilenet_v2``.
    """
    if items.modality == "table":
        return "raw"
    if items.modality == "text":
        return "minilm" if catalog.is_here("minilm") else "regraft_tiny_text"
    sides = [max(sample_of(items).shape[:2])]
    for i in range(min(len(items), LOOKED_AT)):
        try:
            sides.append(max(shape_of(items, i)[:2]))
        except UnreadableItem:
            continue
    return "regraft_tiny" if max(sides) <= SMALL_SIDE else "mobilenet_v2"


def _part(name: str, items: Items, weights: str | Path | None) -> Pretrained:
    if name.startswith("tfidf"):
        return tfidf(name)
    if not isinstance(items, Cells):
        return catalog.load(name, weights=weights, sample=sample_of(items))
    return table_network() if name == "raw" else catalog.load(name, weights=weights)


def network_for(
    items: Items,
    backbone: str | None = None,
    weights: str | Path | None = None,
    size: int | None = None,
    *,
    trains: bool = False,
) -> Pretrained:
    """The network called ``backbone``, or the default for these items, frozen; fed pictures of ``size`` pixels.

    ``A+B`` is several side by side, ``A+small`` one and a small one that is to be trained (``trains``), ``tfidf`` a map
    that has yet to be learned (`regraft.features.fusion.learned`).
    """
    require_name(backbone)
    names = parts_in(backbone or default_backbone(items))
    if SMALL in names and not trains:
        raise InputError(f"{backbone}: the small network is drawn at random and learns by 'regraft fit' with a method "
                         "that trains it, such as lp-ft.")  # fmt: skip
    if SMALL in names and (len(names) != 2 or names.count(SMALL) != 1):
        raise InputError(f"{backbone}: {SMALL} stands beside one network, as in mobilenet_v2+{SMALL}.")
    learns_too, names = SMALL in names, [n for n in names if n != SMALL]
    if weights is not None and len(names) > 1:
        raise InputError(f"--weights {weights}: a file for one network cannot serve the {len(names)} of {backbone}.")
    parts = [_part(n, items, weights) for n in names]
    if learns_too:
        parts = [beside(p if size is None else catalog.fed(p, size)) for p in parts]
        size = None
    network = fuse([p if size is None or (p.name == "raw" and len(parts) > 1) else catalog.fed(p, size) for p in parts])
    require_modality(items, network.spec, network.name)
    return network
