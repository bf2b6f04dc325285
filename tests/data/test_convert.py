"""What ``convert`` writes is read back as it was, whatever the names of files and classes."""

from __future__ import annotations

import json
import shutil
import tempfile
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from regraft.commands.convert import convert
from regraft.core.errors import InputError
from regraft.data.dataset import Dataset
from regraft.data.open import open_data
from tests.property.profile import examples

FORMS = ("coco", "voc", "yolo", "csv")
ODD = [
    "yes",
    "no",
    "on",
    "~",
    "null",
    "010",
    "1e3",
    "2024-01-01",
    "a, b",
    "x|y",
    'say "no"',
    "it's",
    "#1",
    "50 %",
    "- a",
    "a: b",
    "{a}",
    "[b]",
    "&c",
    "*d",
    "!e",
    "<b>&amp;</b>",
    " outer ",
    "\tx",
    "a  b",
    "猫",
    "e\u0301",
    "é",
    "🐈",
    "a\x07b",
    "a\nb",
    "a\rb",
    "\x85",
    "\u2028x",
    "NA",
    "<NA>",
    "nan",
    "None",
    "classes",
    "train",
    "1",
    "01",
    "-1",
    "0.5",
    "=1+1",
    "\ufeffx",
    "a\\b",
    "\u3000",
    "²",
    "a;b",
    "sep=;",
    "\x00",
]
words = st.one_of(st.sampled_from(ODD), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6))
names = st.one_of(st.sampled_from(ODD), words).filter(
    lambda n: "/" not in n and "\0" not in n and n not in (".", "..") and len(n.encode()) < 100
)
endings = st.sampled_from([".png", ".jpg", ".JPEG", ".bmp"])
edges = st.floats(0, 1).map(lambda v: round(v, 6))


@st.composite
def sets(draw: st.DrawFn) -> dict[str, Any]:
    """Class names, and pictures with a path, a part and boxes."""
    classes = draw(st.lists(words, min_size=1, max_size=4, unique_by=lambda c: unicodedata.normalize("NFC", c)))
    files = draw(
        st.lists(
            st.tuples(st.sampled_from(["", "s/", "t u/"]), names, endings),
            min_size=1,
            max_size=4,
            unique_by=lambda f: unicodedata.normalize("NFC", "".join(f)),
        )
    )
    parts = draw(st.sampled_from([[""], ["train", "val"], ["train", "test"], ["", "train"]]))
    pictures = []
    for file in files:
        boxes = []
        for _ in range(draw(st.integers(0, 2))):
            left, top, w, h = (draw(edges) for _ in range(4))
            side = draw(st.sampled_from([1.0, 8.0]))
            boxes.append(
                (
                    side * left * 0.8,
                    side * top * 0.8,
                    side * (0.02 + w * 0.15),
                    side * (0.02 + h * 0.15),
                    draw(st.integers(0, len(classes) - 1)),
                )
            )
        pictures.append(("".join(file), draw(st.sampled_from(parts)), boxes))
    return {"classes": classes, "pictures": pictures}


def write(made: dict[str, Any], root: Path) -> None:
    """As COCO's JSON, whose names may be anything."""
    categories = [{"id": k, "name": name} for k, name in enumerate(made["classes"])]
    for part in sorted({p for _, p, _ in made["pictures"]}):
        images, boxes = [], []
        for number, (file, own, some) in enumerate(made["pictures"]):
            if own != part:
                continue
            path = root / "images" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.full((8, 8, 3), 20 * number + 5, np.uint8)
            Image.fromarray(pixels).save(path, {"J": "JPEG", "j": "JPEG", "p": "PNG", "b": "BMP"}[path.suffix[1]])
            images.append({"id": number, "file_name": f"images/{file}", "width": 8, "height": 8})
            boxes += [{"image_id": number, "category_id": k, "bbox": [x, y, w, h]} for x, y, w, h, k in some]
        record = {"images": images, "annotations": boxes, "categories": categories}
        (root / f"{part or 'all'}.json").write_text(json.dumps(record), "utf-8")


def seen(data: Dataset) -> list[Any]:
    """The pictures by their bytes, with their parts and boxes."""
    found = []
    for i in range(len(data)):
        boxes = [
            (data.classes[k], *xyxy.round(6).tolist()) for k, xyxy in zip(data.y[i].labels, data.y[i].xyxy, strict=True)
        ]
        found.append((data.items.digest(i).hex(), str(data.parts[i]), sorted(boxes)))
    return sorted(found)


def there_and_back(made: dict[str, Any], root: Path, to: str) -> None:
    write(made, root / "d")
    before = open_data(str(root / "d"), format="coco")
    assert len(before) == len(made["pictures"])
    try:
        done = convert(str(root / "d"), to=to, out=str(root / "out"), format="coco")
    except InputError as error:
        says = str(error)
        assert (
            ("cannot stand in classes.txt" in says and to in ("voc", "csv"))
            or ("XML cannot" in says and to == "voc")
            or ("in no part" in says and to in ("voc", "yolo"))
        )
        return
    assert done.pictures == len(before)
    after = open_data(str(root / "out"))
    assert after.format == {"csv": "box-table"}.get(to, to)
    assert after.classes == before.classes
    for one, two in zip(seen(before), seen(after), strict=True):
        assert one[:2] == two[:2] and [b[0] for b in one[2]] == [b[0] for b in two[2]]
        numbers = [[v for b in side[2] for v in b[1:]] for side in (one, two)]
        assert numbers[0] == pytest.approx(numbers[1], abs=2e-6)
    told = [p for p in after.problems if p.kind not in ("class-not-in-train", "duplicate-box", "box-of-two-classes")]
    assert not told


@pytest.mark.parametrize("to", FORMS)
@examples(60)
@given(made=sets())
def test_there_and_back(to: str, made: dict[str, Any]) -> None:
    root = Path(tempfile.mkdtemp(prefix="convert-"))
    try:
        there_and_back(made, root, to)
    finally:
        shutil.rmtree(root)
