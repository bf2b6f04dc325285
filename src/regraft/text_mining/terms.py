"""The terms that tell groups of texts apart, with texts that show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.text.log_odds import informative_prior, log_odds
from regraft.text.phrases import phrases

LEAST_Z = 1.96
ALIKE = 0.6
SHOWN = 240


@dataclass(frozen=True)
class Term:
    """A word or phrase that a group of texts uses more than the others: in ``items`` of its texts and ``others`` of the
    rest; ``z`` is the log-odds ratio over its standard error.
    """

    term: str
    z: float
    log_odds: float
    items: int
    others: int
    examples: list[str] = field(default_factory=list)


class Wording:
    """Which of ``texts`` holds which term; a text counts a term once, however often it repeats it."""

    def __init__(self, texts: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import CountVectorizer

        self.texts = texts
        least = 2 if len(texts) < 500 else 3
        counter = CountVectorizer(analyzer=phrases, binary=True, dtype=np.int32)
        try:
            held = counter.fit_transform(texts).tocsc()
            names = counter.get_feature_names_out()
        except ValueError:  # not one text holds a word
            from scipy.sparse import csc_matrix

            held, names = csc_matrix((len(texts), 0), dtype=np.int32), np.zeros(0, str)
        often = np.flatnonzero(np.asarray(held.sum(0)).ravel() >= least)
        self.held: Any = held[:, often]
        self.terms = names[often]
        self.total = np.asarray(self.held.sum(0)).ravel()

    def telling(self, chosen: NDArray[np.bool_], most: int) -> list[Term]:
        """Up to ``most`` terms of the texts ``chosen`` (n,) against the rest, the surest first.

        A term that stands in nearly the same texts as one before it is left out.
        """
        if len(self.terms) < 2 or chosen.all() or not chosen.any():
            return []
        ours = np.asarray(self.held[chosen].sum(0)).ravel()
        delta, z = log_odds(ours, self.total - ours, informative_prior(self.total))
        found: list[Term] = []
        kept: list[set[int]] = []
        # of two that stand in the same texts, the longer says more
        for w in sorted(
            np.flatnonzero(z >= LEAST_Z).tolist(), key=lambda w: (-round(float(z[w]), 6), -len(self.terms[w]))
        ):
            mine = set(self._texts_with(w, chosen).tolist())
            if any(len(mine & other) >= ALIKE * len(mine | other) for other in kept):
                continue
            kept.append(mine)
            found.append(Term(str(self.terms[w]), float(z[w]), float(delta[w]), int(ours[w]),
                              int(self.total[w] - ours[w])))  # fmt: skip
            if len(found) == most:
                break
        return found

    def examples(
        self, term: str, chosen: NDArray[np.bool_], rank: NDArray[Any], most: int, used: set[int]
    ) -> list[str]:
        """Texts of ``chosen`` that hold the term, those of the highest ``rank`` first; ``used`` ones are passed over
        and the new ones added.
        """
        found: list[str] = []
        rows = self._texts_with(int(np.searchsorted(self.terms, term)), chosen)
        for i in rows[np.argsort(-rank[rows], kind="stable")].tolist():
            text = clipped(self.texts[i])
            if i not in used and text not in found:
                used.add(i)
                found.append(text)
            if len(found) == most:
                break
        return found

    def _texts_with(self, w: int, chosen: NDArray[np.bool_]) -> NDArray[Any]:
        """The places of the texts of ``chosen`` that hold the term of number ``w``."""
        rows: NDArray[Any] = self.held.indices[self.held.indptr[w] : self.held.indptr[w + 1]]
        return rows[chosen[rows]]


def clipped(text: str) -> str:
    """The text in one line, the beginning of a long one."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[:SHOWN].rstrip() + " …"
