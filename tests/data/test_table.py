"""Tables of picture paths: what is recognised, what is listed, what is refused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet, table

from regraft.core.errors import DataError, UnknownName
from regraft.core.types import Hints
from regraft.data.open import open_data
from regraft.data.text.encoding import decode_text


def rows(shapes: Path) -> list[dict[str, str]]:
    return [{"file": p.relative_to(shapes).as_posix(), "label": p.parent.name} for p in sorted(shapes.rglob("*.png"))]


def write(path: Path, records: list[dict], encoding: str = "utf-8") -> Path:
    if path.suffix in (".csv", ".tsv"):
        text = pd.DataFrame(records).to_csv(index=False, sep="\t" if path.suffix == ".tsv" else ",")
        path.write_bytes(text.encode(encoding))
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(r) for r in records))
    else:
        parquet.write_table(table(pd.DataFrame(records).to_dict("list")), path)
    return path


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_all_kinds_of_table_agree_with_the_folder(own_shapes: Path, ending: str) -> None:
    folder = open_data(str(own_shapes))
    found = open_data(str(write(own_shapes / f"t{ending}", rows(own_shapes))))
    assert found.format == "table" and found.classes == folder.classes
    assert found.y.tolist() == folder.y.tolist()
    assert [found.items.digest(i) for i in range(16)] == [folder.items.digest(i) for i in range(16)]


def test_a_dataframe(own_shapes: Path, monkeypatch) -> None:
    monkeypatch.chdir(own_shapes)
    found = open_data(pd.DataFrame(rows(own_shapes)))
    assert len(found) == 16 and found.classes == ("disc", "square")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252", "gb18030"])
def test_encodings(own_shapes: Path, encoding: str) -> None:
    name = "方块方块方块" if encoding == "gb18030" else "größer"
    records = [r | {"label": name if r["label"] == "square" else "disc"} for r in rows(own_shapes)]
    found = open_data(str(write(own_shapes / "t.csv", records, encoding)))
    assert set(found.classes) == {"disc", name}
    noted = [p.kind for p in found.problems]
    assert ("encoding" in noted) == (encoding != "utf-8-sig")


def test_decoding_never_fails() -> None:
    """What cannot be decoded is there as what cannot be, and counted."""
    told = {b"": ("", 0), b"\xff\xfe\x00": ("\ufffd", 1), "日本".encode("utf-16"): ("日本", 0)}
    assert {data: (decode_text(data).text, decode_text(data).damaged) for data in told} == told
    everything = decode_text(bytes(range(256)))
    assert everything.text.startswith("\0\1\2") and "KLMNOPQRSTUVWXYZ" in everything.text
    assert everything.damaged == ("\ufffd" in everything.text)


def test_semicolons_and_parts_and_groups(own_shapes: Path) -> None:
    records = [r | {"split": "train" if i % 2 else "valid", "patient": i // 4} for i, r in enumerate(rows(own_shapes))]
    (own_shapes / "t.csv").write_text(pd.DataFrame(records).to_csv(index=False, sep=";"))
    found = open_data(str(own_shapes / "t.csv"), hints=Hints(group="patient"))
    assert found.part_names == ["val", "train"] and found.target_name == "label"
    assert found.groups is not None and len(set(found.groups)) == 4


def test_rows_that_cannot_be_used_are_listed(own_shapes: Path) -> None:
    records = rows(own_shapes)
    records[0]["file"] = "disc/gone.png"
    records[1]["label"] = ""
    path = write(own_shapes / "t.csv", records)
    path.write_text(path.read_text() + "disc/003.png,disc,too,many\n")
    found = open_data(str(path))
    assert len(found) == 14
    assert {(p.kind, p.item) for p in found.problems} == {
        ("missing-file", "disc/gone.png"), ("missing-label", "disc/001.png"), ("bad-row", "row 18")
    }  # fmt: skip


def test_multilabel_by_separator_by_list_and_by_task(own_shapes: Path) -> None:
    records = [r | {"label": ["a", "a|b", "b", ""][i % 4]} for i, r in enumerate(rows(own_shapes))]
    found = open_data(str(write(own_shapes / "t.csv", records)))
    assert found.target.task == "multilabel" and found.classes == ("a", "b")
    assert len(found) == 12 and found.y[1].tolist() == [1, 1], "an empty cell is a missing label"
    listed = [r | {"label": [["a"], ["a", "b"], ["b"], []][i % 4]} for i, r in enumerate(rows(own_shapes))]
    as_lists = open_data(str(write(own_shapes / "t.jsonl", listed)))
    assert as_lists.target.task == "multilabel" and len(as_lists) == 16 and as_lists.y[3].tolist() == [0, 0]
    single = open_data(str(write(own_shapes / "u.csv", rows(own_shapes))), hints=Hints(task="multilabel"))
    assert single.target.task == "multilabel" and (single.y.sum(1) == 1).all()


def test_several_label_columns_and_numbers(own_shapes: Path) -> None:
    records = [{"file": r["file"], "kind": r["label"], "size": 0.37 * i, "stars": i % 5}
               for i, r in enumerate(rows(own_shapes) * 3)]  # fmt: skip
    path = str(write(own_shapes / "t.csv", records))
    found = open_data(path)
    assert {n: t.task for n, t in found.targets.items()} == {
        "kind": "classification", "size": "regression", "stars": "classification"
    }  # fmt: skip
    with pytest.raises(DataError, match="choose one with --label"):
        found.target  # noqa: B018
    assert open_data(path, hints=Hints(label="stars")).classes == ("0", "1", "2", "3", "4")


def test_what_is_refused(own_shapes: Path, tmp_path: Path) -> None:
    good = rows(own_shapes)
    path = write(own_shapes / "t.csv", good)
    with pytest.raises(DataError, match=r"--label labl: There is no column 'labl': did you mean 'label'\?"):
        open_data(str(path), hints=Hints(label="labl"))
    with pytest.raises(DataError, match="--group"):
        open_data(str(path), hints=Hints(group="patient"))
    with pytest.raises(UnknownName, match="did you mean 'multilabel'"):
        open_data(str(path), hints=Hints(task="multilable"))
    different = [r | {"label": f"id{i}"} for i, r in enumerate(good)]
    with pytest.raises(DataError, match="another value in each of its 16 rows"):
        open_data(str(write(own_shapes / "d.csv", different)))
    for name, text, words in (
        ("empty.csv", "file,label\n", "no rows"), ("none.csv", "a\n1\n", "none of them holds paths"),
        ("gone.csv", "file,label\nx.png,a\ny.png,b\n", "none is there"),
        ("bad.jsonl", "{}\nnot json\n", "line 2 is no JSON"),
        ("list.jsonl", "[1]\n", "no JSON object"), ("bad.parquet", "x", "no whole Parquet"),
        ("only.csv", "file\ndisc/000.png\n", "no column beside"), ("void.jsonl", "\n", "no rows"),
    ):  # fmt: skip
        (own_shapes / name).write_text(text)
        with pytest.raises(DataError, match=words):
            open_data(str(own_shapes / name))
    with pytest.raises(DataError, match="so it has no columns"):
        open_data(str(tmp_path / "photos"), hints=Hints(label="x"))


def test_groups_by_a_regular_expression_on_names(own_shapes: Path) -> None:
    found = open_data(str(own_shapes), hints=Hints(group=r"/00(\d)"))
    assert found.groups is not None and sorted(set(found.groups)) == [str(i) for i in range(8)]
    with pytest.raises(DataError, match="matches none"):
        open_data(str(own_shapes), hints=Hints(group="patient"))
    with pytest.raises(DataError, match="no regular expression"):
        open_data(str(own_shapes), hints=Hints(group="("))
    assert np.unique(found.groups).size == 8


def test_a_part_without_a_label_is_told_of(tmp_path: Path) -> None:
    rows = [f"a text of some words {i},{'' if i > 5 else 'ab'[i % 2]},{'test' if i > 5 else 'train'}" for i in range(9)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label,split", *rows]))
    found, some = (open_data(str(tmp_path / "t.csv"), hints=h) for h in (Hints(), Hints(labels="some")))
    assert [p.item for p in found.problems if p.kind == "part-without-labels"] == ["test"]
    assert found.part_names == ["train"] and some.part_names == ["train", "test"] and not some.problems
