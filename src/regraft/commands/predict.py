"""``regraft predict``: answers for new items; many of them are streamed to a file, and a killed run can be resumed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path, PurePath, PurePosixPath

import numpy as np

from regraft.core.errors import DataError, InputError, UnreadableItem
from regraft.core.files import digest, disk_errors, output
from regraft.core.runtime import set_threads
from regraft.core.types import Hints, Problem
from regraft.data.formats.table import Read
from regraft.data.items import Items, PictureFiles, Texts
from regraft.data.names import shown
from regraft.data.open import is_there, open_inputs
from regraft.inference.answer_files import ENDINGS, Bulk, Row, columns_of
from regraft.inference.box_answers import predict_boxes
from regraft.inference.load import load_any
from regraft.inference.multi_task import TaskPredictor
from regraft.inference.predictor import Predictor
from regraft.inference.tent import adapting
from regraft.models.artefact.detector import is_detector


@dataclass(frozen=True)
class PredictResult:
    """``predictions`` holds one record an item, unless they went to the file ``out``; ``resumed`` counts the items
    that an interrupted run had already done; ``problems`` is what was noticed of the inputs.
    """

    model: str
    items: int
    failed: int
    out: str | None = None
    predictions: list[Row] = field(default_factory=list)
    resumed: int = 0
    problems: list[Problem] = field(default_factory=list)


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
) -> PredictResult:
    """Predicts each of ``inputs``: a picture, a folder or zip of pictures, a table, labelled data (``data.npz#test``);
    for a model of texts a file with one on each line, a folder of text files, or a text itself.

    A table is read by the columns that the model learned from; ``text`` or ``image`` names another one to read.
    Items that cannot be read stand in the answers with an ``error`` in place of a label. With ``out`` (.csv, .jsonl,
    .parquet) memory does not grow with the number of items, and ``resume`` goes on where a killed run stopped.
    For a detector ``out`` is a folder to make, filled as ``form`` says: json, coco, yolo or pictures; ``tiles`` cuts
    large pictures into overlapping ones of so many pixels. ``sort_into`` is a folder to be filled with links (or, with
    ``copy``, copies) of the pictures by class. ``adapt``: ``tent`` lets the model adapt to all
    the items before it answers.
    """
    set_threads(threads)
    inputs = _named(inputs)
    if is_detector(model):
        if resume or overwrite or sort_into or copy or adapt or text or image or encoding or engine != "auto":
            raise InputError("--resume, --overwrite, --sort-into, --copy, --adapt, --text, --image, --encoding and "
                             "--engine are not for detectors.")  # fmt: skip
        boxes, items, failed = predict_boxes(model, inputs, out=out, form=form, tiles=tiles, device=device)
        return PredictResult(model, items, failed, out, boxes)
    if form or tiles:
        raise InputError("--as and --tiles are for detectors.")
    if copy and not sort_into:
        raise InputError("--copy is for --sort-into.")
    if out is not None and Path(out).suffix.lower() not in ENDINGS:
        raise InputError(f"--out {out} has an unknown ending; known are {', '.join(ENDINGS)}.")
    predictor = load_any(model, engine=engine, device=device)
    if isinstance(predictor, TaskPredictor) and (sort_into or (out and Path(out).suffix.lower() != ".jsonl")):
        raise InputError(f"{model} answers {len(predictor.tasks)} tasks: --out takes a .jsonl file for them; for one "
                         f"of them name it, as {model}#{next(iter(predictor.tasks))}.")  # fmt: skip
    for option, column, kind in (("text", text, "text"), ("image", image, "image")):
        if column and predictor.modality != kind:
            raise InputError(f"--{option} {column}: {model} reads items of the kind {predictor.modality}.")
    hints = replace(predictor.hints, text=text, image=image, encoding=encoding)
    read = [(one, _opened(predictor, one, hints)) for one in inputs]
    sources = [(one, found.items) for one, found in read]
    problems = [p for _, found in read for p in (*found.problems, *predictor.oddities(found.items))]
    if adapt:
        predictor = adapting(predictor, [items for _, items in sources], adapt, engine=engine, device=device)
    if sort_into and isinstance(predictor, Predictor) and predictor.model.numbers:
        raise InputError("--sort-into makes a folder a class, and the model gives numbers.")
    if sort_into and not all(isinstance(items, PictureFiles) for _, items in sources):
        raise InputError("--sort-into takes picture files; arrays have no file to link or copy.")
    classes = predictor.classes_.tolist() if isinstance(predictor, Predictor) else []
    sorter = None if sort_into is None else _Sorter(output(sort_into, "--sort-into"), copy, classes)
    rows = _Rows(predictor, sources, sorter)
    if out is None:
        kept = [row for row, _, _ in rows.stream(0)]
        return PredictResult(model, rows.total, sum("error" in r for r in kept), None, kept, problems=problems)
    about = {"model": predictor.manifest["files"], "inputs": [str(t) for t in inputs], "names": rows.digest(),
             "sort_into": sort_into}  # fmt: skip
    columns = columns_of(predictor.model) if isinstance(predictor, Predictor) else {}
    bulk = Bulk(output(out), about, columns, resume=resume, overwrite=overwrite)
    resumed = min(bulk.done, rows.total)
    bulk.check(rows.digests(resumed))
    for row, some, position in rows.stream(resumed):
        bulk.add(row, _content(some, position))
    return PredictResult(model, rows.total, bulk.finish(), out, resumed=resumed, problems=problems)


def _named(inputs: str | PurePath | Sequence[str | PurePath]) -> list[str]:
    """The inputs as a person would type them; raises ``DataError`` where they are data in memory."""
    given = [inputs] if isinstance(inputs, str | PurePath) else inputs
    odd = [given] if not isinstance(given, list | tuple) else [g for g in given if not isinstance(g, str | PurePath)]
    if odd:
        raise DataError(f"The inputs are of the type {type(odd[0]).__name__}; wanted are paths or texts: "
                        "regraft.load(model).predict(x) takes DataFrames, arrays and pictures.")  # fmt: skip
    return [str(one) for one in given]


_PATH = re.compile(r"[.~]{0,2}[/\\].*|[A-Za-z]:[/\\].*|.*[/\\]|\S*\.[A-Za-z]\w{1,8}(#\w+)?|embedded:\S*", re.DOTALL)


def _opened(predictor: Predictor | TaskPredictor, text: str, hints: Hints) -> Read:
    """The items of one input: for a model of texts also a text itself, where it has not the look of a path and names
    none.
    """
    if predictor.modality != "text" or _PATH.fullmatch(text) or (len(text) < 255 and is_there(text)):
        return open_inputs(text, modality=predictor.modality, hints=hints)
    slash = [Problem("taken-as-text", text, "there is nothing at this path; it is read as a text itself")]
    return Read(Texts([text], [text]), slash if re.fullmatch(r"\S+[/\\]\S+", text) else [])


class _Rows:
    """The records of all inputs, one after the other."""

    def __init__(
        self, predictor: Predictor | TaskPredictor, sources: list[tuple[str, Items]], sorter: _Sorter | None
    ) -> None:
        self.predictor = predictor
        self.sources = sources
        self.sorter = sorter

    @property
    def total(self) -> int:
        return sum(len(items) for _, items in self.sources)

    def digest(self) -> str:
        """Names the items, so that a run is not resumed on others."""
        return digest([items.name(i) for _, items in self.sources for i in range(len(items))]).hex()

    def digests(self, first: int) -> Iterator[str]:
        """What names the contents of the ``first`` items."""
        places = ((items, i) for _, items in self.sources for i in range(len(items)))
        return (_content(items, i) for items, i in islice(places, first))

    def stream(self, skip: int) -> Iterator[tuple[Row, Items, int]]:
        """Each record, and the item it is of."""
        for text, items in self.sources:
            start = min(skip, len(items))
            skip -= start
            rest = items.take(np.arange(start, len(items))) if start else items
            for answers in self.predictor.stream(rest):
                for position, row in self.predictor.describe(rest, answers):  # type: ignore[arg-type]
                    if self.sorter:
                        self.sorter.add(rest, position, row)
                    yield {**row, "input": _shown(text, row["input"], rest)}, rest, position


def _content(items: Items, i: int) -> str:
    """What names the content of an item."""
    try:
        return items.digest(i).hex()
    except UnreadableItem as error:
        return str(error)


def _shown(text: str, name: str, items: Items) -> str:
    """The name of an item as its user would type it."""
    if not isinstance(items, PictureFiles):
        return name
    return shown(text if Path(text).is_file() and Path(text).name == name else str(Path(text) / name))


_UNREADABLE, _UNSURE = "unreadable", "unsure"


class _Sorter:
    """Puts each picture into the folder of its class, below the folders that it lies in: a hard link where the disk
    allows, else a symbolic one.

    What lies there already is never touched: the same picture again is left, another of that name gets a number.
    """

    def __init__(self, folder: Path, copy: bool, classes: Iterable[str]) -> None:
        self.folder = folder
        self.copy = copy
        self.folders: dict[str, str] = {}
        for label in classes:
            self._of(label)

    def _of(self, label: str) -> str:
        """The folder of a class; no two classes have the same, and none that of what has no class."""
        if label not in self.folders:
            plain = re.sub(r"[/\\\0]", "_", label).strip(".") or "_"
            taken, name, number = {*self.folders.values(), _UNREADABLE, _UNSURE}, plain, 2
            while name in taken:
                name, number = f"{plain}-{number}", number + 1
            self.folders[label] = name
        return self.folders[label]

    def add(self, items: Items, position: int, row: Row) -> None:
        assert isinstance(items, PictureFiles)
        where = _UNREADABLE if "error" in row else _UNSURE if row.get("abstain") else self._of(row["label"])
        steps = [step for step in PurePosixPath(row["input"]).parts if step not in ("/", ".", "..")]
        target = self.folder.joinpath(where, *steps)
        source = items.tree.where(items.paths[position])
        on_disk = source is not None and source.is_file()
        if not on_disk and "error" in row:
            return
        data = None if on_disk else items.read(position)
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            free = _free(target, source, data)
            if free is None:
                return
            if data is not None or source is None:
                free.write_bytes(data or b"")
            elif self.copy:
                shutil.copyfile(source, free)
            else:
                try:
                    free.hardlink_to(source)
                except OSError:
                    free.symlink_to(source.resolve())


def _free(target: Path, source: Path | None, data: bytes | None) -> Path | None:
    """A name that is free for this picture, or None where the very picture is there already."""
    first, number = target, 2
    while target.exists() or target.is_symlink():
        if data is None and source is not None and target.exists() and target.samefile(source):
            return None
        if target.exists() and target.read_bytes() == (source.read_bytes() if data is None and source else data):
            return None
        target, number = first.with_name(f"{first.stem}-{number}{first.suffix}"), number + 1
    return target
