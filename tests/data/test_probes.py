"""What people bring, in the forms that their tools write it: lists in cells, rows of pixels, names of folders left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from regraft.data.dataset import Dataset
from regraft.data.labels import label_column
from regraft.data.names import guess_of
from regraft.data.sources import open_data, open_inputs
from regraft.errors import DataError
from regraft.types import Hints

ROWS = [f"row {i}" for i in range(12)]


def told(data: Dataset) -> dict[str, str]:
    return {p.item: p.kind for p in data.problems}


def pictures(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        Image.fromarray(np.full((8, 8, 3), 10 * i, np.uint8)).save(folder / name)


@pytest.mark.parametrize(
    "cells",
    [["['a', 'b']", "['a']", "[]"], ['["a", "b"]', '["a"]', "[]"], [{"a", "b"}, {"a"}, frozenset()],
     [["a", "b"], ("a",), np.array([])]],
)  # fmt: skip
def test_lists_as_tables_hold_them(cells: list[object]) -> None:
    found = label_column("tags", cells * 4, None, "t", ROWS)
    assert found.spec.task == "multilabel" and found.spec.classes == ("a", "b")
    assert found.values[:3].tolist() == [[1, 1], [1, 0], [0, 0]] and not found.missing.any()


def test_names_in_brackets_are_no_lists() -> None:
    found = label_column("tag", ["[UNK]", "[PAD]", "a [b]"] * 4, None, "t", ROWS)
    assert found.spec.classes == ("[PAD]", "[UNK]", "a [b]")


def test_lists_where_one_class_is_wanted() -> None:
    assert label_column("c", [["x"], ["y"]] * 6, "classification", "t", ROWS).spec.classes == ("x", "y")
    with pytest.raises(DataError, match="row 1: 'c' holds 2 values, and --task regression takes one"):
        label_column("c", [["1"], ["2", "3"]] * 6, "regression", "t", ROWS)


def test_rows_of_pixels_are_no_text(tmp_path: Path) -> None:
    table = tmp_path / "fer.csv"
    row = " ".join(["17"] * 60)
    table.write_text("emotion,pixels\n" + "".join(f"{i % 3},{row} {i}\n" for i in range(12)))
    with pytest.raises(DataError, match="each cell of 'pixels' holds a row of numbers.*--drop pixels"):
        open_data(table)
    assert open_data(table, hints=Hints(text="pixels")).modality == "text"


def test_one_of_two_columns_called_as_labels_is_said() -> None:
    data = open_data(pd.DataFrame({"x": np.arange(12) / 7, "y": np.arange(12) % 5 / 3, "target": ["a", "b"] * 6}))
    assert list(data.targets) == ["target"] and told(data) == {"target": "label-guessed"}


def test_columns_numbered_by_pandas_are_no_row() -> None:
    frame = pd.DataFrame(np.c_[np.random.default_rng(0).normal(size=(12, 2)), np.arange(12) % 2])
    assert told(open_data(frame)) == {"2": "label-guessed"}
    assert "no-header" in told(open_data(frame.rename(columns={0: "5.1", 1: "3.5"}))).values()


def test_a_table_names_pictures_below_one_folder(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(6)]
    pictures(tmp_path / "train_images", names)
    pictures(tmp_path / "test_images", names[:3])
    rows = "".join(f"{n},{'ab'[i % 2]}\n" for i, n in enumerate(names))
    (tmp_path / "train.csv").write_text(f"image_id,label\n{rows}")
    data = open_data(tmp_path, format="table")
    assert len(data) == 6 and data.items.load(5)[0, 0, 0] == 50 and data.items.name(0) == "train_images/0.png"
    assert open_inputs(str(tmp_path / "train.csv")).items.load(5)[0, 0, 0] == 50


def test_a_table_with_pictures_in_one_folder_is_no_folder_of_one_class(tmp_path: Path) -> None:
    pictures(tmp_path / "train_images", [f"{i}.png" for i in range(4)])
    (tmp_path / "train.csv").write_text("image_id,label\n" + "".join(f"{i}.png,{i % 2}\n" for i in range(4)))
    assert open_data(tmp_path).format == "table"


def test_pictures_that_lie_in_several_folders_are_not_chosen_between(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        pictures(tmp_path / folder, ["0.png", "1.png"])
    (tmp_path / "t.csv").write_text("file,label\n0.png,x\n1.png,y\n")
    with pytest.raises(DataError, match="none is there"):
        open_data(tmp_path / "t.csv")


def test_old_zips_do_not_speak_the_language_of_old_macs() -> None:
    names = [f"{n}/0.png".encode("cp437").decode("utf-8", "surrogateescape") for n in ("Pêche", "Äpfel")]
    assert guess_of(names).encoding in ("cp437", "cp850")


def test_notes_beside_labels_are_no_rival(tmp_path: Path) -> None:
    pictures(tmp_path / "images", ["0.png", "1.png"])
    (tmp_path / "labels").mkdir()
    for i in range(2):
        (tmp_path / "labels" / f"{i}.txt").write_text("0 .5 .5 .2 .2\n")
    (tmp_path / "notes.json").write_text(json.dumps({"categories": [{"id": 0, "name": "cat"}], "info": {"year": 2024}}))
    data = open_data(tmp_path)
    assert data.format == "yolo" and not data.problems


def test_a_packed_archive_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "photos.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(DataError, match="unpack it"):
        open_data(tmp_path / "photos.tar.gz")
