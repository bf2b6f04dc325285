"""NumPy archives: ``<part>_images`` and ``<part>_labels`` (or ``images`` and ``labels``), perhaps ``class_names``.

Nothing in the file is executed: arrays of Python objects, which would have to be unpickled, are refused.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.data.dataset import Dataset, as_names, classification_dataset
from regraft.data.items import PictureArray, picture_array
from regraft.data.parts import part_of
from regraft.errors import DataError
from regraft.types import Hints

_IMAGES = "images"


def sniff(path: Path) -> str | None:
    if path.suffix.lower() != ".npz" or not path.is_file():
        return None
    return "a NumPy archive (.npz)"


def read(path: Path, hints: Hints = Hints()) -> Dataset:
    arrays = _load(path)
    stems = [key.removesuffix(_IMAGES).rstrip("_") for key in arrays if key == _IMAGES or key.endswith(f"_{_IMAGES}")]
    if not stems:
        raise DataError(
            f"{path} holds the arrays {sorted(arrays)}; pictures are looked for in <part>_images with their labels "
            "in <part>_labels, such as train_images and train_labels."
        )
    pictures: list[PictureArray] = []
    labels: list[NDArray[Any]] = []
    parts: list[str] = []
    for stem in stems:
        key = f"{stem}_{_IMAGES}".lstrip("_")
        of_part = picture_array(arrays[key], f"{key} in {path.name}", key)
        values = arrays.get(key.replace(_IMAGES, "labels"))
        if values is None:
            raise DataError(f"{path} holds {key} without {key.replace(_IMAGES, 'labels')}.")
        if values.shape != (len(of_part),):
            raise DataError(
                f"{path}: {key} holds {len(of_part)} pictures and its labels have the shape {values.shape}; "
                "each picture takes one label."
            )
        pictures.append(of_part)
        labels.append(values)
        parts += [part_of(stem) or stem] * len(of_part)
    indices, classes = _classes(np.concatenate(labels), arrays.get("class_names"), path)
    return classification_dataset(
        path.name, _join(pictures, path), indices, classes, np.array(parts, dtype=str), format="npz"
    )


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is no whole NumPy archive ({error}); save it again with numpy.savez.") from error
    except ValueError as error:
        raise DataError(
            f"{path} holds arrays of Python objects, which regraft never unpickles since that can run code; "
            "save plain numeric or text arrays instead."
        ) from error


def _classes(values: NDArray[Any], names: NDArray[Any] | None, path: Path) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    if values.dtype.kind == "f" and len(values) and not (values == np.round(values)).all():
        raise DataError(f"{path} has labels that are no whole numbers; classes are whole numbers or names.")
    if values.dtype.kind == "f":
        values = values.astype(np.int64)
    if names is not None:
        names = np.char.decode(names, "utf-8", "replace") if names.dtype.kind == "S" else names
        if len(np.unique(names)) < len(names):
            raise DataError(f"{path} has the same name twice in class_names; each class takes one.")
    if names is None or values.dtype.kind not in "iu":
        return as_names(values)
    if len(values) and (values.min() < 0 or values.max() >= len(names)):
        raise DataError(f"{path} has labels from {values.min()} to {values.max()} and {len(names)} class_names.")
    return values.astype(np.int64), tuple(str(n) for n in names)


def _join(pictures: list[PictureArray], path: Path) -> PictureArray:
    if len(pictures) == 1:
        return pictures[0]
    if len({(p.array.shape[1:], p.array.dtype) for p in pictures}) > 1:
        found = ", ".join(f"{p.names} {p.array.shape[1:]} {p.array.dtype}" for p in pictures)
        raise DataError(f"{path} has parts of different shape or type ({found}); save all parts alike.")
    names = [p.name(i) for p in pictures for i in range(len(p))]
    return PictureArray(np.concatenate([p.array for p in pictures]), names)
