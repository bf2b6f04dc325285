"""What Python callers hand over (``X``) as `Items`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from regraft.core.errors import DataError
from regraft.core.types import Hints, Modality
from regraft.data.arrays import as_array, listed, one_shape, picture_objects
from regraft.data.dataset import Dataset
from regraft.data.formats import table
from regraft.data.frames import is_frame
from regraft.data.image.decoding import SUFFIXES
from regraft.data.items import Items, PictureFiles, PictureObjects, TableRows, Texts, picture_array
from regraft.data.memory import Memory
from regraft.data.open import is_there, open_items
from regraft.data.trees import Directory

_CALLED = {"image": "pictures", "text": "texts", "table": "rows of numbers"}
WANTED = ("paths, texts, Pillow pictures, bytes of picture files, an array of pictures (n, h, w) or (n, h, w, 3), a "
          "list of such pictures, a numeric table (n, d), or a DataFrame")  # fmt: skip


def as_items(x: Any, what: str = "X", *, modality: str | None = None, hints: Hints = Hints()) -> Items:
    """``X`` as items.

    Taken are: the path of a picture, a folder or a data set; a list of picture paths, of Pillow pictures, of the bytes
    of picture files (or open files); a list, array or Series of texts; an array of pictures (n, h, w) or (n, h, w, 1 or
    3), uint8 or float in 0..1, or a list of such pictures of any sizes; a numeric table (n, d); a DataFrame (of pandas,
    polars or pyarrow); a Dataset. Strings are paths where all of them are files or end as pictures do, else texts.

    ``modality``, what the model takes, overrules: with text a list holds texts, and a string that has not the look of a
    path is one; ``hints`` name the columns of a table. Raises ``DataError``, which names the place in ``what`` and says
    what would be read.
    """
    if isinstance(x, Dataset):
        return x.items
    if isinstance(x, str | PurePath):
        if modality == "text" and isinstance(x, str) and not _is_meant_as_path(x):
            return Texts([x], what)
        return open_items(str(x), modality=modality, hints=hints)
    if hasattr(x, "load") and hasattr(x, "take"):
        return x  # type: ignore[no-any-return]
    if is_frame(x):
        return _of_frame(x, modality, hints)
    if isinstance(x, Image.Image | bytes | bytearray | memoryview) or _is_open_file(x):
        x = [x]
    if hasattr(x, "__array__") and not isinstance(x, Iterable):
        x = as_array(x, what)
    if hasattr(x, "toarray"):
        raise DataError(f"{what} is sparse; x.toarray() is taken.")
    if isinstance(x, Mapping | set | frozenset) or not isinstance(x, Iterable):
        raise DataError(f"{what} is of the type {type(x).__name__}; wanted are {WANTED}.")
    values = listed(x, what)
    if values is not None and len(values):
        found = _of_list(values, what, modality)
        if found is not None:
            return found
    array = as_array(x, what)
    nothing = array.ndim > 0 and len(array) == 0
    return _none_of(modality) if modality is not None and nothing else _of_array(array, what, modality)


def as_read_by(modality: Modality, x: Any, hints: Hints = Hints()) -> Items:
    """``X`` as items for a model of that modality; paths of pictures that are there are no texts to it."""
    items = as_items(x, modality=modality, hints=hints)
    if modality == "text" and isinstance(items, Texts) and len(items) and all(map(_is_picture, items.texts)):
        raise DataError(f"X holds paths of pictures ({items.texts[0]!r}), and the model takes texts.")
    return items


def _is_picture(text: str) -> bool:
    return PurePosixPath(text).suffix.lower() in SUFFIXES and _is_file(text)


def _of_frame(frame: Any, modality: str | None, hints: Hints) -> Items:
    """A column of texts or paths where it is the only one, or where that is what the model takes; else the rows."""
    if modality is not None and not len(frame):
        return _none_of(modality)
    if modality is None:
        only = table.only_column(frame)
        modality, hints = (only.modality, Hints(kept=only)) if only else ("table", hints)
    return table.read_items(frame, hints, modality).items


def _is_meant_as_path(text: str) -> bool:
    """Whether a single string names something that is there, and has the look of a path: a text may be any word."""
    looks = "/" in text or os.sep in text or bool(PurePath(text.partition("#")[0]).suffix)
    return text.startswith("embedded:") or (looks and is_there(text))


def _is_open_file(x: Any) -> bool:
    return hasattr(x, "read") and hasattr(x, "seek")


def _of_list(values: list[Any], what: str, modality: str | None) -> Items | None:
    """Items of a list whose members are all of one kind; None where they are numbers or rows of them."""
    kinds = [_kind(v) for v in values]
    some = [k for k in kinds if k != "missing"]
    kind = some[0] if some else "missing"
    other = next((i for i, k in enumerate(kinds) if k != kind and (k, kind) != ("missing", "string")), None)
    if kind == "number" and other is None:
        return None
    if kind == "missing" or (other is not None and "missing" in (kinds[other], kind)):
        at = kinds.index("missing")
        raise DataError(f"{what}[{at}] is {values[at]!r}, which holds nothing to read; leave it out.")
    if other is not None:
        raise DataError(f"{what} mixes kinds: {what}[{kinds.index(kind)}] is {_named(values[kinds.index(kind)])} and "
                        f"{what}[{other}] {_named(values[other])}; all must be of one.")  # fmt: skip
    if kind == "string":
        strings = ["" if k == "missing" else os.fspath(v) for v, k in zip(values, kinds, strict=True)]
        if modality == "table":
            raise DataError(f"{what} holds strings ({strings[0]!r}), and the model takes rows of numbers.")
        return _of_strings(strings, what, modality, paths=any(isinstance(v, PurePath) for v in values))
    if kind == "bytes" and modality == "text":
        raise DataError(f"{what} holds bytes, and the model takes texts: [x.decode() for x in {what}].")
    if modality not in (None, "image"):
        raise DataError(f"{what} holds pictures, and the model takes {_CALLED[modality]}.")
    if kind == "picture":
        return PictureObjects(values)
    if kind == "bytes":
        names = [f"{what}[{i}]" for i in range(len(values))]
        return PictureFiles(Memory(dict(zip(names, map(_content, values), strict=True))), names)
    return _of_array(as_array(values, what), what, modality) if one_shape(values) else picture_objects(values, what)


def _kind(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value) or str(value) in ("<NA>", "NaT"):
        return "missing"
    if isinstance(value, str | PurePath):
        return "string"
    if isinstance(value, Image.Image):
        return "picture"
    if isinstance(value, bytes | bytearray | memoryview) or _is_open_file(value):
        return "bytes"
    return "array" if getattr(value, "ndim", 0) >= 2 else "number"


def _named(value: Any) -> str:
    return repr(value) if isinstance(value, str | int | float | PurePath) else f"of the type {type(value).__name__}"


def _content(value: Any) -> bytes:
    if _is_open_file(value):
        value.seek(0)
        value = value.read()
    return bytes(value) if not isinstance(value, str) else value.encode()


def _of_strings(strings: list[str], what: str, modality: str | None, *, paths: bool) -> Items:
    some = [s for s in strings if s] or strings
    named = all(PurePosixPath(s).suffix.lower() in SUFFIXES for s in some)
    there = [_is_file(s) for s in strings]
    if modality == "text":
        if paths:
            raise DataError(f"{what} holds paths ({strings[0]!r}), and the model takes texts themselves.")
        return Texts(strings, what)
    if modality != "image" and not paths and not named and not all(there):
        return Texts(strings, what)
    for i, path in enumerate(strings):
        if not there[i]:
            is_folder = there[i] is False and _is_folder(path)
            found = "a folder is there, and a picture's file is wanted" if is_folder else "there is no such file"
            raise DataError(f"{what}[{i}] is {path!r}: {found}.")
    return PictureFiles(Directory(Path()), [os.path.expanduser(s) for s in strings])


def _is_file(text: str) -> bool:
    try:
        return bool(text) and os.path.isfile(os.path.expanduser(text))
    except ValueError:  # a NUL byte
        return False


def _is_folder(text: str) -> bool:
    return "\0" not in text and os.path.isdir(os.path.expanduser(text))


def _none_of(modality: str) -> Items:
    return PictureObjects([]) if modality == "image" else Texts([], "X") if modality == "text" else (
        TableRows(np.zeros((0, 0)), "X")
    )  # fmt: skip


def _of_array(array: NDArray[Any], what: str, modality: str | None) -> Items:
    shape, kind = array.shape, array.dtype.kind
    if modality == "text" or (modality == "table" and array.ndim != 2):
        raise DataError(f"{what} has the shape {shape}, and the model takes {_CALLED[modality]}.")
    if modality == "image" and array.ndim == 2:
        raise DataError(f"{what} has the shape {shape}, and the model takes an image an item: of one grey picture a "
                        "list is wanted, [x].")  # fmt: skip
    if array.ndim == 2 and kind in "fiub":
        numbers = array.astype(np.float64)
        if not np.isfinite(numbers).all():
            row = int(np.flatnonzero(~np.isfinite(numbers).all(1))[0])
            raise DataError(f"{what}[{row}] holds a value that is missing or infinite; numeric rows must be finite.")
        return TableRows(numbers, what)
    if array.ndim == 3 and shape[2] in (3, 4) and shape[1] > 4:
        raise DataError(f"{what} has the shape {shape}: one picture in colour? A list of pictures is wanted: [x].")
    if array.ndim == 4 and shape[3] not in (1, 3) and shape[1] in (1, 3, 4):
        raise DataError(f"{what} has the shape {shape}: channels first? Pictures are (n, h, w, 3): "
                        "x.transpose(0, 2, 3, 1), of a tensor x.permute(0, 2, 3, 1).")  # fmt: skip
    if array.ndim == 4 and shape[3] == 4:
        raise DataError(f"{what} has the shape {shape}: of pictures with transparency hand over "
                        "[PIL.Image.fromarray(p) for p in x], of others the three channels that are meant: "
                        "x[..., :3].")  # fmt: skip
    if array.ndim in (3, 4) and kind in "fiub":
        return picture_array(array, what)
    raise DataError(f"{what} has the shape {shape} and the type {array.dtype}; wanted are {WANTED}.")
