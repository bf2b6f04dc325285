"""Which picture an annotation means: the one at its whole path, or a listed problem says that there is none."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from regraft.core.errors import DataError
from regraft.core.types import Problem
from regraft.data.dataset import Dataset
from regraft.data.formats.pairing import PictureIndex, part_of_path, pictures_of
from regraft.data.formats.partners import partners
from regraft.data.open import open_data
from regraft.data.trees import Directory


def pictures(root: Path, *names: str) -> Path:
    for k, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        kind = "PNG" if name.lower().endswith("png") else "JPEG"
        Image.fromarray(np.full((80, 100, 3), 10 * k, np.uint8)).save(root / name, kind)
    return root


def index_of(root: Path) -> PictureIndex:
    return PictureIndex(Directory(root), pictures_of(Directory(root).files()))


def resolved(root: Path, names: list[str], near: str = "ann.json", **more: Any) -> list[str]:
    """The path of each name, or the kind of its problem in <>."""
    found = index_of(root).resolve(names, near, **more)
    return [f"<{p.kind}>" if isinstance(p := found.paths[n], Problem) else p for n in names] + [
        p.kind for p in found.problems
    ]


@pytest.mark.parametrize(
    ("there", "names", "near", "expected"),
    [
        # a name means its whole path, wherever another of its name lies
        (["cam1/1.png", "cam2/2.png"], ["cam1/1.png", "cam2/1.png"], "a.json", ["cam1/1.png", "<missing-file>"]),
        (["train/1.png", "val/1.png"], ["1.png"], "train/a.json", ["train/1.png"]),
        (
            ["cam1/1.png", "cam2/1.png", "cam2/2.png"],
            ["1.png", "2.png"],
            "cam1/a.json",
            ["cam1/1.png", "<missing-file>"],
        ),
        (
            ["cam1/images/1.png", "cam2/images/2.png"],
            ["1.png", "2.png"],
            "cam1/a.json",
            ["cam1/images/1.png", "<missing-file>"],
        ),
        # the part of the file decides, and none of another part will do
        (
            ["images/train/1.png", "images/val/1.png"],
            ["1.png"],
            "annotations/instances_val2017.json",
            ["images/val/1.png"],
        ),
        (["images/val/1.png"], ["1.png"], "annotations/instances_train.json", ["<missing-file>"]),
        # one folder for all of them: that with most, or one called images; equals are told
        (["a/1.png", "a/2.png", "b/1.png"], ["1.png", "2.png"], "x.json", ["a/1.png", "a/2.png"]),
        (["images/1.png", "masks/1.png"], ["1.png"], "x.json", ["images/1.png"]),
        (["a/1.png", "b/1.png"], ["1.png"], "x.json", ["<ambiguous-file>"]),
        (["images/1.png", "old/images/1.png"], ["images/1.png"], "annotations/x.json", ["images/1.png"]),
        # or each name has one place only
        (["b1/1.png", "b2/2.png"], ["1.png", "2.png"], "x.json", ["b1/1.png", "b2/2.png"]),
        (
            ["b1/1.png", "b2/2.png"],
            ["1.png", "2.png", "3.png"],
            "x.json",
            ["<ambiguous-file>", "<ambiguous-file>", "<missing-file>"],
        ),
        # spelling: other slashes, steps that lead nowhere, steps up
        (["images/s/1.png"], ["s\\1.png", ".\\s\\1.png", "./s//1.png"], "images/x.json", ["images/s/1.png"] * 3),
        (["images/1.png"], ["../images/1.png"], "labels/x.json", ["images/1.png"]),
        (["images/1.png"], ["../../1.png"], "labels/x.json", ["images/1.png"]),
        # without an ending, where there is one
        (["images/a.b.png"], ["a.b"], "x.json", ["images/a.b.png"]),
        (["images/a.png", "images/a.jpg"], ["a"], "x.json", ["<ambiguous-file>"]),
        (["images/1.png"], ["1.jpg", "", "x/1.png", "IMAGES/1.PNG"], "x.json", ["<missing-file>"] * 4),
    ],
)
def test_names_in_one_file(tmp_path: Path, there: list[str], names: list[str], near: str, expected: Any) -> None:
    assert resolved(pictures(tmp_path, *there), names, near) == expected


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_however_they_are_stored(form: str, tmp_path: Path) -> None:
    stored, written = (unicodedata.normalize(f, "é/ü.png") for f in (form, "NFD" if form == "NFC" else "NFC"))
    pictures(tmp_path, f"images/{stored}")
    assert resolved(tmp_path, [written]) == [f"images/{unicodedata.normalize('NFC', stored)}"], "names are NFC"


@pytest.mark.parametrize("top", ["/home/x/data/", "C:\\Users\\x\\data\\", "https://host/data/", "file:///data/"])
def test_names_from_another_machine(top: str, tmp_path: Path) -> None:
    pictures(tmp_path, "images/cam1/1.png", "images/cam1/2.png")
    names = [f"{top}cam1/1.png", f"{top}cam2/2.png"]
    assert resolved(tmp_path, names) == ["images/cam1/1.png", "<missing-file>", "moved-root"]
    assert resolved(tmp_path, [f"{top}images/cam1/1.png"]) == ["images/cam1/1.png", "moved-root"]


def test_absolute_names_of_this_machine(tmp_path: Path) -> None:
    pictures(tmp_path, "d/images/1.png", "else/1.png")
    names = [str(tmp_path / "d/images/1.png"), str(tmp_path / "else/1.png"), str(tmp_path / "d/gone.png")]
    found = resolved(tmp_path / "d", names)
    assert found == ["images/1.png", names[1], "<missing-file>"]


def test_lists_that_start_elsewhere(tmp_path: Path) -> None:
    """CVAT writes data/obj_train_data/1.png into an archive without data/; a JSON file may not."""
    pictures(tmp_path, "obj_train_data/1.png")
    names = ["data/obj_train_data/1.png", "data/obj_train_data/2.png"]
    assert resolved(tmp_path, names, "train.txt", moved=True) == [
        "obj_train_data/1.png",
        "<missing-file>",
        "moved-root",
    ]
    assert resolved(tmp_path, names) == ["<missing-file>"] * 2
    assert resolved(tmp_path, ["data/1.png"], "train.txt", moved=True) == ["<missing-file>"]


@pytest.mark.parametrize(
    ("there", "label", "expected"),
    [
        (["images/train/1.png", "images/val/2.png"], "labels/val/1.txt", "missing-file"),
        (["images/1.png", "1.png"], "labels/1.txt", "images/1.png"),
        (["images/1.png", "labels/1.png"], "labels/1.txt", "images/1.png"),
        (["images/1.png", "images/1.jpg"], "labels/1.txt", "ambiguous-file"),
        (["images/1.png", "imgs/1.png"], "labels/1.txt", "ambiguous-file"),
        (["images/1.png", "images/1.jpg"], "labels/1.jpg.txt", "images/1.jpg"),
        (["train/images/1.png", "valid/images/1.png"], "valid/labels/1.txt", "valid/images/1.png"),
        (["frames/1.png"], "labels/1.txt", "frames/1.png"),
        (["frames/1.png", "shots/1.png"], "labels/1.txt", "ambiguous-file"),
        (["train/frames/1.png"], "val/labels/1.txt", "missing-file"),
        (
            ["VOC2007/JPEGImages/1.png", "VOC2012/JPEGImages/1.png"],
            "VOC2012/Annotations/1.xml",
            "VOC2012/JPEGImages/1.png",
        ),
        (["images/a.b.png", "images/a.png"], "labels/a.b.txt", "images/a.b.png"),
    ],
)
def test_label_files(there: list[str], label: str, expected: str, tmp_path: Path) -> None:
    index = index_of(pictures(tmp_path, *there))
    found = partners(index, [label])
    assert found.of.get(label) == expected or found.missing[label].kind == expected


def test_a_folder_of_pictures_with_labels_is_no_partner_of_another(tmp_path: Path) -> None:
    index = index_of(pictures(tmp_path, "images/1.png", "images/2.png"))
    found = partners(index, ["labels/1.txt", "notes/2.txt"])
    assert found.of == {"labels/1.txt": "images/1.png"} and list(found.missing) == ["notes/2.txt"]
    both = partners(index, ["images/1.txt", "labels/1.txt"])
    assert both.of == {"labels/1.txt": "images/1.png"} and both.missing["images/1.txt"].kind == "second-label-file"
    equal = partners(index, ["annotations/1.txt", "labels/1.txt"])
    assert not equal.of and equal.doubtful["images/1.png"].kind == "ambiguous-file"


def coco(path: Path, names: list[Any], **more: Any) -> Path:
    images = [{"id": i, "file_name": n, "width": 100, "height": 80} for i, n in enumerate(names)]
    boxes = [{"id": i, "image_id": i, "category_id": 1, "bbox": [10 * i, 10, 20, 20]} for i in range(len(names))]
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "x"}]} | more
    path.write_text(json.dumps(record))
    return path


def seen(data: Dataset) -> dict[str, tuple[str, list[float]]]:
    """Picture -> its part and the left edges of its boxes."""
    return {data.items.name(i): (str(data.parts[i]), data.y[i].xyxy[:, 0].tolist()) for i in range(len(data))}


def told(data: Dataset) -> list[tuple[str, str]]:
    return sorted((p.kind, p.item) for p in data.problems if p.kind != "other-format")


def test_coco_of_a_missing_picture(tmp_path: Path) -> None:
    pictures(tmp_path, "cam1/1.png", "cam2/2.png", "cam2/3.png")
    coco(tmp_path / "a.json", ["cam1/1.png", "cam2/1.png", "cam2/2.png"])
    data = open_data(str(tmp_path))
    assert seen(data) == {"cam1/1.png": ("", [0.0]), "cam2/2.png": ("", [20.0])}
    assert told(data) == [("missing-file", "cam2/1.png"), ("no-annotation", "cam2/3.png")]
    assert "cam1/1.png" in next(p.message for p in data.problems if p.kind == "missing-file")


def test_a_picture_in_two_files_is_one_picture(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", "2.png")
    coco(tmp_path / "train.json", ["1.png", "2.png"]), coco(tmp_path / "val.json", ["2.png"])
    data = open_data(str(tmp_path))
    assert seen(data) == {"1.png": ("train", [0.0]), "2.png": ("val", [10.0, 0.0])}
    assert told(data)[-2:] == [("described-twice", "2.png"), ("same-part", "2.png")]


def test_pictures_that_are_all_ambiguous_are_refused_with_their_names(tmp_path: Path) -> None:
    pictures(tmp_path, "a/1.png", "b/1.png")
    coco(tmp_path / "x.json", ["1.png"])
    with pytest.raises(DataError, match=r"1\.png: may mean a/1\.png or b/1\.png"):
        open_data(str(tmp_path), format="coco")
    classes = open_data(str(tmp_path))
    assert classes.format == "image-folder", "a file that leads to nothing takes nothing over, and is named"
    assert [p.kind for p in classes.problems] == ["other-format", "not-a-picture"][::-1]


def test_a_table_of_ids_and_of_missing_pictures(tmp_path: Path) -> None:
    pictures(tmp_path, "train/a1.jpg", "test/a2.jpg")
    rows = "image_id,xmin,ymin,xmax,ymax,class\na1,1,1,9,9,x\na1,3,3,9,9,x\na2,2,2,9,9,x\n"
    (tmp_path / "train.csv").write_text(rows)
    data = open_data(str(tmp_path))
    assert seen(data) == {"train/a1.jpg": ("train", [1.0, 3.0])}
    assert told(data) == [("missing-file", "a2"), ("no-annotation", "test/a2.jpg")]


def yolo(root: Path, settings: str, **more: str) -> Path:
    (root / "data.yaml").write_text(settings)
    for name, text in more.items():
        (root / name).write_text(text)
    return root


def labelled(root: Path, *names: str) -> Path:
    pictures(root, *names)
    for name in names:
        label = root / (name.replace("images", "labels").rpartition(".")[0] + ".txt")
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text("0 0.5 0.5 0.2 0.4\n")
    return root


def parts(data: Dataset) -> dict[str, str]:
    return {name: part for name, (part, _) in seen(data).items()}


def test_a_part_that_is_not_there_takes_nothing(tmp_path: Path) -> None:
    labelled(tmp_path, *(f"{p}/images/{i}.png" for p in ("train", "valid") for i in range(2)))
    yolo(tmp_path, "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnames: [x]\n")
    data = open_data(str(tmp_path))
    assert sorted(parts(data).values()) == ["train", "train", "val", "val"]
    assert told(data) == [("missing-part", "test: ../test/images")]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("path: /content/ds\ntrain: images/train\nval: images/val\n", "tv"),
        ("train: /content/ds/images/train\nval: C:\\ds\\images\\val\n", "tv"),
        ("path: ../ds\ntrain: ./images/train/\nval: images\\val\n", "tv"),
        ("train: images/train\nval: images/train\ntest: images/val\n", "tT"),
        ("train: images\nval: images/val\n", "tv"),
        ("train: [images/train, images/val]\nval:\ntest: null\n", "tt"),
    ],
)
def test_entries_of_settings(settings: str, expected: str, tmp_path: Path) -> None:
    labelled(tmp_path, "images/train/1.png", "images/val/2.png")
    yolo(tmp_path, f"{settings}names: [x]\n")
    found = parts(open_data(str(tmp_path)))
    short = {"train": "t", "val": "v", "test": "T"}
    assert "".join(short[found[n]] for n in ("train/1.png", "val/2.png")) == expected


def test_an_entry_is_never_shortened(tmp_path: Path) -> None:
    labelled(tmp_path, "a/images/1.png", "b/images/2.png")
    yolo(tmp_path, "train: a/images\nval: c/images\ntest: /x/c/images\nnames: [x]\n")
    data = open_data(str(tmp_path))
    assert parts(data) == {"a/images/1.png": "train"}
    assert told(data) == [
        ("missing-part", "b/images/2.png"),
        ("missing-part", "test: /x/c/images"),
        ("missing-part", "val: c/images"),
    ]


def test_lists_hold_a_name_a_line(tmp_path: Path) -> None:
    labelled(tmp_path, "obj/my cat 1.png", "obj/b.png", "obj/c, d.png")
    yolo(tmp_path, "train: train.txt\nval: ./val.txt\nnames: [x]\n")
    (tmp_path / "train.txt").write_bytes(b"./obj/my cat 1.png\r\nobj/b.png\r\nobj/gone 1.png\r\n\r\n")
    (tmp_path / "val.txt").write_text("obj\\c, d.png")
    data = open_data(str(tmp_path))
    assert parts(data) == {"b.png": "train", "c, d.png": "val", "my cat 1.png": "train"}
    assert told(data) == [("missing-file", "obj/gone 1.png")]


@pytest.mark.parametrize("settings", [True, False])
def test_lists_of_darknet(settings: bool, tmp_path: Path) -> None:
    labelled(tmp_path, "obj_train_data/1.png", "obj_train_data/2.png")
    if settings:
        (tmp_path / "obj.data").write_text(
            "classes = 1\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\nbackup = backup/\n"
        )
    (tmp_path / "obj.names").write_text("my class, 1\n")
    (tmp_path / "train.txt").write_text("data/obj_train_data/1.png\n")
    (tmp_path / "valid.txt").write_text("data/obj_train_data/2.png\n")
    data = open_data(str(tmp_path))
    assert data.classes == ("my class, 1",) and list(parts(data).values()) == ["train", "val"]
    assert {kind for kind, _ in told(data)} == {"moved-root"}


def test_a_label_file_of_a_missing_picture(tmp_path: Path) -> None:
    labelled(tmp_path, "images/train/1.png", "images/val/2.png")
    (tmp_path / "labels/val/1.txt").write_text("0 0.9 0.9 0.1 0.1\n")
    data = open_data(str(tmp_path))
    assert seen(data)["train/1.png"] == ("train", [40.0])
    assert told(data) == [("missing-file", "labels/val/1.txt")]
    beside = labelled(tmp_path / "beside", "1.png", "2.png")
    (beside / "3.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    (beside / "notes.txt").write_text("taken in May\n")
    assert told(open_data(str(beside))) == [("missing-file", "3.txt")]


def test_two_pictures_of_one_label_file_are_left_out(tmp_path: Path) -> None:
    labelled(tmp_path, "images/1.png", "images/2.png")
    pictures(tmp_path, "images/1.jpg", "preview.png")
    data = open_data(str(tmp_path))
    assert list(seen(data)) == ["images/2.png"]
    assert told(data) == [
        ("ambiguous-file", "images/1.jpg"),
        ("ambiguous-file", "images/1.png"),
        ("ambiguous-file", "labels/1.txt"),
        ("no-annotation", "preview.png"),
    ]


XML = (
    "<annotation><filename>{}</filename><object><name>x</name><bndbox><xmin>{}</xmin><ymin>1</ymin><xmax>90</xmax>"
    "<ymax>70</ymax></bndbox></object></annotation>"
)


def test_voc_by_its_own_name_or_the_one_inside(tmp_path: Path) -> None:
    pictures(tmp_path, "JPEGImages/1.jpg", "JPEGImages/2.jpg", "JPEGImages/b.jpg")
    (tmp_path / "Annotations").mkdir()
    for name, inside, left in (("1", "2.jpg", 1), ("2", "somewhere.png", 2), ("x", "b.jpg", 3), ("y", "c.jpg", 4)):
        (tmp_path / "Annotations" / f"{name}.xml").write_text(XML.format(inside, left))
    data = open_data(str(tmp_path))
    assert {n: b for n, (_, b) in seen(data).items()} == {"1.jpg": [1.0], "2.jpg": [2.0], "b.jpg": [3.0]}
    assert told(data) == [("missing-file", "Annotations/y.xml"), ("wrong-name", "Annotations/1.xml")]


def test_lists_of_voc(tmp_path: Path) -> None:
    for name in ("a 1", "a", "v1.0.2", "s/b"):
        pictures(tmp_path, f"JPEGImages/{name}.jpg")
        (tmp_path / "Annotations" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "Annotations" / f"{name}.xml").write_text(XML.format("", 1))
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "train.txt").write_text("a 1\ns/b\ngone 1\n")
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("a -1\nv1.0.2  1\n")
    data = open_data(str(tmp_path))
    assert parts(data) == {"a 1.jpg": "train", "a.jpg": "val", "s/b.jpg": "train", "v1.0.2.jpg": "val"}
    assert told(data) == [("missing-file", "gone 1")]


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("annotations/train_val.json", ""),
        ("x/instances_val2017.json", "val"),
        ("test/train.csv", "test"),
        ("images/train2017/1.jpg", "train"),
        ("trainer/1.jpg", ""),
    ],
)
def test_parts_of_paths(path: str, part: str) -> None:
    assert part_of_path(path) == part


def test_results_of_runs_are_no_labels(tmp_path: Path) -> None:
    labelled(tmp_path, "images/1.png", "images/2.png")
    pictures(tmp_path, "runs/detect/predict/1.png")
    (tmp_path / "runs/detect/predict/labels").mkdir()
    (tmp_path / "runs/detect/predict/labels/1.txt").write_text("0 0.1 0.1 0.1 0.1 0.9\n")
    data = open_data(str(tmp_path))
    assert seen(data) == {"1.png": ("", [40.0]), "2.png": ("", [40.0])}
    assert told(data) == [("tool-output", "runs/detect")]
    assert len(open_data(str(tmp_path / "runs" / "detect" / "predict"), format="yolo")) == 1
