"""OpenVINO as an engine, on the CPU: in float32, and in bfloat16 where the machine multiplies it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from regraft.core.runtime import interrupts_wait
from regraft.features.engines.graphs import ConvertedEngine, Run, Shapes, Way, shape_of, traced

TELEMETRY = "openvino_telemetry"


@contextmanager
def silent() -> Iterator[Any]:
    """OpenVINO without its telemetry, which is sent wherever nobody has opted out: this process does not import it."""
    known = TELEMETRY in sys.modules
    if not known:
        sys.modules[TELEMETRY] = None  # type: ignore[assignment]
    try:
        with interrupts_wait():
            import openvino
        yield openvino
    finally:
        if not known:
            sys.modules.pop(TELEMETRY, None)


def converted(program: Any) -> Any:
    """The graph of a program of PyTorch."""
    with silent() as openvino, interrupts_wait():
        return openvino.convert_model(program)


@cache
def core() -> Any:
    """What reads and compiles graphs, one a process."""
    with silent() as openvino:
        return openvino.Core()


class OpenVino(ConvertedEngine):
    """OpenVINO in float32: each size of batch is compiled on its own."""

    LIBRARY, NAME = "openvino", "openvino"
    NEEDS, INSTALL = ("openvino",), "openvino"
    HINT = "f32"

    def ways(self) -> tuple[Way, ...]:
        return (self.by_trace, self.by_export)

    def by_trace(self) -> tuple[Any, Shapes]:
        """By TorchScript, which imports nothing and takes a second where `torch.export` takes eight."""
        program, shapes = traced(self.network)
        return self.convert(program), shapes

    def convert(self, program: Any) -> Any:
        return converted(program)

    def write(self, graph: Any, folder: Path) -> None:
        with silent() as openvino:
            openvino.save_model(graph, folder / "graph.xml", compress_to_fp16=False)

    def read(self, folder: Path) -> Any:
        return core().read_model(folder / "graph.xml")

    def ready(self, graph: Any, batch: int) -> Run:
        fixed = graph.clone()
        fixed.reshape(shape_of(self.network, batch))
        return self.compiled(fixed)

    def requests(self, graph: Any, count: int) -> list[Any]:
        """So many places to run a graph in at once, which share the cores."""
        how = {"INFERENCE_PRECISION_HINT": self.HINT, "INFERENCE_NUM_THREADS": torch.get_num_threads(),
               "ENABLE_CPU_PINNING": False}  # fmt: skip
        how |= {"PERFORMANCE_HINT": "LATENCY"} if count == 1 else {"NUM_STREAMS": count}
        compiled = core().compile_model(graph, "CPU", how)
        return [compiled.create_infer_request() for _ in range(count)]

    def compiled(self, graph: Any) -> Run:
        """What runs a graph."""
        (request,) = self.requests(graph, 1)

        def run(data: NDArray[Any]) -> list[NDArray[Any]]:
            request.infer({0: np.ascontiguousarray(data)}, share_inputs=True)
            places = range(len(self.network.outputs))
            return [np.array(request.get_output_tensor(i).data, np.float32) for i in places]

        return run


class OpenVinoBf16(OpenVino):
    """The same with what multiplies in bfloat16; rows are float32."""

    NAME, HINT, PRECISION, BF16 = "openvino-bf16", "bf16", "bfloat16", True
