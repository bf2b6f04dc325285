"""IDX files, the format of MNIST, plain or gzipped: ``<part>-images-idx3-ubyte`` beside ``<part>-labels-idx1-ubyte``.

The header is two zero bytes, a type byte, the number of axes and then each axis as a big-endian 32-bit integer
(LeCun, Cortes and Burges, "The MNIST database of handwritten digits").
"""

from __future__ import annotations

import gzip
import math
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError
from regraft.core.types import Evidence, Hints
from regraft.data.dataset import Dataset
from regraft.data.formats.arrays import as_labels, as_pictures
from regraft.data.items import picture_array
from regraft.data.names import shown
from regraft.data.parts import part_of

_PICTURES = re.compile(r"(?P<part>.+?)[-_.]images?[-_.]idx3-ubyte(\.gz)?$", re.IGNORECASE)
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def _picture_files(path: Path) -> list[Path]:
    files = sorted(path.iterdir()) if path.is_dir() else [path] if path.is_file() else []
    found: dict[str, Path] = {}
    for file in files:
        if match := _PICTURES.match(file.name):
            found.setdefault(match["part"], file)
    return list(found.values())


def sniff(path: Path) -> Evidence | None:
    files = _picture_files(path)
    if not files:
        return None
    return Evidence(f"IDX files ({', '.join(shown(f.name) for f in files)})", sum(map(_count, files)))


def _count(file: Path) -> int:
    """How many pictures the head of a file promises; 0 where it has none."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else open(file, "rb") as f:
            head = f.read(8)
    except (OSError, EOFError, zlib.error):
        return 0
    return int.from_bytes(head[4:8], "big") if len(head) == 8 else 0


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    arrays, labels, parts, names = [], [], [], []
    files = _picture_files(path)
    stems = [_PICTURES.match(file.name)["part"] for file in files]  # type: ignore[index]
    for file, part, of_part in zip(files, stems, _part_names(stems), strict=True):
        pictures = read_idx(file)
        values = read_idx(_label_file(file))
        if len(values) != len(pictures):
            raise DataError(
                f"{file} holds {len(pictures)} pictures and {_label_file(file).name} {len(values)} labels; "
                "each picture takes one label."
            )
        arrays.append(pictures)
        labels.append(values)
        parts += [of_part] * len(pictures)
        names += [f"{shown(part)}_images[{i}]" for i in range(len(pictures))]
    if len({a.shape[1:] for a in arrays}) > 1:
        raise DataError(f"{path} has parts of different picture size: {[a.shape[1:] for a in arrays]}.")
    arrays, problems = as_pictures(arrays, shown(path.name))
    items = picture_array(np.concatenate(arrays) if len(arrays) > 1 else arrays[0], str(path), names)
    spec, y, how = as_labels(np.concatenate(labels), None, str(path), hints.task)
    return Dataset(
        shown(path.name.split(".")[0]), items, {"label": spec}, {"label": y},
        np.array(parts, dtype=str), format="idx", problems=tuple(problems),
        evidence=f"IDX files ({', '.join(shown(f.name) for f in files)}){', ' + how if how else ''}",
    )  # fmt: skip


def _part_names(stems: list[str]) -> list[str]:
    """The parts that the beginnings of file names mean: ``train``, or ``emnist-letters-train`` of one such set."""
    if all(map(part_of, stems)):
        return [part_of(stem) or "" for stem in stems]
    split = [re.match(r"(.+)[-_.]([^-_.]+)$", stem) for stem in stems]
    if len({m and m[1] for m in split}) == 1 and all(m and part_of(m[2]) for m in split):
        return [part_of(m[2]) or "" for m in split if m]
    return [part_of(stem) or shown(stem) for stem in stems]


def _label_file(pictures: Path) -> Path:
    stem = re.sub(r"\.gz$", "", pictures.name, flags=re.IGNORECASE)
    stem = re.sub("image", "label", stem, flags=re.IGNORECASE).replace("idx3", "idx1")
    for name in (stem + ".gz", stem):
        if (pictures.parent / name).is_file():
            return pictures.parent / name
    raise DataError(f"{pictures} has no labels beside it; they are looked for in {stem} or {stem}.gz.")


def read_idx(path: Path) -> NDArray[Any]:
    """One IDX file as an array; raises ``DataError`` where it is damaged."""
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    kind = _TYPES.get(data[2]) if len(data) >= 4 and data[:2] == b"\0\0" else None
    if kind is None:
        raise DataError(f"{path} is no IDX file: it does not start with two zero bytes and a known type.")
    axes = data[3]
    shape = tuple(int(n) for n in np.frombuffer(data, ">i4", axes, 4)) if len(data) >= 4 + 4 * axes else (-1,)
    size = math.prod(shape) * np.dtype(kind).itemsize
    if min(shape, default=0) < 0 or len(data) != 4 + 4 * axes + size:
        raise DataError(
            f"{path} is cut off or too long: its header promises {max(size, 0)} bytes of values and "
            f"{max(0, len(data) - 4 - 4 * axes)} follow."
        )
    values = np.frombuffer(data, kind, offset=4 + 4 * axes).reshape(shape)
    return values.astype(values.dtype.newbyteorder("="))
