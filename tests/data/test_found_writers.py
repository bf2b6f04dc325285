"""Files of what was found are called as their pictures, so that a tool that pairs by name pairs rightly."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft.core.boxes import Found
from regraft.core.errors import InputError
from regraft.data.writers.detections import Answer, mirrored, write_found
from tests.property.profile import examples


def answer(name: str, left: float) -> Answer:
    found = Found(np.array([[left, 10, left + 10, 20]]), np.array([0.9]), np.array([0]))
    return Answer(name, 100, 100, found, np.zeros((100, 100, 3), np.uint8))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["d/sub/up.png", "d/up.png"], ["sub/up.txt", "up.txt"]),
        (["d/a.png"], ["a.txt"]),
        (["a.jpg", "a.png", "b.png"], ["a.jpg.txt", "a.png.txt", "b.txt"]),
        (["d/A.png", "d/a.png"], ["A.txt", "a.txt"]),
        (["d/a.png", "d/./a.png", "e/../d/a.png"], ["a.txt", "a-2.txt", "a-3.txt"]),
        (["a.png", "a.png", "a-2.png"], ["a.txt", "a-3.txt", "a-2.txt"]),
        (["../x/a.png", "a.png"], None),
        (["/x/y/a.png", "/x/a.png"], ["y/a.txt", "a.txt"]),
        (["d\\s\\a.png", "d\\a.png"], ["s/a.txt", "a.txt"]),
        (["classes.png", "b.png"], ["classes.png.txt", "b.txt"]),
        (["up.txt/a.png", "up.png"], ["up.txt/a.txt", "up.png.txt"]),
        (["v1.2/v1.2-000001", "v1.2/v1.2-000002"], ["v1.2-000001.txt", "v1.2-000002.txt"]),
        (["X[0]", "X[1]"], ["X[0].txt", "X[1].txt"]),
        ([], []),
    ],
)
def test_paths_of_files(names: list[str], expected: list[str] | None) -> None:
    found = mirrored(names, ".txt", ("classes.txt",))
    here = Path.cwd().name
    assert found == (["x/a.txt", f"{here}/a.txt"] if expected is None else expected)


step = st.sampled_from(["a", "b", "A", "a.txt", "..", ".", "classes"])
name = st.tuples(
    st.lists(step, max_size=3),
    st.sampled_from(["a", "a-2", "b", "classes", "a.b", "é"]),
    st.sampled_from([".png", ".jpg", ".txt", ""]),
).map(lambda n: "/".join([*n[0], n[1] + n[2]]))


@examples(300)
@given(st.lists(name, max_size=8))
def test_no_two_files_are_called_alike(names: list[str]) -> None:
    found = mirrored(names, ".txt", ("classes.txt",))
    assert len(set(found)) == len(names) and "classes.txt" not in found
    folders = {str(parent) for one in found for parent in Path(one).parents}
    assert not folders & set(found) and not any(".." in Path(one).parts or one.startswith("/") for one in found)
    for one, two in zip(names, found, strict=True):
        below = Path(os.path.abspath(one)).parts
        assert Path(two).parts[:-1] == below[len(below) - len(Path(two).parts) : -1]


@pytest.mark.parametrize("form", ["yolo", "pictures"])
def test_each_file_holds_what_was_found_in_its_picture(form: str, tmp_path: Path) -> None:
    answers = [
        answer("d/sub/up.png", 80),
        answer("d/up.png", 10),
        Answer("d/other/up.png", 0, 0, Found.none(), error="x"),
    ]
    write_found(iter(answers), ["x"], tmp_path / "out", form)
    ending = {"yolo": "txt", "pictures": "jpg"}[form]
    files = sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob(f"*.{ending}"))
    assert [f for f in files if f != "classes.txt"] == [f"sub/up.{ending}", f"up.{ending}"]
    assert json.loads((tmp_path / "out" / "errors.json").read_text()) == [{"input": "d/other/up.png", "error": "x"}]
    if form == "yolo":
        lines = {f: (tmp_path / "out" / f).read_text().split() for f in files}
        assert float(lines["sub/up.txt"][1]) == pytest.approx(0.85) and float(lines["up.txt"][1]) == pytest.approx(0.15)


def test_a_picture_that_failed_counts_for_the_folder_that_all_share(tmp_path: Path) -> None:
    """Else up.txt would lie where that of d/up.png, which could not be read, would."""
    answers = [Answer("d/up.png", 0, 0, Found.none(), error="x"), answer("d/sub/up.png", 80)]
    write_found(answers, ["x"], tmp_path / "out", "yolo")
    assert [p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("up.txt")] == ["sub/up.txt"]
    write_found(answers, ["x"], tmp_path / "coco", "coco")
    images = json.loads((tmp_path / "coco" / "images.json").read_text())["images"]
    assert [i.get("error") for i in images] == ["x", None]


def test_names_that_are_no_text(tmp_path: Path) -> None:
    """Linux keeps bytes that are no UTF-8; Python calls them by halves of characters."""
    for form in ("json", "coco", "yolo"):
        write_found([answer("d/caf\udce9.png", 1), answer("d/b.png", 2)], ["x"], tmp_path / form, form)
    assert "caf\\udce9" in (tmp_path / "json" / "predictions.json").read_text()
    assert sorted(os.listdir(tmp_path / "yolo")) == ["b.txt", "caf\udce9.txt", "classes.txt"]


def test_a_class_that_is_no_line_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    def never():
        raise AssertionError("looked at")
        yield

    with pytest.raises(InputError, match=r"class 'a\\nb' cannot stand in classes\.txt"):
        write_found(never(), ["a\nb"], tmp_path / "out", "yolo")
