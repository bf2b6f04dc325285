"""Writes docs/options.md from what `regraft.options` declares: ``python tools/options_page.py``."""

from pathlib import Path

from regraft.options.reference import page

if __name__ == "__main__":
    (Path(__file__).parents[1] / "docs/options.md").write_text(page(), encoding="utf-8")
