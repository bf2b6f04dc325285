"""Writing many answers so that a killed run loses little and never leaves half a file.

Answers gather in ``OUT.partial/``, a chunk of JSON lines at a time, each written under a temporary name and renamed.
The file itself is made from the chunks at the end, in order, and gets its name only then.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

from regraft.core.border import written_by_regraft
from regraft.core.errors import ArtefactError
from regraft.core.files import disk_errors, jsonable, new_file, write_json, write_text
from regraft.core.locks import Lock, lock
from regraft.features.encoders.table import TableNetwork
from regraft.models.model import Model

ENDINGS = (".csv", ".jsonl", ".parquet")
CHUNK, LOCK = 1000, "lock"
Row = dict[str, Any]
Column = tuple[str, tuple[str, ...]]


class Bulk:
    """Inside of it ``add`` each answer, then ``finish``; whatever happens, whole chunks stay for ``resume``.

    ``columns`` are those of a table of answers (`columns_of`); ``done`` is how many answers are already safe on disk.
    ``about`` says what is predicted by what; a run is only resumed where it is the same, and where no other process is
    at it.
    """

    def __init__(
        self, out: Path, about: dict[str, Any], columns: dict[str, Column], *, resume: bool, overwrite: bool
    ) -> None:
        self.out = out
        self.columns = columns
        self.work = out.with_name(out.name + ".partial")
        if out.exists() and not overwrite:
            raise ArtefactError(f"{out} exists: choose another --out, or --overwrite it.")
        inside = {p.name for p in self.work.iterdir()} if self.work.exists() else set()
        if inside - {LOCK} and "about.json" not in inside:
            raise ArtefactError(f"{self.work} is not of a prediction: choose another --out; nothing was touched.")
        if self.work.exists() and not (resume or overwrite):
            raise ArtefactError(f"{self.work} is left of an interrupted run: --resume ends it, --overwrite drops it.")
        with disk_errors(out), ExitStack() as until_ready:
            self.work.mkdir(parents=True, exist_ok=True)
            self.held = until_ready.enter_context(self._lock())
            for path in [] if resume else self.work.iterdir():
                if path.name != LOCK:
                    path.unlink()
            plain = jsonable(about)
            state = self.work / "about.json"
            with written_by_regraft(state):
                before = json.loads(state.read_text(encoding="utf-8")) if state.exists() else plain
            if before != plain:
                raise ArtefactError(f"{self.work} belongs to another model, other inputs or another --adapt: "
                                    "--overwrite drops it.")  # fmt: skip
            write_json(state, plain)
            until_ready.pop_all()
        self.chunks = len(self._files())
        self.done = self.chunks * CHUNK
        self.waiting: list[str] = []

    def __enter__(self) -> Bulk:
        return self

    def __exit__(self, *_: object) -> None:
        self.held.__exit__()

    def _lock(self) -> Lock:
        """The lock of the folder; raises ``ArtefactError`` where another process has it."""
        held = lock(self.work / LOCK, wait=False)
        if held is None:
            raise ArtefactError(f"{self.work}: another process still writes answers there; wait for it or stop it, or "
                                "choose another --out.")  # fmt: skip
        return held

    def _files(self) -> list[Path]:
        return sorted(self.work.glob("chunk-*.jsonl"))

    def check(self, contents: Iterable[str]) -> None:
        """Raises ``ArtefactError`` where an answered item is not what it was; ``contents`` name what they are now."""
        done = (line["content"] for path in self._files() for line in _lines(path))
        for i, (before, now) in enumerate(zip(done, contents, strict=False)):
            if before != now:
                raise ArtefactError(f"{self.work} holds answers to other contents: item {i + 1} has changed since; "
                                    "--overwrite begins anew.")  # fmt: skip

    def add(self, row: Row, content: str) -> None:
        """``content`` names what the answer was made of."""
        self.waiting.append(json.dumps({"content": content, "row": jsonable(row)}, ensure_ascii=False))
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
        with new_file(self.out) as temporary, _writer(temporary, self.out.suffix.lower(), self.columns) as write:
            for path in self._files():
                for line in _lines(path):
                    failed += "error" in line["row"]
                    write(line["row"])
        self.held.__exit__()  # some disks delete no folder in which a file is open
        shutil.rmtree(self.work)
        return failed


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The answers of a chunk, each with what names its content; raises ``ArtefactError`` where they are no such."""
    with written_by_regraft(path), open(path, encoding="utf-8") as f:
        for line in map(json.loads, f):
            yield {"content": line["content"], "row": line["row"]}


@contextmanager
def _writer(path: Path, ending: str, columns: dict[str, Column]) -> Iterator[Callable[[Row], None]]:
    """A function that writes one record in the format that the file's ending names."""
    if ending == ".parquet":
        with _parquet(path, columns) as write:
            yield write
    else:
        with open(path, "w", newline="", encoding="utf-8", errors="backslashreplace") as f:
            yield _csv(f, columns) if ending == ".csv" else _jsonl(f)


def columns_of(model: Model) -> dict[str, Column]:
    """The columns of a table of a model's answers: each with its kind, and the way to its value in a record."""
    found: dict[str, Column] = {"input": ("text", ("input",))}
    if model.numbers:
        found |= {k: ("number", (k,)) for k in ("value", "sigma", "low", "high")}
        found |= {f"q:{q:g}": ("number", ("quantiles", f"{q:g}")) for q in model.decision.get("quantiles", ())}
        return found | _flags(model) | {"error": ("text", ("error",))}
    found |= {"label": ("text", ("label",)), "entropy_bits": ("number", ("entropy_bits",)),
              "abstain": ("yes", ("abstain",)), "error": ("text", ("error",))}  # fmt: skip
    return found | _flags(model) | {f"p:{c}": ("number", ("probabilities", c)) for c in model.target.classes}


def _flags(model: Model) -> dict[str, Column]:
    known = {"unlike": model.familiar is not None, "empty": isinstance(model.network, TableNetwork)}
    return {name: ("yes", (name,)) for name, told in known.items() if told}


def _flat(row: Row, columns: dict[str, Column]) -> list[Any]:
    found = []
    for _, (first, *rest) in columns.values():
        value = row.get(first)
        for key in rest:
            value = None if value is None else value.get(key)
        found.append(value)
    return found


def _csv(f: TextIO, columns: dict[str, Column]) -> Callable[[Row], None]:
    out = csv.writer(f)
    out.writerow(columns)

    def write(row: Row) -> None:
        out.writerow(["" if v is None else repr(v) if isinstance(v, float) else v for v in _flat(row, columns)])

    return write


def _jsonl(f: TextIO) -> Callable[[Row], None]:
    def write(row: Row) -> None:
        f.write(json.dumps(row, ensure_ascii=False) + "\n")

    return write


@contextmanager
def _parquet(path: Path, columns: dict[str, Column]) -> Iterator[Callable[[Row], None]]:
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {"text": pa.string(), "number": pa.float64(), "yes": pa.bool_()}
    types = [kinds[kind] for kind, _ in columns.values()]
    schema = pa.schema(list(zip(columns, types, strict=True)))
    waiting: list[list[Any]] = []
    with parquet.ParquetWriter(path, schema) as out:

        def flush() -> None:
            columns = [pa.array(c, t) for c, t in zip(zip(*waiting, strict=True), types, strict=True)]
            out.write_table(pa.Table.from_arrays(columns, schema=schema))
            waiting.clear()

        def write(row: Row) -> None:
            waiting.append(_flat(row, columns))
            if len(waiting) >= 10_000:
                flush()

        yield write
        if waiting:
            flush()
