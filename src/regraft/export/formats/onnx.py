"""ONNX: one file, what is known of it in its metadata."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from regraft.export.base import Exportable
from regraft.export.formats.base import unwritable
from regraft.export.predict import ABOUT


class Onnx:
    """See `regraft.export.formats.base.Format`."""

    NEEDS, INSTALL, GRAPH = ("onnx", "onnxruntime", "onnxscript"), "export", "model.onnx"

    @staticmethod
    def write(program: Any, exportable: Exportable, about: str, path: Path) -> None:
        """See the format."""
        inputs, outputs = ([p.name for p in ports] for ports in (exportable.inputs, exportable.outputs))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = torch.onnx.export(program, dynamo=True, verbose=False, input_names=inputs, output_names=outputs)
        except Exception as error:
            raise unwritable(exportable, "torch.onnx", error) from error
        assert found is not None, "torch gives a program where it writes no file"
        for values, ports in ((found.model.graph.inputs, exportable.inputs),
                              (found.model.graph.outputs, exportable.outputs)):  # fmt: skip
            for value, port in zip(values, ports, strict=True):
                value.name = port.name
        for node in found.model.graph.all_nodes():  # where in the sources each came from, megabytes of it
            node.metadata_props.clear()
        found.model.metadata_props[ABOUT] = about
        found.save(path, external_data=False)
