"""What was found, written for others: JSON, COCO's results, YOLO's text files, pictures with the boxes drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from regraft.boxes import Boxes, Found
from regraft.data.box_writers import yolo_lines
from regraft.data.drawing import draw_found
from regraft.data.pictures import Picture
from regraft.data.tool_output import SIGN
from regraft.errors import UnknownName
from regraft.files import dump_json, new_folder


@dataclass(frozen=True)
class Answer:
    """What was found in one picture. ``picture`` is there where it is to be drawn; ``error`` says why it could not
    be read.
    """

    name: str
    width: int
    height: int
    found: Found
    picture: Picture | None = None
    error: str = ""


def record(answer: Answer, classes: Sequence[str]) -> dict[str, Any]:
    """One picture as JSON: ``input``, ``width``, ``height``, and ``boxes`` with ``label``, ``score`` and ``xyxy``."""
    if answer.error:
        return {"input": answer.name, "error": answer.error}
    boxes = [{"label": classes[k], "score": s, "xyxy": xyxy} for xyxy, s, k in _rows(answer.found)]
    return {"input": answer.name, "width": answer.width, "height": answer.height, "boxes": boxes}


def _rows(found: Found) -> list[tuple[list[float], float, int]]:
    """Each box with its score and class, to hundredths of a pixel and millionths of the score."""
    return [([round(v, 2) for v in xyxy], round(s, 6), int(k))
            for xyxy, s, k in zip(found.xyxy.tolist(), found.scores.tolist(), found.labels, strict=True)]  # fmt: skip


def write_json(answers: Iterable[Answer], classes: Sequence[str], folder: Path) -> None:
    """``predictions.json``: ``classes``, and ``predictions`` with a `record` a picture."""
    records = [record(answer, classes) for answer in answers]
    (folder / "predictions.json").write_text(dump_json({"classes": list(classes), "predictions": records}), "utf-8")


def write_coco(answers: Iterable[Answer], classes: Sequence[str], folder: Path) -> None:
    """``results.json`` as COCO's own tools read it, and ``images.json`` for what its numbers mean (both from 1)."""
    results: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    for number, a in enumerate(answers, 1):
        images.append({"id": number, "file_name": a.name, "width": a.width, "height": a.height})
        for (left, top, right, bottom), score, k in _rows(a.found):
            box = [left, top, round(right - left, 2), round(bottom - top, 2)]
            results.append({"image_id": number, "category_id": k + 1, "bbox": box, "score": score})
    categories = [{"id": k, "name": name} for k, name in enumerate(classes, 1)]
    (folder / "results.json").write_text(dump_json(results, indent=None), "utf-8")
    (folder / "images.json").write_text(dump_json({"images": images, "categories": categories}), "utf-8")


def write_yolo(answers: Iterable[Answer], classes: Sequence[str], folder: Path) -> None:
    """A text file a picture, each line a class number, middle and sides in shares, and the score; ``classes.txt``."""
    names = _Names()
    for answer in answers:
        if not answer.error:
            found = answer.found
            lines = yolo_lines(Boxes(found.xyxy, found.labels), answer.width, answer.height).splitlines()
            text = "".join(f"{line} {s:.6g}\n" for line, s in zip(lines, found.scores, strict=True))
            (folder / names.free(answer.name, ".txt")).write_text(text, "utf-8")
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in classes), "utf-8")


def write_pictures(answers: Iterable[Answer], classes: Sequence[str], folder: Path) -> None:
    """A JPEG a picture with what was found drawn on it."""
    names = _Names()
    for answer in answers:
        if answer.picture is not None:
            image = draw_found(answer.picture, answer.found, classes)
            image.save(folder / names.free(answer.name, ".jpg"), "JPEG", quality=92)


class _Names:
    """Plain file names, each given once."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def free(self, name: str, ending: str) -> str:
        plain = PurePosixPath(name.replace("\\", "/")).stem or "picture"
        stem, number = plain, 2
        while stem.lower() in self.taken:
            stem, number = f"{plain}-{number}", number + 1
        self.taken.add(stem.lower())
        return stem + ending


WRITERS = {"json": write_json, "coco": write_coco, "yolo": write_yolo, "pictures": write_pictures}


def write_found(answers: Iterable[Answer], classes: Sequence[str], folder: Path, form: str) -> None:
    """Writes ``answers`` into the new ``folder`` as ``json``, ``coco``, ``yolo`` or ``pictures``; all of it or nothing.

    ``answers`` may be a stream: but for `write_json` and `write_coco`, one is held at a time.
    """
    if form not in WRITERS:
        raise UnknownName("format", form, WRITERS)
    with new_folder(folder) as work:
        WRITERS[form](answers, classes, work)
        if form == "pictures":
            # else a later look at the photos beside would take the drawings for more of them
            (work / SIGN).write_text("pictures on which regraft drew the boxes that it found\n", "utf-8")
