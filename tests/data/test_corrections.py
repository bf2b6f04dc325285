"""Corrections of labels: applied before anything is split, told, and refused where they could mean something else."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import regraft
from regraft.core.errors import DataError, DataWarning, InputError
from regraft.core.types import LabelSpec
from regraft.data.corrections import MARK, corrected, digest_of, open_corrected
from regraft.data.dataset import Dataset, classification_dataset
from regraft.data.items import Texts
from regraft.data.open import open_data
from tests.conftest import write_shapes


def texts(n: int = 12, classes: tuple[str, ...] = ("bad", "good")) -> Dataset:
    items = Texts([f"text number {i}" for i in range(n)], [f"row {i}" for i in range(n)])
    return classification_dataset("texts", items, np.arange(n) % len(classes), classes)


def write(path: Path, *rows: tuple[str, ...], head: tuple[str, ...] = ("item", "new_label"), comma: str = ",",
          encoding: str = "utf-8") -> Path:  # fmt: skip
    with open(path, "w", newline="", encoding=encoding) as f:
        csv.writer(f, delimiter=comma).writerows([head, *rows])
    return path


def said(data: Dataset) -> str:
    return next(p.message for p in data.problems if p.kind == "corrections")


def test_labels_change_and_items_go(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", ("row 0", "good"), ("row 3", "drop"), ("row 4", ""), ("row 5", "good"))
    found = corrected(texts(), path)
    assert [found.items.name(i) for i in range(3)] == ["row 0", "row 1", "row 2"] and len(found) == 11
    assert found.y.tolist()[:5] == [1, 1, 0, 0, 1]
    assert found.corrected == 1 and said(found) == "1 label corrected, 1 item taken out"  # row 5 was good before
    assert found.take(np.array([1, 2])).corrected == 0


def test_twice_in_a_row_changes_nothing_more(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", ("row 0", "good"), ("row 3", "drop"))
    once = corrected(texts(), path)
    again = corrected(replace(once, problems=()), path)
    assert np.array_equal(once.y, again.y) and again.corrected == 0
    assert [p.message for p in again.problems] == ["takes out row 3, which is not there",
                                                   "0 labels corrected, 0 items taken out"]  # fmt: skip


@pytest.mark.parametrize(
    ("comma", "encoding"), [(",", "utf-8-sig"), (";", "utf-8-sig"), (";", "cp1252"), ("\t", "utf-16"), (";", "utf-8")]
)
def test_what_a_spreadsheet_saves_is_read(comma: str, encoding: str, tmp_path: Path) -> None:
    data = texts(classes=("schön", "häßlich"))
    path = write(tmp_path / "c.csv", ("row 1", "schön", "Größe"), ("row 2", "häßlich", "Straße"), comma=comma,
                 encoding=encoding, head=("item", "new_label", "text"))  # fmt: skip
    assert corrected(data, path).y.tolist()[:4] == [0, 0, 1, 1]


def test_what_a_spreadsheet_makes_of_a_name_is_that_name(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", ("row 0", "TRUE"), ("row 1", "FALSE"))
    assert corrected(texts(classes=("false", "true")), path).y.tolist()[:2] == [1, 0]
    path = write(tmp_path / "d.csv", ("row 0", "2"))
    assert corrected(texts(classes=("1.0", "2.0")), path).y[0] == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("row 0", "goood")], "row 2: there is no class 'goood': did you mean 'good'?"),
        ([("row 99", "good"), ("row 0", "good")], "row 99 is not in texts, whose items are named as 'row 0' is"),
        ([("a", "drop"), ("b", "drop")], "a and 1 more are not in texts"),
        ([("row 0", "good"), ("row 1", "bad"), ("row 0", "bad")], "row 0 is to be good in row 2 and bad in row 4"),
    ],
)
def test_what_could_mean_something_else_is_refused(rows: list[tuple[str, ...]], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message.replace("?", r"\?")):
        corrected(texts(), write(tmp_path / "c.csv", *rows))


def test_the_same_correction_twice_is_one(tmp_path: Path) -> None:
    assert corrected(texts(), write(tmp_path / "c.csv", ("row 0", "good"), ("row 0", "good"), ("row 0", ""))).corrected


def test_an_item_that_has_changed_is_not_relabelled(tmp_path: Path) -> None:
    data, head = texts(), ("item", "digest", "new_label")
    right, wrong = digest_of(data.items, 0), MARK + "00" * 16
    path = write(tmp_path / "c.csv", ("row 0", right, "good"), head=head)
    assert corrected(data, path).y[0] == 1
    with pytest.raises(DataError, match="row 0 changed since the audit"):
        corrected(data, write(tmp_path / "d.csv", ("row 0", wrong, "good"), head=head))
    assert corrected(data, write(tmp_path / "e.csv", ("row 0", "", "good"), head=head)).y[0] == 1


def test_items_that_are_called_otherwise_are_found_by_their_digests(tmp_path: Path) -> None:
    texts = [f"the film number {i} is what it is" for i in range(6)]
    frame = pd.DataFrame({"text": texts, "label": ["bad", "good"] * 3})
    frame.to_csv(tmp_path / "d.csv", index=False)
    there, head = open_data(tmp_path / "d.csv"), ("item", "digest", "new_label")
    rows = [(there.items.name(i), digest_of(there.items, i), "good") for i in (0, 2)]
    path = write(tmp_path / "c.csv", *rows, head=head)
    for data, otherwise in ((str(tmp_path / "d.csv"), False), (frame, True), (frame.iloc[::-1], True)):
        found = open_corrected(data, str(path))
        texts_of = [found.items.load(i) for i in np.flatnonzero(found.corrections.changed)]
        assert sorted(texts_of) == [frame.text[0], frame.text[2]]
        assert any("found by their digests" in p.message for p in found.problems) == otherwise
    with pytest.raises(DataError, match="where 2 items hold what it holds: give the data as it was audited"):
        open_corrected(pd.concat([frame, frame]), str(path))
    twice = (there.items.name(1), rows[0][1], "bad")  # a copy at the audit, of which one is left
    with pytest.raises(DataError, match="is to be good in row 2 and bad in row 3"):
        open_corrected(frame, str(write(tmp_path / "e.csv", rows[0], twice, head=head)))
    write(path, *rows, (there.items.name(4), "", "good"), head=head)
    assert open_corrected(str(tmp_path / "d.csv"), str(path)).corrected == 3
    with pytest.raises(DataError, match="has no digest, and items of .* are called otherwise"):
        open_corrected(frame, str(path))


def test_files_that_are_no_corrections_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file; 'regraft audit DATA' writes one"):
        corrected(texts(), tmp_path / "none.csv")
    with pytest.raises(DataError, match="has no column 'new_label'"):
        corrected(texts(), write(tmp_path / "c.csv", ("row 0", "good"), head=("item", "label")))
    (tmp_path / "c.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match="save it as .csv"):
        corrected(texts(), tmp_path / "c.xlsx")
    (tmp_path / "d.csv").write_text('item,new_label\nrow 0,good\nrow 1,"bad\nrow 2,bad\nrow 3,bad\nrow 4,bad\n')
    with pytest.raises(DataError, match="mend it, so that nothing is lost"):
        corrected(texts(), tmp_path / "d.csv")


def test_a_class_called_drop_is_a_class(tmp_path: Path) -> None:
    found = corrected(texts(classes=("drop", "keep")), write(tmp_path / "c.csv", ("row 1", "drop")))
    assert len(found) == 12 and found.y[1] == 0
    assert "drop is a class of the data, and read as that" in [p.message for p in found.problems]


def test_several_classes_and_numbers(tmp_path: Path) -> None:
    data = texts(4)
    several = replace(data, targets={"label": LabelSpec("multilabel", ("a", "b", "c"))},
                      labels={"label": np.eye(4, 3, dtype=np.int64)})  # fmt: skip
    path = write(tmp_path / "c.csv", ("row 0", "b|c"), ("row 1", "none"), ("row 2", "a"))
    assert corrected(several, path).y.tolist() == [[0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 0, 0]]
    numbers = replace(data, targets={"label": LabelSpec("regression")}, labels={"label": np.arange(4.0)})
    path = write(tmp_path / "d.csv", ("row 0", "1.234,5"), ("row 1", "7,25"), comma=";")
    assert corrected(numbers, path).y.tolist() == [1234.5, 7.25, 2.0, 3.0]
    with pytest.raises(DataError, match="row 2: 'many' is no number"):
        corrected(numbers, write(tmp_path / "e.csv", ("row 0", "many")))
    with pytest.raises(DataError, match="could be read in two ways; write 1234.5"):
        corrected(numbers, write(tmp_path / "f.csv", ("row 0", "1,500")))


@pytest.fixture
def parted(tmp_path: Path) -> Path:
    for part, count, seed in (("train", 12, 0), ("val", 4, 1)):
        write_shapes(tmp_path / "photos" / part, count, seed)
    return tmp_path / "photos"


def test_a_fit_tells_what_was_corrected_and_of_what_judges(parted: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", ("train/disc/000.png", "square"), ("val/disc/001.png", "square"),
                 ("val/square/000.png", "drop"))  # fmt: skip
    plain = regraft.fit(str(parted), out=str(tmp_path / "a"), controls="none", backbone="raw")
    result = regraft.fit(str(parted), out=str(tmp_path / "b"), controls="none", backbone="raw", corrections=path)
    assert plain.corrections == [] and plain.items["val"] == 8 and result.items["val"] == 7
    (told,) = result.corrections
    assert told["relabelled"] == 2 and told["taken_out"] == 1 and told["judged"] == 1
    kinds = {p["kind"]: p["message"] for p in result.problems}
    assert kinds["corrections"] == ("2 labels corrected (1 of the part train, 1 of the part val), 1 item taken out "
                                    "(1 of the part val)")  # fmt: skip
    assert kinds["judged-by-corrections"].startswith("1 of 7 judged items have a corrected label")
    again = regraft.fit(str(parted), out=str(tmp_path / "b2"), controls="none", backbone="raw", corrections=str(path))
    assert again.metrics == result.metrics
    truth = dict(row[:2] for row in csv.reader(open(tmp_path / "b/predictions.csv")))
    assert truth["val/disc/001.png"] == "square"


def test_corrections_of_the_whole_hold_for_a_part(parted: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", ("train/disc/000.png", "square"), ("val/disc/001.png", "square"))
    found = open_corrected(f"{parted}#train", path)
    assert found.corrected == 1 and len(found) == len(open_data(f"{parted}#train"))


def test_domains_take_a_file_each(parted: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", ("disc/000.png", "square"))
    data = [str(parted / "train"), str(write_shapes(tmp_path / "b", 12, 3))]
    how = {"method": "joint", "epochs": 1, "controls": "none", "backbone": "regraft_tiny", "out": str(tmp_path / "r")}
    with pytest.raises(InputError, match="--corrections names 1 data for 2 domains"):
        regraft.fit(data, corrections=str(path), **how)
    result = regraft.fit(data, corrections=f"{path},none", **how)
    assert [c["relabelled"] for c in result.corrections] == [1]


def test_tasks_take_a_file_each(tmp_path: Path) -> None:
    with open(tmp_path / "t.csv", "w", newline="") as f:
        rows = [[i * 0.5, i % 7 * 1.5, "ab"[i % 2], "xyz"[i % 3]] for i in range(30)]
        csv.writer(f).writerows([["u", "v", "one", "two"], *rows])
    path = write(tmp_path / "c.csv", ("row 2", "b"))
    result = regraft.fit(str(tmp_path / "t.csv"), label="one,two", share="features", corrections=f"{path},none",
                         out=str(tmp_path / "r"), controls="none")  # fmt: skip
    assert [len(t.corrections) for t in result.tasks.values()] == [1, 0]


def test_estimators_take_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 3)), np.array(["a", "b", "c"])[np.arange(30) % 3]
    path = write(tmp_path / "c.csv", *((f"X[{i}]", "a" if i else "drop") for i in range(30) if y[i] == "c" or not i))
    model = regraft.Classifier(corrections=path)
    with pytest.warns(DataWarning, match="10 labels corrected, 1 item taken out"):
        model.fit(x, y)
    assert model.classes_.tolist() == ["a", "b"]
    path = write(tmp_path / "n.csv", ("X[0]", "drop"), ("X[1]", "0.5"))
    with pytest.warns(DataWarning, match="1 label corrected, 1 item taken out"):
        assert len(regraft.Regressor(corrections=path).fit(x, x[:, 0]).residuals_) == 29


def test_boxes_have_files_of_their_own(tmp_path: Path) -> None:
    data = replace(texts(), targets={"label": LabelSpec("detection", ("a",))})
    with pytest.raises(DataError, match="has no column 'action': wanted are item and action"):
        corrected(data, write(tmp_path / "c.csv", ("row 0", "a")))
