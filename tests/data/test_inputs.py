"""What Python callers hand over: the same answer whatever holds a picture, a sentence for what is none."""

import io
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from PIL import Image

from regraft.core.errors import DataError
from regraft.data.inputs import as_items, as_read_by
from regraft.data.items import PictureObjects, TableRows, Texts
from regraft.data.targets import as_labels, as_numbers

PICTURES = np.random.default_rng(0).integers(0, 255, (4, 40, 48, 3), dtype=np.uint8)
TEXTS = ["a fine film", "a dull film"]


@pytest.fixture
def files(tmp_path: Path, monkeypatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    for i, picture in enumerate(PICTURES):
        Image.fromarray(picture).save(f"{i}.png")
    return [f"{i}.png" for i in range(len(PICTURES))]


def test_a_picture_is_the_same_whatever_holds_it(files: list[str]) -> None:
    contents = [Path(f).read_bytes() for f in files]
    objects = np.empty(4, object)
    objects[:] = list(PICTURES)
    held = [
        files, [Path(f) for f in files], np.array(files)[:, None], pd.Series(files), pa.array(files), contents,
        [io.BytesIO(c) for c in contents], [open(f, "rb") for f in files], [Image.open(f) for f in files], PICTURES,
        list(PICTURES), objects, PICTURES / 255, torch.tensor(PICTURES), [torch.tensor(p) for p in PICTURES],
        pd.DataFrame({"path": files}), pd.DataFrame({"path": files, "size": [1, 2, 3, 4]}), pa.table({"path": files}),
        pd.DataFrame({"image": contents}),
        pd.DataFrame({"image": [{"bytes": c, "path": f} for c, f in zip(contents, files, strict=True)]}),
    ]  # fmt: skip
    for x in held:
        items = as_read_by("image", x)
        assert [np.array_equal(items.load(i), p) for i, p in enumerate(PICTURES)] == [True] * 4, type(x)
    assert as_items(contents).digest(1) == as_items(files).digest(1), "bytes are the file"
    for one in (files[0], Path(files[0]), contents[0], io.BytesIO(contents[0]), Image.open(files[0])):
        assert len(as_read_by("image", one)) == 1


def test_pictures_of_several_sizes(files: list[str]) -> None:
    cut = [p[: 20 + i] for i, p in enumerate(PICTURES)]
    items = as_items(cut)
    assert isinstance(items, PictureObjects) and [items.load(i).shape[0] for i in range(4)] == [20, 21, 22, 23]
    assert all(np.array_equal(items.load(i), p) for i, p in enumerate(cut))
    grey = as_items([p[:, :, 0] for p in cut])
    assert np.array_equal(grey.load(2)[:, :, 1], cut[2][:, :, 0])
    with pytest.raises(DataError, match=r"X\[0\] holds floats from 0 to 2"):
        as_items([c * 1.0 for c in cut])
    with pytest.raises(DataError, match=r"X\[0\] has the shape \(3, 20, 48\); .*channels last"):
        as_items([c.transpose(2, 0, 1) for c in cut])


@pytest.mark.parametrize(("x", "way"), [
    (PICTURES[0], r"\[x\]"), (PICTURES[0, :, :, 0], r"\[x\]"), (torch.tensor(PICTURES).permute(0, 3, 1, 2), "permute"),
    (torch.tensor(PICTURES[0]).permute(2, 0, 1), "permute"), (PICTURES.transpose(0, 3, 1, 2), "transpose"),
    (np.concatenate([PICTURES, PICTURES[..., :1]], 3), "transparency"), (PICTURES * 1.0, r"0\.\.1"),
    (PICTURES / np.nan, "nan"), (PICTURES > 9, "uint8"), (PICTURES.astype(np.uint16), "uint8"),
    (PICTURES * 1j, "wanted"),
    ((p for p in PICTURES), "list"), ({"0.png"}, "wanted"), ({"a": PICTURES}, "wanted"), (None, "wanted"),
    (5, "wanted"),
    (np.ma.masked_array(PICTURES, PICTURES > 9), "masked"), ([None] * 3, r"X\[0\] is None"), ([1.0, 2.0], "wanted"),
    (["gone.png"], "no such file"), (["a\0.png"], "no such file"), (["x" * 300 + ".png"], "no such file"),
    (["folder"], "a folder is there"), (["0.png", Image.new("RGB", (3, 3))], "mixes kinds"), (TEXTS, "no such file"),
    ([[1, 2], [3]], "unlike"), (np.array(5), "wanted"), (pd.DataFrame({"text": TEXTS}), "paths of pictures"),
])  # fmt: skip
def test_what_is_no_picture_is_refused_with_the_way_out(x, way: str, files: list[str]) -> None:
    Path("folder").mkdir()
    with pytest.raises(DataError, match=way):
        as_read_by("image", x)


def test_texts_are_texts_to_a_model_of_texts(files: list[str]) -> None:
    Path("red").mkdir()
    for x in (TEXTS, np.array(TEXTS)[:, None], pd.Series(TEXTS, dtype="category"), pa.array(TEXTS),
              np.array(TEXTS, np.dtypes.StringDType()), pd.DataFrame({"text": TEXTS, "n": [1, 2]})):  # fmt: skip
        items = as_read_by("text", x)
        assert isinstance(items, Texts) and [items.load(i) for i in range(2)] == TEXTS
    around = as_read_by("text", [f" {TEXTS[0]} \u3000\n", np.str_(TEXTS[0] + "\t")])
    assert [around.load(i) for i in (0, 1)] == [TEXTS[0]] * 2, "as a table's cells are read"
    assert as_read_by("text", ["red"]).load(0) == as_read_by("text", "red").load(0) == "red", "no folder is meant"
    assert isinstance(as_items(["red", "red"]), Texts)
    for x in (files, [Path(f) for f in files], PICTURES, [Image.open(files[0])]):
        with pytest.raises(DataError, match="the model takes texts"):
            as_read_by("text", x)
    with pytest.raises(DataError, match="decode"):
        as_read_by("text", [b"a fine film"])
    with pytest.raises(DataError, match=r"X\[0\] is 'a' and X\[1\] 5"):
        as_items(["a", 5])


def test_nothing_is_nothing_of_the_kind() -> None:
    assert isinstance(as_read_by("image", []), PictureObjects) and isinstance(as_read_by("text", []), Texts)
    assert isinstance(as_read_by("table", np.zeros((0, 3))), TableRows) and not len(as_read_by("text", pd.DataFrame()))


@pytest.mark.parametrize("y", [
    [0, 1, 2], np.array([0, 1, 2], object), pd.Series([0, 1, 2], dtype="Int64"), pa.array([0, 1, 2]),
    pd.Series([0, 1, 2], dtype="int64[pyarrow]"), pd.Series([0, 1, 2], dtype="category"), torch.tensor([0, 1, 2]),
])  # fmt: skip
def test_whole_numbers_come_back_as_whole_numbers(y) -> None:
    found = as_labels(y, 3)
    assert found.tolist() == [0, 1, 2] and found.dtype == np.int64
    assert as_numbers(y, 3).tolist() == [0.0, 1.0, 2.0]


def test_labels_keep_their_type() -> None:
    assert as_labels(pd.Series([True, False], dtype="boolean"), 2).dtype == bool
    assert as_labels(pd.Series(["a", "b"], dtype="string"), 2).tolist() == ["a", "b"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert as_labels(np.array([[1], [2]]), 2).tolist() == [1, 2]
        assert as_labels(pd.DataFrame({"y": ["a", "b"]}), 2).tolist() == ["a", "b"]


@pytest.mark.parametrize(("y", "words"), [
    ([None, "a"], r"y\[0\] is None"), (np.array([1, np.nan]), r"y\[1\] is nan"), (["a", 1], "mixes texts"),
    (pd.Series([1, pd.NA], dtype="Int64"), r"y\[1\] is <NA>"), (np.array([1, np.inf]), r"y\[1\] is inf"),
    (pd.Series(["a", None], dtype="category"), r"y\[1\]"), (np.eye(2), "1d array"), (None, "y is None"),
    ([[1], [1, 2]], "unlike"), ("ab", "of the type str"), ({"a", "b"}, "of the type set"), (5, "of the type int"),
    ((v for v in "ab"), "list"), (["", "a"], r"y\[0\] is empty"), ([object(), object()], r"y\[0\] is <object"),
    (["a"], "X has 2 items and y 1 labels"), (np.ma.masked_array([1, 2], [True, False]), "masked"),
    ([1j, 2j], "omplex"),
])  # fmt: skip
def test_labels_that_are_none(y, words: str) -> None:
    with pytest.raises(DataError, match=words):
        as_labels(y, 2)


@pytest.mark.parametrize(("y", "words"), [
    (["1.5", "x"], r"y\[1\] is 'x', which is no number"), ([1.0, None], r"y\[1\] is None"), ([1, np.inf], "inf"),
    ([[1, 2], [3, 4]], "1d array"), (np.ones(3), "2 items and y 3 numbers"),
])  # fmt: skip
def test_numbers_that_are_none(y, words: str) -> None:
    with pytest.raises(DataError, match=words):
        as_numbers(y, 2)
