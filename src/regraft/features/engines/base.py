"""The one interface of engines: what runs a frozen network over fixed batches of prepared items."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn

from regraft.backbones.base import Pretrained
from regraft.core.errors import InputError, RegraftError
from regraft.core.registry import Registry
from regraft.core.runtime import bf16_pays, say
from regraft.core.types import PreprocessSpec

SHAPES = (1, 8, 32)
"""The batches that few items are run in: the smallest that holds them all. More come in an engine's full batch."""


class Engine(Protocol):
    """Runs one frozen network on batches of ``batch`` items, or of fewer in one of `SHAPES`.

    A row depends on its item, the engine and the shape of the batch, to the bit, and never on its neighbours. Between
    shapes rows agree to 1e-5 of their largest value, to 2e-2 in bfloat16 (measured on a Zen 4: 2.5e-6 and 2.5e-3 at
    most with PyTorch, equal to the bit with OpenVINO and ONNX Runtime); stored rows all come from the full batch.
    """

    batch: int

    def describe(self) -> dict[str, Any]:
        """What the numbers depend on besides the network: goes into the key of every stored row."""
        ...

    def run(self, data: NDArray[Any]) -> dict[str, NDArray[np.floating[Any]]]:
        """Uint8 (B, height, width, channels), float (B, columns) or str (B,) -> ``{"pooled": (B, D)}``."""
        ...


class BuiltEngine(Engine, Protocol):
    """An engine as it is registered: made of a network and a device.

    ``NEEDS`` are the modules without which it is not to be had and ``INSTALL`` is what brings them; ``BF16`` says
    whether it multiplies in bfloat16, ``CPU`` whether it runs nowhere else.
    """

    NEEDS: ClassVar[tuple[str, ...]]
    INSTALL: ClassVar[str]
    BF16: ClassVar[bool]
    CPU: ClassVar[bool]

    def __init__(self, network: Pretrained, device: str = "cpu") -> None: ...


class Unconvertible(RegraftError):
    """A network that an engine cannot take; torch runs it."""


ENGINES = Registry(
    "engine",
    {
        "torch": "regraft.features.engines.torch:TorchEngine",
        "torch-bf16": "regraft.features.engines.torch:TorchBf16",
        "openvino": "regraft.features.engines.openvino:OpenVino",
        "openvino-bf16": "regraft.features.engines.openvino:OpenVinoBf16",
        "openvino-int8": "regraft.features.engines.openvino_int8:OpenVinoInt8",
        "onnxruntime": "regraft.features.engines.onnxruntime:OnnxRuntime",
    },
)

TEXT_ENGINES = Registry(
    "engine on texts",
    {
        "torch": "regraft.features.engines.torch_text:TorchText",
        "torch-bf16": "regraft.features.engines.torch_text:TorchTextBf16",
        "openvino": "regraft.features.engines.openvino_text:OpenVinoText",
        "openvino-bf16": "regraft.features.engines.openvino_text:OpenVinoTextBf16",
    },
)


def engines_for(network: Pretrained) -> Registry:
    """The engines that can run networks of this kind."""
    return TEXT_ENGINES if network.spec.modality == "text" else ENGINES


def multiplies(network: Pretrained) -> bool:
    """Whether a network on texts has layers that multiply, and does not only look vectors up."""
    return any(isinstance(m, nn.Linear) for m in network.body.modules())


def plain_engine(network: Pretrained, device: str) -> str:
    """The engine of little work, which is tried against no other: PyTorch, on texts in bfloat16 where that pays."""
    texts = network.spec.modality == "text" and multiplies(network)
    return "torch-bf16" if texts and bf16_pays(device) else "torch"


def full_batch(spec: PreprocessSpec) -> int:
    """How many items an engine runs at once: pictures 32, small ones and rows of numbers more, texts most."""
    if spec.modality == "text":
        return 2048
    return 32 if spec.height * spec.width > 64 * 64 else 256


def batch_for(count: int, full: int) -> int:
    """The batch that ``count`` items are run in, where ``full`` is the engine's."""
    return min((s for s in SHAPES if count <= s <= full), default=full)


def missing(engine: type[BuiltEngine]) -> list[str]:
    """The modules that it needs and that are not installed."""
    return [name for name in engine.NEEDS if find_spec(name) is None]


def require(name: str, device: str = "cpu") -> None:
    """Raises ``UnknownName``, or ``InputError`` where the engine called ``name`` is not to be had here."""
    if name == "auto":
        return
    engine: type[BuiltEngine] = ENGINES.get(name)
    if missing(engine):
        raise InputError(f"--engine {name} needs {' and '.join(missing(engine))}: pip install {engine.INSTALL}, or "
                         "leave --engine at auto.")  # fmt: skip
    if engine.CPU and device not in ("cpu", "auto"):
        raise InputError(f"--engine {name} runs on the CPU and --device is {device}: take --device cpu, or --engine "
                         "torch.")  # fmt: skip
    if engine.BF16 and not bf16_pays(device):
        raise InputError(f"--engine {name}: the device {device} gains nothing by bfloat16; take --engine "
                         f"{name.removesuffix('-bf16')}.")  # fmt: skip


def uncalibrated(name: str) -> str:
    """The engine of networks that nobody calibrates, beside those that ``name`` runs: int8's own library in float32."""
    return name.removesuffix("-int8")


def make_engine(network: Pretrained, name: str = "auto", device: str = "cpu") -> Engine:
    """The engine called ``name`` for this network; ``auto`` chooses by the items it is to run (`AutoEngine`).

    Rows of numbers run on torch. Where a network cannot be converted, or texts have no such engine, torch runs it, and
    one line says so.
    """
    if network.spec.modality == "table":
        name = "torch"
    if name == "auto":
        from regraft.features.engines.auto import AutoEngine

        return AutoEngine(network, device)
    require(name, device)
    kinds = engines_for(network)
    try:
        if name not in kinds:
            raise Unconvertible("it reads texts")
        engine: Engine = kinds.get(name)(network, device)
    except Unconvertible as error:
        say(f"{name} cannot run {network.name} ({error}); torch runs it")
        engine = kinds.get(plain_engine(network, device))(network, device)
    return engine
