"""The rule, on random folders of pictures and annotations: every file is an item, or a problem names it; a picture is
the same as path, bytes, Pillow object, member of a zip and cell of a table; boxes never move to another picture.
"""

from __future__ import annotations

import io
import json
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from PIL import Image

from regraft.core.errors import InputError, UnreadableItem
from regraft.data.dataset import Dataset
from regraft.data.inputs import as_items
from regraft.data.open import open_data, open_inputs
from tests.property.profile import examples

NAMES = ["red", "Grün", "Gru\u0308n", "a, b", "c.d", "rock metal", "007", "猫", "yes", "trainers"]
FORMATS = {"png": "PNG", "jpg": "JPEG", "JPG": "JPEG", "bmp": "BMP", "gif": "GIF", "webp": "WEBP", "tif": "TIFF"}
KINDS = st.sampled_from(["good"] * 10 + ["empty", "cut", "text", "deep", "loose", "lying"])


def composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def picture(seed: int, ending: str, turn: int = 1) -> bytes:
    """Bytes of a small picture, stored in the EXIF orientation ``turn``."""
    pixels = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = turn
    out = io.BytesIO()
    more = {} if FORMATS[ending] in ("BMP", "GIF") else {"exif": exif}
    Image.fromarray(pixels).save(out, FORMATS[ending], **more)
    return out.getvalue()


@st.composite
def folders(draw: st.DrawFn) -> dict[str, bytes]:
    """Path -> content of the files of a data set."""
    classes = draw(
        st.lists(st.sampled_from(NAMES), min_size=2, max_size=3, unique_by=lambda n: unicodedata.normalize("NFC", n))
    )
    parts = draw(st.sampled_from([[""], ["train/", "val/"], ["Training/", "Test/"]]))
    files = {}
    for i, kind in enumerate(draw(st.lists(KINDS, min_size=4, max_size=14))):
        ending, turn = draw(st.sampled_from(list(FORMATS))), draw(st.integers(1, 8))
        data = picture(i, ending, turn)
        place = f"{parts[i % len(parts)]}{classes[i % len(classes)]}/"
        name = f"{place}{draw(st.sampled_from(['', 'my ', 'ü']))}{i}.{ending}"
        if kind == "text":
            name, data = f"{place}notes{i}.md", b"hello"
        elif kind == "loose":
            name = f"loose{i}.{ending}"
        elif kind == "deep":
            name = f"{place}more/{i}.{ending}"
        elif kind == "lying":
            name = f"{place}{i}.png"
        files[name] = {"empty": b"", "cut": data[: len(data) // 3]}.get(kind, data)
    for c, k in zip(classes, (90, 91, 92), strict=False):
        files[f"{parts[0]}{c}/{k}.png"] = picture(k, "png")
    return files


def opened(data: Any, **more: Any) -> Dataset | None:
    try:
        return open_data(data, **more)
    except InputError as refusal:
        assert str(refusal).strip()
        return None


def loaded(load: Callable[[], Any]) -> bytes | None:
    """The pixels, None where they cannot be read, which is said."""
    try:
        found = load()
    except UnreadableItem as error:
        assert str(error)
        return None
    return repr(found.shape).encode() + found.tobytes()


@examples(250)
@given(folders())
def test_every_file_is_an_item_or_a_problem(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as place:
        for name, data in files.items():
            path = Path(place, "data", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        with zipfile.ZipFile(Path(place, "data.zip"), "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        folder, zipped = opened(str(Path(place, "data"))), opened(str(Path(place, "data.zip")))
        assert folder is not None and zipped is not None and folder.format == zipped.format == "image-folder"
        shown = {composed(n) for n in files}
        items = [folder.items.name(i) for i in range(len(folder))]
        named = {p.item for p in folder.problems}  # a folder that is left out stands for its files
        assert all(n in items or n in named or n.split("/")[0] in named for n in shown)
        assert items == [zipped.items.name(i) for i in range(len(zipped))] and folder.classes == zipped.classes
        assert folder.y.tolist() == zipped.y.tolist() and folder.parts.tolist() == zipped.parts.tolist()
        for i, name in enumerate(items):
            steps = name.split("/")
            assert folder.classes[folder.y[i]] == steps[len(steps) - 2 - (steps[-2] == "more")]
        read = open_inputs(str(Path(place, "data")), modality="image")
        answered = {read.items.name(i) for i in range(len(read.items))}
        assert shown <= answered | {p.item for p in read.problems}
        assert {n for n in shown if n.rpartition(".")[2] in FORMATS} == answered


@examples(250)
@given(st.integers(0, 10**6), st.sampled_from(list(FORMATS)), st.integers(1, 8))
def test_a_picture_is_the_same_however_it_is_handed_over(seed: int, ending: str, turn: int) -> None:
    data = picture(seed, ending, turn)
    with tempfile.TemporaryDirectory() as place:
        path, zipped = Path(place, f"x.{ending}"), Path(place, "x.zip")
        path.write_bytes(data)
        with zipfile.ZipFile(zipped, "w") as archive:
            archive.writestr(f"x.{ending}", data)
        frame = pd.DataFrame({"image": [data, data], "label": ["a", "b"]})
        frame.to_parquet(Path(place, "x.parquet"))
        Path(place, "x.csv").write_text(f"path,label\nx.{ending},a\nx.{ending},b\n")
        with Image.open(path) as image:
            ways = [as_items([str(path)]), as_items(str(path)), as_items([data]), as_items([io.BytesIO(data)]),
                    as_items([image]), as_items(str(zipped)), open_data(frame).items,
                    open_data(str(Path(place, "x.parquet"))).items, open_data(str(Path(place, "x.csv"))).items,
                    ]  # fmt: skip
            pixels = [loaded(lambda items=items: items.load(0)) for items in ways]
    assert pixels[0] is not None and set(pixels) == {pixels[0]}


STEMS = ["1", "2", "my cat", "a.b", "ü"]


@st.composite
def annotated(draw: st.DrawFn) -> tuple[dict[str, int], dict[str, list[int]]]:
    """Pictures that are there (path -> seed), and annotated paths, some of pictures that are not: path -> the left
    edges of their boxes, no two alike.
    """
    folders = draw(st.sampled_from([["images"], ["cam1", "cam2"], ["train", "val"]]))
    paths = [f"{folder}/{stem}.png" for folder in folders
             for stem in draw(st.lists(st.sampled_from(STEMS), min_size=1, max_size=4, unique=True))]  # fmt: skip
    edges = iter(range(1, 90))
    boxes = {p: [next(edges) for _ in range(draw(st.integers(0, 2)))] for p in paths if draw(st.integers(0, 5))}
    there = {p: i for i, p in enumerate(paths) if draw(st.integers(0, 4))}
    return there, boxes


def write_boxes(folder: Path, kind: str, boxes: dict[str, list[int]]) -> None:
    if kind == "coco":
        images = [{"id": i, "file_name": p} for i, p in enumerate(boxes)]
        found = [{"id": f"{i}-{x}", "image_id": i, "category_id": 1, "bbox": [x, 10, 9, 20]}
                 for i, p in enumerate(boxes) for x in boxes[p]]  # fmt: skip
        record = {"images": images, "annotations": found, "categories": [{"id": 1, "name": "cat"}]}
        (folder / "a.json").write_text(json.dumps(record))
    elif kind == "csv":
        rows = [f'"{p}",{x},10,{x + 9},30,cat' for p in boxes for x in boxes[p]] + [
            f'"{p}",,,,,' for p in boxes if not boxes[p]
        ]
        (folder / "a.csv").write_text("\n".join(["path,xmin,ymin,xmax,ymax,class", *rows]) + "\n", "utf-8")
    for path in boxes if kind in ("yolo", "voc") else ():
        stem = path.removesuffix(".png")
        where = (
            folder / ("labels" if kind == "yolo" else "Annotations") / f"{stem}.{'txt' if kind == 'yolo' else 'xml'}"
        )
        where.parent.mkdir(parents=True, exist_ok=True)
        if kind == "yolo":
            where.write_text("".join(f"0 {(x + 4.5) / 100} 0.25 0.09 0.25\n" for x in boxes[path]))
        else:
            edges = "".join(f"<object><name>cat</name><bndbox><xmin>{x}</xmin><ymin>10</ymin><xmax>{x + 9}</xmax>"
                            "<ymax>30</ymax></bndbox></object>" for x in boxes[path])  # fmt: skip
            where.write_text(f"<annotation>{edges}</annotation>")


@pytest.mark.parametrize("kind", ["coco", "csv", "yolo", "voc"])
@examples(80)
@given(made=annotated())
def test_boxes_stay_on_their_picture(kind: str, made: tuple[dict[str, int], dict[str, list[int]]]) -> None:
    there, boxes = made
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for path, seed in there.items():
            path = f"images/{path}" if kind == "yolo" else f"JPEGImages/{path}" if kind == "voc" else path
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (100, 80), (seed, 0, 0)).save(folder / path)
        write_boxes(folder, kind, boxes)
        data = opened(place, format={"csv": "box-table"}.get(kind, kind))
        event("refused" if data is None else "read")
        if data is None:
            return
        root = getattr(data.items, "root", "")
        named = " ".join(p.item for p in data.problems)
        seen = {}
        for i in range(len(data)):
            seed = int(np.asarray(data.items.load(i))[0, 0, 0])
            path = next(p for p, s in there.items() if s == seed)
            seen[path] = sorted(round(x) for x in data.y[i].xyxy[:, 0].tolist())
            assert seen[path] == sorted(boxes.get(path, [])), f"{path} of {root}"
        for path in boxes:
            stem = path.removesuffix(".png")
            assert path in seen or Path(stem).name in named, f"{path} is neither read nor named"
