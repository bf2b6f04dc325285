"""What each word of a text does to the answer, by leaving it out.

Occlusion after Zeiler and Fergus 2014 (https://arxiv.org/abs/1311.2901) and, for words, Li, Monroe and Jurafsky 2016
(https://arxiv.org/abs/1612.08220). A word said twice can hide its own effect: one of them is always left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.arrays import stack_rows
from regraft.core.errors import InputError
from regraft.data.items import Texts
from regraft.inference.predictor import Predictor
from regraft.models.card import no_gain
from regraft.text.phrases import spans

MOST = 200
"""The most passages left out of one text; of a longer one, several words at a time."""


@dataclass(frozen=True)
class WordEffect:
    """The word at ``start`` to ``end`` of the text, and what it adds to the log-odds of a class: above 0 it speaks for
    the class, below 0 against it.
    """

    word: str
    start: int
    end: int
    effect: float


@dataclass(frozen=True)
class ClassEffects:
    """The words of a text in its order, with their effects on one class; ``given`` where the model gives the class."""

    label: str
    probability: float
    given: bool
    words: list[WordEffect]


@dataclass(frozen=True)
class Explanation:
    """Why a text got its ``label``: of one class, the predicted one's words; where several may be true, each class's.

    ``words_at_once`` is above 1 where a text is so long that neighbours were left out together. ``warning`` says where
    the model was not shown to be better than its controls; None where it was, or where that is not known.
    """

    model: str
    text: str
    label: str
    probabilities: dict[str, float]
    classes: list[ClassEffects]
    words_at_once: int = 1
    out: str | None = None
    warning: str | None = None


def _without(text: str, start: int, end: int) -> str:
    """The text without a passage, and without the second of the blanks around it."""
    before, after = text[:start], text[end:]
    return before + (after[1:] if after[:1].isspace() and (not before or before[-1].isspace()) else after)


def _logits(predictor: Predictor, texts: list[str]) -> NDArray[np.float64]:
    """(n, K), of all texts in one go."""
    parts = list(predictor.runner.stream(Texts(texts, "text"), "words left out"))
    failed = {i: why for p in parts for i, why in p.failed.items()}
    if failed:
        raise InputError(f"The text cannot be explained: {next(iter(failed.values()))}.")
    return predictor.model.logits(stack_rows([p.rows for p in parts])).astype(np.float64)


def log_odds(logits: NDArray[np.float64], several: bool) -> NDArray[Any]:
    """(n, K) log p / (1 - p) of each class; of one class among K, its logit less those of the others taken together."""
    if several:
        return logits
    from scipy.special import logsumexp

    others = [logsumexp(np.delete(logits, c, axis=1), axis=1) for c in range(logits.shape[1])]
    return logits - np.stack(others, 1)


def effects_of_words(predictor: Predictor, text: str) -> Explanation:
    """How far the log-odds of the class fall where each word of ``text`` is left out. Raises ``InputError`` where there
    are fewer than two.
    """
    words = spans(text)
    if len(words) < 2:
        raise InputError(f"The text has {len(words) or 'no'} word{'s' * (len(words) != 1)}; two are needed, so that "
                         "something is left when one is left out.")  # fmt: skip
    at_once = -(-len(words) // MOST)
    passages = [(words[i][0], words[min(i + at_once, len(words)) - 1][1]) for i in range(0, len(words), at_once)]
    logits = _logits(predictor, [text, *(_without(text, *p) for p in passages)])
    model, target, known = predictor.model, predictor.model.target, predictor.model.from_logits(logits[:1])
    odds = log_odds(logits, model.several)
    label = model.answers(known)[0]
    given = set(label.split("|")) if model.several else {label}
    classes = [
        ClassEffects(name, float(known[0, c]), name in given,
                     [WordEffect(text[a:b], a, b, float(odds[0, c] - odds[i, c]))
                      for i, (a, b) in enumerate(passages, 1)])
        for c, name in enumerate(target.classes) if model.several or name in given
    ]  # fmt: skip
    shares = {name: float(p) for name, p in zip(target.classes, known[0], strict=True)}
    said = no_gain(predictor.manifest["record"])
    warning = said and f"{said} These words are what it goes by, not what is known to tell the classes apart."
    return Explanation("", text, label, shares, classes, at_once, warning=warning)
