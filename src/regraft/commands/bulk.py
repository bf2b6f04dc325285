"""Writing many answers so that a killed run loses little and never leaves half a file.

Answers gather in ``OUT.partial/``, a chunk of JSON lines at a time, each written under a temporary name and renamed.
The file itself is made from the chunks at the end, in order, and gets its name only then.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from regraft.errors import ArtefactError
from regraft.files import disk_errors, jsonable, new_file, write_json, write_text

ENDINGS = (".csv", ".jsonl", ".parquet")
CHUNK = 1000
Row = dict[str, Any]


class Bulk:
    """``add`` each answer, then ``finish``; whatever happens, whole chunks stay for ``resume``.

    ``done`` is how many answers are already safe on disk. ``about`` says what is predicted by what; a run is only
    resumed where it is the same.
    """

    def __init__(self, out: Path, about: dict[str, Any], classes: list[str], *, resume: bool, overwrite: bool) -> None:
        self.out = out
        self.classes = classes
        self.work = out.with_name(out.name + ".partial")
        if out.exists() and not overwrite:
            raise ArtefactError(f"{out} exists: choose another --out, or --overwrite it.")
        if self.work.exists() and not (self.work / "about.json").is_file():
            raise ArtefactError(f"{self.work} is not of a prediction: choose another --out; nothing was touched.")
        if self.work.exists() and overwrite and not resume:
            shutil.rmtree(self.work)
        if self.work.exists() and not resume:
            raise ArtefactError(f"{self.work} is left of an interrupted run: --resume ends it, --overwrite drops it.")
        with disk_errors(out):
            self.work.mkdir(parents=True, exist_ok=True)
            plain = jsonable(about)
            state = self.work / "about.json"
            if state.exists() and json.loads(state.read_text(encoding="utf-8")) != plain:
                raise ArtefactError(f"{self.work} belongs to another model or other inputs: --overwrite drops it.")
            write_json(state, plain)
        self.chunks = len(self._files())
        self.done = self.chunks * CHUNK
        self.waiting: list[str] = []

    def _files(self) -> list[Path]:
        return sorted(self.work.glob("chunk-*.jsonl"))

    def add(self, row: Row) -> None:
        self.waiting.append(json.dumps(jsonable(row), ensure_ascii=False))
        if len(self.waiting) == CHUNK:
            self._flush()

    def _flush(self) -> None:
        write_text(self.work / f"chunk-{self.chunks:08d}.jsonl", "".join(f"{line}\n" for line in self.waiting))
        self.chunks += 1
        self.done += len(self.waiting)
        self.waiting.clear()

    def finish(self) -> int:
        """Makes the file of the chunks; returns how many items could not be read."""
        if self.waiting:
            self._flush()
        failed = 0
        with new_file(self.out) as temporary, _writer(temporary, self.out.suffix.lower(), self.classes) as write:
            for path in self._files():
                with open(path, encoding="utf-8") as f:
                    for line in f:
                        row = json.loads(line)
                        failed += "error" in row
                        write(row)
        shutil.rmtree(self.work)
        return failed


@contextmanager
def _writer(path: Path, ending: str, classes: list[str]) -> Iterator[Callable[[Row], None]]:
    """A function that writes one record in the format that the file's ending names."""
    if ending == ".parquet":
        with _parquet(path, classes) as write:
            yield write
    else:
        with open(path, "w", newline="", encoding="utf-8", errors="backslashreplace") as f:
            yield _csv(f, classes) if ending == ".csv" else _jsonl(f)


def _flat(row: Row, classes: list[str]) -> list[Any]:
    probabilities = row.get("probabilities", {})
    return [row["input"], row.get("label"), row.get("entropy_bits"), row.get("abstain"), row.get("error"),
            *(probabilities.get(c) for c in classes)]  # fmt: skip


def _columns(classes: list[str]) -> list[str]:
    return ["input", "label", "entropy_bits", "abstain", "error", *(f"p:{c}" for c in classes)]


def _csv(f: TextIO, classes: list[str]) -> Callable[[Row], None]:
    out = csv.writer(f)
    out.writerow(_columns(classes))

    def write(row: Row) -> None:
        out.writerow(["" if v is None else repr(v) if isinstance(v, float) else v for v in _flat(row, classes)])

    return write


def _jsonl(f: TextIO) -> Callable[[Row], None]:
    def write(row: Row) -> None:
        f.write(json.dumps(row, ensure_ascii=False) + "\n")

    return write


@contextmanager
def _parquet(path: Path, classes: list[str]) -> Iterator[Callable[[Row], None]]:
    import pyarrow as pa
    from pyarrow import parquet

    text, number = pa.string(), pa.float64()
    types = [text, text, number, pa.bool_(), text, *[number] * len(classes)]
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
