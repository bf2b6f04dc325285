"""Pictures in int8, for OpenVINO: each network's graph quantised on training pictures, resizing and head in float32.

The networks are those of `regraft.features.engines.openvino_int8`; a model that has learned from rows in int8 leaves
with the very graph that it carries.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from regraft.core.errors import DataError, InputError
from regraft.core.row_store import RowStore
from regraft.core.runtime import say
from regraft.data.dataset import Dataset
from regraft.data.parts import evaluation_part
from regraft.data.relabel import relabel
from regraft.data.transforms.loaders import load_item
from regraft.export.answers import answered
from regraft.export.base import Exportable
from regraft.export.pictures import INPUT, PictureGraph, three_channels
from regraft.export.predict import Run
from regraft.features.engines.base import Unconvertible
from regraft.features.engines.openvino import converted, silent
from regraft.features.engines.openvino_int8 import MOST, RECORD, OpenVinoInt8, calibrated, carries
from regraft.features.fingerprints import fingerprints
from regraft.features.fusion import parts_of
from regraft.inference.predictor import Predictor
from regraft.inference.training_data import learned_items, opened_again
from regraft.models import artefact

JUDGED = 500
"""At most so many pictures tell what int8 costs."""


@dataclass(frozen=True)
class Cost:
    """What int8 costs: ``figure`` (accuracy, mean average precision, rmse) on ``items`` pictures of ``data``, of the
    model in ``float32`` and of the exported file in ``int8``; ``calibrated_on`` says how many pictures it learned from.
    """

    figure: str
    data: str
    items: int
    float32: float
    int8: float
    calibrated_on: int


class _Front(nn.Module):
    """The picture as each network takes it, uint8."""

    def __init__(self, graph: PictureGraph) -> None:
        super().__init__()
        self.fitted = graph.fitted

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        return tuple(fitted(picture).to(torch.uint8) for fitted in self.fitted)


class _Back(nn.Module):
    """What the networks give, in their order -> what is answered."""

    def __init__(self, graph: PictureGraph) -> None:
        super().__init__()
        self.whole = graph

    def forward(self, *rows: Tensor) -> tuple[Tensor]:
        return self.whole.said(torch.cat([one.flatten(1) for one in rows], 1))


class Quantised:
    """A model of pictures with its networks in int8: its ``graph`` of OpenVINO. Raises ``InputError`` where the
    training pictures to calibrate on are gone, or there is no NNCF.
    """

    def __init__(self, predictor: Predictor, exportable: Exportable, model: str) -> None:
        self.predictor, self.exportable = predictor, exportable
        some, self.judged, self.told = pictures_for(predictor, model)
        parts = parts_of(predictor.model.network)
        try:
            networks = [p if carries(p) else calibrated(p, some.items) for p in parts]
        except Unconvertible as error:
            raise InputError(f"{predictor.model.network.name} cannot be exported in int8 ({error}); leave out "
                             "--int8.") from error  # fmt: skip
        self.calibrated_on = max(int(json.loads(n.int8[RECORD])["pictures"]) for n in networks)
        module, free = exportable.module, torch.export.Dim.DYNAMIC
        assert isinstance(module, PictureGraph)
        inner = [OpenVinoInt8(n).graph().clone() for n in networks]
        sizes = {0: free, 1: free}
        with torch.no_grad(), silent() as openvino:
            given = [torch.zeros(1, *size, dtype=torch.uint8) for size in module.sizes]
            rows = tuple(network(x)[0] for network, x in zip(module.networks, given, strict=True))
            front = torch.export.export(_Front(module), exportable.example, dynamic_shapes=(sizes,))
            first = converted(front)
            last = converted(torch.export.export(_Back(module), rows))
            for i, one in enumerate(inner):
                _feed(first.outputs[i], one.inputs[0])
                _feed(one.outputs[0], last.inputs[i])
            self.graph = openvino.Model(last.get_results(), first.get_parameters(), "regraft")

    def cost(self, run: Run) -> Cost:
        """What the exported file is worth beside the model on labelled pictures."""
        items, name = self.judged.items, self.exportable.outputs[0].name
        say(f"judging int8 on {len(items)} pictures")
        plain = Predictor(self.predictor.model, self.predictor.manifest, engine="torch", device="cpu")
        found = [(i, said[name], run({INPUT.name: three_channels(load_item(items, i))})[name])
                 for i, said in answered(plain, items)]  # fmt: skip
        if not found:
            raise DataError(f"None of the {len(items)} pictures of {self.told} can be read, to judge int8 on.")
        positions, before, after = (np.array(column) for column in zip(*found, strict=True))
        task, outputs, labels = self.predictor.model.task, self.predictor.model.outputs, self.judged.y[positions]
        whole, small = (task.headline_figure(labels, said[:, :outputs].astype(np.float64)) for said in (before, after))
        return Cost(task.headline, self.told, len(positions), whole, small, self.calibrated_on)


def _feed(output: Any, given: Any) -> None:
    """What reads an input of one graph reads an output of another instead."""
    source = output.get_node().input_value(0)
    for reader in given.get_target_inputs():
        reader.replace_source_output(source)


def pictures_for(predictor: Predictor, model: str) -> tuple[Dataset, Dataset, str]:
    """Pictures to calibrate on, which the model has learned from, and others to judge on, with what these are: those of
    the run's own data that it has not learned from, else training pictures that are kept out of the calibration.
    """
    store, network, classes = RowStore(), predictor.model.network, predictor.model.target.classes
    try:
        learned = learned_items(predictor.manifest, model, network, MOST + JUDGED, store)
        judged = relabel(evaluation_part(opened_again(predictor.manifest)), classes)
    except InputError as error:
        raise InputError(f"--int8 is calibrated on training pictures, and {error}; put them back, or export without "
                         "--int8.") from error  # fmt: skip
    known = artefact.learned_by(model)
    assert known is not None
    unseen = np.flatnonzero(~known.among(judged.items, fingerprints(judged.items, network, store)).either)
    if len(unseen):
        return thinned(learned, MOST), judged.take(unseen[:JUDGED]), f"{judged.name}, not learned from"
    if any(map(carries, parts_of(network))):  # by what it was fitted with, on training pictures that nobody has noted
        return learned, thinned(relabel(learned, classes), JUDGED), "training pictures"
    kept = np.random.default_rng(0).permutation(len(learned))
    cut = min(MOST, max(1, round(0.8 * len(learned))))
    return (learned.take(np.sort(kept[:cut])), relabel(learned.take(np.sort(kept[cut:])), classes),
            "training pictures kept out of the calibration")  # fmt: skip


def thinned(data: Dataset, most: int) -> Dataset:
    """At most ``most`` of the items, drawn at random, always the same."""
    return data.take(np.sort(np.random.default_rng(0).permutation(len(data))[:most]))
