"""The formats that models leave in: one short file each, and one line here."""

from __future__ import annotations

from regraft.core.registry import Registry

FORMATS = Registry(
    "format",
    {
        "onnx": "regraft.export.formats.onnx:Onnx",
        "openvino": "regraft.export.formats.openvino:OpenVino",
        "torch": "regraft.export.formats.torch:Torch",
    },
)
"""See `regraft.export.formats.base.Format`."""
