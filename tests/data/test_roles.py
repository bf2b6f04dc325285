"""What the columns of a table are: decided once, said, kept in the model and read again by name."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regraft.commands.evaluate import evaluate
from regraft.commands.predict import predict
from regraft.core.errors import DataError, InputError
from regraft.core.types import Hints, Roles
from regraft.data.dataset import Dataset
from regraft.data.formats.readers import csv_columns
from regraft.data.inputs import as_items
from regraft.data.open import open_data, open_inputs
from regraft.data.tabular.cells import Cells
from regraft.pipelines.fit import fit
from regraft.text.numbers import as_plain, style_of
from tests.conftest import write_shapes

FINE, DULL = "a fine film that never bores", "a dull film, long and loud"


def csv(path: Path, head: str, rows: list[str]) -> str:
    path.write_text("\n".join([head, *rows]) + "\n")
    return str(path)


def said(data: Dataset) -> dict[str, str]:
    return {p.item: p.kind for p in data.problems}


@pytest.mark.parametrize(
    ("cells", "style", "plain"),
    [
        (["3,5", "4", "2,25"], "comma", ["3.5", "4", "2.25"]),
        (["1.234,5", "12,0"], "comma", ["1234.5", "12.0"]),
        (["1,234.5", "12", "1,000"], "thousands", ["1234.5", "12", "1000"]),
        (["1 234", "2'500"], "thousands", ["1234", "2500"]),
        (["1,500", "2,000"], "ambiguous", ["1,500", "2,000"]),
        (["1.5", "2.5"], "", ["1.5", "2.5"]),
        (["1,2", "3", "1,2,3"], "", ["1,2", "3", "1,2,3"]),
        (["3,5", "4.5"], "", ["3,5", "4.5"]),
        (["3,5", "7,95e-05", "1e3"], "comma", ["3.5", "7.95e-05", "1e3"]),
    ],
)
def test_ways_to_write_numbers(cells: list[str], style: str, plain: list[str]) -> None:
    assert style_of(cells) == style and [as_plain(c, style) for c in cells] == plain


@pytest.mark.parametrize(
    ("cells", "task", "classes"),
    [
        ([f"{1 + i % 5},{i % 2 * 5}" for i in range(40)], "regression", 0),
        ([str(1 + i % 25) for i in range(150)], "classification", 25),
        ([str(18 + i % 60) for i in range(150)], "regression", 0),
        ([str(i % 10) for i in range(60)], "classification", 10),
        ([f"0{i % 3}" for i in range(30)], "classification", 3),
        (["red, small", "red, big", "blue, small", "blue, big"] * 5, "classification", 4),
        (["a|b", "a", "b", "b|a"] * 5, "multilabel", 2),
        (["1,3", "2", "1,2,3", "3"] * 5, "multilabel", 3),
        (["yes", "no", "on", "010"] * 5, "classification", 4),
        (["NA", "none", "null"] * 5, "classification", 3),
    ],
)
def test_kinds_of_labels(tmp_path: Path, cells: list[str], task: str, classes: int) -> None:
    rows = [f'{FINE if i % 2 else DULL} no {i};"{c}"' for i, c in enumerate(cells)]
    data = open_data(csv(tmp_path / "t.csv", "text;label", rows))
    assert data.target.task == task and len(data.classes) == classes and len(data) == len(cells)


def test_what_could_be_classes_or_numbers_is_said(tmp_path: Path) -> None:
    rows = [f"{FINE} no {i},{1 + i % 25}" for i in range(150)]
    path = csv(tmp_path / "t.csv", "text,label", rows)
    (problem,) = open_data(path).problems
    assert problem.kind == "task-guessed" and "--task regression" in problem.message
    assert open_data(path, hints=Hints(task="regression")).problems == ()
    with pytest.raises(DataError, match=r"row 2: 'label' is '1,500'.*write 1234.5.*--task multilabel"):
        open_data(csv(tmp_path / "u.csv", "text;label", [f"{FINE} no {i};{1 + i % 3},500" for i in range(30)]))


def test_whole_numbers_that_pandas_made_floats(tmp_path: Path) -> None:
    rows = [f"{FINE} no {i},{['1.0', '2.0', ''][i % 3]}" for i in range(30)]
    assert open_data(csv(tmp_path / "t.csv", "text,label", rows)).classes == ("1", "2")
    frame = pd.DataFrame({"text": [f"{FINE} no {i}" for i in range(30)], "label": [1.0, 2.0, None] * 10})
    assert open_data(frame).classes == ("1", "2")


@pytest.mark.parametrize("name", ["Unnamed: 0", "", "index", "row_id", "id", "customer_id", "userID", "Week"])
def test_an_index_or_id_is_not_learned_from(tmp_path: Path, name: str) -> None:
    rows = [f"{i},{(i * 7) % 13},{'xy'[i > 20]}" for i in range(40)]
    path = csv(tmp_path / "t.csv", f"{name},a,label", rows)
    data = open_data(path)
    assert isinstance(data.items, Cells) and list(data.items.columns) == ["a"]
    assert data.roles is not None and data.roles.features == ("a",) and name in data.roles.unused
    assert set(said(data).values()) <= {"index-column", "id-column"} and len(data.problems) == 1
    if name:
        told = open_data(path, hints=Hints(features=f"a,{name}"))
        assert isinstance(told.items, Cells) and list(told.items.columns) == ["a", name] and not told.problems


def test_pandas_index_and_class_names_in_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.arange(20) % 7, "b": np.arange(20) % 3, "label": ["x", "y"] * 10})
    frame.sample(frac=1, random_state=0).to_parquet(tmp_path / "t.parquet")
    data = open_data(str(tmp_path / "t.parquet"))
    assert isinstance(data.items, Cells) and list(data.items.columns) == ["a", "b"]
    from pyarrow import parquet, table

    names = {"info": {"features": {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}}}
    made = table({"text": [f"{FINE} {i}" for i in range(8)], "label": [0, 1, -1, 1] * 2})
    parquet.write_table(made.replace_schema_metadata({"huggingface": json.dumps(names)}), tmp_path / "h.parquet")
    found = open_data(str(tmp_path / "h.parquet"))
    assert found.classes == ("neg", "pos") and len(found) == 6
    assert [p.kind for p in found.problems] == ["missing-label"] * 2


@pytest.mark.parametrize(
    ("name", "words", "parts"),
    [
        ("is_valid", ["True", "False"], ["val", "train"]),
        ("is_valid", ["1", "0"], ["val", "train"]),
        ("is_test", ["yes", "no"], ["test", "train"]),
        ("is_train", ["True", "False"], ["train", "val"]),
        ("split", ["train", "holdout"], ["train", "holdout"]),
        ("Usage", ["Training", "PublicTest", "PrivateTest"], ["train", "PublicTest", "PrivateTest"]),
        ("anything", ["train", "dev"], ["train", "val"]),
    ],
)
def test_columns_of_parts(tmp_path: Path, name: str, words: list[str], parts: list[str]) -> None:
    rows = [f"{FINE} no {i},{'pn'[i // 6 % 2]},{words[i % len(words)]}" for i in range(36)]
    data = open_data(csv(tmp_path / "t.csv", f"text,label,{name}", rows))
    assert data.part_names == parts and data.target_name == "label"
    others = {p.item for p in data.problems if p.kind == "other-part"}
    assert others == set(parts) - {"train", "val", "test"}


@pytest.mark.parametrize(("name", "words"), [("fold", "01234"), ("set", "ab"), ("split", "xy")])
def test_a_split_without_known_words_is_asked_about(tmp_path: Path, name: str, words: str) -> None:
    rows = [f"{i % 5},{(i * 3) % 11},{words[i % len(words)]},{'pn'[i % 2]}" for i in range(40)]
    data = open_data(csv(tmp_path / "t.csv", f"a,b,{name},label", rows))
    assert isinstance(data.items, Cells) and list(data.items.columns) == ["a", "b"] and data.part_names == [""]
    (problem,) = data.problems
    assert problem.kind == "split-column" and f"--part {name}" in problem.message
    assert len(open_data(csv(tmp_path / "t.csv", f"a,b,{name},label", rows), hints=Hints(part=name)).part_names) > 1


def test_rows_that_cannot_be_read_keep_their_place(tmp_path: Path) -> None:
    path = csv(
        tmp_path / "t.csv", "text,label", [f"{FINE},p", "", "too,many,cells", '"stray quote,n', f"{DULL[:11]},n"]
    )
    data = open_data(path)
    assert [data.items.name(i) for i in range(len(data))] == ["row 2", "row 6"], "as a spreadsheet counts them"
    assert said(data) == {"row 4": "bad-row", "row 5": "bad-row"}
    read = open_inputs(path)
    assert [read.items.name(i) for i in range(len(read.items))] == ["row 2", "row 4", "row 5", "row 6"]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("sep=;\r\na;b\r\n1;2\r\n", {"a": ["1"], "b": ["2"]}),
        ('"a, b";c\n"1, 5";2\nx, y;3\n', {"a, b": ["1, 5", "x, y"], "c": ["2", "3"]}),
        ("a,b,,\n1,2,,\n", {"a": ["1"], "b": ["2"]}),
        ("a\tb\n1,5\t2,5\n", {"a": ["1,5"], "b": ["2,5"]}),
        ("a,b\r1,2\r", {"a": ["1"], "b": ["2"]}),
    ],
)
def test_headers_and_separators(text: str, columns: dict[str, list[str]]) -> None:
    assert csv_columns(text, "t.csv", ",")[0] == columns


def test_a_title_above_the_header_is_refused() -> None:
    with pytest.raises(DataError, match="most rows cannot be read; row 2 has 3 columns of 1"):
        csv_columns("My data\na,b,c\n1,2,3\n4,5,6\n", "t.csv", ",")


def test_swallowed_rows_are_said(tmp_path: Path) -> None:
    rows = [f"{FINE},p", '"quote,n', "b,p", "c,n", 'end",p', f"{DULL[:11]},n"]
    data = open_data(csv(tmp_path / "t.csv", "text,label", rows))
    assert ("row 3", "many-lines") in said(data).items()


def trained(folder: Path) -> Path:
    rows = [
        f"{a} {i},{b} {i},{label}"
        for i in range(20)
        for a, b, label in (("wonderful tale", "terrible mess", "pos"), ("terrible mess", "wonderful tale", "neg"))
    ]
    path = csv(folder / "t.csv", "title,text,label", rows)
    fit(path, text="title", backbone="tfidf", controls="none", out=str(folder / "run"))
    return folder / "run"


def test_the_column_that_was_learned_from_is_read_again(tmp_path: Path) -> None:
    run = str(trained(tmp_path))
    path = str(tmp_path / "t.csv")
    assert evaluate(run, path).metrics["accuracy"] == 1
    labels = [r["label"] for r in predict(run, [path]).predictions]
    assert labels == ["pos", "neg"] * 20
    other = [r["label"] for r in predict(run, [path], text="text").predictions]
    assert other == ["neg", "pos"] * 20
    import regraft

    assert regraft.load(run).predict(pd.read_csv(path)[["label", "text", "title"]]).tolist() == labels
    kept = Roles.from_json(json.loads((tmp_path / "run" / "model" / "manifest.json").read_text())["record"]["columns"])
    assert kept is not None and kept.item == "title" and kept.labels == {"label": "classification"}
    assert json.loads((tmp_path / "run" / "run.json").read_text())["result"]["columns"]["item"] == "title"


def test_what_lacks_a_column_is_refused(tmp_path: Path) -> None:
    run = str(trained(tmp_path))
    path = csv(tmp_path / "u.csv", "review,text,label", [f"{FINE},{DULL[:11]},pos"] * 3)
    with pytest.raises(
        DataError, match=r"no column 'title', which the model reads; it has review, text, label: --text"
    ):
        predict(run, [path])
    assert len(predict(run, [path], text="review").predictions) == 3
    path = csv(
        tmp_path / "v.csv", "title,label2", [f"wonderful tale {i},{'pos' if i % 2 else 'neg'}" for i in range(6)]
    )
    with pytest.raises(DataError, match=r"no column 'label', which the model learned to tell.*--label"):
        evaluate(run, path)
    assert evaluate(run, path, label="label2").items == 6


def test_numbers_are_read_as_they_were_learned_from(tmp_path: Path) -> None:
    rows = [f"{i % 9},{5 * (i % 2)};{2 * (i % 9) + i % 2},0" for i in range(40)]
    path = csv(tmp_path / "t.csv", "a;price", rows)
    fit(path, controls="none", out=str(tmp_path / "run"))
    new = csv(tmp_path / "n.csv", "b;a", ["1;3,5", "1;three", "1", "1;"])
    found = predict(str(tmp_path / "run"), [new]).predictions
    assert [r.get("value") is not None for r in found] == [True, False, False, True]
    assert found[0]["value"] == pytest.approx(7, abs=1.2) and "'three'" in found[1]["error"]
    assert found[2]["error"] == "has 1 columns of 2" and found[2]["input"] == "row 4"
    plain = predict(str(tmp_path / "run"), [csv(tmp_path / "p.csv", "a", ["3.5", "4.25"])]).predictions
    assert plain[0]["value"] == pytest.approx(found[0]["value"])


def test_pictures_in_cells(tmp_path: Path) -> None:
    folder = write_shapes(tmp_path, 6)
    paths = sorted(folder.rglob("*.png"))
    bytes_of = [p.read_bytes() for p in paths]
    labels = [p.parent.name for p in paths]
    by_bytes = open_data(pd.DataFrame({"image": bytes_of, "label": labels}))
    by_dict = pd.DataFrame(
        {"image": [{"bytes": b, "path": f"{i}.png"} for i, b in enumerate(bytes_of)], "label": labels}
    )
    by_dict.to_parquet(tmp_path / "t.parquet")
    for found in (by_bytes, open_data(str(tmp_path / "t.parquet"))):
        assert found.modality == "image" and [found.items.digest(i) for i in range(12)] == [
            as_items([str(p)]).digest(0) for p in paths
        ]
    lost = open_data(pd.DataFrame({"image": [*bytes_of[:-1], None], "label": labels}))
    assert len(lost) == 11 and said(lost) == {"row 11": "missing-file"}


def test_windows_paths_and_ids_without_endings(tmp_path: Path) -> None:
    folder = write_shapes(tmp_path, 4)
    paths = sorted(p.relative_to(folder) for p in folder.rglob("*.png"))
    rows = [f"{str(p).replace('/', chr(92))},{p.parent.name}" for p in paths]
    assert len(open_data(csv(folder / "w.csv", "path,label", rows))) == 8
    flat = tmp_path / "flat" / "train"
    flat.mkdir(parents=True)
    for i, p in enumerate(paths):
        (flat / f"a{i}f.png").write_bytes((folder / p).read_bytes())
    rows = [f"a{i}f,{p.parent.name}" for i, p in enumerate(paths)] + ["gone,disc"]
    data = open_data(csv(tmp_path / "flat" / "t.csv", "id,label", rows))
    assert data.modality == "image" and len(data) == 8 and said(data) == {"gone": "missing-file"}


def test_rows_without_a_group_stand_for_themselves(tmp_path: Path) -> None:
    rows = [f"{FINE} no {i},{'pn'[i % 2]},{'' if i < 3 else i % 4}" for i in range(20)]
    data = open_data(csv(tmp_path / "t.csv", "text,label,who", rows), hints=Hints(group="who"))
    assert data.groups is not None and len(set(data.groups.tolist())) == 7
    assert [p.kind for p in data.problems] == ["missing-group"] * 3


def test_a_text_with_a_slash_is_no_path(tmp_path: Path) -> None:
    run = str(trained(tmp_path))
    found = predict(run, ["Rock/Metal", "wonderful tale"])
    assert [r["input"] for r in found.predictions] == ["Rock/Metal", "wonderful tale"]
    assert [p.kind for p in found.problems] == ["taken-as-text"]
    with pytest.raises(DataError, match="nothing at"):
        predict(run, ["gone/texts.txt"])


def test_tables_in_folders_and_zips(tmp_path: Path) -> None:
    folder = write_shapes(tmp_path / "photos", 4)
    rows = [f"{p.relative_to(folder)},{'ab'[i % 2]}" for i, p in enumerate(sorted(folder.rglob("*.png")))]
    flat = tmp_path / "flat"
    for row in rows:
        name = row.split(",")[0]
        (flat / "images").mkdir(parents=True, exist_ok=True)
        (flat / "images" / name.replace("/", "_")).write_bytes((folder / name).read_bytes())
    csv(flat / "labels.csv", "path,label", [f"images/{r.replace('/', '_')}" for r in rows])
    with zipfile.ZipFile(tmp_path / "flat.zip", "w") as z:
        for file in sorted(flat.rglob("*.*")):
            z.write(file, Path("flat") / file.relative_to(flat))
    by_file = open_data(str(flat / "labels.csv"))
    for path in (flat, tmp_path / "flat.zip"):
        found = open_data(str(path))
        assert found.format == "table" and found.classes == ("a", "b") and found.y.tolist() == by_file.y.tolist()
        assert [found.items.digest(i) for i in range(8)] == [by_file.items.digest(i) for i in range(8)]
        assert [found.items.name(i) for i in range(8)] == [by_file.items.name(i) for i in range(8)]
    csv(folder / "metadata.csv", "path,label", rows)
    classes = open_data(str(folder))
    assert classes.format == "image-folder" and "--format table" in said_of(classes, "other-format")
    assert open_data(str(folder), format="table").classes == ("a", "b")
    csv(folder / "metadata.csv", "input,label,entropy_bits", [f"{r},0.1" for r in rows])
    assert "other-format" not in said(open_data(str(folder))).values(), "answers that regraft wrote are no data"
    texts = tmp_path / "texts"
    texts.mkdir()
    csv(texts / "a.csv", "text,label", [f"{FINE},p", f"{DULL[:11]},n"])
    assert open_data(str(texts)).modality == "text"
    csv(texts / "b.csv", "text,label", [f"{FINE},p", f"{DULL[:11]},n"])
    with pytest.raises(DataError, match=r"holds the tables a.csv, b.csv: name one of them"):
        open_data(str(texts))


def said_of(data: Dataset, kind: str) -> str:
    return next(p.message for p in data.problems if p.kind == kind)


def test_options_for_tables_are_refused_elsewhere(tmp_path: Path) -> None:
    folder = str(write_shapes(tmp_path / "photos", 4))
    for hints, words in (
        (Hints(text="a"), "--text a: .* is no table"),
        (Hints(features="a"), "--features a: .* is no table"),
        (Hints(encoding="big5"), "--encoding big5: .* is no table and no text file"),
    ):
        with pytest.raises(DataError, match=words):
            open_data(folder, hints=hints)
    with pytest.raises(DataError, match="--label a: embedded:digits is no table"):
        open_data("embedded:digits", hints=Hints(label="a"))
    with pytest.raises(DataError, match="--image a: .* is no table"):
        open_inputs(folder, modality="image", hints=Hints(image="a"))
    with pytest.raises(DataError, match="--features a: the items of .* are texts"):
        open_data(csv(tmp_path / "t.csv", "text,label", [f"{FINE},p", f"{DULL},n"]), hints=Hints(features="a"))
    run = str(trained(tmp_path))
    with pytest.raises(InputError, match="--image title: .* reads items of the kind text"):
        predict(run, [str(tmp_path / "t.csv")], image="title")


@pytest.mark.parametrize("name", ["class_id", "label_id", "Class_Name"])
def test_the_number_of_a_class_is_a_label_and_no_id(tmp_path: Path, name: str) -> None:
    rows = [f"{FINE} no {i},{i},{i % 3}" for i in range(30)]
    data = open_data(csv(tmp_path / "t.csv", f"text,doc_id,{name}", rows))
    assert data.target_name == name and data.classes == ("0", "1", "2")
    rows = [f"{i % 7},{i},{i % 3}" for i in range(30)]
    numbers = open_data(csv(tmp_path / "n.csv", f"a,doc_id,{name}", rows))
    assert numbers.target_name == name and numbers.roles is not None and numbers.roles.features == ("a",)
