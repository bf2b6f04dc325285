"""CIFAR-10 and CIFAR-100 as their authors publish them: Python pickles of arrays (Krizhevsky 2009).

A pickle can run code, so these are read by an unpickler that builds nothing but numbers, texts, containers and arrays:
see `regraft.data.formats.cifar_pickle`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.errors import DataError
from regraft.core.types import Evidence, Hints
from regraft.data.dataset import Dataset, classification_dataset
from regraft.data.formats.arrays import as_pictures
from regraft.data.formats.cifar_pickle import load_arrays
from regraft.data.items import picture_array
from regraft.data.names import shown


def _batches(path: Path) -> dict[str, list[Path]]:
    if not path.is_dir():
        return {}
    train = sorted(path.glob("data_batch_[0-9]")) or ([path / "train"] if (path / "train").is_file() else [])
    test = [p for p in (path / "test_batch", path / "test") if p.is_file()][:1]
    return {k: v for k, v in (("train", train), ("test", test)) if v}


def sniff(path: Path) -> Evidence | None:
    batches = _batches(path)
    if not batches or not any((path / m).is_file() for m in ("batches.meta", "meta")):
        return None
    # a picture is 3,072 bytes
    items = sum(file.stat().st_size // 3072 for files in batches.values() for file in files)
    return Evidence(f"CIFAR batches ({', '.join(batches)})", items)


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    pictures, labels, parts, names = [], [], [], []
    for part, files in _batches(path).items():
        for file in files:
            batch = _table(file)
            values = batch.get(b"labels", batch.get(b"fine_labels"))
            data = np.asarray(batch.get(b"data", ()))
            if values is None or data.dtype.kind not in "iu" or data.shape != (len(values), 3072):
                raise DataError(f"{file} is no CIFAR batch: wanted are data (n, 3072) of uint8 and n labels.")
            pictures.append(data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
            labels += list(values)
            parts += [part] * len(values)
            names += [f"{file.name}[{i}]" for i in range(len(values))]
    meta = _table(path / "batches.meta" if (path / "batches.meta").is_file() else path / "meta")
    classes = tuple(map(_text, meta.get(b"label_names", meta.get(b"fine_label_names", ()))))
    if not classes or max(labels) >= len(classes):
        raise DataError(f"{path} has labels up to {max(labels)} and {len(classes)} class names in its meta file.")
    pictures, problems = as_pictures(pictures, shown(path.name))
    items = picture_array(np.concatenate(pictures), str(path), names)
    return classification_dataset(
        shown(path.name), items, np.array(labels, np.int64), classes, np.array(parts, dtype=str), format="cifar",
        problems=tuple(problems),
    )  # fmt: skip


def _text(name: bytes | str) -> str:
    return shown(name.decode("utf-8", errors="replace") if isinstance(name, bytes) else name)


def _table(file: Path) -> dict[bytes, Any]:
    found = load_arrays(file.read_bytes(), str(file))
    if not isinstance(found, dict):
        raise DataError(f"{file} holds no table of arrays.")
    return {k.encode() if isinstance(k, str) else k: v for k, v in found.items()}
