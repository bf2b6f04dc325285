"""The one interface of engines: what runs a frozen network over fixed batches of prepared items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import InputError, RegraftError
from regraft.core.registry import Registry
from regraft.core.runtime import bf16_pays, say
from regraft.core.types import PreprocessSpec

if TYPE_CHECKING:
    from torch import nn

SHAPES = (1, 8, 32)
"""The batches that few items are run in: the smallest that holds them all. More come in an engine's full batch."""


class FrozenNetwork(Protocol):
    """What engines run: a `Pretrained`, or the network of a detector in one frame.

    ``body.features`` takes a float batch prepared as ``spec`` says and gives a tensor (B, ...), or one for each of
    ``outputs``; ``batch`` items are run at once; ``digest`` names graph, weights and preprocessing. ``auto`` leaves out
    the engines called ``unfit``, and those whose cosine to float32 is below ``parity``.
    """

    @property
    def name(self) -> str: ...

    @property
    def body(self) -> Any: ...

    @property
    def spec(self) -> PreprocessSpec:
        """How an item becomes its input."""
        ...

    @property
    def outputs(self) -> tuple[str, ...]: ...

    @property
    def batch(self) -> int: ...

    @property
    def parity(self) -> float:
        """The least cosine to float32 that ``auto`` takes."""
        ...

    @property
    def unfit(self) -> tuple[str, ...]:
        """The engines that ``auto`` does not try."""
        ...

    def digest(self) -> str: ...

    def watched(self, layers: Sequence[nn.Module], look: Callable[[nn.Module, Any, Any], None]) -> None: ...


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
        """Uint8 (B, height, width, channels), float (B, columns) or str (B,) -> (B, ...) of each output, in
        float32 (numeric rows: float64): of a `Pretrained` ``{"pooled": (B, D)}``.
        """
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

    def __init__(self, network: FrozenNetwork, device: str = "cpu") -> None: ...


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


def engines_for(network: FrozenNetwork) -> Registry:
    """The engines that can run networks of this kind."""
    return TEXT_ENGINES if network.spec.modality == "text" else ENGINES


def multiplies(network: FrozenNetwork) -> bool:
    """Whether a network on texts has layers that multiply, and does not only look vectors up."""
    from torch import nn

    return any(isinstance(m, nn.Linear) for m in network.body.modules())


def plain_engine(network: FrozenNetwork, device: str) -> str:
    """The engine of little work, which is tried against no other: PyTorch, on texts in bfloat16 where that pays."""
    texts = network.spec.modality == "text" and multiplies(network)
    return "torch-bf16" if texts and bf16_pays(device) else "torch"


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


def make_engine(network: FrozenNetwork, name: str = "auto", device: str = "cpu") -> Engine:
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
