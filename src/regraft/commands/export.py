"""``regraft export``: a saved model in the format of another runtime, proven to answer alike."""

from __future__ import annotations

from regraft.core.runtime import set_threads
from regraft.export.export import Exported
from regraft.export.export import export as run


def export(
    model: str,
    to: str = "onnx",
    *,
    out: str | None = None,
    data: str | None = None,
    int8: bool = False,
    threads: int | None = None,
) -> Exported:
    """Writes ``model``, preprocessing inside, for another runtime: ``to`` is ``onnx``, ``openvino`` or ``torch``.

    ``out`` is a folder to make (by default named after the run), holding the graph, ``model.json`` and a ``predict.py``
    that needs neither torch nor regraft; or one file ending in .onnx or .pt2. Before it gets its name, the file is run
    beside the model on up to 100 of the items that the fit was given, or of ``data``; nothing is written where labels
    differ, or answers by more than 0.001. ``int8`` (for openvino, pictures) quantises the networks on training pictures
    and tells what that costs. Raises ``InputError``.
    """
    set_threads(threads)
    return run(model, to, out, data, int8)
