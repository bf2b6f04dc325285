"""`tfidf`: weighted counts of words and character sequences, the control of every network for texts.

It is fitted on the training part and travels in the artefact. Salton and Buckley 1988
(https://doi.org/10.1016/0306-4573(88)90021-0); sublinear counts, smoothed idf, rows of length 1 for each of the kinds.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack

KINDS: dict[str, dict[str, Any]] = {
    "word": {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\w+|[^\w\s]"},
    "char": {"analyzer": "char_wb", "ngram_range": (1, 4)},
}
LEAST_TEXTS, MOST_TERMS = 2, 40_000


class TfIdf:
    """Texts (n) -> sparse rows (n, D) of float32: word 1- and 2-grams, then character 1- to 4-grams.

    ``terms`` maps each kind to its terms in the order of their columns, ``idf`` to their weights.
    """

    def __init__(self, terms: dict[str, list[str]], idf: dict[str, NDArray[np.float32]]) -> None:
        self.terms, self.idf = terms, idf
        self._made = {kind: self._vectorizer(kind) for kind in KINDS}

    @classmethod
    def fitted(cls, texts: list[str]) -> TfIdf:
        """Terms that occur in two texts at least (one where there are few texts), the most frequent of them."""
        terms, idf = {}, {}
        for kind in KINDS:
            made = _new(kind, min_df=LEAST_TEXTS if len(texts) > 20 else 1, max_features=MOST_TERMS)
            try:
                made.fit(texts)
                terms[kind] = made.get_feature_names_out().tolist()
                idf[kind] = made.idf_.astype(np.float32)
            except ValueError:  # no term is left
                terms[kind], idf[kind] = [], np.zeros(0, np.float32)
        return cls(terms, idf)

    @property
    def width(self) -> int:
        return sum(len(t) for t in self.terms.values())

    def __call__(self, texts: list[str]) -> csr_matrix:
        parts = [m.transform(texts) for m in self._made.values() if m is not None] if texts else []
        if not parts or not texts:
            return csr_matrix((len(texts), self.width), dtype=np.float32)
        return hstack(parts, format="csr", dtype=np.float32)

    def _vectorizer(self, kind: str) -> Any:
        if not self.terms[kind]:
            return None
        made = _new(kind, vocabulary={t: i for i, t in enumerate(self.terms[kind])})
        made.idf_ = self.idf[kind].astype(np.float64)
        return made

    def to_bytes(self) -> bytes:
        """As JSON, for a file of the artefact."""
        idf = {k: [float(v) for v in values] for k, values in self.idf.items()}
        return json.dumps({"terms": self.terms, "idf": idf}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> TfIdf:
        """From what `to_bytes` gave."""
        record = json.loads(data)
        return cls(record["terms"], {k: np.array(v, np.float32) for k, v in record["idf"].items()})


def _new(kind: str, **more: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True, lowercase=True, dtype=np.float64, **KINDS[kind], **more)
