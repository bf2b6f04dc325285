"""Detection data written as other tools read it: COCO, Pascal VOC, YOLO, a table of boxes. The pictures go with it."""

from __future__ import annotations

import csv
import io
import math
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from regraft.core.boxes import Boxes
from regraft.core.errors import InputError
from regraft.core.files import dump_json
from regraft.data.dataset import Dataset
from regraft.data.image.boxes import are_shares
from regraft.data.image.decoding import Shape, shape_of
from regraft.data.items import PictureFiles

LONGEST = 180
_NO_NAME = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff/\\\\]")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Written:
    """A picture at its new place: ``file`` below the folder of its kind, such as ``train/7.jpg``."""

    file: str
    part: str
    shape: Shape
    boxes: Boxes

    @property
    def stem(self) -> str:
        """The file's name without its ending."""
        return _stem(self.file)


def number(value: float) -> str:
    """Fifteen digits: a share of a side gives the same pixels again, to a billionth."""
    return f"{value:.15g}"


def check_writable(data: Dataset, to: str) -> None:
    """Raises ``InputError`` where the format ``to`` has no place for the data's class names or parts."""
    if to in ("voc", "csv"):
        class_list(data.classes)
    if to == "voc" and (odd := next((c for c in data.classes if _NOT_XML.search(c)), None)) is not None:
        raise InputError(f"The class {odd!r} holds characters that XML cannot: convert to coco, yolo or csv.")
    if to == "yolo" and not data.classes:
        raise InputError(f"{data.name} has no classes, and YOLO's data.yaml lists them: convert to coco or csv.")
    without = int((data.parts == "").sum())
    if to in ("voc", "yolo") and 0 < without < len(data):
        raise InputError(
            f"{without} of {len(data)} pictures are in no part, which {to} cannot say of some only: convert to coco or "
            "csv, or one part (DATA#train) at a time."
        )


def class_list(classes: Sequence[str]) -> str:
    """``classes.txt``, a name a line; raises ``InputError`` where a name is no line."""
    odd = next((c for c in classes if {"\n", "\r", "\0"} & set(c) or not c.strip()), None)
    if odd is not None:
        raise InputError(f"The class {odd!r} cannot stand in classes.txt, which has a name a line: rename it, or "
                         "choose coco or json.")  # fmt: skip
    text = "".join(f"{name}\n" for name in classes)
    # the first of these would be taken for a mark of the encoding
    return f"\ufeff{text}" if text.startswith("\ufeff") else text


def file_names(data: Dataset) -> list[str]:
    """A name without folders for each picture that every format can hold, different from all others even without its
    ending, on any disk.
    """
    names = [PurePosixPath(data.items.name(i)) for i in range(len(data))]
    plain = [_clean(n.name) for n in names]
    counts = Counter(map(_stem_key, plain))
    taken = {key for key, count in counts.items() if count == 1}
    found = []
    for name, short in zip(names, plain, strict=True):
        chosen, number = short, 1
        if counts[_stem_key(short)] > 1:
            chosen = long = _clean("_".join(name.parts))
            while _stem_key(chosen) in taken:
                number += 1
                chosen = f"{_stem(long)}_{number}{long[len(_stem(long)) :]}"
            taken.add(_stem_key(chosen))
        found.append(chosen)
    return found


def _clean(name: str) -> str:
    """A file's name without what a list, an XML file or another disk could not hold."""
    name = _NO_NAME.sub("_", name)
    stem, ending = _stem(name), name[len(_stem(name)) :]
    stem = stem.encode()[:LONGEST].decode(errors="ignore")
    # hidden files are not looked at, and classes.txt is no label file
    odd = not stem.strip() or stem.startswith((".", "__MACOSX")) or stem.lower() == "classes"
    return f"_{stem}{ending}" if odd else f"{stem}{ending}"


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _stem_key(name: str) -> str:
    return unicodedata.normalize("NFC", _stem(name).casefold())


def _pictures(data: Dataset, folder: Path, by_part: bool, link: bool) -> Iterator[Written]:
    """Copies, or links, the pictures into ``folder``, one after the other."""
    items = data.items
    assert isinstance(items, PictureFiles)
    for i, name in enumerate(file_names(data)):
        part = str(data.parts[i])
        file = f"{part}/{name}" if by_part and part else name
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        content = items.read(i)
        source = items.tree.where(items.paths[i])
        if not (link and source is not None and source.is_file() and _linked(source, target)):
            target.write_bytes(content)
        yield Written(file, part, shape_of(content), data.y[i])


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source.resolve(), target)
    except OSError:
        return False
    return True


def write_coco(data: Dataset, folder: Path, link: bool = False) -> None:
    """``images/PART/*`` and ``annotations/instances_PART.json``; categories are numbered from 1."""
    pictures = list(_pictures(data, folder / "images", True, link))
    categories = [{"id": k, "name": name, "supercategory": ""} for k, name in enumerate(data.classes, 1)]
    (folder / "annotations").mkdir()
    for part in data.part_names:
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for picture in (p for p in pictures if p.part == part):
            shape, boxes = picture.shape, picture.boxes
            images.append({"id": len(images) + 1, "file_name": picture.file, "width": shape.width,
                           "height": shape.height})  # fmt: skip
            for (x, y, right, bottom), k, crowd in zip(boxes.xyxy.tolist(), boxes.labels, boxes.crowd, strict=True):
                box = [x, y, right - x, bottom - y]
                annotations.append({"id": len(annotations) + 1, "image_id": len(images), "category_id": int(k) + 1,
                                    "bbox": box, "area": box[2] * box[3], "iscrowd": int(crowd),
                                    "segmentation": []})  # fmt: skip
        record = {"images": images, "annotations": annotations, "categories": categories}
        name = f"instances_{part}.json" if part else "instances.json"
        (folder / "annotations" / name).write_text(dump_json(record, indent=None), encoding="utf-8")


def write_voc(data: Dataset, folder: Path, link: bool = False) -> None:
    """``JPEGImages``, ``Annotations``, ``ImageSets/Main/PART.txt``, and ``classes.txt`` for their order."""
    (folder / "Annotations").mkdir()
    stems: dict[str, list[str]] = {part: [] for part in data.part_names}
    for picture in _pictures(data, folder / "JPEGImages", False, link):
        stems[picture.part].append(picture.stem)
        (folder / "Annotations" / f"{picture.stem}.xml").write_text(_xml(picture, data.classes), encoding="utf-8")
    for part in filter(None, stems):
        (folder / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
        text = "\n".join(stems[part]) + "\n"
        # a name that begins with a byte order mark keeps it behind one that is none of its own
        text = "\ufeff" * text.startswith("\ufeff") + text
        (folder / "ImageSets" / "Main" / f"{part}.txt").write_text(text, encoding="utf-8")
    _write_classes(folder, data.classes)


def _xml(picture: Written, classes: tuple[str, ...]) -> str:
    shape, boxes = picture.shape, picture.boxes
    lines = ["<annotation>", "  <folder>JPEGImages</folder>", f"  <filename>{escape(picture.file)}</filename>",
             f"  <size><width>{shape.width}</width><height>{shape.height}</height><depth>3</depth></size>"]  # fmt: skip
    for xyxy, k, crowd in zip(boxes.xyxy.tolist(), boxes.labels, boxes.crowd, strict=True):
        edges = "".join(f"<{e}>{number(v)}</{e}>" for e, v in zip(("xmin", "ymin", "xmax", "ymax"), xyxy, strict=True))
        lines += ["  <object>", f"    <name>{escape(classes[k])}</name>", f"    <difficult>{int(crowd)}</difficult>",
                  f"    <bndbox>{edges}</bndbox>", "  </object>"]  # fmt: skip
    return "\n".join([*lines, "</annotation>", ""])


def write_yolo(data: Dataset, folder: Path, link: bool = False) -> None:
    """``images/PART/*``, ``labels/PART/*.txt``, ``data.yaml``. Marks of crowds cannot be written."""
    import yaml

    for picture in _pictures(data, folder / "images", True, link):
        target = folder / "labels" / f"{picture.stem}.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(yolo_lines(picture.boxes, picture.shape.width, picture.shape.height), encoding="utf-8")
    lines = [f"{part}: images/{part}\n" for part in data.part_names if part]
    # a name in quotation marks is a word to every reader: no, null and 1e3 too
    names = [yaml.safe_dump(c, default_style='"', allow_unicode=True, width=math.inf) for c in data.classes]
    lines += ["names:\n", *(f"  {k}: {name.strip()}\n" for k, name in enumerate(names))]
    (folder / "data.yaml").write_text("".join(lines), "utf-8")


def yolo_lines(boxes: Boxes, width: int, height: int) -> str:
    """A line a box: class number, then middle and sides in shares of the picture's ``width`` and ``height``."""
    left, top, right, bottom = (boxes.xyxy / [width, height, width, height]).T
    shares = zip(boxes.labels, (left + right) / 2, (top + bottom) / 2, right - left, bottom - top, strict=True)
    return "".join(f"{k} {' '.join(map(number, four))}\n" for k, *four in shares)


def write_table(data: Dataset, folder: Path, link: bool = False) -> None:
    """``images/PART/*``, ``boxes.csv`` with a row a box (one without numbers for a picture that has none) and
    ``classes.txt`` for their order.

    The numbers are pixels; where those could be taken for shares of the sides, none being above 1, they are shares.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["path", "part", "xmin", "ymin", "xmax", "ymax", "class", "crowd", "width", "height"])
    shares = are_shares(v for boxes in data.y for v in boxes.xyxy.reshape(-1).tolist())
    for picture in _pictures(data, folder / "images", True, link):
        boxes, first = picture.boxes, [f"images/{picture.file}", picture.part]
        size = [picture.shape.width, picture.shape.height]
        xyxy = boxes.xyxy / np.tile(size, 2) if shares else boxes.xyxy
        if not len(boxes):
            rows.writerow([*first, "", "", "", "", "", "", *size])
        for edges, k, crowd in zip(xyxy.tolist(), boxes.labels, boxes.crowd, strict=True):
            rows.writerow([*first, *map(number, edges), data.classes[k], int(crowd), *size])
    (folder / "boxes.csv").write_text(text.getvalue(), encoding="utf-8", newline="")
    _write_classes(folder, data.classes)


def _write_classes(folder: Path, classes: Sequence[str]) -> None:
    (folder / "classes.txt").write_text(class_list(classes), encoding="utf-8")


WRITERS: dict[str, Callable[[Dataset, Path, bool], None]] = {
    "coco": write_coco, "voc": write_voc, "yolo": write_yolo, "csv": write_table,
}  # fmt: skip
