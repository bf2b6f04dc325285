"""NumPy archives: ``<part>_images`` and ``<part>_labels`` (or ``images`` and ``labels``), perhaps ``class_names``; also
``x_train`` and ``y_train``, as Keras names them, and MedMNIST's labels of the shape (n, 1) or (n, k).

Nothing in the file is executed: arrays of Python objects, which would have to be unpickled, are refused.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError
from regraft.core.types import Evidence, Hints
from regraft.data.dataset import Dataset
from regraft.data.formats.arrays import as_labels, as_pictures
from regraft.data.items import PictureArray, picture_array
from regraft.data.names import shown
from regraft.data.parts import part_of

_PICTURES = re.compile(r"(?:(?P<before>.+)_)?(?:images|imgs|pictures|data|x)(?:_(?P<after>.+))?", re.IGNORECASE)
_LABELS = ("labels", "label", "targets", "target", "y")


class _Part(NamedTuple):
    """The arrays of one part: the names of that of the pictures and that of the labels."""

    name: str
    pictures: str
    labels: str | None


def sniff(path: Path) -> Evidence | None:
    if path.suffix.lower() != ".npz" or not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            items = sum(_length(path, part.labels) for part in _parts(archive.files) if part.labels)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile):
        items = 0
    return Evidence("a NumPy archive (.npz)", items)


def _length(path: Path, key: str) -> int:
    """How many rows an array of the archive has, by its head."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape = read(file)[0]
    return int(shape[0]) if shape else 0


def _parts(keys: list[str]) -> list[_Part]:
    """The parts by the names of their arrays, in the order of the archive."""
    by_lower = {key.lower(): key for key in keys}
    found = []
    for key in keys:
        match = _PICTURES.fullmatch(key)
        if match is None:
            continue
        before, after = match["before"], match["after"]
        forms = (
            [f"{before}_{{}}" if before else "{}"] if not after else [f"{{}}_{after}", f"{before or ''}{{}}_{after}"]
        )
        labels = (by_lower.get(form.format(name).lower()) for form in forms for name in _LABELS)
        stem = before or after or ""
        found.append(_Part(part_of(stem) or stem, key, next((name for name in labels if name), None)))
    known = [part for part in found if part.labels]
    return known or found


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    arrays = _load(path)
    found = _parts(list(arrays))
    if not found:
        raise DataError(
            f"{path} holds the arrays {sorted(arrays)}; pictures are looked for in <part>_images with their labels "
            "in <part>_labels, such as train_images and train_labels."
        )
    values: list[NDArray[Any]] = []
    parts: list[str] = []
    raw, problems = as_pictures([arrays[part.pictures] for part in found], shown(path.name))
    pictures: list[PictureArray] = []
    for part, array in zip(found, raw, strict=True):
        of_part = picture_array(array, f"{part.pictures} in {path.name}", part.pictures)
        if part.labels is None:
            wanted = part.pictures.replace("images", "labels")
            raise DataError(f"{path} holds {part.pictures} without {wanted}; to predict without labels hand over the "
                            "array: regraft.load(model).predict(x).")  # fmt: skip
        labels = arrays[part.labels]
        if labels.ndim not in (1, 2) or len(labels) != len(of_part):
            raise DataError(
                f"{path}: {part.pictures} holds {len(of_part)} pictures and its labels have the shape {labels.shape}; "
                "each picture takes one label."
            )
        pictures.append(of_part)
        values.append(labels)
        parts += [part.name] * len(of_part)
    if len({v.shape[1:] for v in values}) > 1:
        raise DataError(f"{path} has labels of different shapes ({', '.join(str(v.shape) for v in values)}).")
    names = _names(arrays.get("class_names"), path)
    spec, y, how = as_labels(np.concatenate(values), names, str(path), hints.task)
    return Dataset(
        shown(path.name), _join(pictures, path), {"label": spec}, {"label": y},
        np.array(parts, dtype=str), format="npz", problems=tuple(problems),
        evidence=f"a NumPy archive (.npz){', ' + how if how else ''}",
    )  # fmt: skip


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is no whole NumPy archive ({error}); save it again with numpy.savez.") from error
    except ValueError as error:
        raise DataError(
            f"{path} holds arrays of Python objects, which regraft never unpickles since that can run code; "
            "save plain numeric or text arrays instead."
        ) from error


def _names(names: NDArray[Any] | None, path: Path) -> tuple[str, ...] | None:
    if names is None:
        return None
    names = np.char.decode(names, "utf-8", "replace") if names.dtype.kind == "S" else names
    if len(np.unique(names)) < names.size:
        raise DataError(f"{path} has the same name twice in class_names; each class takes one.")
    return tuple(shown(str(name)) for name in names.reshape(-1))


def _join(pictures: list[PictureArray], path: Path) -> PictureArray:
    if len(pictures) == 1:
        return pictures[0]
    if len({(p.array.shape[1:], p.array.dtype) for p in pictures}) > 1:
        found = ", ".join(f"{p.names} {p.array.shape[1:]} {p.array.dtype}" for p in pictures)
        raise DataError(f"{path} has parts of different shape or type ({found}); save all parts alike.")
    names = [p.name(i) for p in pictures for i in range(len(p))]
    return PictureArray(np.concatenate([p.array for p in pictures]), names)
