"""OpenVINO's own format, in float32: a file of the graph and one of its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from regraft.export.base import Exportable, Port
from regraft.export.formats.base import unwritable
from regraft.export.predict import ABOUT
from regraft.features.engines.openvino import converted, silent


class OpenVino:
    """See `regraft.export.formats.base.Format`."""

    NEEDS, INSTALL, GRAPH = ("openvino",), "export", "model.xml"

    @staticmethod
    def write(program: Any, exportable: Exportable, about: str, path: Path) -> None:
        """See the format; ``program`` may be a graph of OpenVINO already."""
        with silent() as openvino:
            try:
                graph = program if isinstance(program, openvino.Model) else converted(program)
            except Exception as error:
                raise unwritable(exportable, "OpenVINO", error) from error
            name_all(graph, exportable.inputs, exportable.outputs)
            graph.set_rt_info(about, ABOUT)
            openvino.save_model(graph, path, compress_to_fp16=False)


def name_all(graph: Any, inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> None:
    """Gives the inputs and outputs of a graph the names of their ports."""
    for ends, ports in ((graph.inputs, inputs), (graph.outputs, outputs)):
        for end, port in zip(ends, ports, strict=True):
            end.get_tensor().set_names({port.name})
