"""The rule, on random tables with planted oddities: every row is an item, or a problem names it, or the table is
refused in a sentence; whatever it is written in, it is read the same.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
from hypothesis import event, given
from hypothesis import strategies as st

from regraft.core.errors import InputError, UnreadableItem
from regraft.core.types import Hints
from regraft.data.dataset import Dataset
from regraft.data.open import open_data, open_inputs
from tests.property.profile import examples

WORDS = ["a fine film", "a dull film", "long and loud", "味道很好，送餐也很快", "größer, schöner"]
KINDS = ["number", "comma", "category", "id", "index", "date", "gaps", "unit", "words"]
LABELS = [["pos", "neg"], ["yes", "no", "on"], ["01", "1", "007"], ["a, b", "c"], ["1", "2", "3"], ["NA", "none"],
          ["1,5", "2,5", "3"], ["a|b", "a", "b"], ["Ünï", "uni"], ["True", "False"]]  # fmt: skip
PARTS = [[], ["train", "val"], ["Training", "test set"], ["True", "False"], ["train", "holdout"], ["a", "b"]]
any_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
texts = st.builds(lambda w, t, i: f"{w} {t} {i}", st.sampled_from(WORDS), any_text, st.integers(0, 99))
oddities = st.sampled_from(["good"] * 12 + ["short", "long", "blank", "no text", "no label", "quote"])


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    labels, parts = draw(st.sampled_from(LABELS)), draw(st.sampled_from(PARTS))
    kinds = draw(st.lists(oddities, min_size=6, max_size=24))
    rows = [
        {"text": draw(texts), "label": labels[i % len(labels)], **({"part": parts[i % len(parts)]} if parts else {})}
        for i in range(len(kinds))
    ]
    return {
        "rows": rows, "kinds": kinds, "index": draw(st.booleans()), "comma": draw(st.sampled_from(",;\t|")),
        "said": draw(st.booleans()), "end": draw(st.sampled_from(["\n", "\r\n"])),
        "encoding": draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])),
        "part": draw(st.sampled_from(["part", "split", "is_valid"])),
    }  # fmt: skip


def write_csv(folder: Path, table: dict[str, Any]) -> tuple[Path, list[int]]:
    """The file, and the numbers of its rows as a spreadsheet counts them."""
    names = [table["part"] if n == "part" else n for n in table["rows"][0]]
    quote_stray = table["kinds"].count("quote") == 1 and table["comma"] != "\t"
    lines = [table["comma"].join(["Unnamed: 0"] * table["index"] + names)]
    numbers = []
    for i, (row, kind) in enumerate(zip(table["rows"], table["kinds"], strict=True)):
        cells = [str(i)] * table["index"] + list(row.values())
        if kind == "blank":
            lines.append("")
            continue
        if kind in ("no text", "no label"):
            cells[table["index"] + (kind == "no label")] = ""
        cells = cells[:-1] if kind == "short" else [*cells, "more"] if kind == "long" else cells
        made = io.StringIO()
        csv.writer(made, delimiter=table["comma"], lineterminator="").writerow(cells)
        lines.append(f'"stray{table["comma"]}' if kind == "quote" and quote_stray else made.getvalue())
        numbers.append(len(lines))
    head = f"sep={table['comma']}{table['end']}" if table["said"] else ""
    path = folder / "t.csv"
    path.write_bytes((head + table["end"].join(lines) + table["end"]).encode(table["encoding"]))
    return path, numbers


def opened(data: Any, **more: Any) -> Dataset | None:
    """The data, or None where it is refused; anything but a refusal is an error of ours."""
    try:
        return open_data(data, **more)
    except InputError as refusal:
        assert str(refusal).strip() and "\n" not in str(refusal).strip()
        return None


@examples(700)
@given(tables())
def test_every_row_is_an_item_or_a_problem(table: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as place:
        path, numbers = write_csv(Path(place), table)
        data = opened(str(path))
        event("refused" if data is None else "read")
        if data is not None:
            named = {data.items.name(i) for i in range(len(data))} | {p.item for p in data.problems}
            assert {f"row {n}" for n in numbers} <= named
            assert data.roles is not None and data.roles.item == "text" and "label" in data.roles.labels
            assert all(len(labels) == len(data) for labels in data.labels.values())
        try:
            read = open_inputs(str(path), hints=Hints(kept=data.roles if data else None, text=None if data else "text"))
        except InputError:
            assert data is None
            return
        assert [read.items.name(i) for i in range(len(read.items))] == [f"row {n}" for n in numbers]
        for i in range(len(read.items)):
            try:
                assert isinstance(read.items.load(i), str)
            except UnreadableItem as error:
                assert str(error)


@examples(300)
@given(tables())
def test_all_ways_to_hand_over_a_table_agree(table: dict[str, Any]) -> None:
    rows = [{k: v.strip() for k, v in r.items()} for r in table["rows"]]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        path, _ = write_csv(folder, {**table, "rows": rows, "kinds": ["good"] * len(rows), "part": "part"})
        frame = pd.DataFrame(rows)
        frame.to_parquet(folder / "t.parquet")
        (folder / "t.jsonl").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), "utf-8")
        with zipfile.ZipFile(folder / "t.zip", "w") as archive:
            archive.write(path, "t.csv")
        ways = [opened(d) for d in (str(path), frame, str(folder / "t.parquet"), str(folder / "t.jsonl"),
                                    str(folder / "t.zip"))]  # fmt: skip
    first = ways[0]
    event("refused" if first is None else "read")
    for other in ways[1:]:
        assert (other is None) == (first is None)
        if first is not None and other is not None:
            assert [first.items.load(i) for i in range(len(first))] == [other.items.load(i) for i in range(len(other))]
            assert first.classes == other.classes and first.y.tolist() == other.y.tolist()
            assert first.parts.tolist() == other.parts.tolist() and first.target == other.target


@st.composite
def numeric(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    n = draw(st.integers(6, 20))
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    columns = {f"{kind}{i}" if kind not in ("id", "index") else kind: kind for i, kind in enumerate(kinds)}

    def cell(kind: str, i: int) -> str:
        k = draw(st.integers(0, 999))
        return {"number": f"{k / 8}", "comma": f"{k},{i % 7}", "category": "abc"[k % 3], "id": f"u{i:03d}",
                "index": str(i),
                "date": f"2024-01-{1 + k % 28:02d}", "gaps": "" if k % 3 else str(k), "unit": f"{k} m2",
                "words": draw(any_text).strip()}[kind]  # fmt: skip

    rows = [[cell(kind, i) for kind in columns.values()] + [f"{draw(st.integers(0, 99))}.5"] for i in range(n)]
    return [*columns, "price"], rows


@examples(300)
@given(numeric(), st.data())
def test_tables_of_numbers(table: tuple[list[str], list[list[str]]], more: st.DataObject) -> None:
    head, rows = table
    made = io.StringIO()
    csv.writer(made).writerows([head, *rows])
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "t.csv"
        path.write_text(made.getvalue(), "utf-8")
        data = opened(str(path))
        event("refused" if data is None else data.modality)
        if data is None or data.roles is None or "price" not in data.targets or len(data.targets) > 1:
            return
        roles = data.roles
        named = {data.items.name(i) for i in range(len(data))} | {p.item for p in data.problems}
        assert {f"row {n}" for n in range(2, len(rows) + 2)} <= named
        told = {roles.item, roles.part, roles.group, *roles.labels, *roles.features, *roles.unused} - {""}
        assert set(head) <= told, "each column has a role"
        assert not {"id", "index"} & {*roles.features}, "ids are not learned from"
        order = more.draw(st.permutations(head))
        frame = pd.DataFrame(rows, columns=head)[order]
        turned = opened(frame, hints=Hints(label="price", task=data.targets["price"].task))
        assert turned is not None
        assert [turned.y[i] for i in range(len(turned))] == [data.y[i] for i in range(len(data))]
