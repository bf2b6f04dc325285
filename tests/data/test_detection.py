"""Detection data in each format, what each says of input that is wrong, and from one format to the next."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from regraft.commands.convert import convert
from regraft.commands.inspect import inspect
from regraft.core.boxes import Boxes
from regraft.core.errors import DataError, InputError, UnknownName
from regraft.data.dataset import Dataset
from regraft.data.open import open_data


def picture(path: Path, size: tuple[int, int] = (100, 80), seed: int = 0, **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng([seed, *path.name.encode()]).integers(0, 255, (size[1], size[0], 3))
    Image.fromarray(pixels.astype(np.uint8)).save(path, **more)
    return path


def coco_record(images: list[dict], annotations: list[dict], names: tuple[str, ...] = ("cat", "dog")) -> dict:
    return {"images": images, "annotations": annotations,
            "categories": [{"id": 7 * k + 1, "name": n} for k, n in enumerate(names)]}  # fmt: skip


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Two pictures in train, one of them without boxes, and one in val, with fractions of pixels and a crowd."""
    root = tmp_path / "coco"
    for name in ("train/a.jpg", "train/b.png", "val/a.jpg"):
        picture(root / "images" / name)
    train = coco_record(
        [{"id": 5, "file_name": "a.jpg", "width": 100, "height": 80},
         {"id": 6, "file_name": "b.png", "width": 100, "height": 80}],
        [{"id": 1, "image_id": 5, "category_id": 8, "bbox": [1.37, 2.0, 30.111111, 40.5], "iscrowd": 0},
         {"id": 2, "image_id": 5, "category_id": 1, "bbox": [50, 7.123456789, 49.9, 12], "iscrowd": 0}],
    )  # fmt: skip
    val = coco_record([{"id": 5, "file_name": "a.jpg", "width": 100, "height": 80}],
                      [{"id": 1, "image_id": 5, "category_id": 8, "bbox": [0, 0, 100, 80], "iscrowd": 1}])  # fmt: skip
    (root / "annotations").mkdir()
    for part, record in (("train2017", train), ("val2017", val)):
        (root / "annotations" / f"instances_{part}.json").write_text(json.dumps(record))
    (root / "annotations" / "captions_train2017.json").write_text(json.dumps({"images": [], "annotations": []}))
    return root


def kinds(data: Dataset) -> list[str]:
    return sorted(p.kind for p in data.problems)


def by_name(data: Dataset) -> dict[tuple[str, str], Boxes]:
    names = [Path(data.items.name(i)) for i in range(len(data))]
    return {(str(data.parts[i]), n.suffix): data.y[i] for i, n in enumerate(names)}


def test_coco(coco: Path) -> None:
    data = open_data(str(coco))
    assert data.format == "coco" and data.classes == ("cat", "dog") and not data.problems
    assert data.target.task == "detection" and data.part_names == ["train", "val"]
    assert data.items.name(0) == "train/a.jpg" and data.items.load(1).shape == (80, 100, 3)
    first = data.y[0]
    assert first.xyxy == pytest.approx(np.array([[1.37, 2, 31.481111, 42.5], [50, 7.123456789, 99.9, 19.123456789]]))
    assert first.labels.tolist() == [1, 0] and len(data.y[1]) == 0
    assert data.y[2].crowd.tolist() == [True]
    assert data.class_counts() == {"cat": 1, "dog": 1}
    assert len(open_data(f"{coco}#val")) == 1
    one = open_data(str(coco / "annotations" / "instances_train2017.json"))
    assert len(one) == 2 and one.part_names == [""] and one.format == "coco"


def test_a_zip_reads_as_its_folder(coco: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "coco")
    packed = open_data(str(tmp_path / "packed.zip"))
    assert by_name(packed) == by_name(open_data(str(coco))) and packed.items.name(0) == "train/a.jpg"


def test_there_and_back_again_loses_nothing(coco: Path, tmp_path: Path) -> None:
    before, place = open_data(str(coco)), coco
    for to in ("voc", "csv", "yolo", "coco"):
        out = tmp_path / f"as-{to}"
        done = convert(str(place), to=to, out=str(out), link=to == "yolo")
        assert done.pictures == 3 and done.boxes == 3 and not done.problems
        assert done.lost == ({"marks of crowds": 1} if to == "yolo" else {})
        place = out
    after = open_data(str(place))
    assert after.classes == before.classes and set(after.part_names) == {"train", "val"}
    theirs = by_name(after)
    for key, boxes in by_name(before).items():
        assert theirs[key].xyxy == pytest.approx(boxes.xyxy, rel=1e-9, abs=1e-9)
        assert theirs[key].labels.tolist() == boxes.labels.tolist()
    for name in ("train/a.jpg", "val/a.jpg"):
        copies = [p.read_bytes() for p in (place / "images" / name.split("/")[0]).glob("*.jpg")]
        assert copies == [(coco / "images" / name).read_bytes()]


def test_convert_refuses_what_it_must(coco: Path, shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="tfrecord"):
        convert(str(coco), to="tfrecord", out=str(tmp_path / "x"))
    with pytest.raises(InputError, match="exists"):
        convert(str(coco), to="voc", out=str(coco))
    with pytest.raises(DataError, match="no boxes"):
        convert(str(shapes), to="voc", out=str(tmp_path / "x"))
    assert not (tmp_path / "x").exists()


def one_coco(root: Path, annotations: list[dict], images: list[dict] | None = None, **more: Any) -> Dataset:
    picture(root / "a.jpg")
    images = images or [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}]
    (root / "boxes.json").write_text(json.dumps(coco_record(images, annotations, **more)))
    return open_data(str(root))


def box(*bbox: float, number: int = 1, **more: Any) -> dict:
    return {"id": number, "image_id": 1, "category_id": 1, "bbox": list(bbox)} | more


def test_boxes_that_cannot_be(tmp_path: Path) -> None:
    data = one_coco(tmp_path, [
        box(10, 10, 20, 20, number=1), box(10, 10, 0, 20, number=2), box(10, 10, 20, -3, number=3),
        box(90, 70, 30, 5, number=4), box(200, 10, 5, 5, number=5), box(10, 10, 20, 20, number=6),
        box(99.5, 10, 1, 20, number=7), box(10, 10, 20, 20, number=8, category_id=8),
        box(1, 1, 1, 1, number=9, category_id=99), box(1, 1, 1, 1, number=10, image_id=77),
        {"id": 11, "image_id": 1, "category_id": 1}, box(float("nan"), 1, 1, 1, number=12),
    ])  # fmt: skip
    assert kinds(data) == sorted(["no-area", "no-area", "outside", "outside", "duplicate-box", "box-of-two-classes",
                                  "unknown-class", "unknown-picture", "no-box", "no-number"])  # fmt: skip
    expected = [[10, 10, 30, 30], [90, 70, 100, 75], [99.5, 10, 100, 30], [10, 10, 30, 30]]
    assert data.y[0].xyxy.tolist() == expected and data.y[0].labels.tolist() == [0, 0, 0, 1]
    messages = " ".join(p.message for p in data.problems)
    assert "a box of cat at (10, 10, 10, 30) has no area; set aside" in messages
    assert "reaches 20 pixels beyond the picture; clipped" in messages


def test_duplicate_ids_and_missing_pictures(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "again.jpg"}, {"id": 2, "file_name": "gone.jpg"}]
    data = one_coco(tmp_path, [box(1, 1, 5, 5), box(20, 20, 5, 5)], images)
    assert kinds(data) == ["duplicate-id", "duplicate-id", "missing-file"] and len(data) == 1 and len(data.y[0]) == 2
    with pytest.raises(DataError, match=r"names 1 pictures and none of them can be read; gone\.jpg"):
        one_coco(tmp_path, [], [{"id": 2, "file_name": "gone.jpg"}])


def test_damaged_json(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    (tmp_path / "boxes.json").write_text('{"images": [')
    with pytest.raises(DataError, match="no whole JSON"):
        open_data(str(tmp_path))
    (tmp_path / "boxes.json").write_text('{"images": [], "annotations": {}, "categories": []}')
    with pytest.raises(DataError, match="no list of annotations"):
        open_data(str(tmp_path))
    (tmp_path / "boxes.json").write_text('{"images": [{"id": 1}], "annotations": [], "categories": []}')
    with pytest.raises(DataError, match="one of images without id or file_name"):
        open_data(str(tmp_path))


def test_a_background_class_is_no_class(tmp_path: Path) -> None:
    names = ("background", "cat")
    data = one_coco(tmp_path, [box(1, 1, 5, 5, category_id=8)], names=names)
    assert data.classes == ("cat",) and data.y[0].labels.tolist() == [0]
    used = one_coco(tmp_path, [box(1, 1, 5, 5, category_id=1)], names=names)
    assert used.classes == ("background", "cat")


def test_beside_the_pictures_as_exporters_write(tmp_path: Path) -> None:
    for part in ("train", "valid"):
        picture(tmp_path / part / "a.jpg")
        record = coco_record([{"id": 0, "file_name": "a.jpg"}], [box(1, 1, 5, 5, image_id=0, category_id=2)])
        record["categories"] = [{"id": 0, "name": "cells", "supercategory": "none"},
                                {"id": 2, "name": "RBC", "supercategory": "cells"}]  # fmt: skip
        (tmp_path / part / "_annotations.coco.json").write_text(json.dumps(record))
    data = open_data(str(tmp_path))
    assert data.classes == ("RBC",) and data.parts.tolist() == ["train", "val"]


def test_pictures_stored_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(tmp_path / "a.jpg", exif=exif)
    images = [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}]
    (tmp_path / "boxes.json").write_text(json.dumps(coco_record(images, [box(10, 20, 30, 5)])))
    stored = open_data(str(tmp_path))
    assert stored.items.load(0).shape == (100, 80, 3)
    assert stored.y[0].xyxy.tolist() == [[55, 10, 60, 40]]
    images[0] |= {"width": 80, "height": 100}
    (tmp_path / "boxes.json").write_text(json.dumps(coco_record(images, [box(10, 20, 30, 5)])))
    assert open_data(str(tmp_path)).y[0].xyxy.tolist() == [[10, 20, 40, 25]]
    assert [p.kind for p in inspect(str(tmp_path)).problems if p.kind == "exif-rotation"] == ["exif-rotation"]
    images[0] |= {"width": 50, "height": 50}
    (tmp_path / "boxes.json").write_text(json.dumps(coco_record(images, [box(10, 20, 30, 5)])))
    assert kinds(open_data(str(tmp_path))) == ["wrong-size"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_turn_as_pillow_turns_pictures(orientation: int, tmp_path: Path) -> None:
    pixels = np.zeros((80, 100, 3), np.uint8)
    pixels[20:25, 10:40] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    images = [{"id": 1, "file_name": "a.png", "width": 100, "height": 80}]
    (tmp_path / "boxes.json").write_text(json.dumps(coco_record(images, [box(10, 20, 30, 5)])))
    data = open_data(str(tmp_path))
    y, x = np.nonzero(data.items.load(0)[:, :, 0])
    seen = [x.min(), y.min(), x.max() + 1, y.max() + 1]
    # sizes that are equal both ways cannot tell 2, 3 and 4 from 1: such boxes are taken as drawn on the upright picture
    assert data.y[0].xyxy[0].tolist() == (seen if orientation in (1, 5, 6, 7, 8) else [10, 20, 40, 25])


XML = """<annotation><filename>{name}</filename><size><width>100</width><height>80</height></size>{objects}</annotation>
"""
OBJECT = """<object><name>{0}</name><difficult>{1}</difficult><bndbox><xmin>{2}</xmin><ymin>{3}</ymin><xmax>{4}</xmax>
<ymax>{5}</ymax></bndbox></object>"""


def voc_file(root: Path, stem: str, *objects: tuple, text: str | None = None) -> None:
    (root / "Annotations").mkdir(parents=True, exist_ok=True)
    picture(root / "JPEGImages" / f"{stem}.jpg")
    inside = "".join(OBJECT.format(*o) for o in objects)
    (root / "Annotations" / f"{stem}.xml").write_text(text or XML.format(name=f"{stem}.jpg", objects=inside))


def test_voc(tmp_path: Path) -> None:
    root = tmp_path / "VOCdevkit" / "VOC2007"
    voc_file(root, "1", ("dog", 0, 1, 2, 30.5, 40), ("cat", 1, 5, 5, 9, 9))
    voc_file(root, "2")
    voc_file(root, "3", ("bird", 0, 1, 1, 9, 9))
    voc_file(root, "4", ("dog", 0, 1, 1, 9, 9))
    picture(root / "JPEGImages" / "5.jpg")
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for part, names in (("train", "1\n2\n"), ("val", "3\n"), ("trainval", "1\n2\n3\n"), ("dog_train", "1 1\n")):
        (root / "ImageSets" / "Main" / f"{part}.txt").write_text(names)
    data = open_data(str(tmp_path))
    assert data.format == "voc" and data.classes == ("bird", "cat", "dog")
    assert data.parts.tolist() == ["train", "train", "val"] and data.items.name(0) == "1.jpg"
    assert data.y[0].xyxy.tolist() == [[1, 2, 30.5, 40], [5, 5, 9, 9]]
    assert data.y[0].difficult.tolist() == data.y[0].crowd.tolist() == [False, True]
    assert len(data.y[1]) == 0
    assert kinds(data) == ["class-not-in-train", "missing-part", "no-annotation"]
    assert "bird: has boxes (1 in val), and none in train" in " ".join(f"{p.item}: {p.message}" for p in data.problems)


BOMB = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<annotation><filename>&b;</filename></annotation>"""


@pytest.mark.parametrize(
    ("text", "says"),
    [(BOMB, "document type"), (BOMB.replace("<!DOCTYPE", " <!DOCTYPE"), "document type"), ("<annotation>", "no whole")],
)
def test_voc_with_a_file_that_is_refused(tmp_path: Path, text: str, says: str) -> None:
    voc_file(tmp_path, "1", ("dog", 0, 1, 2, 30, 40))
    voc_file(tmp_path, "2", text=text)
    data = open_data(str(tmp_path))
    (problem,) = data.problems
    assert problem.kind == "unreadable" and says in problem.message and len(data) == 1
    (tmp_path / "Annotations" / "2.xml").write_bytes(text.encode("utf-16") if text.startswith("<?") else text.encode())
    assert kinds(open_data(str(tmp_path))) == ["unreadable"]


def test_voc_objects_without_name_or_box(tmp_path: Path) -> None:
    broken = "<object><name>cat</name></object>" + OBJECT.format("", 0, 1, 1, 5, 5) + OBJECT.format(
        "cat", 0, "one", 1, 5, 5)  # fmt: skip
    voc_file(tmp_path, "1", text=XML.format(name="1.jpg", objects=broken))
    assert kinds(open_data(str(tmp_path))) == ["no-box", "no-number", "unknown-class"]


def yolo(root: Path, settings: str | None, **labels: str) -> Path:
    for path, text in labels.items():
        part, stem = path.split("_")
        picture(root / "images" / part / f"{stem}.jpg")
        target = root / "labels" / part / f"{stem}.txt"
        target.parent.mkdir(parents=True, exist_ok=True)
        if text != "none":
            target.write_text(text)
    if settings is not None:
        (root / "data.yaml").write_text(settings)
    return root


def test_yolo(tmp_path: Path) -> None:
    settings = "path: ../somewhere/else\ntrain: images/train\nval: ../images/val\nnames:\n  0: cat\n  1: dog\nnc: 2\n"
    outline = "1 0.1 0.1 0.3 0.1 0.3 0.5 0.1 0.5"
    yolo(tmp_path, settings, train_a=f"0 0.5 0.5 0.2 0.25\n{outline}\n", train_b="none", val_c="",
         val_d="0 .5 .5 1e-1 .1 \n7 .5 .5 .1 .1\nhello\n0 0.95 0.5 0.2 0.1")  # fmt: skip
    picture(tmp_path / "images" / "other" / "z.jpg")
    data = open_data(str(tmp_path))
    assert data.format == "yolo" and data.classes == ("cat", "dog")
    assert data.parts.tolist() == ["train", "train", "val", "val"]
    assert data.y[0].xyxy == pytest.approx(np.array([[40, 30, 60, 50], [10, 8, 30, 40]]))
    assert [len(b) for b in data.y] == [2, 0, 0, 2] and data.y[3].xyxy[1] == pytest.approx([85, 36, 100, 44])
    assert kinds(data) == ["bad-row", "missing-part", "more-numbers", "other-format", "outside", "unknown-class"]
    assert open_data(str(tmp_path / "data.yaml")).parts.tolist() == data.parts.tolist()


def test_yolo_without_settings(tmp_path: Path) -> None:
    yolo(tmp_path, None, train_a="3 0.5 0.5 0.2 0.25\n10 0.5 0.5 0.1 0.1", train_b="3 .5 .5 .3 .3")
    data = open_data(str(tmp_path))
    assert data.classes == ("3", "10") and data.y[0].labels.tolist() == [0, 1] and data.part_names == ["train"]
    (tmp_path / "classes.txt").write_text("".join(f"c{i}\n" for i in range(11)))
    assert open_data(str(tmp_path)).classes[3] == "c3"


def test_settings_alone_make_no_boxes(shapes: Path, tmp_path: Path) -> None:
    shutil.copytree(shapes, tmp_path / "s")
    (tmp_path / "s" / "data.yaml").write_text("names: [disc, square]\n")
    assert open_data(str(tmp_path / "s")).format == "image-folder"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("names: !!python/object/apply:os.system ['touch owned']\n", "may run code"),
        ("names: [cat\n", "is no YAML"),
        ("names: {0: cat, 5: dog}\n", "list of the classes"),
        ("names: [[cat]]\n", "list of the classes"),
        ("names: [cat, cat]\n", "two classes of the same name"),
        ("names: [cat]\ntrain: images/nowhere\n", "no pictures are there"),
        ("x: " + "a" * 1_100_000 + "\nnames: [a]\n", "MB large"),
    ],
)
def test_settings_that_are_refused(tmp_path: Path, settings: str, says: str) -> None:
    yolo(tmp_path, settings, train_a="0 0.5 0.5 0.2 0.25")
    if "MB" in says:
        settings = "names: [a]\n" + settings
        (tmp_path / "data.yaml").write_text(settings)
    with pytest.raises(DataError, match=says):
        open_data(str(tmp_path), format="yolo")
    assert not Path("owned").exists()


def test_a_table_of_boxes(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        picture(tmp_path / name)
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax", "a.jpg,100,80,dog,1,2,30,40", "a.jpg,100,80,cat,5,5,9,9",
            "b.jpg,100,80,,,,,", "a.jpg,100,80,cat,5,,9,9", "a.jpg,100,80,,5,5,9,9", "c.jpg,1,1,cat,0,0,1,1",
            "a.jpg,100,80,cat,five,5,9,9", "a.jpg,100"]  # fmt: skip
    (tmp_path / "boxes.csv").write_text("\n".join(rows))
    data = open_data(str(tmp_path / "boxes.csv"))
    assert data.format == "box-table" and data.classes == ("cat", "dog") and len(data) == 2
    assert data.y[0].xyxy.tolist() == [[1, 2, 30, 40], [5, 5, 9, 9]] and len(data.y[1]) == 0
    assert kinds(data) == ["bad-row", "missing-file", "no-box", "no-number", "unknown-class"]
    assert by_name(open_data(str(tmp_path))) == by_name(data)


@pytest.mark.parametrize("rows", ["10,8,30,40,cat", "0.1,0.1,0.3,0.5,cat"])
def test_a_table_of_sides_or_shares(tmp_path: Path, rows: str) -> None:
    picture(tmp_path / "a.jpg")
    (tmp_path / "t.tsv").write_text(f"image;x;y;w;h;label;split\na.jpg;{rows.replace(',', ';')};valid\n")
    data = open_data(str(tmp_path / "t.tsv"))
    assert data.y[0].xyxy == pytest.approx(np.array([[10, 8, 40, 48]])) and data.parts.tolist() == ["val"]


def test_tables_of_other_things_stay_what_they_are(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg"), picture(tmp_path / "b.jpg")
    (tmp_path / "t.csv").write_text("image,label\na.jpg,x\nb.jpg,y\n")
    assert open_data(str(tmp_path / "t.csv")).format == "table"
    with pytest.raises(DataError, match="--task detection"):
        from regraft.core.types import Hints

        open_data(str(tmp_path / "t.csv"), hints=Hints(task="detection"))


def test_many_boxes_none_and_odd_pictures(tmp_path: Path) -> None:
    Image.new("L", (1, 1)).save(tmp_path / "one.png")
    Image.new("L", (20_000, 3)).save(tmp_path / "wide.png")
    Image.new("I;16", (60, 50)).save(tmp_path / "grey.png")
    images = [{"id": i, "file_name": f"{n}.png"} for i, n in enumerate(("one", "wide", "grey"))]
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, (19_900, 2), (10_000, 2)).tolist()
    boxes = [box(x, y, 20, 0.5, number=i, image_id=1) for i, (x, y) in enumerate(corners)]
    boxes.append(box(0, 0, 1, 1, number=10_000, image_id=0))
    (tmp_path / "x.json").write_text(json.dumps(coco_record(images, boxes)))
    found = inspect(str(tmp_path))
    assert found.task == "detection" and found.boxes == {
        "all": 10_001, "small": 10_001, "medium": 0, "large": 0, "most": 10_000, "pictures_without": 1
    }  # fmt: skip
    assert {p.kind for p in found.problems} >= {"many-boxes", "empty-class"}
    assert found.box_classes["cat"] == {"pictures": 2, "median": "20x0"} and found.sizes["20000x3"] == 1
    data = open_data(str(tmp_path))
    assert data.items.load(2).shape == (50, 60, 3)


def test_blood_cells(shared: Path) -> None:
    data = open_data(str(shared / "data" / "bccd.zip"))
    assert data.classes == ("Platelets", "RBC", "WBC")
    assert data.class_counts() == {"Platelets": 361, "RBC": 4153, "WBC": 372}
    assert {p: int((data.parts == p).sum()) for p in data.part_names} == {"val": 87, "train": 205, "test": 72}
    assert [(p.kind, p.item) for p in data.problems] == [
        ("no-area", "BloodImage_00338.jpg"), ("no-area", "BloodImage_00343.jpg")
    ]  # fmt: skip
