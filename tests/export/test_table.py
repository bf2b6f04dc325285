"""Models of tables leave the tool: gaps, categories and odd numbers are read outside as inside."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import regraft
from regraft.export.table_inputs import TableInputs, read_table
from tests.conftest import with_slow
from tests.export.test_pictures import alone

PLACES = ("north", "south", "east")
ROWS = ["size,where,rooms,price", *(f"{i * 7 % 50 + 0.5},{PLACES[i % 3]},{i % 5},{i * 7 % 50 * 3 + i * 37 % 11}"
                                    for i in range(70))]  # fmt: skip
ASKED = ["rooms,size,where,other", "3,12.5,north,x", "NA,,south,x", "2,7,west,", "1,-,?,x", "four,3,east,x",
         "1,inf,east,x", "1,2", " 4 , 1e1 , east ,x"]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("table")
    (folder / "t.csv").write_text("\n".join(ROWS) + "\n")
    return str(regraft.fit(str(folder / "t.csv"), label="price", controls="none", interval=0.8, quantiles="0.2,0.7",
                           task="regression", out=str(folder / "run")).run)  # fmt: skip


@pytest.mark.parametrize(("to", "name"), [("onnx", "m.onnx"), ("onnx", "m"), ("openvino", "m")])
def test_rows_are_answered_alike_outside(run: str, to: str, name: str, tmp_path: Path) -> None:
    found = regraft.export_model(run, to, out=str(tmp_path / name))
    assert found.proof.items == 70 and found.proof.largest_difference < 1e-4
    if name.endswith(".onnx"):
        assert [*found.files] == ["m.onnx"]
        return
    (tmp_path / "t.csv").write_text("\ufeff" + "\n".join([ASKED[0], "", *ASKED[1:]]) + "\n", encoding="utf-8")
    theirs = regraft.predict(run, str(tmp_path / "t.csv"), engine="torch").predictions
    ours = alone(tmp_path / name, str(tmp_path / "t.csv"))
    assert [r["input"] for r in ours] == [r["input"] for r in theirs] and ours[0]["input"] == "row 3"
    assert ["error" in r for r in ours] == ["error" in r for r in theirs]
    assert sum("error" in r for r in ours) == 3
    for a, b in zip(ours, theirs, strict=True):
        for key in ("value", "low", "high") if "value" in a else ():
            assert a[key] == pytest.approx(b[key], abs=1e-3)
        assert a.get("quantiles") == pytest.approx(b["quantiles"], abs=1e-3) if "value" in a else True
    assert np.ptp([r["value"] for r in ours if "value" in r]) > 1


@pytest.mark.parametrize("to", with_slow(("onnx", "openvino"), ("onnx",)))
def test_classes_of_rows_are_answered_alike_outside(to: str, tmp_path: Path) -> None:
    rows = [f"{i * 7 % 50 + 0.5},{PLACES[i % 3]},{'big' if i * 7 % 50 > 25 else 'small'}" for i in range(70)]
    (tmp_path / "t.csv").write_text("\n".join(["size,where,kind", *rows]) + "\n")
    run = regraft.fit(str(tmp_path / "t.csv"), label="kind", controls="none", out=str(tmp_path / "run")).run
    regraft.export_model(run, to, out=str(tmp_path / "out"))
    theirs = regraft.predict(run, str(tmp_path / "t.csv"), engine="torch").predictions
    for a, b in zip(alone(tmp_path / "out", str(tmp_path / "t.csv")), theirs, strict=True):
        assert a["label"] == b["label"] and a["probabilities"] == pytest.approx(b["probabilities"], abs=1e-4)


def test_a_name_that_two_columns_have_is_refused_outside(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("note,note,size\n7,8,100\n")
    with pytest.raises(ValueError, match=r"has two columns of the same name \(note\)"):
        read_table(str(tmp_path / "t.csv"))


def test_json_is_read_as_rows_too(tmp_path: Path) -> None:
    records = [{"a": 1.5, "b": None}, {"a": float("nan"), "b": " x "}]
    (tmp_path / "t.json").write_text(json.dumps(records))
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, records)))
    for name in ("t.json", "t.jsonl"):
        assert read_table(str(tmp_path / name)).columns == {"a": ["1.5", ""], "b": ["", "x"]}


def test_numbers_are_read_as_they_were_written_in_training() -> None:
    read = TableInputs({"columns": [{"name": "a", "kind": "number", "written": "comma"}]})
    for cells, wanted in ((["1.234,5", "2"], ["1234.5", "2"]), (["1.25", "2"], ["1.25", "2"])):
        table = read_table_of(cells)
        assert read.rows(table) == [[cell] for cell in wanted]
    with pytest.raises(ValueError, match="there is no column 'a'; there are b"):
        read.rows(read_table_of(["1"], "b"))


def read_table_of(cells: list[str], name: str = "a"):  # type: ignore[no-untyped-def]
    from regraft.export.table_inputs import Table

    return Table({name: cells}, [*range(len(cells))])


def test_numbers_without_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3))
    lines = [",".join(map(repr, row.tolist())) for row in x]
    (tmp_path / "all.csv").write_text("\n".join(["p,q,r", *lines]) + "\n")
    model = regraft.Classifier("raw").fit(x, x[:, 0] > 0)
    model.save(str(tmp_path / "m"))
    found = regraft.export_model(str(tmp_path / "m"), "onnx", out=str(tmp_path / "out"), data=str(tmp_path / "all.csv"))
    assert found.proof.labels_equal == found.proof.items == 80
    (tmp_path / "t.csv").write_text("\n".join(["p,q,r", *lines[:5], "1,,2"]) + "\n")
    ours = alone(tmp_path / "out", str(tmp_path / "t.csv"))
    assert [r.get("label") for r in ours[:5]] == [str(v) for v in x[:5, 0] > 0]
    assert "column 1" in ours[5]["error"]
