"""``regraft explain``: what each word of a text does to the answer, by leaving it out."""

from __future__ import annotations

from dataclasses import replace

from regraft.core.files import checked_page
from regraft.core.runtime import set_threads
from regraft.explanation.occlusion import Explanation, effects_of_words
from regraft.inference.load import load_for_texts
from regraft.reports.insights import write_explanation


def explain(
    model: str,
    text: str,
    *,
    out: str | None = None,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
) -> Explanation:
    """Leaves each word of ``text`` out in turn; its effect is how far the log-odds of the class fall.

    ``out`` is a page (.html) with the words highlighted. See `regraft.explanation.occlusion`.
    """
    page = checked_page(out)
    set_threads(threads)
    predictor = load_for_texts(model, reads="explain takes a text", tells="explain explains classes", engine=engine,
                               device=device)  # fmt: skip
    found = replace(effects_of_words(predictor, text), model=model)
    return replace(found, out=str(write_explanation(page, found))) if page else found
