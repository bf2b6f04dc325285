"""Texts: which data is recognised as such, how its bytes are read, what is listed and what is refused."""

import gzip
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet, table

from regraft.core.errors import DataError, InputError, UnreadableItem
from regraft.core.types import Hints, PreprocessSpec
from regraft.data.inputs import as_items, as_read_by
from regraft.data.items import PictureFiles, Texts
from regraft.data.open import open_data, open_items
from regraft.data.text.encoding import decode_text, unzipped
from regraft.data.transforms.loaders import batches
from tests.conftest import write_shapes

GOOD = ["a fine film that never bores", "what a joy, from start to end", "the cast is a delight", "I laughed and cried"]
BAD = ["two hours I want back", "the plot has more holes than cheese", "dull, long and loud", "nobody should see this"]
CHINESE = ["味道很好，送餐也很快", "非常满意，下次还来", "太难吃了，再也不来", "送餐太慢，菜都凉了"]
RECORDS = [{"text": t, "label": "pos"} for t in GOOD] + [{"text": t, "label": "neg"} for t in BAD]


def write(path: Path, records: list[dict], encoding: str = "utf-8") -> Path:
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind == "parquet":
        parquet.write_table(table(pd.DataFrame(records).to_dict("list")), path)
        return path
    if kind == "jsonl":
        text = "\n".join(json.dumps(r, ensure_ascii=False) for r in records)
    else:
        text = pd.DataFrame(records).to_csv(index=False, sep="\t" if kind == "tsv" else ",")
    data = text.encode(encoding)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def texts_of(items) -> list[str]:
    return [items.load(i) for i in range(len(items))]


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet", "t.csv.gz", "t.jsonl.gz"])
def test_all_kinds_of_table(tmp_path: Path, name: str) -> None:
    found = open_data(str(write(tmp_path / name, RECORDS)))
    assert (found.name, found.format, found.modality) == ("t", "table", "text")
    assert found.classes == ("neg", "pos") and found.y.tolist() == [1] * 4 + [0] * 4
    assert texts_of(found.items) == GOOD + BAD and not found.problems
    assert "'text'" in found.evidence and "'label'" in found.evidence
    assert texts_of(open_items(str(tmp_path / name))) == GOOD + BAD


def test_a_dataframe_and_rows_by_number(tmp_path: Path) -> None:
    found = open_data(pd.DataFrame(RECORDS))
    assert texts_of(found.items) == GOOD + BAD and found.items.name(0) == "row 0"
    path = write(tmp_path / "t.csv", RECORDS)
    assert open_data(str(path)).take(np.array([5, 1])).items.name(0) == "row 7", "counted with the header"


def test_the_columns_are_found_by_looking(tmp_path: Path) -> None:
    """Neither the first, nor the longest named so, nor those of numbers, dates, addresses and identifiers."""
    records = [
        {
            "review_id": f"R{i:06d}", "when": f"2024-01-{i % 28 + 1:02d}T10:00:00",
            "page": f"https://example.org/{i}/" + "x" * 60, "who": f"user{i}",
            "was": ["meh thing", "fine thing"][i % 2], "opinion": RECORDS[i % 8]["text"] + f" no {i}",
            "stars": i % 5 + 1, "votes": i * 17,
        }
        for i in range(60)
    ]  # fmt: skip
    found = open_data(str(write(tmp_path / "t.csv", records)))
    assert found.items.load(3) == "I laughed and cried no 3"
    assert found.target_name == "stars" and found.classes == ("1", "2", "3", "4", "5")
    by_name = [r | {"headline": "long words " * 20 + str(i), "content": f"short {r['opinion']}"}
               for i, r in enumerate(records)]  # fmt: skip
    path = str(write(tmp_path / "u.jsonl", by_name))
    assert open_data(path).items.load(0) == "short a fine film that never bores no 0"
    told = open_data(path, hints=Hints(text="headline", label="was"))
    assert told.items.load(0).startswith("long words") and told.classes == ("fine thing", "meh thing")
    assert open_items(path, hints=Hints(text="opinion")).load(1) == records[1]["opinion"]


def test_pictures_stay_pictures_unless_told(tmp_path: Path) -> None:
    folder = write_shapes(tmp_path, 4)
    records = [{"file": p.relative_to(folder).as_posix(), "label": p.parent.name, "caption": f"a bright shape, no {i}"}
               for i, p in enumerate(sorted(folder.rglob("*.png")))]  # fmt: skip
    path = str(write(folder / "t.csv", records))
    assert open_data(path).modality == "image"
    assert open_data(path, hints=Hints(text="caption")).items.load(2) == "a bright shape, no 2"
    assert open_items(path).modality == "image" and open_items(path, modality="text").modality == "text"


def test_parts_groups_several_labels_and_three_classes(tmp_path: Path) -> None:
    records = [r | {"split": "train" if i % 2 else "test", "author": i // 2, "label": "abc"[i % 3]}
               for i, r in enumerate(RECORDS)]  # fmt: skip
    found = open_data(str(write(tmp_path / "t.csv", records)), hints=Hints(group="author"))
    assert found.part_names == ["test", "train"] and found.classes == ("a", "b", "c")
    assert found.groups is not None and len(set(found.groups)) == 4
    several = [r | {"label": ["x", "x|y", "y", "x"][i % 4]} for i, r in enumerate(RECORDS)]
    assert open_data(str(write(tmp_path / "m.csv", several))).target.task == "multilabel"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_encodings(tmp_path: Path, encoding: str, name: str) -> None:
    records = [{"text": t, "label": "坏好"[i < 2]} for i, t in enumerate(CHINESE)]
    found = open_data(str(write(tmp_path / name, records, encoding)))
    assert texts_of(found.items) == CHINESE and set(found.classes) == {"好", "坏"}
    assert [p.kind for p in found.problems] == ([] if encoding == "utf-8-sig" else ["encoding"])


def test_two_encodings_in_one_file(tmp_path: Path) -> None:
    lines = [f"{t},{'pos' if i < 2 else 'neg'}" for i, t in enumerate(CHINESE)]
    data = b"text,label\n" + b"\n".join(line.encode(("gb18030", "utf-8")[i % 2]) for i, line in enumerate(lines))
    (tmp_path / "t.csv").write_bytes(data)
    found = open_data(str(tmp_path / "t.csv"))
    assert texts_of(found.items) == CHINESE
    (problem,) = found.problems
    assert problem.kind == "encoding" and "2 lines are not UTF-8" in problem.message


def test_german_among_utf8_and_damaged_lines() -> None:
    mixed = decode_text("schöne Grüße überall\n".encode() + "größer\n".encode("cp1252"))
    assert mixed.text == "schöne Grüße überall\ngrößer\n" and mixed.encoding == "utf-8 and cp1252"
    damaged = decode_text("".join(CHINESE).encode("gb18030") + b"\n\xff\xff\n")
    assert damaged.text.startswith(CHINESE[0]) and damaged.encoding == "gb18030" and damaged.damaged == 1
    assert decode_text("é".encode("cp1252")).text == "é"


def test_damaged_gzip_is_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "t.csv.gz", RECORDS).read_bytes()
    (tmp_path / "t.csv.gz").write_bytes(whole[:-12])
    with pytest.raises(DataError, match=r"t\.csv\.gz cannot be read: it is no whole gzip file"):
        open_data(str(tmp_path / "t.csv.gz"))
    with pytest.raises(UnreadableItem):
        unzipped(b"\x1f\x8bnothing")


def test_text_folders_and_zips(tmp_path: Path) -> None:
    root = tmp_path / "imdb"
    for part in ("train", "test"):
        for kind, texts in (("pos", GOOD), ("neg", BAD)):
            (root / part / kind).mkdir(parents=True)
            for i, text in enumerate(texts):
                (root / part / kind / f"{i}.txt").write_text(text + "\n")
    (root / "test" / "pos" / "4.txt.gz").write_bytes(gzip.compress(CHINESE[0].encode("gb18030")))
    (root / "test" / "pos" / "5.txt.gz").write_bytes(b"\x1f\x8b and no more")
    (root / "train" / "pos" / "notes.docx").write_text("x")
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for file in root.rglob("*.*"):
            archive.write(file, file.relative_to(tmp_path))
    for path in (root, tmp_path / "z.zip"):
        found = open_data(str(path))
        assert found.format == "text-folder" and found.part_names == ["test", "train"] and len(found) == 17
        assert found.classes == ("neg", "pos") and found.class_counts() == {"neg": 8, "pos": 9}
        assert {(p.kind, p.item) for p in found.problems} == {
            ("encoding", "test/pos/4.txt.gz"), ("unreadable", "test/pos/5.txt.gz"),
            ("not-a-text", "train/pos/notes.docx")
        }  # fmt: skip
        train = found.part("train")
        assert (train.items.name(0), train.items.load(0)) == ("train/neg/0.txt", BAD[0])
        assert len(open_items(str(path))) == 18, "to be predicted: each file, the unreadable one with an error"


@pytest.mark.parametrize("end", ["", ".gz"])
def test_polarity_files(tmp_path: Path, end: str) -> None:
    for kind, texts in (("pos", GOOD), ("neg", [*BAD, "", "caf\xe9 \x85"])):
        data = ("\n".join(texts) + "\n").encode("cp1252" if kind == "neg" and not end else "utf-8", errors="replace")
        (tmp_path / f"rt-polarity.{kind}{end}").write_bytes(gzip.compress(data) if end else data)
    for path in (tmp_path, tmp_path / f"rt-polarity.pos{end}"):
        found = open_data(str(path))
        assert found.format == "polarity" and found.classes == ("neg", "pos")
        assert found.class_counts() == {"neg": 6, "pos": 4}
        assert found.items.name(1) == f"rt-polarity.neg{end}:2" and found.items.load(1) == BAD[1]
        with pytest.raises(UnreadableItem, match="it is empty"):
            found.items.load(4)
    assert len(open_items(str(tmp_path / f"rt-polarity.pos{end}"))) == 4, "to be predicted: that file alone"


def test_a_text_file_is_a_text_a_line(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes("one\r\n\r\n三".encode())
    items = open_items(str(tmp_path / "t.txt"))
    assert len(items) == 3 and items.load(0) == "one" and items.load(2) == "三" and items.name(2) == "t.txt:3"
    with pytest.raises(UnreadableItem):
        items.load(1)


def test_labels_that_differ_by_white_space_are_one(tmp_path: Path) -> None:
    records = [r | {"label": r["label"] + ["", " ", "\u3000"][i % 3]} for i, r in enumerate(RECORDS)]
    for found in (open_data(str(write(tmp_path / "t.csv", records))), open_data(pd.DataFrame(records))):
        assert found.classes == ("neg", "pos")
        assert [(p.kind, p.item) for p in found.problems] == [
            ("label-white-space", "pos"),
            ("label-white-space", "neg"),
        ]
    padded = [r | {"label": f" {r['label']} "} for r in RECORDS]
    assert not open_data(str(write(tmp_path / "u.csv", padded))).problems, "nothing was merged"


def test_bad_rows_are_listed_and_long_cells_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv", [*RECORDS, {"text": "long " * 40_000, "label": "pos"}, {"text": "x y", "label": ""}]
    )
    path.write_text(path.read_text() + "one,two,three\nonly one\n")
    found = open_data(str(path))
    assert [(p.kind, p.item) for p in found.problems] == [
        ("bad-row", "row 12"), ("bad-row", "row 13"), ("missing-label", "row 11")
    ]  # fmt: skip
    assert len(found.items.load(8)) == 199_999


def test_tabs_with_lonely_quotation_marks(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text('text\tlabel\n"a fine film\tpos\nthe "worst" of all\tneg\n')
    assert texts_of(open_data(str(tmp_path / "t.tsv")).items) == ['"a fine film', 'the "worst" of all']


def test_emoji_alone_are_texts_where_the_column_says_so(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,label\n😀,pos\n👎,neg\n")
    assert texts_of(open_data(str(tmp_path / "t.csv")).items) == ["😀", "👎"]


def test_a_missing_header_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a good film,pos\na bad film,neg\na nice one,pos\n")
    found = open_data(str(tmp_path / "t.csv"))
    assert [(p.kind, p.item) for p in found.problems] == [("no-header", "pos")] and len(found) == 2


def test_what_is_refused(tmp_path: Path) -> None:
    path = str(write(tmp_path / "t.csv", RECORDS))
    with pytest.raises(DataError, match=r"--text txt: There is no column 'txt': did you mean 'text'\?"):
        open_data(path, hints=Hints(text="txt"))
    with pytest.raises(DataError, match="paths of pictures .* or texts"):
        open_data(str(write(tmp_path / "n.csv", [{"a": i} for i in range(9)])))
    with pytest.raises(DataError, match="no column beside the texts"):
        open_data(str(write(tmp_path / "o.csv", [{"text": t} for t in GOOD])))
    (tmp_path / "a.pos").write_text("fine\n")
    with pytest.raises(DataError, match="--text x: .* is no table"):
        open_data(str(tmp_path / "a.pos"), hints=Hints(text="x"))


def test_what_python_callers_hand_over(tmp_path: Path) -> None:
    for x in (GOOD, tuple(GOOD), np.array(GOOD), np.array(GOOD, object), pd.Series(GOOD)):
        items = as_items(x)
        assert items.modality == "text" and texts_of(items) == GOOD and items.name(2) == "X[2]"
    gaps = as_items(pd.Series(["fine", None, "good"]))
    assert len(gaps) == 3 and gaps.load(2) == "good"
    with pytest.raises(UnreadableItem):
        gaps.load(1)
    files = [str(p) for p in sorted(write_shapes(tmp_path, 1).rglob("*.png"))]
    assert isinstance(as_items(files), PictureFiles)
    with pytest.raises(DataError, match="holds paths .*, and the model takes texts"):
        as_read_by("text", files)
    with pytest.raises(DataError, match="no such file"):
        as_items(["gone.png"])
    with pytest.raises(DataError, match="no such file"):
        as_items(GOOD, modality="image")
    assert as_items("one text, by itself", modality="text").load(0) == "one text, by itself"
    assert as_items("x" * 100_000, modality="text").name(0) == "X[0]"


def test_batches_of_texts() -> None:
    spec = PreprocessSpec(modality="text")
    first, last = batches(Texts(["a", "", "c d"], "X"), range(3), spec, 2)
    assert first.positions == [0] and first.data.tolist() == ["a", ""] and first.failed == {1: "it is empty"}
    assert last.data.dtype == object and last.data.tolist() == ["c d", ""]
    with pytest.raises(InputError, match="takes an image and the data holds a text"):
        next(batches(Texts(["a"], "X"), [0], PreprocessSpec(), 2))


def test_digests_and_parts_of_texts() -> None:
    items = Texts(["a", "b", "a", "\ud800 lonely surrogate"], "X")
    assert items.digest(0) == items.digest(2) != items.digest(1) and len(items.digest(3)) == 16
    taken = items.take(np.array([2, 1])).take(np.array([1]))
    assert (len(taken), taken.name(0), taken.load(0)) == (1, "X[1]", "b")
