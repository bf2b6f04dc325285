"""``regraft insights``: what many texts say by a model of texts: classes, their words, topics, trends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from regraft.core.errors import InputError
from regraft.core.runtime import Stopwatch, set_threads
from regraft.inference.load import load
from regraft.text_mining.summary import (
    Insights,
    Topic,
    _answered,
    _opened,
    _shares,
    _topics,
    _trend,
    _why_no_words,
    _words,
)
from regraft.text_mining.terms import Wording
from regraft.text_mining.topics import FEWEST


def insights(
    model: str,
    data: Any,
    *,
    text: str | None = None,
    date: str | None = None,
    topics: int | None = None,
    encoding: str | None = None,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
) -> Insights:
    """``data``: a table with a column of texts (``text`` names it) and perhaps one of dates (``date``), a DataFrame, a
    file with a text on each line, a folder of text files, a list of texts. ``topics`` is how many to find.
    """
    set_threads(threads)
    watch = Stopwatch("model", "words", "topics")
    predictor = load(model, engine=engine, device=device)
    if predictor.model.network.spec.modality != "text":
        kind = {"image": "pictures", "table": "numbers"}[predictor.model.network.spec.modality]
        raise InputError(f"{model} is a model of {kind}, and insights reads texts: a model fitted on texts is wanted.")
    if predictor.model.numbers:
        raise InputError(f"{model} gives numbers, and insights counts classes: a model fitted on classes is wanted.")
    if topics is not None and topics < 2:
        raise InputError(f"--topics is {topics}; it must be 2 or more.")
    opened = _opened(data, replace(predictor.hints, text=text, encoding=encoding), date)
    with watch("model"):
        found, problems = _answered(predictor, opened)
    labels, notes = predictor.model.target.classes, []
    if opened.doubtful:
        notes.append(f"{opened.column}: day and month could be either way round; the day was taken to be first")
    with watch("words"):
        wording = Wording(found.texts)
        words = _words(found, wording, labels)
        if not any(words.values()):
            notes.append(_why_no_words(found, labels))
    groups: list[Topic] = []
    with watch("topics"):
        if len(found.texts) < FEWEST:
            notes.append(f"no topics: {len(found.texts)} texts are too few, {FEWEST} are the least")
        elif topics is not None and topics > len(found.texts) // 5:
            most = len(found.texts) // 5
            raise InputError(
                f"--topics is {topics}, of {len(found.texts)} texts; {most} is the most (five texts each)."
            )
        else:
            groups = _topics(found, wording, labels, predictor, topics)
            if not groups:
                notes.append("no topics: to the model all texts are the same")
    trend = _trend(found, opened, labels, notes)
    return Insights(
        model=model,
        data=data if isinstance(data, str) else type(data).__name__,
        items=len(found.texts),
        failed=sum(p.kind == "unreadable" for p in problems),
        confidence=float(found.probabilities.max(1).mean()),
        classes=_shares(found, np.ones(len(found.texts), bool), labels),
        words=words,
        topics=groups,
        trend=trend,
        notes=notes,
        problems=problems,
        seconds=watch.record(),
    )
