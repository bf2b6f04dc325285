"""What a run leaves for a person to look at: predictions, a map of the features, the most confident mistakes."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import issparse

from regraft.commands.split import Rows
from regraft.data.dataset import Dataset
from regraft.data.items import Indices
from regraft.errors import UnreadableItem
from regraft.features.rows import below
from regraft.files import new_file, write_json
from regraft.model.model import Model

MAP_POINTS, MISTAKES, THUMB, MOST_LETTERS = 500, 24, 160, 400


def write_evidence(folder: Path, data: Dataset, judged: Rows, model: Model, probabilities: NDArray[Any]) -> None:
    """``predictions.csv``, ``map.csv`` and ``mistakes/`` for the judged items, into the run folder."""
    classes = data.classes
    if judged.y.ndim == 2:
        truth = ["|".join(classes[i] for i in np.flatnonzero(row)) for row in judged.y]
    else:
        truth = [classes[i] for i in judged.y]
    names = [data.items.name(int(i)) for i in judged.items]
    said, bits = model.answers(probabilities), model.entropy_bits(probabilities)
    rows = [[name, y, guess, f"{h:.6g}", *(f"{v:.9g}" for v in p)]
            for name, y, guess, h, p in zip(names, truth, said, bits, probabilities, strict=True)]  # fmt: skip
    head = ["input", "label", "predicted", "entropy_bits", *(f"p:{c}" for c in classes)]
    _write_csv(folder / "predictions.csv", [head, *rows])
    shown = _spread(len(names), MAP_POINTS)
    places = plane(judged.x[shown])
    points = [[names[i], truth[i], said[i], f"{x:.4f}", f"{y:.4f}"] for i, (x, y) in zip(shown, places, strict=True)]
    _write_csv(folder / "map.csv", [["input", "label", "predicted", "x", "y"], *points])
    if model.target.task == "classification" and data.modality != "table":
        _write_mistakes(folder / "mistakes", data, judged, probabilities)


def write_domains(path: Path, views: dict[str, tuple[NDArray[Any], NDArray[Any]]]) -> None:
    """``domains.csv``: items of the source and the target in the plane, of each named view (``before``, ``after``)."""
    rows = [["view", "domain", "x", "y"]]
    for view, both in views.items():
        some = [x[_spread(x.shape[0], MAP_POINTS // 2)] for x in both]
        names = ["source"] * some[0].shape[0] + ["target"] * some[1].shape[0]
        places = plane(below(some))
        rows += [[view, n, f"{x:.4f}", f"{y:.4f}"] for n, (x, y) in zip(names, places, strict=True)]
    _write_csv(path, rows)


def _write_csv(path: Path, rows: list[list[str]]) -> None:
    with (
        new_file(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8", errors="backslashreplace") as f,
    ):
        csv.writer(f).writerows(rows)


def _spread(n: int, most: int) -> Indices:
    """At most ``most`` of n positions, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int)) if n else np.zeros(0, int)


def plane(x: NDArray[Any]) -> NDArray[np.float64]:
    """Features (n, D) -> places (n, 2) that keep neighbours together (t-SNE, van der Maaten and Hinton 2008).

    Always the same for the same features. With fewer than 10 rows, or features that do not vary, the first two
    principal components.
    """
    from sklearn.decomposition import PCA, TruncatedSVD
    from sklearn.manifold import TSNE

    if issparse(x) and min(x.shape) > 2:
        x = TruncatedSVD(min(50, min(x.shape) - 1), random_state=0).fit_transform(x)
    elif issparse(x):
        return np.zeros((x.shape[0], 2))
    x = np.asarray(x, np.float64)
    spread = x.std(0)
    if len(x) < 3 or not spread.any():
        return np.zeros((len(x), 2))
    flat = PCA(min(30, *x.shape), random_state=0).fit_transform(x / spread.max())
    if len(x) < 10 or flat.shape[1] < 2:
        return np.pad(flat, ((0, 0), (0, 2)))[:, :2]
    perplexity = min(30, (len(x) - 1) / 3)
    places: NDArray[np.float64] = TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(flat)
    return places.astype(np.float64)


def _write_mistakes(folder: Path, data: Dataset, judged: Rows, probabilities: NDArray[Any]) -> None:
    guess, sure = probabilities.argmax(1), probabilities.max(1)
    wrong = np.flatnonzero(guess != judged.y)
    worst = wrong[np.argsort(-sure[wrong], kind="stable")][:MISTAKES]
    folder.mkdir(exist_ok=True)
    shown = []
    for number, i in enumerate(worst):
        item = int(judged.items[i])
        record = {"input": data.items.name(item), "label": data.classes[judged.y[i]],
                  "predicted": data.classes[guess[i]], "confidence": float(sure[i])}  # fmt: skip
        if data.modality == "text":
            shown.append({"text": str(data.items.load(item))[:MOST_LETTERS], **record})
            continue
        try:
            pixels = data.items.load(item)
            picture = Image.fromarray(pixels.squeeze(2) if pixels.shape[2:] == (1,) else pixels).convert("RGB")
        except UnreadableItem:
            continue
        picture.thumbnail((THUMB, THUMB))
        if max(picture.size) < THUMB // 2:
            scale = THUMB // max(picture.size)
            picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
        file = f"{number:02d}.jpg"
        with new_file(folder / file) as temporary:
            picture.save(temporary, "JPEG", quality=85)
        shown.append({"file": file, **record})
    write_json(folder / "mistakes.json", shown)
