"""COCO's JSON, VOC's XML and tables of boxes as tools and people write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from regraft.core.errors import DataError
from regraft.data.dataset import Dataset
from regraft.data.formats import box_table, coco, voc
from regraft.data.open import open_data

BOX = [10.0, 20.0, 40.0, 60.0]


def picture(path: Path, **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(path.name)).integers(0, 255, (80, 100, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path, **more)
    return path


def told(data: Dataset) -> list[tuple[str, str]]:
    return sorted((p.kind, p.item) for p in data.problems if p.kind != "other-format")


def boxes(data: Dataset, i: int = 0) -> list[list[float]]:
    return data.y[i].xyxy.tolist()


def read_coco(root: Path, *annotations: dict, images: list | None = None, categories: list | None = None) -> Dataset:
    picture(root / "1.png")
    record = {
        "images": images or [{"id": 1, "file_name": "1.png"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [10, 20, 30, 40]} | a for a in annotations],
        "categories": categories or [{"id": 1, "name": "cat"}],
    }
    (root / "x.json").write_text(json.dumps(record))
    return open_data(str(root))


@pytest.mark.parametrize(
    ("annotation", "image", "category"),
    [
        ({"image_id": 1.0, "category_id": 1.0}, 1, 1),
        ({"image_id": "1", "category_id": "1"}, 1, 1),
        ({}, 1.0, 1.0),
        ({}, "1", "1"),
        ({"image_id": "a7", "category_id": "k"}, "a7", "k"),
        ({"image_id": 0, "category_id": 0}, 0, 0),
    ],
)
def test_numbers_of_any_kind(annotation: dict, image: Any, category: Any, tmp_path: Path) -> None:
    data = read_coco(
        tmp_path, annotation, images=[{"id": image, "file_name": "1.png"}], categories=[{"id": category, "name": "cat"}]
    )
    assert boxes(data) == [BOX] and data.classes == ("cat",) and not told(data)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"bbox": ["10", "20", "30", "40.0"]}, None),
        ({"bbox": None, "segmentation": [[10, 20, 40, 20, 40, 60], [12, 22, 13, 23, 14, 25]]}, "box-of-outline"),
        ({"bbox": [], "segmentation": [[10, 20, 40, 20, 40, 60]]}, "box-of-outline"),
        ({"bbox": None, "segmentation": {"counts": [3, 4], "size": [80, 100]}}, "no-box"),
        ({"bbox": None}, "no-box"),
        ({"bbox": [1, 2, None, 4]}, "no-box"),
        ({"bbox": ["a", 2, 3, 4]}, "no-box"),
        ({"bbox": [True, 2, 3, 4]}, "no-box"),
        ({"bbox": {"x": 1}}, "no-box"),
        ({"category_id": [1]}, "unknown-class"),
        ({"category_id": None}, "unknown-class"),
        ({"image_id": {"a": 1}}, "unknown-picture"),
        ({"image_id": True}, "unknown-picture"),
    ],
)
def test_annotations_of_any_kind(change: dict, kind: str | None, tmp_path: Path) -> None:
    data = read_coco(tmp_path, change, {"bbox": [50, 50, 10, 10]})
    taken = kind in (None, "box-of-outline")
    assert boxes(data) == [*([BOX] if taken else []), [50, 50, 60, 60]]
    assert [k for k, _ in told(data)] == ([kind] if kind else [])


def test_crowds_and_sizes_as_texts(tmp_path: Path) -> None:
    image = {"id": 1, "file_name": "1.png", "width": "100", "height": "80"}
    data = read_coco(tmp_path, {"iscrowd": "0"}, {"iscrowd": "1", "bbox": [1, 1, 5, 5]}, images=[image])
    assert data.y[0].crowd.tolist() == [False, True] and not told(data)


def test_rows_that_say_nothing_are_listed(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "1.png"}, {"file_name": "2.png"}, {"id": 3}, "4.png", {"id": 5, "file_name": ""}]
    categories = [{"id": 1, "name": "cat"}, {"id": 2}, {"name": "dog"}, {"id": 1, "name": "cow"}]
    data = read_coco(tmp_path, {}, {"category_id": 2}, {"image_id": 3}, images=images, categories=categories)
    assert boxes(data) == [BOX] and data.classes == ("cat",)
    assert [k for k, _ in told(data)] == ["duplicate-id", *["no-id"] * 6, "unknown-class", "unknown-picture"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gbk"])
def test_json_in_other_encodings(encoding: str, tmp_path: Path) -> None:
    picture(tmp_path / "图片一号.png")
    record = {
        "images": [{"id": 1, "file_name": "图片一号.png"}],
        "categories": [{"id": 1, "name": "猫猫狗狗"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [10, 20, 30, 40]}],
    }
    (tmp_path / "x.json").write_bytes(json.dumps(record, ensure_ascii=False).encode(encoding))
    data = open_data(str(tmp_path))
    assert data.classes == ("猫猫狗狗",) and boxes(data) == [BOX]
    assert bool(told(data)) == (encoding != "utf-8-sig")


def test_a_damaged_file_beside_a_whole_one(tmp_path: Path) -> None:
    read_coco(tmp_path, {})
    (tmp_path / "y.json").write_text('{"images": [{"id": 1, "file_name": "1.png"')
    (tmp_path / "z.json").write_text('{"images": ["1.png"], "annotations": []}')
    data = open_data(str(tmp_path))
    assert boxes(data) == [BOX] and told(data) == [("unreadable", "y.json"), ("unreadable", "z.json")]


def test_how_many_pictures_speak_for_coco(tmp_path: Path) -> None:
    read_coco(tmp_path, images=[{"id": 1, "file_name": "1.png"}, {"id": 2, "file_name": "gone.png"}])
    found = coco.sniff(tmp_path)
    assert found is not None and found.items == 1
    (tmp_path / "x.json").write_text('{"images": ["1.png", "2.png"], "annotations": []}')
    found = coco.sniff(tmp_path)
    assert found is not None and found.items == 0
    (tmp_path / "x.json").write_text('{"predictions": [{"input": "1.png"}]}')
    assert coco.sniff(tmp_path) is None


XML = '<?xml version="1.0"{}?><annotation>{}<object><name>{}</name><bndbox>{}</bndbox></object></annotation>'
EDGES = "<xmin>10</xmin><ymin>20</ymin><xmax>40</xmax><ymax>60</ymax>"


def read_voc(root: Path, data: bytes, **more: Any) -> Dataset:
    for name in ("1", "2"):
        picture(root / f"{name}.png", **more)
    (root / "1.xml").write_bytes(data)
    (root / "2.xml").write_bytes(XML.format("", "", "dog", EDGES).encode())
    return open_data(str(root))


@pytest.mark.parametrize(
    ("declared", "encoding", "name"),
    [
        ("gbk", "gbk", "猫"),
        ("GB2312", "gb18030", "㐀猫"),
        ("big5", "big5", "貓"),
        ("utf-16", "utf-16", "猫"),
        ("windows-1252", "cp1252", "Käse €"),
        ("ISO-8859-1", "latin-1", "Käse"),
        ("shift_jis", "shift_jis", "ネコ"),
        ("koi8-r", "koi8-r", "кот"),
        ("utf-8", "utf-8-sig", "猫"),
        ("utf-16", "utf-8", "猫"),
        ("utf8", "utf-8", "e\u0301"),
        ("", "utf-8", "猫"),
        ("", "utf-16", "猫"),
        ("", "gbk", "行人和汽车"),
        ("utf-8", "gbk", "行人和汽车"),
    ],
)
def test_xml_of_any_encoding(declared: str, encoding: str, name: str, tmp_path: Path) -> None:
    head = f' encoding="{declared}"' if declared else ""
    data = read_voc(tmp_path, XML.format(head, "", name, EDGES).encode(encoding))
    wanted = "é" if name == "e\u0301" else name
    assert set(data.classes) == {wanted, "dog"} and boxes(data) == [BOX]
    surprise = encoding == "gbk" and declared != "gbk"
    assert told(data) == ([("encoding", "1.xml")] if surprise else [])


@pytest.mark.parametrize("declared", ["klingon", "rot13", "undefined", "base64"])
def test_xml_of_no_known_encoding_is_listed(declared: str, tmp_path: Path) -> None:
    data = read_voc(tmp_path, XML.format(f' encoding="{declared}"', "", "cat", EDGES).encode())
    assert "1.xml" in [item for _, item in told(data)] or data.classes == ("cat", "dog")
    assert len(data) + len(told(data)) == 2 or ("encoding", "1.xml") in told(data)


@pytest.mark.parametrize(
    ("edges", "kind"),
    [
        ("<xmin> 10.0 </xmin><ymin>2e1</ymin><xmax>\n40</xmax><ymax>60.</ymax>", None),
        ("<xmin>10</xmin><ymin>20</ymin><xmax>40</xmax>", "no-number"),
        ("", "no-number"),
        ("<xmin>1_0</xmin><ymin>20</ymin><xmax>40</xmax><ymax>60</ymax>", "no-number"),
    ],
)
def test_edges_of_any_kind(edges: str, kind: str | None, tmp_path: Path) -> None:
    data = read_voc(tmp_path, XML.format("", "", "\n  cat ", edges).encode())
    assert boxes(data) == ([] if kind else [BOX]) and [k for k, _ in told(data)] == ([kind] if kind else [])
    assert data.classes == ("cat", "dog")


def test_how_many_pictures_speak_for_voc(tmp_path: Path) -> None:
    read_voc(tmp_path, b"<notes/>")
    found = voc.sniff(tmp_path)
    assert found is not None and found.items == 1
    (tmp_path / "2.xml").write_text("<annotations><image/></annotations>")
    assert voc.sniff(tmp_path) is None


def test_a_file_that_may_not_be_read_stops_no_recognition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_voc(tmp_path, b"<notes/>")
    for name in ("a.json", "a.csv", "a.yaml", "a.xml"):
        (tmp_path / name).symlink_to(tmp_path / "nowhere")
    assert open_data(str(tmp_path)).format == "voc"
    for module in (coco, box_table):
        assert module.sniff(tmp_path) is None


def table(root: Path, text: str | bytes, name: str = "t.csv") -> Dataset:
    for one in ("1", "2"):
        picture(root / f"{one}.png")
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return open_data(str(root / name))


@pytest.mark.parametrize(
    "text",
    [
        "image,x1,y1,x2,y2,class\n1.png,10,20,40,60,cat\n",
        "image;x1;y1;x2;y2;class\n1.png;10,0;20,0;40,0;60,0;cat\n",
        "sep=;\nimage;x1;y1;x2;y2;class\n1.png;10;20;40;60;cat\n",
        "image,x1,y1,x2,y2,class\n1.png,10,20,40,60,cat\n".encode("utf-16"),
        "\ufeffimage,x1,y1,x2,y2,class\n.\\1.png,10,20,40,60,cat\n",
        "ImageID,XMin,XMax,YMin,YMax,LabelName\n1,.1,.4,.25,.75,cat",
        "filename,width,height,class,xmin,ymin,xmax,ymax\n1.png,100,80, cat,10,20,40,60\n",
    ],
)
def test_tables_of_any_kind(text: str | bytes, tmp_path: Path) -> None:
    data = table(tmp_path, text)
    assert data.format == "box-table" and boxes(data) == [BOX] and data.classes == ("cat",)


def test_rows_that_say_nothing_are_listed_with_their_file(tmp_path: Path) -> None:
    rows = [
        "path,xmin,ymin,xmax,ymax,class,split",
        "1.png,10,20,40,60,cat,train",
        "1.png,1,2,4,6,cat,val",
        ",1,1,2,2,cat,train",
        "2.png,1,1,2,2,cat,fold3",
        "2.png,,,,,cat,val",
        "2.png,1,2",
        '1.png,"1,234",2,4,6,cat,val',
    ]
    data = table(tmp_path, "\n".join(rows))
    assert data.parts.tolist() == ["val", "val"] and boxes(data) == [BOX, [1, 2, 4, 6]] and boxes(data, 1) == []
    assert told(data) == [
        ("bad-row", "t.csv, row 7"),
        ("missing-part", "t.csv, row 5"),
        ("no-box", "t.csv, row 6"),
        ("no-number", "1.png"),
        ("no-path", "t.csv, row 4"),
        ("same-part", "t.csv, row 3"),
    ]


def test_a_table_that_knows_the_size_of_a_turned_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(tmp_path / "1.jpg", exif=exif)
    rows = "filename,width,height,class,xmin,ymin,xmax,ymax\n1.jpg,100,80,cat,10,20,40,25\n"
    (tmp_path / "t.csv").write_text(rows)
    assert boxes(open_data(str(tmp_path / "t.csv"))) == [[55, 10, 60, 40]]


def test_how_many_pictures_speak_for_a_table(tmp_path: Path) -> None:
    table(tmp_path, "image,x1,y1,x2,y2,class\n1.png,1,2,3,4,a\n1.png,5,6,7,8,a\ngone.png,1,2,3,4,a\n2.png,x,2,3,4,a\n")
    found = box_table.sniff(tmp_path / "t.csv")
    assert found is not None and found.items == 1


def test_nothing_but_broken_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of them can be read"):
        read_coco(tmp_path, images=[{"id": 1, "file_name": "x/1.png"}])
