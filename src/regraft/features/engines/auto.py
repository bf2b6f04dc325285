"""Which engine runs a network fastest on this machine: tried on the user's own items, and remembered."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from regraft.core.errors import DiskError
from regraft.core.files import digest, write_json
from regraft.core.registry import Registry
from regraft.core.runtime import bf16_pays, say
from regraft.features.engines.base import (
    ENGINES,
    SHAPES,
    Engine,
    FrozenNetwork,
    Unconvertible,
    engines_for,
    missing,
    plain_engine,
)
from regraft.features.engines.graphs import remembered, version

PLAIN = "torch"
LEAST_ITEMS, LEAST_SECONDS = 128, 5.0
"""From so much work on the engine that mostly wins is tried beside PyTorch, which costs a second or two."""
ALL_ITEMS, ALL_SECONDS, CONVERT_TEXTS = 512, 20.0, 100.0
"""From so much work it repays to try all; texts gain less by being converted, which takes them ten seconds."""
LIKELY = ("openvino-bf16", "openvino", "torch-bf16")
"""Which engine mostly wins on pictures: the first of them that can be had."""
MOST_BATCHES, TEXTS, EXAMPLE_TOKENS = 4, 64, 8
"""How many batches are timed; of texts so many each, by `nominal_seconds` on texts of so many tokens."""
GAIN = 1.1

Sample = Callable[[int, int], Iterable[NDArray[Any]]]
"""(size, count) -> at most ``count`` batches, each of ``size`` of the first items, prepared for the network."""


class AutoEngine:
    """Decides at the first items it is to run (`settle`) and keeps to it; before, it is PyTorch (`plain_engine`).

    What was found for this network on this machine before counts, whatever the number of items. Else little work is
    run by PyTorch, and for more the candidates are timed on the first items. How much work it is follows
    from the network and the number of items alone, so that a fit repeated gives the same rows.
    """

    def __init__(self, network: FrozenNetwork, device: str = "cpu") -> None:
        self.network, self.device = network, device
        self.batch = network.batch
        self._settled: Engine | None = None

    def settle(self, count: int, sample: Sample) -> None:
        """Chooses the engine for ``count`` items, where none is chosen yet."""
        if self._settled is None:
            self._settled = chosen(self.network, self.device, count, sample)

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


def _built(name: str, network: FrozenNetwork, device: str) -> Engine:
    engine: Engine = engines_for(network).get(name)(network, device)
    return engine


def chosen(network: FrozenNetwork, device: str, count: int, sample: Sample) -> Engine:
    """The engine for ``count`` items: the one remembered, else the fastest of those that are worth a try."""
    place, plain, texts = _place(network, device), plain_engine(network, device), network.spec.modality == "text"
    longer = _tokens(network, sample) / EXAMPLE_TOKENS if texts and count >= LEAST_ITEMS else 1.0
    wanted, known = candidates(network, device, count, longer), recall(place, engines_for(network))
    if known is None or not set(wanted) <= set(known["tried"]):
        if len(wanted) == 1 and known is None:
            return _built(plain, network, device)
        size = TEXTS if texts else max(SHAPES[1], network.batch // 4)
        data = [*sample(size, min(MOST_BATCHES, max(2, count // (8 * size))))]
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


def candidates(network: FrozenNetwork, device: str, count: int, longer: float = 1.0) -> list[str]:
    """The engines that are worth a try for ``count`` items, each ``longer`` times as much work as `nominal_seconds`
    says: PyTorch in float32 first, or for little work what runs it. ONNX Runtime is left out where OpenVINO multiplies
    in bfloat16, which it was never faster than.
    """
    texts, bf16 = network.spec.modality == "text", bf16_pays(device)
    seconds = nominal_seconds(network) * longer * count if count >= LEAST_ITEMS else 0.0
    if seconds < (CONVERT_TEXTS if texts else LEAST_SECONDS):
        return [plain_engine(network, device)]
    names = [PLAIN, "torch-bf16", "openvino-bf16", "openvino"]
    names += ["onnxruntime"] if missing(ENGINES.get("openvino")) or not bf16 else []
    kinds = {name: engines_for(network).get(name) for name in names
             if name in engines_for(network) and name not in network.unfit}  # fmt: skip
    had = [n for n, k in kinds.items() if not missing(k) and (device == "cpu" or not k.CPU) and (bf16 or not k.BF16)]
    if count >= ALL_ITEMS and seconds >= ALL_SECONDS:
        return had
    return had[:1] + [n for n in LIKELY if n in had][:1]


def _tokens(network: Any, sample: Sample) -> float:
    """The tokens of one text, the mean of the first ones; by eights, since one that cannot be read takes its batch."""
    some = sample(SHAPES[1], TEXTS // SHAPES[1])
    read = [row for texts in some for row in network.tokeniser.encode(texts.tolist())]
    return sum(map(len, read)) / max(1, len(read))


def nominal_seconds(network: FrozenNetwork) -> float:
    """What PyTorch in float32 takes for one item (a text of 8 tokens) on two common cores, by the multiplications of
    the layers and the numbers they give: a rough figure, but the same whatever else the machine does.
    """
    key = network.digest()
    if key not in _NOMINAL:
        _NOMINAL[key] = _counted(network)
    return _NOMINAL[key]


_NOMINAL: dict[str, float] = {}
"""By digest: a fit asks several times, and each count costs a pass."""


def _counted(network: FrozenNetwork) -> float:
    counted = [0.0, 0.0]

    def look(layer: nn.Module, _: Any, found: Any) -> None:
        weight = layer.weight
        counted[0] += found.numel() * weight.numel() / weight.shape[0]  # type: ignore[union-attr,operator,index]
        counted[1] += found.numel()

    network.watched([m for m in network.body.modules() if isinstance(m, nn.Conv2d | nn.Linear)], look)
    return counted[0] / 60e9 + counted[1] * 2.5e-9


def fastest(
    network: FrozenNetwork, device: str, names: list[str], data: list[NDArray[Any]]
) -> tuple[Engine, dict[str, Any]]:
    """The engine of ``names`` that runs the batches fastest, of those whose rows are near enough to PyTorch's in
    float32; and what was found of each. A later name must be a tenth faster than an earlier one.
    """
    tried: dict[str, Any] = {}
    found: dict[str, Engine] = {}
    rows: Rows = {}
    best = PLAIN
    for name in names:
        try:
            found[name] = _built(name, network, device)
            own, rate = _timed(found[name], data)
        except Unconvertible as error:
            tried[name] = {"left_out": str(error)}
            say(f"{name} cannot run {network.name}: {error}")
            continue
        rows = rows or own
        likeness = min(least_cosine(own[k], rows[k]) for k in rows)
        tried[name] = {"items_a_second": round(rate, 2), "cosine": round(likeness, 7)}
        if likeness < network.parity:
            tried[name]["left_out"] = f"a cosine of {likeness:.4f} to float32"
        elif rate > GAIN * tried[best]["items_a_second"]:
            best = name
    gain = tried[best]["items_a_second"] / max(tried[PLAIN]["items_a_second"], 1e-9)
    say(f"{network.name} runs on {best}: {gain:.1f} times as fast as torch in float32, cosine to it at least "
        f"{tried[best]['cosine']:.4f}; remembered")  # fmt: skip
    return found[best], {"engine": best, "network": network.name, "tried": tried}


Rows = dict[str, NDArray[Any]]


def _timed(engine: Engine, data: list[NDArray[Any]]) -> tuple[Rows, float]:
    """Each output for all batches, and items a second in the fastest of them but for the first."""
    rows, seconds = list[Rows](), []
    for batch in data:
        begun = time.perf_counter()
        rows.append(engine.run(batch))
        seconds.append(time.perf_counter() - begun)
    whole = {k: np.concatenate([one[k] for one in rows]) for k in rows[0]}
    return whole, len(data[0]) / max(min(seconds[1:] or seconds), 1e-9)


def least_cosine(a: NDArray[Any], b: NDArray[Any]) -> float:
    """The smallest cosine between rows (n, ...) of both; rows of zeros are alike; -1 where a number is none."""
    if not np.isfinite(a).all():
        return -1.0
    x, y = (one.reshape(len(one), -1).astype(np.float64) for one in (a, b))
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


def _place(network: FrozenNetwork, device: str) -> Path:
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
