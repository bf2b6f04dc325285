"""Where the items of a data set live. All kinds answer the same five questions."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from regraft.core.errors import DataError, UnreadableItem
from regraft.core.types import Modality
from regraft.data.image import decoding as pictures
from regraft.data.names import shown
from regraft.data.text.shortening import is_empty
from regraft.data.trees import Tree

Stamp = tuple[int, int, int]
NO_FAULTS: Mapping[Any, str] = {}
Indices = NDArray[np.integer[Any]]


class Items(Protocol):
    """A sequence of items, loaded one at a time."""

    @property
    def modality(self) -> Modality: ...

    def __len__(self) -> int: ...

    def name(self, i: int) -> str:
        """What a person calls item ``i``: a path below the data's root, or ``train_images[17]``."""
        ...

    def digest(self, i: int) -> bytes:
        """16 bytes that name the content; raises ``UnreadableItem`` if there is none to read."""
        ...

    def load(self, i: int) -> Any:
        """The item as an array, a text as a str; raises ``UnreadableItem``."""
        ...

    def take(self, indices: Indices) -> Items:
        """The items at ``indices``, in that order."""
        ...


class PictureFiles:
    """Picture files in a folder or archive. ``root``, a prefix of the paths, is left out of the names; ``faults`` maps
    those that cannot be read to why. ``known`` are digests of files by path, with what each was like then.
    """

    modality: Modality = "image"

    def __init__(
        self, tree: Tree, paths: Sequence[str], root: str = "", *, faults: Mapping[str, str] = NO_FAULTS,
        known: dict[str, tuple[Stamp, bytes]] | None = None,
    ) -> None:  # fmt: skip
        self.tree = tree
        self.paths = paths
        self.root = root
        self.faults = faults
        self.known = {} if known is None else known

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, i: int) -> str:
        return shown(self.paths[i].removeprefix(self.root))

    def read(self, i: int) -> bytes:
        """The bytes of the file, still encoded."""
        if self.paths[i] in self.faults:
            raise UnreadableItem(self.faults[self.paths[i]])
        return self.tree.read(self.paths[i])

    def digest(self, i: int) -> bytes:
        stamp, path = self._stamp(i), self.paths[i]
        if stamp is not None and path in self.known and self.known[path][0] == stamp:
            return self.known[path][1]
        found = hashlib.blake2b(self.read(i), digest_size=16).digest()
        if stamp is not None:
            self.known[path] = stamp, found
        return found

    def _stamp(self, i: int) -> Stamp | None:
        """What changes when the file does; None in an archive, or where there is no file."""
        where = self.tree.where(self.paths[i])
        try:
            told = None if where is None else os.stat(where)
        except (OSError, ValueError):
            return None
        return None if told is None else (told.st_ino, told.st_size, told.st_mtime_ns)

    def load(self, i: int) -> pictures.Picture:
        return pictures.decode(self.read(i))

    def shape(self, i: int) -> tuple[int, int, int]:
        """That of the loaded item, from the head of the file alone; raises ``UnreadableItem``."""
        width, height, _ = pictures.shape_of(self.read(i))
        return height, width, 3

    def take(self, indices: Indices) -> PictureFiles:
        paths = [self.paths[i] for i in indices]
        return PictureFiles(self.tree, paths, self.root, faults=self.faults, known=self.known)


class RowsInMemory:
    """Those of n rows that ``index`` names. ``names`` is a name for each row, or one for all of them: ``X`` for
    ``X[17]``.
    """

    def __init__(self, n: int, names: str | Sequence[str], index: Indices | None) -> None:
        self.names = names
        self.index = np.arange(n) if index is None else np.asarray(index)

    def __len__(self) -> int:
        return len(self.index)

    def name(self, i: int) -> str:
        row = int(self.index[i])
        return f"{self.names}[{row}]" if isinstance(self.names, str) else self.names[row]


class ArrayItems(RowsInMemory):
    """The part of an array that a list of row numbers names; taking a part copies no pixels."""

    modality: Modality

    def __init__(self, array: NDArray[Any], names: str | Sequence[str], index: Indices | None = None) -> None:
        super().__init__(len(array), names, index)
        self.array = array

    def digest(self, i: int) -> bytes:
        row = self.load(i)
        h = hashlib.blake2b(f"{row.shape}{row.dtype}".encode(), digest_size=16)
        h.update(row.tobytes())
        return h.digest()

    def load(self, i: int) -> NDArray[Any]:
        return self.array[self.index[i]]

    def take(self, indices: Indices) -> ArrayItems:
        return type(self)(self.array, self.names, self.index[indices])


class PictureArray(ArrayItems):
    """Pictures in memory: (n, h, w) or (n, h, w, 1 or 3), uint8 or float in 0..1."""

    modality: Modality = "image"

    def load(self, i: int) -> pictures.Picture:
        return pictures.from_array(self.array[self.index[i]])


class TableRows(ArrayItems):
    """Numeric rows: (n, d) floating point, all finite."""

    modality: Modality = "table"


class PictureObjects:
    """Pillow pictures held by the caller; each reads like the file that it was opened from."""

    modality: Modality = "image"

    def __init__(self, images: Sequence[Image.Image]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def name(self, i: int) -> str:
        return f"X[{i}]"

    def digest(self, i: int) -> bytes:
        picture = self.load(i)
        return hashlib.blake2b(f"{picture.shape}".encode() + picture.tobytes(), digest_size=16).digest()

    def load(self, i: int) -> pictures.Picture:
        return pictures.examine_object(self.images[i]).picture

    def take(self, indices: Indices) -> PictureObjects:
        return PictureObjects([self.images[i] for i in indices])


class Texts(RowsInMemory):
    """Texts in memory, read without white space around them, as cells of a table are; ``faults`` maps the places of
    those that cannot be read to why.
    """

    modality: Modality = "text"

    def __init__(
        self, texts: Sequence[str], names: str | Sequence[str], index: Indices | None = None, *,
        faults: Mapping[int, str] = NO_FAULTS,
    ) -> None:  # fmt: skip
        super().__init__(len(texts), names, index)
        self.texts, self.faults = texts, faults

    def digest(self, i: int) -> bytes:
        return hashlib.blake2b(self.load(i).encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def load(self, i: int) -> str:
        if int(self.index[i]) in self.faults:
            raise UnreadableItem(self.faults[int(self.index[i])])
        text = self.texts[int(self.index[i])]
        if is_empty(text):
            raise UnreadableItem("it is empty")
        return text.strip()

    def take(self, indices: Indices) -> Texts:
        return Texts(self.texts, self.names, self.index[indices], faults=self.faults)


class JoinedItems:
    """Items of two sources as one sequence, those of the first before those of the second."""

    def __init__(self, first: Items, second: Items, index: Indices | None = None) -> None:
        self.parts = first, second
        self.index = np.arange(len(first) + len(second)) if index is None else np.asarray(index)

    @property
    def modality(self) -> Modality:
        """That of the first part; all have one."""
        return self.parts[0].modality

    def __len__(self) -> int:
        return len(self.index)

    def _place(self, i: int) -> tuple[Items, int]:
        first, second = self.parts
        at = int(self.index[i])
        return (first, at) if at < len(first) else (second, at - len(first))

    def name(self, i: int) -> str:
        items, at = self._place(i)
        return items.name(at)

    def digest(self, i: int) -> bytes:
        items, at = self._place(i)
        return items.digest(at)

    def load(self, i: int) -> Any:
        items, at = self._place(i)
        return items.load(at)

    def take(self, indices: Indices) -> JoinedItems:
        return JoinedItems(*self.parts, self.index[indices])


class Renamed:
    """Items that are called something else: ``before`` stands before the name of each."""

    def __init__(self, items: Items, before: str) -> None:
        self.items, self.before = items, before

    @property
    def modality(self) -> Modality:
        """That of the items."""
        return self.items.modality

    def __len__(self) -> int:
        return len(self.items)

    def name(self, i: int) -> str:
        return self.before + self.items.name(i)

    def digest(self, i: int) -> bytes:
        return self.items.digest(i)

    def load(self, i: int) -> Any:
        return self.items.load(i)

    def take(self, indices: Indices) -> Renamed:
        return Renamed(self.items.take(indices), self.before)


def picture_array(array: NDArray[Any], what: str, names: str | Sequence[str] | None = None) -> PictureArray:
    """Checks an array of pictures; ``what`` names it in the error."""
    shape = array.shape
    if not (array.ndim == 3 or (array.ndim == 4 and shape[3] in (1, 3))) or 0 in shape[1:]:
        raise DataError(f"{what} has the shape {shape}; pictures are (n, height, width) or (n, height, width, 1 or 3).")
    if array.dtype.kind == "f":
        low, high = (float(array.min()), float(array.max())) if len(array) else (0.0, 0.0)
        if not (low >= 0 and high <= 1):
            raise DataError(
                f"{what} holds floats from {low:g} to {high:g}; pictures are uint8, or floats in 0..1 without gaps."
            )
    elif array.dtype != np.uint8:
        raise DataError(f"{what} is of type {array.dtype}; pictures are uint8, or floats in 0..1.")
    return PictureArray(array, what if names is None else names)
