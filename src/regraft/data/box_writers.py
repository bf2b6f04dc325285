"""Detection data written as other tools read it: COCO, Pascal VOC, YOLO, a table of boxes. The pictures go with it."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from xml.sax.saxutils import escape

from regraft.boxes import Boxes
from regraft.data.dataset import Dataset
from regraft.data.items import PictureFiles
from regraft.data.pictures import Shape, shape_of
from regraft.files import dump_json


@dataclass(frozen=True)
class Written:
    """A picture at its new place: ``file`` below the folder of its kind, such as ``train/7.jpg``."""

    file: str
    part: str
    shape: Shape
    boxes: Boxes

    @property
    def stem(self) -> str:
        return PurePosixPath(self.file).with_suffix("").as_posix()


def number(value: float) -> str:
    """Fifteen digits: a share of a side gives the same pixels again, to a billionth."""
    return f"{value:.15g}"


def file_names(data: Dataset) -> list[str]:
    """A name without folders for each picture, different from all others even without its ending."""
    names = [PurePosixPath(data.items.name(i)) for i in range(len(data))]
    stems = Counter(n.stem.lower() for n in names)
    plain = [n.name if stems[n.stem.lower()] == 1 else "_".join(n.parts).replace("..", "_") for n in names]
    again = Counter(PurePosixPath(n).stem.lower() for n in plain)
    return [n if again[PurePosixPath(n).stem.lower()] == 1 else f"{PurePosixPath(n).stem}_{i}{PurePosixPath(n).suffix}"
            for i, n in enumerate(plain)]  # fmt: skip


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
        source = items.tree.path / items.paths[i]
        if not (link and source.is_file() and _linked(source, target)):
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
        (folder / "ImageSets" / "Main" / f"{part}.txt").write_text("\n".join(stems[part]) + "\n", encoding="utf-8")
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
    settings = {part: f"images/{part}" for part in data.part_names if part}
    names = {"names": dict(enumerate(data.classes))}
    (folder / "data.yaml").write_text(yaml.safe_dump(settings | names, sort_keys=False, allow_unicode=True), "utf-8")


def yolo_lines(boxes: Boxes, width: int, height: int) -> str:
    """A line a box: class number, then middle and sides in shares of the picture's ``width`` and ``height``."""
    left, top, right, bottom = (boxes.xyxy / [width, height, width, height]).T
    shares = zip(boxes.labels, (left + right) / 2, (top + bottom) / 2, right - left, bottom - top, strict=True)
    return "".join(f"{k} {' '.join(map(number, four))}\n" for k, *four in shares)


def write_table(data: Dataset, folder: Path, link: bool = False) -> None:
    """``images/PART/*``, ``boxes.csv`` with a row a box (one without numbers for a picture that has none) and
    ``classes.txt`` for their order.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["path", "part", "xmin", "ymin", "xmax", "ymax", "class", "crowd"])
    for picture in _pictures(data, folder / "images", True, link):
        boxes, first = picture.boxes, [f"images/{picture.file}", picture.part]
        if not len(boxes):
            rows.writerow([*first, "", "", "", "", "", ""])
        for xyxy, k, crowd in zip(boxes.xyxy.tolist(), boxes.labels, boxes.crowd, strict=True):
            rows.writerow([*first, *map(number, xyxy), data.classes[k], int(crowd)])
    (folder / "boxes.csv").write_text(text.getvalue(), encoding="utf-8")
    _write_classes(folder, data.classes)


def _write_classes(folder: Path, classes: tuple[str, ...]) -> None:
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")


WRITERS: dict[str, Callable[[Dataset, Path, bool], None]] = {
    "coco": write_coco, "voc": write_voc, "yolo": write_yolo, "csv": write_table,
}  # fmt: skip
