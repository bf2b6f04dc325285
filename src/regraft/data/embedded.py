"""Data that comes with the installed libraries, under ``embedded:NAME``."""

from __future__ import annotations

import numpy as np

from regraft.data.dataset import Dataset, as_names, classification_dataset
from regraft.data.items import PictureArray
from regraft.errors import UnknownName

NAMES = ("digits",)


def read(name: str) -> Dataset:
    """``digits``: scikit-learn's 1,797 handwritten digits of 8 x 8 pixels (Alpaydin and Kaynak 1998)."""
    if name not in NAMES:
        raise UnknownName("embedded data set", name, NAMES)
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = (bunch.images * (255 / 16)).round().astype(np.uint8)
    labels, classes = as_names(bunch.target)
    return classification_dataset(
        name, PictureArray(images, "digits"), labels, classes, format="embedded",
        evidence="scikit-learn's handwritten digits",
    )  # fmt: skip
