"""Pages in headless Chromium: each is watched for errors in the console and for requests to others, and is looked at
for letters too faint to read and for content wider than the screen.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

LEAST_CONTRAST = 4.5
"""Of text, by WCAG 2.2 AA."""
UNREADABLE = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's chromium. Of one module only: while Playwright runs, no test can run a loop of its own."""
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium on the PATH: apt install chromium")
    with sync.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


class Visits:
    """Opens pages, and keeps what went wrong on them; ``expected`` are parts of messages that a test provokes."""

    def __init__(self, browser: Any) -> None:
        self.browser, self.contexts, self.problems, self.expected = browser, [], [], ("favicon",)

    def __call__(self, address: str | Path, *, dark: bool = False, width: int = 1100, locale: str = "en-GB") -> Any:
        """The page at an address, or in a file."""
        at = address.as_uri() if isinstance(address, Path) else address
        context = self.browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light", locale=locale
        )
        self.contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda m: self._told(f"{m.type}: {m.text}") if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self._told(f"error: {error}"))
        page.on("request", lambda request: self._asked(request.url, at))
        page.goto(at)
        return page

    def _told(self, text: str) -> None:
        if not any(part in text for part in self.expected):
            self.problems.append(text)

    def _asked(self, url: str, at: str) -> None:
        own, asked = urlsplit(at), urlsplit(url)
        same = asked[:2] == own[:2] and (own.scheme != "file" or asked.path == own.path)
        if not same and asked.scheme not in ("data", "blob"):
            self.problems.append(f"a request to {url}")

    def close(self) -> None:
        for context in self.contexts:
            context.close()
        assert not self.problems


@pytest.fixture
def visit(browser: Any) -> Iterator[Visits]:
    """Opens a page; at the end of the test there must have been nothing wrong with any."""
    found = Visits(browser)
    yield found
    found.close()


@pytest.fixture
def in_every_look(visit: Visits) -> Callable[[str | Path, Callable[[Any], None]], None]:
    """Opens a page light and dark, wide and narrow, lets it be clicked through, and looks at it."""

    def looked(address: str | Path, click: Callable[[Any], None] = lambda page: None) -> None:
        for dark, width in ((False, 1100), (True, 360)):
            page = visit(address, dark=dark, width=width)
            click(page)
            looks_right(page)

    return looked


def looks_right(page: Any) -> None:
    """Every text can be told from its ground, every picture is there, and nothing is wider than the screen."""
    assert page.evaluate(UNREADABLE, LEAST_CONTRAST) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.alt)") == []
