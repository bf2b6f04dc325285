"""What people bring, as their tools write it: lists in cells, rows of pixels, names of folders left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from regraft.commands.evaluate import evaluate
from regraft.commands.predict import predict
from regraft.core.errors import DataError, InputError, UnreadableItem
from regraft.core.types import Hints
from regraft.data.audit.checks import target_problems
from regraft.data.dataset import Dataset
from regraft.data.inputs import as_items
from regraft.data.names import guess_of
from regraft.data.open import open_data, open_inputs
from regraft.data.tabular.labels import label_column
from regraft.data.text.encoding import decode_text
from regraft.pipelines.fit import fit

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
    names = label_column("tag", ["[UNK]", "[PAD]", "a [b]"] * 4, None, "t", ROWS)
    assert names.spec.classes == ("[PAD]", "[UNK]", "a [b]")


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
    (tmp_path / "all.csv").write_text("image_id,label\n0.png,x\n1.png,y\n")  # in which of the two folders?
    with pytest.raises(DataError, match="none is there"):
        open_data(tmp_path / "all.csv")


def test_a_table_with_pictures_in_one_folder_is_no_folder_of_one_class(tmp_path: Path) -> None:
    pictures(tmp_path / "train_images", [f"{i}.png" for i in range(4)])
    (tmp_path / "train.csv").write_text("image_id,label\n" + "".join(f"{i}.png,{i % 2}\n" for i in range(4)))
    assert open_data(tmp_path).format == "table"


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


def test_inputs_are_paths_or_texts_and_a_table_in_memory_says_where_it_belongs(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["a good film", "a bad film"] * 10, "label": ["yes", "no"] * 10})
    run = fit(frame, backbone="tfidf", controls="none", out=str(tmp_path / "run")).run
    (tmp_path / "new.csv").write_text("text\na good film\n")
    assert [row["label"] for row in predict(run, tmp_path / "new.csv").predictions] == ["yes"]
    for inputs in (frame, None, [frame], frame["text"]):
        with pytest.raises(DataError, match=r"wanted are paths or texts: regraft.load\(model\).predict"):
            predict(run, inputs)  # type: ignore[arg-type]


def test_classes_written_as_floats_are_those_written_whole(tmp_path: Path) -> None:
    x = np.linspace(-1, 1, 24)
    frame = pd.DataFrame({"x": x, "z": x**2, "label": (x > 0).astype(float)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert "1.0" in (tmp_path / "t.csv").read_text()
    for data, other in ((frame, tmp_path / "t.csv"), (tmp_path / "t.csv", frame)):
        run = fit(data, backbone="raw", controls="none", out=str(tmp_path / type(data).__name__)).run
        found = evaluate(run, other)
        assert found.metrics["accuracy"] > 0.9 and "class-spelling" in [p.kind for p in found.problems]
        beside = fit(data, val=other, backbone="raw", controls="none", out=str(tmp_path / "v"), overwrite=True)
        assert beside.items["val"] and "class-spelling" in [p["kind"] for p in beside.problems]
    with pytest.raises(DataError, match="has the classes 001, 002, which the model has not"):
        evaluate(run, frame.assign(label=["001", "002"] * 12))


def test_none_can_be_read_says_why(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": np.linspace(-1, 1, 24), "z": np.arange(24) / 7, "label": ["a", "b"] * 12})
    run = fit(frame, backbone="raw", controls="none", out=str(tmp_path / "run")).run
    with pytest.raises(DataError, match=r"\(row 0: 'z' is 'much', which is no number"):
        evaluate(run, frame.assign(z="much"))


def test_columns_as_python_holds_them() -> None:
    frame = pd.DataFrame({"a": np.arange(12) / 7, "b": np.arange(12) / 3, 3: ["x", "y"] * 6})
    data = open_data(frame, hints=Hints(label=["3"], features=("a", "b")))  # type: ignore[arg-type]
    assert list(data.targets) == ["3"] and data.roles is not None and data.roles.features == ("a", "b")
    assert list(open_data(frame, hints=Hints(label=3)).targets) == ["3"]  # type: ignore[arg-type]
    for wrong in ({"label": 1.5}, {"text": ["a"]}, {"features": [None]}, {"task": True}):
        with pytest.raises(InputError, match="a name is wanted"):
            Hints(**wrong)  # type: ignore[arg-type]


def test_a_column_that_varies_no_more_is_read_as_the_model_learned_it(tmp_path: Path) -> None:
    x = np.linspace(-1, 1, 24)
    frame = pd.DataFrame({"x": x, "z": np.arange(24) % 5 / 7, "label": np.where(x > 0, "a", "b")})
    run = fit(frame, backbone="raw", controls="none", out=str(tmp_path / "run")).run
    assert evaluate(run, frame.assign(z=0.5)).items == 24
    found = evaluate(run, frame.assign(z=["much", *frame.z[1:]]))
    assert found.items == 23 and ("row 0", "unreadable") in [(p.item, p.kind) for p in found.problems]


def test_other_ways_to_write_numbers_than_the_model_learned_from(tmp_path: Path) -> None:
    x = np.linspace(-1, 1, 24).round(3)
    frame = pd.DataFrame({"x": x, "z": x**3, "y": 3 * x + 2})
    frame.to_csv(tmp_path / "point.csv", index=False)
    frame.to_csv(tmp_path / "comma.csv", index=False, sep=";", decimal=",")
    for learned, other in (("point", "comma"), ("comma", "point")):
        run = fit(tmp_path / f"{learned}.csv", backbone="raw", controls="none", out=str(tmp_path / f"of-{learned}")).run
        same, found = (evaluate(run, tmp_path / f"{name}.csv") for name in (learned, other))
        assert found.items == 24 and found.metrics["rmse"] == pytest.approx(same.metrics["rmse"])
        values = [[row["value"] for row in predict(run, tmp_path / f"{n}.csv").predictions] for n in (learned, other)]
        assert values[0] == pytest.approx(values[1])


def test_a_picture_without_pixels_has_no_answer() -> None:
    with pytest.raises(UnreadableItem, match="no pixels"):
        as_items([Image.new("RGB", (0, 5))]).load(0)


def test_one_class_in_two_spellings_of_unicode() -> None:
    found = label_column("c", ["\u00fc", "u\u0308", "\ufeff\u00fc", "o"] * 3, None, "t", ROWS)
    assert found.spec.classes == ("o", "\u00fc")


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["scab", "scab rust", "rust", "16 0", "16", "0"], True),
        (["very good", "good", "bad", "very bad"], False),
        (["New York", "Rome", "Los Angeles"], False),
    ],
)
def test_classes_between_spaces_are_said(cells: list[str], told: bool) -> None:
    rows = [f"row {i}" for i in range(6 * len(cells))]
    found = label_column("c", cells * 6, None, "t", rows)
    assert found.spec.classes == tuple(sorted(cells)) and ("--task multilabel" in found.doubt) == told
    several = label_column("c", cells * 6, "multilabel", "t", rows)
    assert several.spec.classes == (("0", "16", "rust", "scab") if told else tuple(sorted(cells)))


def test_many_whole_numbers_are_numbers_without_a_word() -> None:
    frame = pd.DataFrame({"x": np.arange(450) / 7, "target": [25 + i % 220 for i in range(450)]})
    assert open_data(frame).target.task == "regression" and not open_data(frame).problems


def test_stray_zero_bytes_are_no_utf16(tmp_path: Path) -> None:
    text = "text,label\n" + "".join(f"a good film number {i}\0,{'ab'[i % 2]}\n" for i in range(12))
    (tmp_path / "t.csv").write_text(text)
    assert open_data(tmp_path / "t.csv").classes == ("a", "b")


def test_classes_that_differ_by_the_kind_of_a_space_are_told() -> None:
    data = open_data(pd.DataFrame({"x": np.arange(40) / 7, "label": ["New York", "New\u00a0York"] * 20}))
    assert "classes-differ-by-case" in [p.kind for p in target_problems(data)]


@pytest.mark.parametrize(
    "text", ["the price à la carte\n" * 60, "isto é\n" * 9, "an awful film é\n" * 60, "vis à vis\n"]
)
def test_words_of_one_letter_among_latin_ones_are_latin(text: str) -> None:
    assert decode_text(text.encode("cp1252")).text == text
