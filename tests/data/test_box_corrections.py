"""Corrections of boxes: each row is carried out, or listed with the reason."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regraft.core.boxes import Boxes
from regraft.core.errors import DataError
from regraft.core.types import LabelSpec
from regraft.data.corrections import corrected, digest_of
from regraft.data.dataset import Dataset
from regraft.data.items import PictureArray

HEAD = ("item", "kind", "label", "suggested", "action", "new_label", "left", "top", "right", "bottom",
        "new_left", "new_top", "new_right", "new_bottom", "found_left", "found_top", "found_right", "found_bottom",
        "digest")  # fmt: skip
FIRST, SECOND = (10.0, 10.0, 20.0, 20.0), (30.04, 12.0, 42.0, 26.0)


def squares() -> Dataset:
    """Three pictures of 48 x 64: two boxes, one, none."""
    y = np.empty(3, object)
    y[:] = [Boxes(np.array([FIRST, SECOND]), np.array([0, 1])), Boxes(np.array([FIRST]), np.array([1])), Boxes.none()]
    items = PictureArray(np.arange(3 * 48 * 64 * 3, dtype=np.uint8).reshape(3, 48, 64, 3), "p")
    spec = {"boxes": LabelSpec("detection", ("cat", "dog"))}
    return Dataset("squares", items, spec, {"boxes": y}, np.array(["train", "train", "val"]))


def row(item: str, action: str, **cells: Any) -> dict[str, str]:
    found = {"item": item, "action": action}
    for name, value in cells.items():
        if name in ("at", "to", "found"):
            prefix = {"at": "", "to": "new_", "found": "found_"}[name]
            found |= {f"{prefix}{n}": str(v) for n, v in zip(("left", "top", "right", "bottom"), value, strict=True)}
        else:
            found[name] = str(value)
    return found


def write(path: Path, rows: Sequence[dict[str, str]], comma: str = ",") -> Path:
    with open(path, "w", newline="", encoding="utf-8-sig") as f:
        writer = csv.DictWriter(f, HEAD, delimiter=comma)
        writer.writeheader()
        writer.writerows(rows)
    return path


def told(data: Dataset) -> dict[str, int]:
    assert data.corrections is not None and data.corrections.boxes is not None
    return data.corrections.boxes


def refusals(data: Dataset) -> list[str]:
    return [f"{p.item}: {p.message}" for p in data.problems if p.kind == "correction-refused"]


def boxes(data: Dataset, i: int) -> list[tuple[str, ...]]:
    return [(data.classes[k], *map(float, p)) for k, p in zip(data.y[i].labels, data.y[i].xyxy, strict=True)]


def test_boxes_are_drawn_dropped_and_changed(tmp_path: Path) -> None:
    before = squares()
    found = corrected(before, write(tmp_path / "c.csv", [
        row("p[0]", "drop", label="cat", at=FIRST),
        row("p[0]", "change", label="dog", at=(30.0, 12, 42, 26), new_label="cat", to=(31, 12, 43.5, 26)),
        row("p[2]", "add", new_label="dog", at=(1, 2, 3, 4)),
        row("p[2]", "add", new_label="dog", to=(5, 6, 70, 9)),
        row("p[1]", ""),
    ]))  # fmt: skip
    assert boxes(found, 0) == [("cat", 31, 12, 43.5, 26)] and boxes(found, 1) == [("dog", *FIRST)]
    assert boxes(found, 2) == [("dog", 1, 2, 3, 4), ("dog", 5, 6, 64, 9)]
    assert told(found) == {"added": 2, "dropped": 1, "changed": 1, "refused": 0}
    assert [p.message for p in found.problems] == [
        "the place (5, 6, 70, 9) reaches beyond the picture of 64 x 48 pixels; clipped",
        "boxes of 2 pictures: 2 added, 1 dropped, 1 changed, 0 rows left out",
    ]
    assert found.corrected == 2 and found.corrections.changed.tolist() == [True, False, True]
    assert boxes(before, 0) == [("cat", *FIRST), ("dog", *SECOND)], "the data itself stays"


def test_what_the_audit_suggests_is_accepted(tmp_path: Path) -> None:
    found = corrected(squares(), write(tmp_path / "c.csv", [
        row("p[2]", "Accept", kind="missing", suggested="cat", at=(1, 1, 9, 9)),
        row("p[0]", "accept", kind="other-class", label="cat", suggested="dog", at=FIRST, found=(0, 0, 1, 1)),
        row("p[0]", "accept", kind="badly-placed", label="dog", suggested="dog", at=SECOND, found=(28, 10, 44, 28)),
        row("p[1]", "accept", kind="doubtful", label="dog", at=FIRST),
    ]))  # fmt: skip
    assert boxes(found, 0) == [("dog", *FIRST), ("dog", 28, 10, 44, 28)]
    assert boxes(found, 1) == [] and boxes(found, 2) == [("cat", 1, 1, 9, 9)]
    assert told(found) == {"added": 1, "dropped": 1, "changed": 2, "refused": 0}


GOOD = row("p[2]", "add", new_label="cat", at=(0, 0, 5, 5))


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (row("q", "drop", label="cat", at=FIRST), "'q' is no picture of squares, whose first is 'p[0]'"),
        (row("p[0]", "delete", label="cat", at=FIRST), "the action is 'delete'; "),
        (row("p[0]", "chnge", label="cat", at=FIRST), "did you mean change?"),
        (row("p[0]", "", label="cat", at=FIRST, new_label="dog"), "there is no action; known are accept, add"),
        (row("p[0]", "drop", label="cat", at=SECOND), "p[0] has no box of cat at (30.04, 12, 42, 26)"),
        (row("p[0]", "drop", label="bird", at=FIRST), "there is no class 'bird': known are: cat, dog."),
        (row("p[0]", "drop", label="cat"), "which box is meant?"),
        (row("p[0]", "drop", label="cat", at=FIRST, new_label="dog"), "another class or place stands there"),
        (row("p[0]", "change", label="cat", at=FIRST), "change needs a class below new_label, or a place"),
        (row("p[0]", "change", label="cat", at=FIRST, new_label="dgo"), "there is no class 'dgo': did you mean 'dog'?"),
        (row("p[0]", "change", label="cat", at=FIRST, to=(5, 5, 5, 9)), "(5, 5, 5, 9) has no area"),
        (row("p[0]", "change", label="cat", at=FIRST, to=(5, "x", 9, 9)), "is not four numbers"),
        (row("p[0]", "change", label="cat", at=FIRST, to=(65, 1, 70, 9)), "lies outside the picture of 64 x 48"),
        (row("p[0]", "add", new_label="cat"), "add needs left, top, right and bottom"),
        (row("p[0]", "add", at=(1, 1, 2, 2)), "add needs a class below new_label"),
        (row("p[0]", "add", new_label="cat", at=FIRST), "p[0] has that box already"),
        (row("p[2]", "add", new_label="cat", at=(0, 0, 5.4, 5)), "p[2] has that box already"),
        (row("p[0]", "accept", label="cat", at=FIRST), "accept is for rows that the audit wrote"),
        (row("p[0]", "accept", kind="doubtful", label="cat", at=FIRST, new_label="dog"), "write change"),
        (row("p[0]", "drop", label="cat", at=FIRST, digest="b2:00"), "p[0] changed since the audit"),
    ],
)
def test_a_row_that_cannot_be_carried_out_is_listed(bad: dict[str, str], said: str, tmp_path: Path) -> None:
    found = corrected(squares(), write(tmp_path / "c.csv", [GOOD, bad]))
    (refused,) = refusals(found)
    assert refused.startswith("row 3: ") and said in refused and refused.endswith("; the row is left out")
    assert told(found) == {"added": 1, "dropped": 0, "changed": 0, "refused": 1}
    assert boxes(found, 0) == boxes(squares(), 0) and boxes(found, 2) == [("cat", 0, 0, 5, 5)]
    with pytest.raises(DataError, match="none of its 1 rows can be carried out: row 2: "):
        corrected(squares(), write(tmp_path / "alone.csv", [bad] if bad["action"] != "add" or "[2]" not in bad["item"]
                                   else [row("p[0]", "add")]))  # fmt: skip


def test_one_row_a_box(tmp_path: Path) -> None:
    twice = row("p[0]", "drop", label="cat", at=FIRST)
    found = corrected(squares(), write(tmp_path / "c.csv", [twice, row("p[0]", "change", label="cat", at=FIRST,
                                                                       new_label="dog"), twice]))  # fmt: skip
    assert boxes(found, 0) == [("dog", *SECOND)] and told(found)["refused"] == 2
    assert all("row 2 corrects that box already" in r for r in refusals(found))


def test_a_spreadsheets_decimal_commas_and_the_digest(tmp_path: Path) -> None:
    data = squares()
    good = row("p[0]", "change", label="dog", at=("30,04", "12", "42", "26"), to=("31,5", "12", "42,5", "26"),
               digest=digest_of(data.items, 0))  # fmt: skip
    found = corrected(data, write(tmp_path / "c.csv", [good], ";"))
    assert boxes(found, 0)[1] == ("dog", 31.5, 12, 42.5, 26)


def test_crowds_stay_what_they_are(tmp_path: Path) -> None:
    data = squares()
    data.y[0] = Boxes(data.y[0].xyxy, data.y[0].labels, np.array([False, True]), np.array([False, True]))
    rows = [row("p[0]", "drop", label="cat", at=FIRST), row("p[0]", "add", new_label="cat", at=(1, 1, 2, 2))]
    found = corrected(data, write(tmp_path / "c.csv", rows))
    assert found.y[0].crowd.tolist() == [True, False] and found.y[0].difficult.tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("item,new_label\np[0],cat\n", "has no column 'action'"),
        ("item;action\np[0];\np[1];\np[2];\np[0];drop;x;y\n", "row 5 .*; mend it"),
    ],
)
def test_files_that_are_no_corrections_of_boxes(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        corrected(squares(), tmp_path / "c.csv")


CELLS = {
    "item": st.sampled_from(["p[0]", "p[1]", "p[2]", "q"]), "label": st.sampled_from(["cat", "dog", "", "bird"]),
    "action": st.sampled_from(["accept", "add", "drop", "change", "", "burn"]),
    "kind": st.sampled_from(["missing", "other-class", "badly-placed", "doubtful", ""]),
    "suggested": st.sampled_from(["cat", "dog", ""]), "new_label": st.sampled_from(["", "", "cat", "dog", "bird"]),
    "at": st.sampled_from([FIRST, SECOND, ("",) * 4, (0, 0, 9, 9)]),
    "to": st.sampled_from([("",) * 4, ("",) * 4, (1, 1, 8, 8), (9, 9, 1, 1), (100, 100, 120, 120), ("nan",) * 4]),
    "found": st.sampled_from([("",) * 4, (2, 2, 12, 12)]),
}  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(some=st.lists(st.fixed_dictionaries(CELLS), min_size=1, max_size=8))
def test_what_is_done_and_what_is_named_are_all_rows(some: list[dict[str, Any]], tmp_path: Path) -> None:
    rows = [row(one.pop("item"), one.pop("action"), **one) for one in (dict(s) for s in some)]
    asked = sum(bool(r["action"] or r["new_label"] or r["new_left"]) for r in rows)
    before = squares()
    try:
        found = corrected(before, write(tmp_path / "c.csv", rows))
    except DataError as error:
        assert f"none of its {asked} rows can be carried out" in str(error)
        return
    counts = told(found)
    assert sum(counts.values()) == asked and len(refusals(found)) == counts["refused"]
    total = sum(len(b) for b in found.y)
    assert total == sum(len(b) for b in before.y) + counts["added"] - counts["dropped"]
    for b in found.y:
        assert (b.areas > 0).all() and (b.xyxy >= 0).all() and (b.xyxy[:, [0, 2]] <= 64).all()
