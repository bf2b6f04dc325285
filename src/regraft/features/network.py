"""Loading the network that was named, or the default where none was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from regraft.backbones import catalog
from regraft.backbones.base import Pretrained
from regraft.backbones.side_network import beside
from regraft.core.errors import InputError
from regraft.data.items import Items
from regraft.data.tabular.cells import Cells
from regraft.data.transforms.loaders import require_modality, sample_of
from regraft.features.default import default_for
from regraft.features.encoders.table import table_network
from regraft.features.fusion import fuse, tfidf
from regraft.options.fit import require_name
from regraft.options.network import SMALL, parts_in


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
    one: bool = False,
    others: Sequence[Items] = (),
) -> Pretrained:
    """The network called ``backbone``, or the default for these items, frozen; fed pictures of ``size`` pixels.

    ``A+B`` is several side by side, ``A+small`` one and a small one that is to be trained (``trains``), ``tfidf`` a map
    that has yet to be learned (`regraft.features.fusion.learned`). ``others`` and ``one`` are those of
    `regraft.features.default.default_for`; what it takes is said.
    """
    require_name(backbone)
    if backbone is None:
        default = default_for(items, *others, one=one, weights=weights)
        default.tell()
        backbone = default.backbone
    names = parts_in(backbone)
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
