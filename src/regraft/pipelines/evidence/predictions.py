"""What a run leaves for a person to look at: predictions, a map of the features, the most confident mistakes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.arrays import subsample
from regraft.core.errors import UnreadableItem
from regraft.core.files import new_file, write_json
from regraft.data.dataset import Dataset
from regraft.data.image.decoding import Picture
from regraft.data.image.drawing import small, tinted
from regraft.features.labelled import LabelledFeatures
from regraft.methods.probes.logistic import by_own_units
from regraft.models.model import Model
from regraft.pipelines.evidence.judged import write_csv, write_judged
from regraft.pipelines.evidence.projection import plane

Why = Callable[[Picture, int], NDArray[np.float64]]
"""A picture and the number of an output -> the map (h, w) of what that goes by."""
MAP_POINTS, MISTAKES, THUMB, MOST_LETTERS = 500, 24, 160, 400


def write_evidence(
    folder: Path, data: Dataset, judged: LabelledFeatures, model: Model, probabilities: NDArray[Any],
    groups: NDArray[Any] | None = None, why: Why | None = None,
) -> None:  # fmt: skip
    """``predictions.csv``, ``judged.csv``, ``map.csv`` and ``mistakes/`` for the judged items, into the run folder;
    ``groups`` (m,) say which of them belong together, ``why`` makes a map of what a picture's answer goes by.
    """
    write_judged(folder, data.items, judged.items, groups)
    classes = data.classes
    if model.numbers:
        truth = [f"{v:.9g}" for v in judged.y]
    elif judged.y.ndim == 2:
        truth = ["|".join(classes[i] for i in np.flatnonzero(row)) for row in judged.y]
    else:
        truth = [classes[i] for i in judged.y]
    names = [data.items.name(int(i)) for i in judged.items]
    said = model.answers(probabilities)
    if model.numbers:
        write_csv(folder / "predictions.csv", _number_rows(names, truth, model, probabilities))
    else:
        rows = [[name, y, guess, f"{h:.6g}", *(f"{v:.9g}" for v in p)] for name, y, guess, h, p in
                zip(names, truth, said, model.entropy_bits(probabilities), probabilities, strict=True)]  # fmt: skip
        head = ["input", "label", "predicted", "entropy_bits", *(f"p:{c}" for c in classes)]
        write_csv(folder / "predictions.csv", [head, *rows])
    shown = subsample(len(names), MAP_POINTS)
    seen = judged.x[shown]
    places = plane(by_own_units(seen)(seen) if data.modality == "table" else seen)
    points = [[names[i], truth[i], said[i], f"{x:.4f}", f"{y:.4f}"] for i, (x, y) in zip(shown, places, strict=True)]
    write_csv(folder / "map.csv", [["input", "label", "predicted", "x", "y"], *points])
    if data.modality != "table" and not model.several:
        _write_mistakes(folder / "mistakes", data, judged, _worst(judged.y, probabilities, model), why)


def _number_rows(names: list[str], truth: list[str], model: Model, values: NDArray[Any]) -> list[list[str]]:
    ends = model.interval(values)
    asked = model.decision.get("quantiles", ())
    head = ["input", "label", "predicted", "sigma", *(["low", "high"] if ends is not None else ()),
            *(f"q:{q:g}" for q in asked)]  # fmt: skip
    more = model.quantiles(values) if ends is None else np.hstack([ends, model.quantiles(values)])
    sigmas = np.broadcast_to(model.sigma, len(values))
    return [head, *([name, y, f"{v[0]:.9g}", f"{sigma:.9g}", *(f"{w:.9g}" for w in m)]
                    for name, y, v, sigma, m in zip(names, truth, values, sigmas, more, strict=True))]  # fmt: skip


def _worst(y: NDArray[Any], outputs: NDArray[Any], model: Model) -> list[tuple[int, dict[str, Any]]]:
    """The rows of the most confident mistakes, or of the numbers that are furthest off, and what is said of each."""
    if model.numbers:
        off = outputs[:, 0] - y
        order = np.argsort(-np.abs(off), kind="stable")[:MISTAKES]
        return [(int(i), {"label": f"{y[i]:.4g}", "predicted": f"{outputs[i, 0]:.4g}", "off": float(off[i])})
                for i in order]  # fmt: skip
    guess, sure = outputs.argmax(1), outputs.max(1)
    wrong = np.flatnonzero(guess != y)
    names = model.target.classes
    return [(int(i), {"label": names[y[i]], "predicted": names[guess[i]], "confidence": float(sure[i])})
            for i in wrong[np.argsort(-sure[wrong], kind="stable")][:MISTAKES]]  # fmt: skip


def write_line(
    folder: Path, names: list[str], label: str, learned: LabelledFeatures, judged: LabelledFeatures, model: Model
) -> None:
    """``line.json``: the fitted line of a table of one column, its band, and the rows it was learned from."""
    both = np.concatenate([learned.x[:, 0], judged.x[:, 0]])
    x = np.linspace(both.min(), both.max(), 25)[:, None]
    values = model.probabilities(x)
    ends = model.interval(values)
    how = "conformal" if ends is not None else "by its sigma"
    if ends is None:
        reach = 1.6448536269514722 * model.sigma
        ends = np.stack([values[:, 0] - reach, values[:, 0] + reach], 1)
    slope = float((values[-1, 0] - values[0, 0]) / (x[-1, 0] - x[0, 0]))
    points = {part: np.stack([r.x[:, 0], r.y], 1)[subsample(len(r.y), MAP_POINTS)].tolist()
              for part, r in (("learned from", learned), ("judged", judged))}  # fmt: skip
    level = (model.decision.get("interval") or {"level": 0.9})["level"]
    write_json(folder / "line.json", {
        "column": names[0], "label": label, "level": level, "how": how, "slope": slope,
        "intercept": float(values[0, 0] - slope * x[0, 0]), "points": points,
        "line": np.hstack([x, values[:, :1], ends]).tolist(),
    })  # fmt: skip


def _write_mistakes(
    folder: Path, data: Dataset, judged: LabelledFeatures, worst: list[tuple[int, dict[str, Any]]],
    why: Why | None,
) -> None:  # fmt: skip
    folder.mkdir(exist_ok=True)
    shown = []
    for number, (i, said) in enumerate(worst):
        item = int(judged.items[i])
        record = {"input": data.items.name(item), **said}
        if data.modality == "text":
            shown.append({"text": str(data.items.load(item))[:MOST_LETTERS], **record})
            continue
        try:
            pixels = data.items.load(item)
            picture = small(pixels, THUMB)
        except UnreadableItem:
            continue
        file = f"{number:02d}.jpg"
        with new_file(folder / file) as temporary:
            picture.save(temporary, "JPEG", quality=85)
        if why is not None:
            output = data.classes.index(said["predicted"]) if data.classes else 0
            with new_file(folder / f"{number:02d}-why.jpg") as temporary:
                tinted(picture, why(pixels, output)).save(temporary, "JPEG", quality=85)
            record["why"] = f"{number:02d}-why.jpg"
        shown.append({"file": file, **record})
    write_json(folder / "mistakes.json", shown)
