"""``regraft predict``: answers for new items, streamed to a file where there are many."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from regraft.data.items import Items
from regraft.data.sources import open_items
from regraft.errors import InputError
from regraft.files import jsonable, new_file
from regraft.predictor import Predictor, load
from regraft.runtime import set_threads

ENDINGS = (".csv", ".jsonl", ".parquet")
Row = dict[str, Any]


@dataclass(frozen=True)
class PredictResult:
    """``predictions`` holds one record an item, unless they went to the file ``out``."""

    model: str
    items: int
    failed: int
    out: str | None = None
    predictions: list[Row] = field(default_factory=list)


def predict(
    model: str,
    inputs: list[str],
    *,
    out: str | None = None,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
) -> PredictResult:
    """Predicts each of ``inputs``: a picture, a folder of pictures, or labelled data (``data.npz#test``).

    Items that cannot be read stand in the answers with an ``error`` in place of a label.
    """
    if out is not None and Path(out).suffix.lower() not in ENDINGS:
        raise InputError(f"--out {out} has an unknown ending; known are {', '.join(ENDINGS)}.")
    set_threads(threads)
    sources = [(text, open_items(text)) for text in inputs]
    predictor = load(model, engine=engine, device=device)
    failed = total = 0
    kept: list[Row] = []
    with _writer(out, [str(c) for c in predictor.classes_], kept) as write:
        for text, items in sources:
            for row in _records(predictor, items, text):
                write(row)
                total += 1
                failed += "error" in row
    return PredictResult(model, total, failed, out, kept)


def _records(predictor: Predictor, items: Items, text: str) -> Iterator[Row]:
    folder = Path(text) if Path(text).is_dir() else None
    for answers in predictor.stream(items):
        for row in predictor.describe(items, answers):
            if folder is not None and not row["input"].endswith("]"):
                row["input"] = str(folder / row["input"])
            elif Path(text).is_file() and len(items) == 1:
                row["input"] = text
            yield row


@contextmanager
def _writer(out: str | None, classes: list[str], kept: list[Row]) -> Iterator[Callable[[Row], None]]:
    """A function that takes one record; the file gets its name only once all of them were written."""
    if out is None:
        yield kept.append
        return
    with new_file(Path(out)) as temporary:
        ending = Path(out).suffix.lower()
        if ending == ".parquet":
            with _parquet(temporary, classes) as write:
                yield write
        else:
            with open(temporary, "w", newline="", encoding="utf-8") as f:
                yield _csv(f, classes) if ending == ".csv" else _jsonl(f)


def _flat(row: Row, classes: list[str]) -> list[Any]:
    probabilities = row.get("probabilities", {})
    return [row["input"], row.get("label"), row.get("entropy_bits"), row.get("error"),
            *(probabilities.get(c) for c in classes)]  # fmt: skip


def _columns(classes: list[str]) -> list[str]:
    return ["input", "label", "entropy_bits", "error", *(f"p:{c}" for c in classes)]


def _csv(f: TextIO, classes: list[str]) -> Callable[[Row], None]:
    out = csv.writer(f)
    out.writerow(_columns(classes))

    def write(row: Row) -> None:
        out.writerow(["" if v is None else repr(v) if isinstance(v, float) else v for v in _flat(row, classes)])

    return write


def _jsonl(f: TextIO) -> Callable[[Row], None]:
    def write(row: Row) -> None:
        f.write(json.dumps(jsonable(row), ensure_ascii=False) + "\n")

    return write


@contextmanager
def _parquet(path: Path, classes: list[str]) -> Iterator[Callable[[Row], None]]:
    import pyarrow as pa
    from pyarrow import parquet

    text, number = pa.string(), pa.float64()
    types = [text, text, number, text, *[number] * len(classes)]
    schema = pa.schema(list(zip(_columns(classes), types, strict=True)))
    waiting: list[list[Any]] = []
    with parquet.ParquetWriter(path, schema) as out:

        def flush() -> None:
            columns = [pa.array(c, t) for c, t in zip(zip(*waiting, strict=True), types, strict=True)]
            out.write_table(pa.Table.from_arrays(columns, schema=schema))
            waiting.clear()

        def write(row: Row) -> None:
            waiting.append(_flat(row, classes))
            if len(waiting) >= 10_000:
                flush()

        yield write
        if waiting:
            flush()
