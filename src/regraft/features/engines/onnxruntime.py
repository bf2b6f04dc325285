"""ONNX Runtime as an engine, on the CPU, in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from regraft.features.engines.graphs import ConvertedEngine, Run


class OnnxRuntime(ConvertedEngine):
    """ONNX Runtime in float32, of what torch's own exporter writes (which needs onnxscript)."""

    LIBRARY, NAME = "onnx", "onnxruntime"
    NEEDS, INSTALL = ("onnxruntime", "onnxscript"), "'regraft[onnx]'"

    def convert(self, program: Any) -> Any:
        found = torch.onnx.export(program, dynamo=True, verbose=False)
        assert found is not None, "torch gives a program where it writes no file"
        return found.model_proto.SerializeToString()

    def write(self, graph: Any, folder: Path) -> None:
        (folder / "graph.onnx").write_bytes(graph)

    def read(self, folder: Path) -> Any:
        return (folder / "graph.onnx").read_bytes()

    def ready(self, graph: Any, batch: int) -> Run:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name

        def run(data: NDArray[Any]) -> list[NDArray[Any]]:
            return [np.asarray(one, np.float32) for one in session.run(None, {name: data})]

        return run
