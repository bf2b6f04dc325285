"""The page of `regraft serve`, used as a person would: with the mouse, with the keyboard alone, in two languages."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import regraft
from tests.browser.conftest import Visits, looks_right
from tests.conftest import write_shapes
from tests.serve.conftest import runs  # noqa: F401  (a fixture)

TOKEN = "correct-horse"
DROP = """([name, bytes, kind]) => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name, { type: "image/png" }));
  const at = kind === "paste" ? document : document.getElementById("drop");
  const how = { bubbles: true, cancelable: true };
  if (kind === "paste") return at.dispatchEvent(new ClipboardEvent("paste", { ...how, clipboardData: data }));
  for (const event of ["dragover", "drop"]) at.dispatchEvent(new DragEvent(event, { ...how, dataTransfer: data }));
}"""


def begin(models: list[str], **environment: str) -> subprocess.Popen[str]:
    """A service of its own, on a port that is free."""
    words = [sys.executable, "-m", "regraft", "serve", *models, "--port", "0", "--engine", "torch", "--json"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})


def address(service: subprocess.Popen[str]) -> str:
    """Where it answers, once it does: the object that it prints ends with a line of its own."""
    assert service.stdout is not None
    return str(json.loads("".join([*iter(service.stdout.readline, "}\n"), "}"]))["url"])


@pytest.fixture(scope="module")
def services(runs: dict[str, str]) -> Iterator[tuple[str, str]]:  # noqa: F811
    """The address of a service of all kinds of models, and of one of texts that wants a token."""
    started = [begin(list(runs.values())), begin([runs["words"]], REGRAFT_TOKEN=TOKEN)]
    try:
        yield address(started[0]), address(started[1])
    finally:
        for one in started:
            one.terminate()
        ends = [one.wait(30) for one in started]
    assert ends == [0, 0]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four pictures that no model has seen."""
    return sorted(write_shapes(tmp_path_factory.mktemp("new"), 2, seed=11).rglob("*.png"))


def opened(visit: Visits, services: tuple[str, str], model: str, **look: Any) -> Any:
    """The page with a model chosen."""
    page = visit(services[0], **look)
    page.locator("#model").select_option(model)
    return page


def settled(page: Any) -> None:
    page.locator(".waiting").first.wait_for(state="detached")


def hand_over(page: Any, picture: Path, kind: str) -> None:
    page.evaluate(DROP, [picture.name, base64.b64encode(picture.read_bytes()).decode(), kind])


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_picture_is_answered_and_explained(
    visit: Visits, services: tuple[str, str], pictures: list[Path], runs: dict[str, str], kind: str  # noqa: F811
) -> None:  # fmt: skip
    [known] = regraft.predict(runs["shapes"], str(pictures[0])).predictions
    share, other = known["probabilities"][known["label"]], {"disc": "square", "square": "disc"}[known["label"]]
    page = opened(visit, services, "shapes", dark=kind == "paste")
    hand_over(page, pictures[0], kind)
    settled(page)
    assert page.locator(".said").inner_text().split() == [known["label"], f"{share:.1%}"]
    assert page.locator(".bars li").count() == 2
    assert page.locator("#status").inner_text() == f"{pictures[0].name}: {known['label']} {share:.1%}"
    why = page.get_by_role("button", name="Why?")
    why.click()
    page.get_by_role("img", name=f"speaks for {known['label']} (Grad-CAM)").wait_for()
    assert page.locator(".map image").get_attribute("href").startswith("data:image/png;base64,")
    page.get_by_label("Explain").select_option(other)
    page.get_by_role("img", name=f"speaks for {other}").wait_for()
    looks_right(page)
    why.click()
    assert page.locator(".map").count() == 0 and page.locator(".reason").is_hidden()


def test_several_files_of_which_one_is_wrong(
    visit: Visits, services: tuple[str, str], pictures: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "letter.png").write_text("no picture")
    visit.expected += ("status of 422",)
    page = opened(visit, services, "shapes", width=360)
    page.locator("#files").set_input_files([*pictures, tmp_path / "letter.png"])
    page.get_by_text("5 of 5 answered, 1 could not be").wait_for()
    wrong = page.get_by_role("article", name="letter.png")
    assert "no picture" in wrong.locator(".error").inner_text() and page.locator(".error").count() == 1
    assert page.locator("article .said").count() == 4 and page.locator("#progress").is_hidden()
    looks_right(page)
    page.get_by_role("button", name="Clear").click()
    assert page.locator("article").count() == 0 and page.evaluate("document.activeElement.id") == "choose"


def test_boxes_are_drawn_and_explained(visit: Visits, services: tuple[str, str], pictures: list[Path]) -> None:
    page = opened(visit, services, "boxes")
    page.locator("#files").set_input_files(pictures[0])
    settled(page)
    found = page.locator(".boxes li")
    assert found.count() == page.locator(".frame rect").count() > 1
    found.nth(1).hover()
    assert page.locator(".frame g:not(.off)").count() == 1
    page.get_by_role("button", name="Why ").nth(1).click()
    page.locator(".map").wait_for()
    page.locator("h1").hover()
    assert page.locator(".frame g:not(.off)").count() == 1, "the box that is explained"
    looks_right(page)


def test_a_text_is_typed_and_its_words_are_coloured(visit: Visits, services: tuple[str, str], tmp_path: Path) -> None:
    page = opened(visit, services, "words", dark=True)
    page.get_by_label("Text", exact=True).fill("good fine superb but awful")
    page.keyboard.press("Control+Enter")
    settled(page)
    assert page.locator(".said").inner_text().startswith("up")
    page.get_by_role("button", name="Why?").click()
    page.locator("mark").first.wait_for()
    assert page.locator("mark").all_inner_texts() == ["good", "fine", "superb", "but", "awful"]
    assert page.locator("mark.against").all_inner_texts()[-1] == "awful"
    assert page.locator(".words").inner_text() == "good fine superb but awful"
    page.get_by_text("Words with the strongest effect").click()
    assert page.locator(".reason dt").count() == 5
    looks_right(page)
    (tmp_path / "one.txt").write_text("bad dull")
    page.locator("#files").set_input_files(tmp_path / "one.txt")
    settled(page)
    first = page.get_by_role("article", name="one.txt")
    assert first.locator(".said").inner_text().startswith("down") and first.locator(".words").inner_text() == "bad dull"


def test_a_row_is_filled_in(visit: Visits, services: tuple[str, str]) -> None:
    page = opened(visit, services, "houses", width=360)
    page.get_by_label("place").select_option("sea")
    page.get_by_label("size").fill("12.5")
    page.get_by_role("button", name="Answer").click()
    settled(page)
    assert page.locator(".said").inner_text().startswith("yes")
    assert page.locator(".cells dd").all_inner_texts() == ["sea", "12.5"]
    page.get_by_role("button", name="Empty the form").click()
    page.get_by_role("button", name="Answer").click()
    page.get_by_text("The row holds no value").wait_for()
    looks_right(page)


def test_chinese_where_the_browser_says_so(visit: Visits, services: tuple[str, str], pictures: list[Path]) -> None:
    page = opened(visit, services, "shapes", locale="zh-CN", dark=True, width=360)
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    page.get_by_text("选择图片").wait_for()
    page.locator("#files").set_input_files(pictures[0])
    page.get_by_role("button", name="为什么？").click()
    page.locator(".map").wait_for()
    said = page.locator("body").inner_text()
    assert "结果" in said and not any(word in said for word in ("Why", "Answers", "Choose", "speaks"))
    looks_right(page)


def test_by_the_keyboard_alone(visit: Visits, services: tuple[str, str], pictures: list[Path]) -> None:
    page = visit(services[0])
    page.on("filechooser", lambda chooser: None)  # Chromium needs a moment until it hands choosers over
    page.locator("#choose").wait_for()

    def tab_to(name: str) -> None:
        for _ in range(12):
            page.keyboard.press("Tab")
            one, ring = page.evaluate("""() => {
              const one = document.activeElement;
              return [one.id || one.textContent, getComputedStyle(one).outlineStyle];
            }""")
            assert ring != "none", f"the focus on {one} cannot be seen"
            if one == name:
                return
        raise AssertionError(f"Tab does not lead to {name}")

    tab_to("model")
    tab_to("choose")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(pictures[0])
    settled(page)
    tab_to("clear")
    tab_to("Why?")
    page.keyboard.press("Enter")
    page.locator(".map").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.get_by_role("img", name="speaks for square").wait_for()
    assert page.evaluate("document.activeElement.value") == "square", "the focus stays where it was"


def test_a_token_is_asked_for(visit: Visits, services: tuple[str, str]) -> None:
    visit.expected += ("status of 401",)
    page = visit(services[1])
    field = page.get_by_label("Token")
    field.fill("wrong")
    page.keyboard.press("Enter")
    page.get_by_text("does not know this token").wait_for()
    looks_right(page)
    assert page.locator("#ask").is_hidden()
    field.fill(TOKEN)
    page.get_by_role("button", name="Open").click()
    page.get_by_label("Text", exact=True).fill("awful dull")
    page.get_by_role("button", name="Answer").click()
    settled(page)
    assert page.locator(".said").inner_text().startswith("down") and field.is_hidden()
    assert TOKEN not in page.url and page.evaluate("localStorage.length") == 0


def test_a_busy_service_is_asked_again_and_a_gone_one_is_told(visit: Visits, services: tuple[str, str]) -> None:
    visit.expected += ("status of 503", "net::ERR_FAILED")
    page = opened(visit, services, "words")
    full = {"status": 503, "json": {"detail": "The queue is full."}, "headers": {"Retry-After": "2"}}
    page.route("**/predict*", lambda route: route.fulfill(**full), times=1)
    page.get_by_label("Text", exact=True).fill("awful dull")
    page.get_by_role("button", name="Answer").click()
    page.get_by_text("The service is busy; trying again").wait_for()
    settled(page)
    assert page.locator(".said").inner_text().startswith("down")
    page.route("**/predict*", lambda route: route.abort())
    page.get_by_role("button", name="Answer").click()
    page.get_by_text("The service does not answer. Is it still running?", exact=True).wait_for()


def test_the_page_of_the_routes(visit: Visits, services: tuple[str, str]) -> None:
    page = visit(services[0], dark=True, width=360)
    page.get_by_role("link", name="The same for programs").click()
    page.get_by_role("heading", name="POST /predict").wait_for()
    page.locator("summary").first.click()
    looks_right(page)
