"""What Python callers hand over (``X``) as `Items`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from regraft.data.dataset import Dataset
from regraft.data.formats import table
from regraft.data.items import Items, PictureFiles, PictureObjects, TableRows, Texts, picture_array
from regraft.data.pictures import SUFFIXES
from regraft.data.sources import open_items, split_part
from regraft.data.trees import Directory
from regraft.errors import DataError
from regraft.types import Hints


def as_items(x: Any, what: str = "X", *, modality: str | None = None, hints: Hints = Hints()) -> Items:
    """``X`` as items.

    Taken are: the path of a picture, a folder or a data set; a list of picture paths or of Pillow pictures; a list,
    array or Series of texts; an array of pictures (n, h, w) or (n, h, w, 1 or 3), uint8 or float in 0..1; a numeric
    table (n, d); a Dataset. Strings are paths where all of them are files or end as pictures do, else texts;
    ``modality`` overrules: with text a list holds texts, and a string that names no file is one; ``hints`` name the
    columns of a table.
    """
    if isinstance(x, Dataset):
        return x.items
    if isinstance(x, str | Path):
        if modality == "text" and isinstance(x, str) and not x.startswith("embedded:") and not _is_there(x):
            return Texts([x], what)
        return open_items(str(x), modality=modality, hints=hints)
    if hasattr(x, "load") and hasattr(x, "take"):
        return x  # type: ignore[no-any-return]
    if hasattr(x, "columns") and modality is not None:
        return table.read_items(x, hints, modality).items
    if isinstance(x, Image.Image):
        return PictureObjects([x])
    if isinstance(x, Sequence) and len(x) and isinstance(x[0], Image.Image):
        return PictureObjects(x)
    strings = _strings(x)
    if strings is not None:
        if modality != "text" and (modality == "image" or _are_paths(strings)):
            return _paths(strings, what)
        return Texts(strings, what)
    array = np.asarray(x)
    if array.ndim == 2 and array.dtype.kind in "fiub":
        numbers = array.astype(np.float64)
        if not np.isfinite(numbers).all():
            row = int(np.flatnonzero(~np.isfinite(numbers).all(1))[0])
            raise DataError(f"{what}[{row}] holds a value that is missing or infinite; numeric rows must be finite.")
        return TableRows(numbers, what)
    if array.ndim == 3 and array.shape[2] in (3, 4) and array.shape[1] > 4:
        raise DataError(
            f"{what} has the shape {array.shape}: one picture in colour? A list of pictures is wanted: [x]."
        )
    if array.ndim in (3, 4) and array.dtype.kind in "fu":
        return picture_array(array, what)
    raise DataError(
        f"{what} has the shape {array.shape} and the type {array.dtype}; wanted are paths, texts, Pillow pictures, an "
        "array of pictures (n, h, w) or (n, h, w, 3), or a numeric table (n, d)."
    )


def _strings(x: Any) -> list[str] | None:
    """The strings of a list, array or Series, "" for missing ones; None where it holds anything else."""
    if isinstance(x, np.ndarray) and (x.ndim != 1 or x.dtype.kind not in "UOT"):
        return None
    if not isinstance(x, list | tuple | np.ndarray) and getattr(x, "ndim", 0) != 1:
        return None
    values = x.tolist() if hasattr(x, "tolist") else list(x)
    if not any(isinstance(v, str | Path) for v in values):
        return None
    missing = [v is None or str(v) in ("nan", "<NA>") for v in values]
    if not all(m or isinstance(v, str | Path) for v, m in zip(values, missing, strict=True)):
        return None
    return ["" if m and not isinstance(v, str) else str(v) for v, m in zip(values, missing, strict=True)]


def _are_paths(strings: list[str]) -> bool:
    return all(PurePosixPath(s).suffix.lower() in SUFFIXES for s in strings) or all(_is_there(s) for s in strings)


def _is_there(text: str) -> bool:
    """Whether it names a file or folder; a long text cannot."""
    try:
        return bool(text) and Path(split_part(text)[0]).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False


def _paths(paths: list[str], what: str) -> PictureFiles:
    missing = next((i for i, p in enumerate(paths) if not Path(p).is_file()), None)
    if missing is not None:
        raise DataError(f"{what}[{missing}] is {paths[missing]!r}: there is no such file.")
    return PictureFiles(Directory(Path()), paths)
