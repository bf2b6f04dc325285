"""What stands in YOLO's label files and settings, as tools and people write it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regraft.core.errors import DataError
from regraft.data.dataset import Dataset
from regraft.data.formats import yolo
from regraft.data.formats.yolo_settings import read_yaml
from regraft.data.open import open_data

BOX = [40.0, 24.0, 60.0, 56.0]


def made(root: Path, *labels: str | bytes, settings: str | bytes | None = "names: [a, b]\n") -> Path:
    """``images/0.png``, ... of 100 x 80 pixels with the text of a label file each."""
    for i, text in enumerate(labels):
        for folder in ("images", "labels"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((80, 100, 3), i, np.uint8)).save(root / "images" / f"{i}.png")
        (root / "labels" / f"{i}.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    if settings is not None:
        (root / "data.yaml").write_bytes(settings if isinstance(settings, bytes) else settings.encode())
    return root


def boxes(data: Dataset, i: int = 0) -> list[list[float]]:
    return data.y[i].xyxy.round(3).tolist()


def told(data: Dataset) -> list[tuple[str, str]]:
    return sorted((p.kind, p.item) for p in data.problems)


LINE = "0 0.5 0.5 0.2 0.4"


@pytest.mark.parametrize(
    "text",
    [
        LINE,
        b"\xef\xbb\xbf" + LINE.encode() + b"\r\n",
        LINE.encode("utf-16"),
        LINE.encode("utf-16-le"),
        LINE.encode("utf-16-be"),
        "0,0.5,0.5,0.2,0.4",
        "0, 0.5, 0.5, 0.2, 0.4",
        "0 0,5 0,5 0,2 0,4",
        "0;0,5;0,5;0,2;0,4",
        "0;0.5;0.5;0.2;0.4",
        "0\t0.5\t0.5\t0.2\t0.4\t",
        "0.0 .5 5e-1 +0.2 4E-1",
        "\n\n" + LINE + "\n\n",
        LINE + "\r" + "0 0.1 0.1 0.1 0.1",
        LINE + "\x1a",
    ],
)
@pytest.mark.parametrize("settings", ["names: [a, b]\n", None])
def test_one_box_however_it_is_written(text: str | bytes, settings: str | None, tmp_path: Path) -> None:
    data = open_data(str(made(tmp_path, text, text, settings=settings)))
    assert data.format == "yolo" and boxes(data)[0] == BOX and not told(data)


@pytest.mark.parametrize(
    "line",
    [
        "hello",
        "0 0.5 0.5 0.2",
        "-1 0.5 0.5 0.2 0.4",
        "0.5 0.5 0.5 0.2 0.4",
        "0 0.5 0.5 nan 0.4",
        "a 0.5 0.5 0.2 0.4",
        "0 0.5 0.5 0_2 0.4",
        "0 0.5 0.5 1e999 0.4",
    ],
)
def test_lines_that_cannot_be_are_listed_by_file_and_line(line: str, tmp_path: Path) -> None:
    data = open_data(str(made(tmp_path, f"{LINE}\n{line}\n", LINE)))
    assert boxes(data) == [BOX] and told(data) == [("bad-row", "labels/0.txt:2")]


def test_a_data_set_of_bad_lines_stays_one_of_boxes(tmp_path: Path) -> None:
    data = open_data(str(made(tmp_path, "a cat here\n", "a dog here\n")))
    assert data.format == "yolo" and told(data) == [("bad-row", "labels/0.txt:1"), ("bad-row", "labels/1.txt:1")]


POSE2 = f"{LINE} 0.45 0.45 0.55 0.55"
POSE3 = f"{LINE} 0.45 0.45 2 0 0 0"
OUTLINE = "0 0.4 0.3 0.6 0.3 0.6 0.7 0.5 0.7 0.4 0.6"
TURNED = "0 0.4 0.3 0.6 0.3 0.6 0.7 0.4 0.7"


@pytest.mark.parametrize(
    ("lines", "settings", "says"),
    [
        ([POSE2, POSE2], "kpt_shape: [2, 2]\n", "2 points of a pose"),
        ([POSE2, POSE2], "", "2 points of a pose"),
        ([POSE3, POSE3], "kpt_shape: [2, 3]\n", "2 points of a pose"),
        ([POSE3, POSE3], "", "2 points of a pose"),
        ([f"{POSE3} 0.9", POSE3], "kpt_shape: [2, 3]\n", "a score or a track"),
        ([f"{LINE} 0.91", f"{LINE} 7"], "", "a score or a track"),
        ([f"{LINE} 0.91 1", f"{LINE} 0.5 17"], "", "a score and a track"),
        ([OUTLINE, LINE], "", "an outline of 5 points"),
        ([TURNED, LINE], "", "an outline of 4 points"),
        # corners near the middle could be a box and two points: that they make a rectangle tells
        (["0 0.4 0.3 0.6 0.3 0.6 0.7 0.4 0.7"] * 2, "", "an outline of 4 points"),
        ([OUTLINE + " 0.93", LINE], "", "an outline of 5 points"),
    ],
)
def test_numbers_after_the_box(lines: list[str], settings: str, says: str, tmp_path: Path) -> None:
    data = open_data(str(made(tmp_path, *lines, settings=f"names: [a]\n{settings}")))
    assert boxes(data, 0) == [BOX] and boxes(data, 1) == [BOX]
    (problem,) = data.problems
    assert problem.kind == "more-numbers" and says in problem.message


def test_a_line_that_is_not_of_the_shape(tmp_path: Path) -> None:
    data = open_data(str(made(tmp_path, POSE2, OUTLINE, settings="names: [a]\nkpt_shape: [2, 2]\n")))
    assert boxes(data) == [BOX] and ("bad-row", "labels/1.txt:1") in told(data)
    with pytest.raises(DataError, match="kpt_shape is to be"):
        open_data(str(made(tmp_path, POSE2, settings="names: [a]\nkpt_shape: 17\n")))


@pytest.mark.parametrize(
    "text",
    [
        "names: [yes, no, on, 010, 1e3, null, ~, 2024-01-01]\n",
        "names:\n  0: yes\n  1: no\n  2: on\n  3: 010\n  4: 1e3\n  5: null\n  6: ~\n  7: 2024-01-01\n",
    ],
)
def test_words_stay_words(text: str, tmp_path: Path) -> None:
    labels = "".join(f"{k} 0.5 0.5 0.{k + 1} 0.4\n" for k in range(8))
    data = open_data(str(made(tmp_path, labels, settings=text)))
    assert data.classes == ("yes", "no", "on", "010", "1e3", "null", "~", "2024-01-01") and not told(data)


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("names: ['a, b', \" c \", 'd''e']\n".encode("utf-8-sig"), ("a, b", " c ", "d'e")),
        ("names: [猫, e\u0301, x]\n".encode("utf-16"), ("猫", "é", "x")),
        ("names: [猫猫, 狗狗, 大鸟]\n".encode("gbk"), ("猫猫", "狗狗", "大鸟")),
        (b'"names": [a, b, c]\n', ("a", "b", "c")),
        (b"names:\n  2: c\n  0: a\n  1: b\n", ("a", "b", "c")),
    ],
)
def test_names_of_classes(text: bytes, classes: tuple[str, ...], tmp_path: Path) -> None:
    assert open_data(str(made(tmp_path, LINE, settings=text))).classes == classes


@pytest.mark.parametrize(
    "text",
    [
        "names: {0: a, 0: b}\n",
        "names: [a, '']\n",
        "names: [&a [x], *a]\n",
        "names: !!binary aGk=\n",
        "names: a\n",
        "names: {a: 0}\n",
        "names: [a, [b]]\n",
    ],
)
def test_names_that_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names|key twice|tag"):
        open_data(str(made(tmp_path, LINE, settings=text)))


def test_settings_that_disagree_are_told(tmp_path: Path) -> None:
    made(tmp_path, LINE, settings="names: [a]\nnc: 3\n")
    (tmp_path / "best.yaml").write_text("names: [other]\n")
    data = open_data(str(tmp_path))
    assert data.classes == ("a",) and told(data) == [("other-settings", "best.yaml"), ("wrong-count", "data.yaml")]
    assert open_data(str(tmp_path / "best.yaml")).classes == ("other",)
    assert read_yaml(b"a: 010\nb: [~, no]\n", "x") == {"a": "010", "b": ["~", "no"]}


def test_a_label_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from regraft.core.errors import UnreadableItem
    from regraft.data.trees import Directory

    made(tmp_path, LINE, LINE)
    read = Directory.read

    def closed(self: Directory, name: str) -> bytes:
        if name == "labels/1.txt":
            raise UnreadableItem("the file cannot be read: Permission denied")
        return read(self, name)

    monkeypatch.setattr(Directory, "read", closed)
    data = open_data(str(tmp_path))
    assert len(data) == 1 and told(data) == [("unreadable", "labels/1.txt")]


def test_how_many_pictures_speak_for_it(tmp_path: Path) -> None:
    made(tmp_path / "d", *[LINE] * 5, "", settings=None)
    found = yolo.sniff(tmp_path / "d")
    assert found is not None and found.items == 6
    # texts beside pictures are no boxes, and one stray file of boxes is one
    made(tmp_path / "prose", *["A cat sits here.\nIt sleeps.\n"] * 5, settings=None)
    assert yolo.sniff(tmp_path / "prose") is None
    for i in range(5):
        (tmp_path / "one" / "c").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9)).save(tmp_path / "one" / "c" / f"{i}.png")
    (tmp_path / "one" / "c" / "3.txt").write_text(LINE)
    found = yolo.sniff(tmp_path / "one")
    assert found is not None and found.items == 1
