"""What Python callers hand over (``X``) as `Items`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from regraft.data.dataset import Dataset
from regraft.data.items import Items, PictureFiles, PictureObjects, TableRows, picture_array
from regraft.data.sources import open_items
from regraft.data.trees import Directory
from regraft.errors import DataError


def as_items(x: Any, what: str = "X") -> Items:
    """``X`` as items.

    Taken are: the path of a picture, a folder or a data set; a list of picture paths or of Pillow pictures; an array
    of pictures (n, h, w) or (n, h, w, 1 or 3), uint8 or float in 0..1; a numeric table (n, d); a Dataset.
    """
    if isinstance(x, Dataset):
        return x.items
    if isinstance(x, str | Path):
        return open_items(str(x))
    if hasattr(x, "load") and hasattr(x, "take"):
        return x  # type: ignore[no-any-return]
    if isinstance(x, Image.Image):
        return PictureObjects([x])
    if isinstance(x, Sequence) and len(x) and isinstance(x[0], Image.Image):
        return PictureObjects(x)
    array = np.asarray(x)
    if array.ndim == 1 and array.dtype.kind in "UO" and all(isinstance(v, str | Path) for v in array):
        return _paths([str(v) for v in array], what)
    if array.ndim == 2 and array.dtype.kind in "fiub":
        table = array.astype(np.float64)
        if not np.isfinite(table).all():
            row = int(np.flatnonzero(~np.isfinite(table).all(1))[0])
            raise DataError(f"{what}[{row}] holds a value that is missing or infinite; numeric rows must be finite.")
        return TableRows(table, what)
    if array.ndim == 3 and array.shape[2] in (3, 4) and array.shape[1] > 4:
        raise DataError(
            f"{what} has the shape {array.shape}: one picture in colour? A list of pictures is wanted: [x]."
        )
    if array.ndim in (3, 4) and array.dtype.kind in "fu":
        return picture_array(array, what)
    raise DataError(
        f"{what} has the shape {array.shape} and the type {array.dtype}; wanted are paths, Pillow pictures, an array "
        "of pictures (n, h, w) or (n, h, w, 3), or a numeric table (n, d)."
    )


def _paths(paths: list[str], what: str) -> PictureFiles:
    missing = next((i for i, p in enumerate(paths) if not Path(p).is_file()), None)
    if missing is not None:
        raise DataError(f"{what}[{missing}] is {paths[missing]!r}: there is no such file.")
    return PictureFiles(Directory(Path()), paths)
