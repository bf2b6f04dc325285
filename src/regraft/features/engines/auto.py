"""Which engine runs a network fastest on this machine: tried on the user's own items, and remembered."""

from __future__ import annotations

import json
import os
import platform
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from regraft.backbones.base import Pretrained
from regraft.core.errors import DiskError
from regraft.core.files import digest, write_json
from regraft.core.registry import Registry
from regraft.core.runtime import bf16_pays, say
from regraft.data.items import Items
from regraft.data.transforms.loaders import batches
from regraft.features.engines.base import ENGINES, Engine, Unconvertible, engines_for, full_batch, missing, plain_engine
from regraft.features.engines.graphs import remembered, version

PLAIN = "torch"
LEAST_ITEMS, LEAST_SECONDS = 128, 5.0
"""From so much work on other ways of PyTorch are tried, which costs a second or two."""
CONVERT_ITEMS, CONVERT_SECONDS, CONVERT_TEXTS = 512, 20.0, 100.0
"""From so much work it repays to convert the network as well, which costs about ten seconds; texts gain less by it."""
MOST_BATCHES = 4
PARITY, GAIN = 0.999, 1.1


class AutoEngine:
    """Decides at the first items it is to run (`settle`) and keeps to it; before, it is PyTorch (`plain_engine`).

    What was found for this network on this machine before counts, whatever the number of items. Else little work is
    run by PyTorch, and for more the candidates are timed on the first items. How much work it is follows
    from the network and the number of items alone, so that a fit repeated gives the same rows.
    """

    def __init__(self, network: Pretrained, device: str = "cpu") -> None:
        self.network, self.device = network, device
        self.batch = full_batch(network.spec)
        self._settled: Engine | None = None

    def settle(self, items: Items) -> None:
        """Chooses the engine, where none is chosen yet."""
        if self._settled is None:
            self._settled = chosen(self.network, self.device, items)

    @property
    def engine(self) -> Engine:
        """What runs the network."""
        if self._settled is None:
            self._settled = _built(plain_engine(self.network, self.device), self.network, self.device)
        return self._settled

    def describe(self) -> dict[str, Any]:
        return self.engine.describe()

    def run(self, data: NDArray[Any]) -> dict[str, NDArray[np.floating[Any]]]:
        return self.engine.run(data)


def _built(name: str, network: Pretrained, device: str) -> Engine:
    engine: Engine = engines_for(network).get(name)(network, device)
    return engine


def chosen(network: Pretrained, device: str, items: Items) -> Engine:
    """The engine for these items: the one remembered, else the fastest of those that are worth a try."""
    place, plain = _place(network, device), plain_engine(network, device)
    wanted, known = candidates(network, device, items), recall(place, engines_for(network))
    if known is None or not set(wanted) <= set(known["tried"]):
        data = [] if len(wanted) == 1 and known is None else _first(network, items)
        if not data:
            return _built(plain, network, device)
        engine, known = fastest(network, device, wanted, data)
        _remember(place, known)
        return engine
    try:
        return _built(str(known["engine"]), network, device)
    except Unconvertible as error:
        say(f"{known['engine']} cannot run {network.name} ({error}); torch runs it")
        return _built(plain, network, device)


def candidates(network: Pretrained, device: str, items: Items) -> list[str]:
    """The engines that are worth a try for these items: PyTorch in float32 first, or for little work what runs it. ONNX
    Runtime is left out where OpenVINO multiplies in bfloat16, which it was never faster than.
    """
    count, texts = len(items), network.spec.modality == "text"
    bf16, plain = bf16_pays(device), plain_engine(network, device)
    seconds = nominal_seconds(network) * (_tokens(network, items) / 8 if texts else 1) * count
    if count < LEAST_ITEMS or seconds < (CONVERT_TEXTS if texts else LEAST_SECONDS):
        return [plain]
    names = [PLAIN, "torch-bf16"]
    if count >= CONVERT_ITEMS and seconds >= CONVERT_SECONDS:
        names += ["openvino-bf16", "openvino"]
        names += ["onnxruntime"] if missing(ENGINES.get("openvino")) or not bf16 else []
    kinds = {name: engines_for(network).get(name) for name in names if name in engines_for(network)}
    return [n for n, k in kinds.items() if not missing(k) and (device == "cpu" or not k.CPU) and (bf16 or not k.BF16)]


def _tokens(network: Pretrained, items: Items) -> float:
    """The tokens of one text, the mean of the first 64 that can be read."""
    read = [row for batch in batches(items, range(min(64, len(items))), network.spec, 64) if batch.positions
            for row in network.tokeniser.encode(batch.data[: len(batch.positions)].tolist())]  # fmt: skip
    return sum(map(len, read)) / max(1, len(read))


def nominal_seconds(network: Pretrained) -> float:
    """What PyTorch in float32 takes for one item (a text of 8 tokens) on two common cores, by the multiplications of
    the layers and the numbers they give: a rough figure, but the same whatever else the machine does.
    """
    counted = [0.0, 0.0]

    def look(layer: nn.Module, _: Any, found: Any) -> None:
        weight = layer.weight
        counted[0] += found.numel() * weight.numel() / weight.shape[0]  # type: ignore[union-attr,operator,index]
        counted[1] += found.numel()

    network.watched([m for m in network.body.modules() if isinstance(m, nn.Conv2d | nn.Linear)], look)
    return counted[0] / 60e9 + counted[1] * 2.5e-9


def _first(network: Pretrained, items: Items) -> list[NDArray[Any]]:
    """A few batches, each a quarter of the full one, of the first items; those that can all be read."""
    size = 64 if network.spec.modality == "text" else full_batch(network.spec) // 4
    count = size * min(MOST_BATCHES, max(2, len(items) // (8 * size)))
    work = batches(items, range(min(count, len(items))), network.spec, size)
    return [batch.data for batch in work if len(batch.positions) == size]


def fastest(
    network: Pretrained, device: str, names: list[str], data: list[NDArray[Any]]
) -> tuple[Engine, dict[str, Any]]:
    """The engine of ``names`` that runs the batches fastest, of those whose rows are near enough to PyTorch's in
    float32; and what was found of each. A later name must be a tenth faster than an earlier one.
    """
    tried: dict[str, Any] = {}
    found: dict[str, Engine] = {}
    rows: NDArray[Any] | None = None
    best = PLAIN
    for name in names:
        try:
            found[name] = _built(name, network, device)
            own, rate = _timed(found[name], data)
        except Unconvertible as error:
            tried[name] = {"left_out": str(error)}
            say(f"{name} cannot run {network.name}: {error}")
            continue
        rows = own if rows is None else rows
        likeness = least_cosine(own, rows)
        tried[name] = {"items_a_second": round(rate, 2), "cosine": round(likeness, 7)}
        if likeness < PARITY:
            tried[name]["left_out"] = f"a cosine of {likeness:.4f} to float32"
        elif rate > GAIN * tried[best]["items_a_second"]:
            best = name
    gain = tried[best]["items_a_second"] / max(tried[PLAIN]["items_a_second"], 1e-9)
    say(f"{network.name} runs on {best}: {gain:.1f} times as fast as torch in float32, cosine to it at least "
        f"{tried[best]['cosine']:.4f}; remembered")  # fmt: skip
    return found[best], {"engine": best, "network": network.name, "tried": tried}


def _timed(engine: Engine, data: list[NDArray[Any]]) -> tuple[NDArray[Any], float]:
    """The rows of all batches, and items a second in the fastest of them but for the first."""
    rows, seconds = [], []
    for batch in data:
        begun = time.perf_counter()
        rows.append(engine.run(batch)["pooled"])
        seconds.append(time.perf_counter() - begun)
    return np.concatenate(rows), len(data[0]) / max(min(seconds[1:] or seconds), 1e-9)


def least_cosine(a: NDArray[Any], b: NDArray[Any]) -> float:
    """The smallest cosine between rows (n, D) of both; rows of zeros are alike; -1 where a number is none."""
    if not np.isfinite(a).all():
        return -1.0
    x, y = a.astype(np.float64), b.astype(np.float64)
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    both = (np.abs(x).max(1, initial=0) == 0) & (np.abs(y).max(1, initial=0) == 0)
    cosines = np.where(both, 1.0, (x * y).sum(1) / np.where(lengths > 0, lengths, 1.0))
    return float(min(cosines.min(initial=1.0), 1.0))


@cache
def machine(device: str) -> str:
    """What speeds depend on, besides the libraries."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        kind = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    except OSError:
        kind = platform.processor()
    return f"{device}, {platform.machine()}, {kind}, {os.cpu_count()} cores"


def _place(network: Pretrained, device: str) -> Path:
    libraries = {name: version(name) for name in ("torch", "openvino", "onnxruntime")}
    key = digest({"format": 1, "machine": machine(device), **libraries}).hex()[:12]
    return remembered() / network.digest() / f"choice-{key}.json"


def recall(place: Path, kinds: Registry) -> dict[str, Any] | None:
    """What was found of these ``kinds`` before; None where nothing was, or what is there is no such record."""
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
        return found if found["engine"] in kinds and found["engine"] in found["tried"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(place: Path, found: dict[str, Any]) -> None:
    try:
        write_json(place, found)
    except (DiskError, OSError) as error:
        say(f"the choice of the engine is not remembered: {error}")
