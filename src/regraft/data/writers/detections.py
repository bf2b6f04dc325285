"""What was found, written for others: JSON, COCO's results, YOLO's text files, pictures with the boxes drawn."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from regraft.core.boxes import Boxes, Found
from regraft.core.errors import UnknownName
from regraft.core.files import dump_json, new_folder
from regraft.core.files import write_json as write_json_file
from regraft.data.formats.pairing import shared_steps
from regraft.data.image.boxes import is_picture
from regraft.data.image.decoding import Picture
from regraft.data.image.drawing import draw_found
from regraft.data.tool_output import SIGN
from regraft.data.writers.datasets import class_list, yolo_lines


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
    write_json_file(folder / "predictions.json", {"classes": list(classes), "predictions": records})


def write_coco(answers: Iterable[Answer], classes: Sequence[str], folder: Path) -> None:
    """``results.json`` as COCO's own tools read it, and ``images.json`` for what its numbers mean (both from 1)."""
    results: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    for number, a in enumerate(answers, 1):
        error = {"error": a.error} if a.error else {}
        images.append({"id": number, "file_name": a.name, "width": a.width, "height": a.height} | error)
        for (left, top, right, bottom), score, k in _rows(a.found):
            box = [left, top, round(right - left, 2), round(bottom - top, 2)]
            results.append({"image_id": number, "category_id": k + 1, "bbox": box, "score": score})
    categories = [{"id": k, "name": name} for k, name in enumerate(classes, 1)]
    (folder / "results.json").write_text(dump_json(results, indent=None), "utf-8")
    write_json_file(folder / "images.json", {"images": images, "categories": categories})


def write_yolo(answers: Iterable[Answer], classes: Sequence[str], folder: Path) -> None:
    """A text file a picture, each line a class number, middle and sides in shares, and the score; ``classes.txt``."""

    def save(answer: Answer, path: Path) -> None:
        found = answer.found
        lines = yolo_lines(Boxes(found.xyxy, found.labels), answer.width, answer.height).splitlines()
        text = "".join(f"{line} {s:.6g}\n" for line, s in zip(lines, found.scores, strict=True))
        path.write_text(text, "utf-8")

    _write_each(answers, folder, ".txt", save, ("classes.txt",))
    (folder / "classes.txt").write_text(class_list(classes), "utf-8")


def write_pictures(answers: Iterable[Answer], classes: Sequence[str], folder: Path) -> None:
    """A JPEG a picture with what was found drawn on it."""

    def save(answer: Answer, path: Path) -> None:
        if answer.picture is not None:
            draw_found(answer.picture, answer.found, classes).save(path, "JPEG", quality=92)

    _write_each(answers, folder, ".jpg", save)


def _write_each(
    answers: Iterable[Answer], folder: Path, ending: str, save: Callable[[Answer, Path], None],
    taken: Iterable[str] = (),
) -> None:  # fmt: skip
    """A file for each answer, called as `mirrored` says once all are known; ``errors.json`` where some have errors."""
    names, errors = [], []
    work = folder / ".unnamed"
    work.mkdir()
    for i, answer in enumerate(answers):
        names.append(answer.name)
        if answer.error:
            errors.append(record(answer, ()))
        else:
            save(answer, work / f"{i}{ending}")
    for i, target in enumerate(mirrored(names, ending, taken)):
        written = work / f"{i}{ending}"
        if written.exists():
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            os.rename(written, folder / target)
    work.rmdir()
    if errors:
        write_json_file(folder / "errors.json", errors)


def mirrored(names: Sequence[str], ending: str, taken: Iterable[str] = ()) -> list[str]:
    """A path with ``ending`` for each input: its own below the folder that all share, without a picture's ending where
    that leaves no two alike (``a.jpg`` and ``a.png`` keep theirs). No path is in ``taken``, and none is there twice.
    """
    steps = [os.path.abspath(name.replace("\\", "/")).strip("/").split("/") for name in names]
    shared = shared_steps([s[:-1] for s in steps])
    paths = ["/".join(s[shared:]) for s in steps]
    stems = {path: path.rpartition(".")[0] if is_picture(path) else path for path in paths}
    alike = Counter(stems.values())
    used = {*taken, *(str(folder) for path in stems for folder in PurePosixPath(path).parents)}
    plain = {path: stem if stem and alike[stem] == 1 and stem + ending not in used else path
             for path, stem in stems.items()}  # fmt: skip
    reserved, found = {p + ending for p in plain.values()}, []
    for path in paths:
        target, number = plain[path] + ending, 1
        while target in used or (number > 1 and target in reserved):
            number += 1
            target = f"{plain[path]}-{number}{ending}"
        used.add(target)
        found.append(target)
    return found


WRITERS = {"json": write_json, "coco": write_coco, "yolo": write_yolo, "pictures": write_pictures}


def write_found(answers: Iterable[Answer], classes: Sequence[str], folder: Path, form: str) -> None:
    """Writes ``answers`` into the new ``folder`` as ``json``, ``coco``, ``yolo`` or ``pictures``; all of it or nothing.

    ``answers`` may be a stream: but for `write_json` and `write_coco`, one is held at a time.
    """
    if form not in WRITERS:
        raise UnknownName("format", form, WRITERS)
    if form == "yolo":
        class_list(classes)
    with new_folder(folder) as work:
        WRITERS[form](answers, classes, work)
        if form == "pictures":
            # else a later look at the photos beside would take the drawings for more of them
            (work / SIGN).write_text("pictures on which regraft drew the boxes that it found\n", "utf-8")
