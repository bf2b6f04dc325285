"""Recognising data by looking at it.

A format is a module with ``sniff(path) -> evidence or None`` and ``read(path, hints) -> Dataset``; the first whose
``sniff`` finds evidence reads.
"""

from __future__ import annotations

from regraft.core.registry import Registry

FORMATS = Registry(
    "format",
    {
        "idx": "regraft.data.formats.idx",
        "npz": "regraft.data.formats.npz",
        "cifar": "regraft.data.formats.cifar",
        "coco": "regraft.data.formats.coco",
        "voc": "regraft.data.formats.voc",
        "yolo": "regraft.data.formats.yolo",
        "box-table": "regraft.data.formats.box_table",
        "table": "regraft.data.formats.table",
        "image-folder": "regraft.data.formats.image_folder",
        "text-folder": "regraft.data.formats.text_folder",
        "polarity": "regraft.data.formats.polarity",
    },
)
