"""Train the embedded word vectors ``regraft_tiny_text`` for English and Chinese and write them. No labels are read.

Sources: the train part of the Chinese film reviews (spaces between words taken out) and a fixed 80 % of the English
ones; `english_parts` names the other 20 %, which is the English test part wherever this network is used. Takeaway
reviews, val and test parts are never read.

    python tools/pretrain_text.py --data ../shared/data        # about a minute on one core
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD

from regraft.text.ngrams import terms

OUT = Path(__file__).parents[1] / "src/regraft/backbones/embedded"
TERMS, DIMENSIONS = 8000, 160


def texts(path: Path) -> list[str]:
    with gzip.open(path) as f:
        return [row["text"] for row in csv.DictReader(io.TextIOWrapper(f, encoding="utf-8"))]


def english_parts(n: int = 10_662) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of reviews_en.csv.gz: the 80 % that are read here, and the 20 % that are for testing."""
    shuffled = np.random.default_rng(0).permutation(n)
    cut = n * 4 // 5
    return np.sort(shuffled[:cut]), np.sort(shuffled[cut:])


def vectors(documents: list[list[str]]) -> tuple[list[str], np.ndarray]:
    """The most frequent terms and their vectors (n, D).

    Positive pointwise mutual information of two terms in one text, brought to few dimensions by a singular value
    decomposition whose values are taken to the power 1/2 (Levy and Goldberg 2014; Levy et al. 2015, section 3.2,
    https://doi.org/10.1162/tacl_a_00134); each vector times its term's inverse document frequency, since a text is
    the mean of its terms.
    """
    frequency = Counter(t for d in documents for t in set(d))
    chosen = [t for t, _ in sorted(frequency.items(), key=lambda i: (-i[1], i[0]))[:TERMS]]
    place = {t: i for i, t in enumerate(chosen)}
    inside = [sorted({place[t] for t in d if t in place}) for d in documents]
    ends = np.cumsum([0, *(len(row) for row in inside)])
    seen = csr_matrix((np.ones(ends[-1]), np.concatenate(inside).astype(int), ends), (len(documents), len(chosen)))
    together = (seen.T @ seen).tocoo()
    count = np.asarray(seen.sum(0)).ravel()
    apart = together.row != together.col
    row, column = together.row[apart], together.col[apart]
    information = np.log(together.data[apart] * len(documents) / (count[row] * count[column]))
    positive = csr_matrix((np.maximum(information, 0), (row, column)), together.shape)
    svd = TruncatedSVD(DIMENSIONS, random_state=0, n_iter=4)
    found = svd.fit_transform(positive) / np.sqrt(svd.singular_values_)
    rarity = np.log((1 + len(documents)) / (1 + count)) + 1
    found = found * rarity[:, None]
    return chosen, (found / np.sqrt((found**2).sum(1).mean())).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    root = parser.parse_args().data
    chinese = [t.replace(" ", "") for t in texts(root / "reviews_zh_train.csv.gz")]
    english = texts(root / "reviews_en.csv.gz")
    read = [english[i] for i in english_parts(len(english))[0]]
    words, table = vectors([terms(t) for t in chinese + read])
    save_file({"table": torch.from_numpy(table).half()}, OUT / "regraft_tiny_text.safetensors")
    (OUT / "regraft_tiny_text.terms.json").write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")
    print(f"{len(words)} terms x {table.shape[1]}, from {len(chinese)} Chinese and {len(read)} English texts")


if __name__ == "__main__":
    main()
