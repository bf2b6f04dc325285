"""From items as they came to records, by modality: what threads prepare on their own, and what an engine is then given.

A record is that of `regraft predict` on the same bytes: the same decoding, engine and answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import UnreadableItem
from regraft.core.types import Hints
from regraft.data.image.containers import opened, readable
from regraft.data.image.decoding import Picture, fit
from regraft.data.inputs import as_items
from regraft.data.items import Items, PictureFiles, RowsInMemory, TableRows, Texts
from regraft.data.memory import Memory
from regraft.data.tabular.cells import Cells
from regraft.data.transforms.loaders import load_item, padded
from regraft.data.writers.detections import record
from regraft.features.encoders.table import TableMap, TableNetwork
from regraft.features.engines.base import SHAPES, Engine, batch_for
from regraft.features.extract import Extracted
from regraft.features.fusion import parts_of
from regraft.inference.detector import BoxPredictor
from regraft.inference.load import AnyPredictor
from regraft.inference.multi_task import TaskPredictor
from regraft.inference.predictor import Predictor
from regraft.models.detectors.apply import Framed
from regraft.serve.inputs import Given, picture_bytes, text_of

Record = dict[str, Any]
LONGEST_TEXT = 100_000
"""Letters of one text: it is answered to alone, and nobody else meanwhile."""


class Lane(Protocol):
    """``prepare`` is called by many threads at once, and raises ``UnreadableItem`` or ``InputError``; ``answer`` by one
    thread, with what was prepared and its names, and gives a record for each. ``warm`` does once what the first request
    would wait for.
    """

    def prepare(self, given: Given) -> Any: ...

    def answer(self, names: Sequence[str], ready: Sequence[Any]) -> list[Record]: ...

    def warm(self, batch: int) -> None: ...


def lane_of(predictor: AnyPredictor, pixels: int) -> Lane:
    """The lane of a model; a picture may have so many ``pixels``."""
    if isinstance(predictor, BoxPredictor):
        return BoxLane(predictor, pixels)
    if predictor.modality == "text":
        return TextLane(predictor)
    if predictor.modality == "table":
        return RowLane(predictor)
    parts = predictor.runner.parts
    return FileLane(predictor, pixels) if len(parts) > 1 or parts[0][1] is None else PictureLane(predictor, pixels)


def streamed(predictor: Predictor | TaskPredictor, items: Items) -> list[Record]:
    """The records of ``items``, by the way that commands go."""
    found: list[Record] = []
    for answers in predictor.stream(items):
        found += [row for _, row in predictor.describe(items, answers)]  # type: ignore[arg-type]
    return found


def checked(data: bytes, pixels: int) -> bytes:
    """The file of a picture, where its head says that it has at most so many ``pixels``; raises ``UnreadableItem``."""
    with readable(), opened(data) as image:
        if image.width * image.height > pixels:
            raise UnreadableItem(f"it has {image.width:,} x {image.height:,} pixels; this service takes pictures of up "
                                 f"to {pixels:,} pixels")  # fmt: skip
    return data


def files_of(names: Sequence[str], contents: Sequence[bytes]) -> PictureFiles:
    """Files of pictures in memory; two may have one name."""
    held = dict(enumerate(contents))
    return PictureFiles(Memory({f"{i}/{n}": held[i] for i, n in enumerate(names)}),
                        [f"{i}/{n}" for i, n in enumerate(names)])  # fmt: skip


def decoded(given: Given, pixels: int) -> Picture:
    """The picture of an item; raises ``UnreadableItem``."""
    picture: Picture = load_item(files_of([given.name], [checked(picture_bytes(given), pixels)]), 0)
    return picture


class PictureLane:
    """Pictures for one network: threads decode them to its size, and the engine gets them in its smallest batch."""

    def __init__(self, predictor: Predictor | TaskPredictor, pixels: int) -> None:
        self.predictor, self.pixels = predictor, pixels
        network, engine = predictor.runner.parts[0]
        assert engine is not None
        self.spec, self.engine = network.spec, engine

    def prepare(self, given: Given) -> NDArray[np.uint8]:
        """Uint8 (height, width, channels) of the network."""
        return fit(decoded(given, self.pixels), self.spec)

    def answer(self, names: Sequence[str], ready: Sequence[Any]) -> list[Record]:
        rows = [self._rows(ready[i : i + self.engine.batch]) for i in range(0, len(ready), self.engine.batch)]
        found = Extracted(np.concatenate(rows), np.arange(len(ready)), {}, len(ready))
        items: Any = RowsInMemory(len(names), names, None)
        return [row for _, row in self.predictor.describe(items, self.predictor.answers_of(found))]  # type: ignore[arg-type]

    def _rows(self, some: Sequence[Any]) -> NDArray[Any]:
        return self.engine.run(padded(some, batch_for(len(some), self.engine.batch)))["pooled"][: len(some)]

    def warm(self, batch: int) -> None:
        blank = np.zeros((self.spec.height, self.spec.width, 1 if self.spec.colour == "grey" else 3), np.uint8)
        settled(self.engine)
        for count in {min(s, batch, self.engine.batch) for s in SHAPES}:
            self.answer([""] * count, [blank] * count)


def settled(engine: Engine) -> None:
    """Lets ``auto`` decide as it does for few items."""
    if hasattr(engine, "settle"):
        engine.settle(1, lambda size, count: ())


class FileLane:
    """Pictures for several networks side by side, each with a size of its own: files are kept till their turn."""

    def __init__(self, predictor: Predictor | TaskPredictor, pixels: int) -> None:
        self.predictor, self.pixels = predictor, pixels

    def prepare(self, given: Given) -> bytes:
        """The file, whose head can be read."""
        return checked(picture_bytes(given), self.pixels)

    def answer(self, names: Sequence[str], ready: Sequence[Any]) -> list[Record]:
        found = streamed(self.predictor, files_of(names, ready))
        return [{**row, "input": name} for row, name in zip(found, names, strict=True)]

    def warm(self, batch: int) -> None:
        """Nothing: whatever runs the networks is made with them."""


class BoxLane:
    """Pictures for a detector: threads bring them into its frame."""

    def __init__(self, predictor: BoxPredictor, pixels: int) -> None:
        self.predictor, self.pixels = predictor, pixels

    def prepare(self, given: Given) -> Framed:
        """The picture in its frame."""
        return self.predictor.runner.in_frame(given.name, decoded(given, self.pixels))

    def answer(self, names: Sequence[str], ready: Sequence[Any]) -> list[Record]:
        found = self.predictor.runner.answers(ready, self.predictor.threshold)
        return [record(answer, self.predictor.detector.classes) for answer in found]

    def warm(self, batch: int) -> None:
        height, width = self.predictor.detector.frame
        self.answer([""], [self.predictor.runner.in_frame("", np.zeros((height, width, 3), np.uint8))])


class TextLane:
    """Texts."""

    def __init__(self, predictor: Predictor | TaskPredictor) -> None:
        self.predictor = predictor

    def prepare(self, given: Given) -> str:
        """The text, which is not empty."""
        text: str = load_item(Texts([text_of(given, LONGEST_TEXT)], [given.name]), 0)
        return text

    def answer(self, names: Sequence[str], ready: Sequence[Any]) -> list[Record]:
        return streamed(self.predictor, Texts(list(ready), list(names)))

    def warm(self, batch: int) -> None:
        self.answer([""], ["word"])


class RowLane:
    """Rows of a table, as objects by column; columns that the model has not learned from are left out."""

    def __init__(self, predictor: Predictor | TaskPredictor) -> None:
        self.predictor = predictor
        self.hints: Hints = predictor.hints
        self.map = table_of(predictor)
        first = predictor.first.model if isinstance(predictor, TaskPredictor) else predictor.model
        plain = [str(i) for i in range(first.network.spec.columns)]
        self.columns = plain if self.map is None else self.map.order

    def prepare(self, given: Given) -> Any:
        """A table of one row: ``Cells``, or numbers for a model of columns without names."""
        row: dict[str, Any] = given.data
        missing = [c for c in self.columns if c not in row]
        if missing:
            raise UnreadableItem(f"it has no column {missing[0]!r}; null stands for a missing value")
        for column in self.columns:
            if not isinstance(row[column], str | int | float | None):
                raise UnreadableItem(f"{column} is {type(row[column]).__name__}; a number, text or null is wanted")
        if self.map is None:
            return as_items(np.array([[_float(c, row[c]) for c in self.columns]]), "rows", modality="table").load(0)
        import pyarrow as pa

        try:
            frame = pa.table({c: [_plain(row[c])] for c in self.columns})
        except (pa.ArrowException, OverflowError, UnicodeError) as error:
            raise UnreadableItem(f"its values cannot be read: {' '.join(str(error).split())}") from error
        return as_items(frame, modality="table", hints=self.hints)

    def answer(self, names: Sequence[str], ready: Sequence[Any]) -> list[Record]:
        if self.map is None:
            return streamed(self.predictor, TableRows(np.stack(ready), list(names)))
        cells = {c: [row.columns[c][0] for row in ready] for c in self.columns}
        faults = {i: why for i, row in enumerate(ready) for why in row.faults.values()}
        return streamed(self.predictor, Cells(cells, list(names), "the rows", faults=faults))

    def warm(self, batch: int) -> None:
        """Nothing: there is no engine."""


def table_of(predictor: Predictor | TaskPredictor) -> TableMap | None:
    """What is known of the columns of a model of tables; None where they have no names."""
    first = predictor.first.model if isinstance(predictor, TaskPredictor) else predictor.model
    return next((p.model for p in parts_of(first.network) if isinstance(p, TableNetwork)), None)


def _float(column: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise UnreadableItem(f"{column} is {str(value)[:80]!r}, which is no number") from error


def _plain(value: Any) -> Any:
    """Whole numbers that no table holds as text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 63 else value
