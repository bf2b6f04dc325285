"""From what a person types to a `Dataset`: ``PATH``, ``PATH#part`` or ``embedded:digits``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from regraft.data import embedded
from regraft.data.dataset import Dataset
from regraft.data.formats import FORMATS, image_folder
from regraft.data.items import Items
from regraft.data.pictures import SUFFIXES
from regraft.errors import DataError


def split_part(data: str) -> tuple[str, str | None]:
    """``data.npz#test`` -> (``data.npz``, ``test``); a file whose own name has a # keeps it."""
    if "#" in data and not Path(data).exists():
        path, _, part = data.rpartition("#")
        return path, part
    return data, None


def open_data(data: str, *, format: str | None = None) -> Dataset:
    """Recognises and reads labelled data; ``format`` overrules the recognition.

    Raises ``DataError`` where nothing is there, or where no format recognises it.
    """
    where, part = split_part(str(data))
    whole = _open(where, format)
    return whole if part is None else replace(whole.part(part), name=f"{whole.name}#{part}")


def _open(where: str, format: str | None) -> Dataset:
    if where.startswith("embedded:"):
        return embedded.read(where.removeprefix("embedded:"))
    path = Path(where).expanduser()
    if not path.exists():
        raise DataError(f"There is nothing at {where!r}: a folder, a file or embedded:digits is wanted.")
    for name in [format] if format else FORMATS:
        module = FORMATS.get(name)
        evidence = module.sniff(path)
        if evidence:
            return replace(module.read(path), evidence=evidence)
    raise DataError(_not_recognised(path, format))


def open_items(data: str) -> Items:
    """What is to be predicted: one picture, a folder of pictures at any depth, or any labelled data's items."""
    where, part = split_part(str(data))
    path = Path(where).expanduser()
    if part is None and path.exists():
        if path.is_file() and path.suffix.lower() in SUFFIXES:
            return image_folder.picture_files(path)
        if path.is_dir() and not FORMATS.get("idx").sniff(path):
            files = image_folder.picture_files(path)
            if not len(files):
                raise DataError(_not_recognised(path, None))
            return files
    return open_data(str(data)).items


def _not_recognised(path: Path, format: str | None) -> str:
    if format:
        return f"{path} is not of the format {format!r}; leave --format out to have it recognised."
    if path.is_dir():
        inside = sorted(p.name for p in path.iterdir())
        if not inside:
            return f"The folder {path} is empty; a folder for each class with its pictures is wanted."
        seen = ", ".join(inside[:5]) + (", ..." if len(inside) > 5 else "")
        return f"{path} holds {seen}: no class folders with pictures (CLASS/*.jpg or train/CLASS/*.jpg), no IDX files."
    return f"{path} is of no known format; known are a folder of class folders, .npz, and IDX files."
