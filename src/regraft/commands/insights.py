"""``regraft insights``: what many texts say by a model of texts: classes, their words, topics, trends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from regraft.core.errors import InputError
from regraft.core.files import checked_page
from regraft.core.runtime import Stopwatch, set_threads
from regraft.inference.load import load_for_texts
from regraft.reports.insights import write_insights
from regraft.text_mining import summary
from regraft.text_mining.summary import Insights


def insights(
    model: str,
    data: Any,
    *,
    text: str | None = None,
    date: str | None = None,
    topics: int | None = None,
    out: str | None = None,
    encoding: str | None = None,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
) -> Insights:
    """``data``: a table with a column of texts (``text`` names it) and perhaps one of dates (``date``), a DataFrame, a
    file with a text on each line, a folder of text files, a list of texts. ``topics`` is how many to find, ``out`` a
    page (.html) that shows what was found.
    """
    page = checked_page(out)
    set_threads(threads)
    watch = Stopwatch("model", "words", "topics")
    predictor = load_for_texts(model, reads="insights reads texts", tells="insights counts classes", engine=engine,
                               device=device)  # fmt: skip
    if topics is not None and topics < 2:
        raise InputError(f"--topics is {topics}; it must be 2 or more.")
    opened = summary.opened(data, replace(predictor.hints, text=text, encoding=encoding), date)
    found = summary.summarise(predictor, opened, topics, watch)
    found = replace(found, model=model, data=data if isinstance(data, str) else type(data).__name__)
    return replace(found, out=str(write_insights(page, found))) if page else found
