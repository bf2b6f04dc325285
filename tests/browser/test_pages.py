"""The pages that commands write: report, comparison, runs, explanations, audit."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import regraft
from tests.browser.conftest import Visits
from tests.conftest import write_shapes

Look = Callable[..., None]


def mislabelled(folder: Path, seed: int) -> Path:
    """Pictures of which some bear the other label, so that there are mistakes to be shown."""
    write_shapes(folder, 20, seed)
    for i in range(3):
        (folder / f"disc/{i:03d}.png").rename(folder / f"square/a disc with a long name {i}{'-' * 60}.png")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mislabelled(tmp_path_factory.mktemp("pages") / "shapes", 0)


@pytest.fixture(scope="module")
def runs(data: Path) -> Path:
    """A folder of two runs, ``tiny`` and ``raw``."""
    val = str(mislabelled(data.parent / "val", 1))
    for backbone, controls in {"regraft_tiny": "majority,raw", "raw": "none"}.items():
        out = str(data.parent / "runs" / backbone)
        regraft.fit(str(data), val=val, backbone=backbone, out=out, controls=controls)
    return data.parent / "runs"


def open_all(page: Any) -> None:
    """Clicks every part that is folded away, and sees what is in it."""
    for summary in page.locator("details:not([open]) > summary").element_handles():
        summary.click()
    for inside in page.locator("details > :last-child").all():
        assert inside.is_visible()


def test_the_report(runs: Path, in_every_look: Look) -> None:
    def click(page: Any) -> None:
        open_all(page)
        assert page.get_by_role("heading", name="Beside its controls").is_visible()
        assert page.locator("details table").count() == 3
        assert page.locator("figure img").count() == 2 * page.locator("figure").count() > 0

    in_every_look(runs / "regraft_tiny" / "report.html", click)


def test_the_comparison(runs: Path, tmp_path: Path, in_every_look: Look) -> None:
    found = regraft.compare([str(runs / "regraft_tiny"), str(runs / "raw")], out=str(tmp_path / "compare.html"))
    [row] = found.against

    def click(page: Any) -> None:
        open_all(page)
        assert page.locator("details li").all_inner_texts() == [*row["better_items"], *row["worse_items"]] != []

    in_every_look(tmp_path / "compare.html", click)


def test_the_table_of_runs_sorts(runs: Path, tmp_path: Path, visit: Visits, in_every_look: Look) -> None:
    found = regraft.runs(str(runs), sort="accuracy", out=str(tmp_path / "runs.html"))
    best = [r["run"] for r in found]

    def shown(page: Any) -> list[str]:
        return page.locator("tbody td:first-child").all_inner_texts()

    page = visit(tmp_path / "runs.html")
    head = page.get_by_role("columnheader", name="accuracy")
    assert (shown(page), head.get_attribute("aria-sort")) == (best, "descending")
    head.get_by_role("button").click()
    assert (shown(page), head.get_attribute("aria-sort")) == (best[::-1], "ascending")
    page.get_by_role("columnheader", name="run").get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert shown(page) == sorted(best) and head.get_attribute("aria-sort") is None
    page.keyboard.press("Space")
    assert shown(page) == sorted(best, reverse=True)
    in_every_look(tmp_path / "runs.html")


def test_explanations_of_pictures(runs: Path, data: Path, tmp_path: Path, in_every_look: Look) -> None:
    few = write_shapes(tmp_path / "few", 1, seed=7)
    regraft.explain(str(runs / "regraft_tiny"), str(few), out=str(tmp_path / "why.html"))

    def click(page: Any) -> None:
        assert page.locator("section h2").count() == 2
        assert page.locator(".why img").count() == 4 and page.locator(".pictures img").count() == 8

    in_every_look(tmp_path / "why.html", click)


def test_the_explanation_of_a_text(tmp_path: Path, in_every_look: Look) -> None:
    lines = [f"{'good fine' if i % 2 else 'bad awful'} soup {i},{'up' if i % 2 else 'down'}" for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    regraft.fit(str(tmp_path / "t.csv"), backbone="tfidf", out=str(tmp_path / "run"), controls="none")
    regraft.explain(str(tmp_path / "run"), "an awful but good soup", out=str(tmp_path / "why.html"))

    def click(page: Any) -> None:
        words = page.locator("mark").all_inner_texts()
        assert words == ["an", "awful", "but", "good", "soup"]
        assert re.fullmatch(r"[+-]\d\.\d{3}", page.locator("mark", has_text="good").get_attribute("title"))

    in_every_look(tmp_path / "why.html", click)


def test_the_audit(data: Path, tmp_path: Path, in_every_look: Look) -> None:
    found = regraft.audit(str(data), backbone="regraft_tiny", out=str(tmp_path / "audit"))
    assert found.counts["label-error"] > 0

    def click(page: Any) -> None:
        open_all(page)
        assert page.get_by_role("heading", name=f"label-error: {found.counts['label-error']}").is_visible()
        assert page.get_by_text("a disc with a long name").first.is_visible()
        assert page.locator("figure img").count() >= found.counts["label-error"]

    in_every_look(tmp_path / "audit" / "audit.html", click)
