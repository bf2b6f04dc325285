"""OpenVINO in int8: the network's graph with weights and activations of eight bits, calibrated on the user's pictures.

Quantised after training by NNCF (Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference"; biases corrected as by Nagel et al. 2019, "Data-Free Quantization Through Weight
Equalization and Bias Correction"). What a number of eight bits stands for follows from pictures, so the graph belongs
to what has learned from its rows: `calibrated` makes it of training pictures, whose labels it never sees, and the
network carries it from there, into the artefact too. Weights take seven bits of the eight: so the sum of two products
fits into 16 bits, and a CPU without VNNI gives the same rows, only slower.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.core.errors import DataError, InputError
from regraft.core.files import digest, dump_json
from regraft.core.runtime import say
from regraft.data.digests import Keys
from regraft.data.items import Items
from regraft.data.transforms.loaders import batches
from regraft.features.engines.base import ENGINES, Unconvertible, missing
from regraft.features.engines.graphs import KeptGraph, version
from regraft.features.engines.openvino import OpenVino, core, silent
from regraft.options.network import INT8

GRAPH, WEIGHTS, RECORD = "graph.xml", "graph.bin", "calibration.json"
MOST = 300
"""From so many pictures no more is learned of how large activations are (the number that NNCF's makers advise)."""


class OpenVinoInt8(OpenVino):
    """Runs the graph that its network carries; raises ``InputError`` where it carries none."""

    NAME, PRECISION = INT8, "int8"

    def __init__(self, network: Pretrained, device: str = "cpu") -> None:
        if not carries(network):
            raise InputError(
                f"--engine {INT8}: {network.name} was not calibrated; 'regraft fit DATA --engine {INT8}' does that, "
                "and the model it saves keeps it. Take --engine auto here."
            )
        self.network, self.carrier, self.batch = network, network, network.batch
        self.versions = {"torch": torch.__version__, "openvino": version("openvino")}
        self._graph: Any = None
        self._runs = {}

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "calibration": _record(self.carrier)["calibration"]}

    def graph(self) -> Any:
        if self._graph is None:
            try:
                self._graph = core().read_model(self.carrier.int8[GRAPH], self.carrier.int8[WEIGHTS])
            except RuntimeError as error:
                raise InputError(
                    f"The graph in int8 that {self.network.name} carries cannot be read by this OpenVINO (another "
                    "version wrote it, or it is damaged); take --engine openvino."
                ) from error
        return self._graph


def _record(network: Pretrained) -> dict[str, Any]:
    """What a graph was made of; nothing where none is carried, or not all of it."""
    try:
        found = json.loads(network.int8[RECORD]) if {GRAPH, WEIGHTS} <= network.int8.keys() else {}
        return found if {"network", "calibration"} <= found.keys() else {}
    except (KeyError, ValueError, AttributeError):
        return {}


def carries(network: Pretrained) -> bool:
    """Whether it carries a quantised graph of the very weights that it has now."""
    found = _record(network)
    return bool(found) and found["network"] == network.digest()


def require_nncf() -> None:
    """Raises ``InputError`` where nothing can be calibrated; what is calibrated runs without."""
    if not version("nncf"):
        raise InputError(f"--engine {INT8} needs nncf to calibrate: pip install 'regraft[int8]', or leave --engine at "
                         "auto.")  # fmt: skip


def calibrated(network: Pretrained, items: Items) -> Pretrained:
    """The network, carrying its graph quantised for these pictures, those of them that can be read.

    A graph made before of the same weights, pictures and versions is taken. Raises ``InputError`` without NNCF,
    ``Unconvertible`` where the network cannot be converted or quantised.
    """
    require_nncf()
    keys = Keys(items)
    some = sorted(keys.of)
    if not some:
        raise DataError(f"--engine {INT8} is calibrated on pictures, and none of these {len(items)} can be read.")
    pictures = digest([keys.of[i].hex() for i in some]).hex()
    versions = {"torch": torch.__version__, **{n: version(n) for n in ("openvino", "nncf")}}
    kept = KeptGraph(network, INT8, {**versions, "pictures": pictures})
    folder = kept.checked() if kept.is_there() else None
    if folder is None:
        files = _quantised(network, [b.data for b in batches(items, some, network.spec, 1) if b.positions])
        kept.keep(lambda place: write(files, place))
    else:
        files = {name: (folder / name).read_bytes() for name in (GRAPH, WEIGHTS)}
    told = {"network": network.digest(), "calibration": digest({**versions, "pictures": pictures}).hex(),
            "pictures": len(some)}  # fmt: skip
    found = copy.copy(network)
    found.provenance, found.int8 = dict(network.provenance), {**files, RECORD: dump_json(told).encode()}
    return found


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Writes what a network carries into a folder that is there."""
    for name, data in files.items():
        (folder / name).write_bytes(data)


@contextlib.contextmanager
def _quiet() -> Iterator[Any]:
    """NNCF without its telemetry, its bars on stdout and its warnings; a lower level of logging is put back."""
    level = logging.root.manager.disable
    logging.disable(max(level, logging.WARNING))
    try:
        with silent(), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import nncf

            yield nncf
    finally:
        logging.disable(level)


def _quantised(network: Pretrained, data: list[NDArray[Any]]) -> dict[str, bytes]:
    """The files of the quantised graph, from pictures (1, height, width, channels) as they are decoded."""
    say(f"calibrating {network.name} in int8 on {len(data)} training pictures")
    plain = OpenVino(network).graph()
    try:
        with _quiet() as nncf:
            how = nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.ENABLE)
            graph = nncf.quantize(plain.clone(), nncf.Dataset(data), subset_size=len(data),
                                  preset=nncf.QuantizationPreset.MIXED, advanced_parameters=how)  # fmt: skip
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise Unconvertible(said if len(said) <= 200 else f"{said[:200]} ...") from error
    with tempfile.TemporaryDirectory() as place, silent() as openvino:
        openvino.save_model(graph, Path(place) / GRAPH, compress_to_fp16=False)
        return {name: (Path(place) / name).read_bytes() for name in (GRAPH, WEIGHTS)}


def engine_of_saved(networks: tuple[Pretrained, ...], name: str, device: str) -> str:
    """The engine that ``name`` means for the networks of a saved model: of one that has learned from rows in int8
    ``auto`` is int8 too, as its figures were measured so; where that cannot run, a line says what follows.
    """
    if name != "auto" or not all(map(carries, networks)):
        return name
    lacks = [f"{n} is not installed" for n in missing(ENGINES.get(INT8))]
    lacks += [f"the device is {device}"] if device != "cpu" else []
    if not lacks:
        return INT8
    say(f"the model learned from rows in int8, not to be had here ({lacks[0]}): its figures are not of this engine")
    return name
