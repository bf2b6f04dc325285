"""The networks that a fit of picture files will run, where they are known before anything was looked at."""

from __future__ import annotations

from regraft.backbones.base import Pretrained
from regraft.core.errors import InputError
from regraft.data.items import Items, PictureFiles
from regraft.features.default import default_for
from regraft.features.network import network_for
from regraft.options.evaluation import check_controls
from regraft.options.fit import FitOptions, is_auto
from regraft.options.network import parts_in
from regraft.pipelines.stages.controls import made as control
from regraft.pipelines.stages.controls import network_of
from regraft.pipelines.stages.network import of_run


def networks_of(
    items: Items, options: FitOptions, given: Pretrained | None, made: dict[str, Pretrained]
) -> list[Pretrained]:
    """The network of a fit of ``items``, and those of its controls; none where that is not known yet, or something is
    wrong with it, which the steps of the fit will say. ``made`` are networks by name that do not depend on the items;
    those made here come to them.
    """
    asked = options.network
    if not isinstance(items, PictureFiles) or is_auto(asked.backbone) or not len(items):
        return []
    try:
        if given is None and asked.init is not None:
            given = of_run(asked)[1]
        name = asked.backbone or default_for(items, weights=asked.weights).backbone
        network = given or made.get(name) or network_for(items, name, asked.weights, asked.size, trains=True)
        beside = [n for c in check_controls(options.evaluation.controls) if (n := network_of(c, network)) is not None]
        others = [made.get(n) or control(n, network, items, asked.size) for n in beside]
    except InputError:
        return []
    named = [*zip(beside, others, strict=True), *([] if given else [(name, network)])]
    made.update((n, found) for n, found in named if "raw" not in parts_in(n))
    return [network, *others]
