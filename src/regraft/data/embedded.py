"""Data that comes with regraft or the installed libraries, under ``embedded:NAME``."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from regraft.core.errors import UnknownName
from regraft.data.dataset import Dataset, as_names, classification_dataset
from regraft.data.items import PictureArray, Texts


def read(name: str) -> Dataset:
    """The data of that name; raises ``UnknownName``."""
    if name not in NAMES:
        raise UnknownName("embedded data set", name, [*NAMES])
    return replace(NAMES[name](), format="embedded")


def digits() -> Dataset:
    """scikit-learn's 1,797 handwritten digits of 8 x 8 pixels (Alpaydin and Kaynak 1998)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = (bunch.images * (255 / 16)).round().astype(np.uint8)
    labels, classes = as_names(bunch.target)
    evidence = "scikit-learn's handwritten digits"
    return classification_dataset("digits", PictureArray(images, "digits"), labels, classes, evidence=evidence)


def reviews() -> Dataset:
    """60 short reviews written for regraft, half of them English and half Chinese, half of each positive."""
    with open(Path(__file__).with_name("reviews.csv"), encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    labels, classes = as_names(np.array([r["label"] for r in rows]))
    items = Texts([r["text"] for r in rows], "reviews")
    return classification_dataset("reviews", items, labels, classes, evidence="short reviews in two languages")


NAMES = {"digits": digits, "reviews": reviews}
