"""``regraft predict``: answers for new items; many of them are streamed to a file, and a killed run can be resumed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from regraft.core.runtime import set_threads
from regraft.inference.answering import PredictOptions, PredictResult, answered, named
from regraft.inference.load import load_any


def predict(
    model: str,
    inputs: str | PurePath | Sequence[str | PurePath],
    *,
    out: str | None = None,
    form: str | None = None,
    tiles: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    sort_into: str | None = None,
    copy: bool = False,
    adapt: str | None = None,
    text: str | None = None,
    image: str | None = None,
    encoding: str | None = None,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    backbone: Any = None,
) -> PredictResult:
    """Predicts each of ``inputs``: a picture, a folder or zip of pictures, a table, labelled data (``data.npz#test``);
    for a model of texts a file with one on each line, a folder of text files, or a text itself.

    A table is read by the columns that the model learned from; ``text`` or ``image`` names another one to read.
    Items that cannot be read stand in the answers with an ``error`` in place of a label. With ``out`` (.csv, .jsonl,
    .parquet) memory does not grow with the number of items, and ``resume`` goes on where a killed run stopped.
    For a detector ``out`` is a folder to make, filled as ``form`` says: json, coco, yolo or pictures; ``tiles`` cuts
    large pictures into overlapping ones of so many pixels. ``sort_into`` is a folder to be filled with links (or, with
    ``copy``, copies) of the pictures by class. ``adapt``: ``tent`` lets the model adapt to all the items before it
    answers. ``backbone`` is as for `regraft.load`.
    """
    set_threads(threads)
    texts = named(inputs)
    wanted = PredictOptions(out=out, form=form, tiles=tiles, resume=resume, overwrite=overwrite, sort_into=sort_into,
                            copy=copy, adapt=adapt, text=text, image=image, encoding=encoding, engine=engine,
                            device=device)  # fmt: skip
    return answered(load_any(model, engine=engine, device=device, backbone=backbone), model, texts, wanted)
