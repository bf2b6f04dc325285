"""Arrays of pictures and labels as archives hold them, of whatever type: brought to bytes where that is unambiguous."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError
from regraft.core.types import LabelSpec, Problem
from regraft.tasks import TASKS
from regraft.tasks.classification import has_fractions


def as_pictures(arrays: list[NDArray[Any]], where: str) -> tuple[list[NDArray[Any]], list[Problem]]:
    """Pictures of the parts of one archive as uint8 or floats in 0..1, channels last, and what was done to them.

    Whole numbers are taken as bytes where they reach beyond 1 and not beyond 255, as 12 or 16 bits where they go
    further; floats that reach beyond 1 and not beyond 255 as bytes. What is none of these stays as it is.
    """
    problems: list[Problem] = []
    arrays = [_channels_last(a, where, problems) for a in arrays]
    filled = [a for a in arrays if a.size]
    if not filled or all(a.dtype == np.uint8 for a in filled):
        return arrays, problems
    kinds = {a.dtype.kind for a in filled}
    low, high = min(float(a.min()) for a in filled), max(float(a.max()) for a in filled)
    if kinds == {"b"}:
        return [a.astype(np.uint8) * np.uint8(255) for a in arrays], problems
    if low < 0 or not np.isfinite(high) or high <= 1 or high > 65535 or (high > 255 and "f" in kinds):
        return arrays, problems
    top, bits = next((t, b) for t, b in ((255, 8), (4095, 12), (65535, 16)) if high <= t)
    names = ", ".join(sorted({str(a.dtype) for a in filled}))
    text = f"holds pictures of type {names} from {low:g} to {high:g}; they are read as numbers of {bits} bits"
    problems.append(Problem("bit-depth", where, text))
    return [(a.astype(np.float64) * (255 / top)).round().astype(np.uint8) for a in arrays], problems


def _channels_last(array: NDArray[Any], where: str, problems: list[Problem]) -> NDArray[Any]:
    """Pictures (n, channels, h, w) as PyTorch keeps them -> (n, h, w, channels); transparency laid on white."""
    if array.ndim == 4 and array.shape[1] in (1, 3) and array.shape[3] not in (1, 3, 4):
        problems.append(Problem("channels-first", where, f"has the shape {array.shape}; read as (n, channels, h, w)"))
        array = array.transpose(0, 2, 3, 1)
    if array.ndim == 4 and array.shape[3] == 4 and array.dtype == np.uint8:
        problems.append(Problem("transparency", where, "has four channels; the fourth is taken for opacity, on white"))
        share = array[..., 3:].astype(np.float64) / 255
        array = (array[..., :3] * share + 255 * (1 - share)).round().astype(np.uint8)
    return array


def as_labels(
    values: NDArray[Any], names: tuple[str, ...] | None, where: str, task: str | None = None
) -> tuple[LabelSpec, NDArray[Any], str]:
    """Labels by their shape and type, and how they were taken: (n,) and (n, 1) of whole numbers or names are classes,
    (n, k) of 0 and 1 are k labels that may hold at once, other numbers are numbers; ``task`` overrules that where they
    can be its labels. ``names`` are those of the classes.
    """
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(f"{where} has labels that are no numbers (gaps); leave those pictures out.")
    if values.ndim == 2:
        _check_marks(values, names, where)
    elif values.ndim != 1:
        raise DataError(f"{where} has labels of the shape {values.shape}; each picture takes one, or a row of 0 and 1.")
    kind = TASKS.get(task or "")
    if kind is None or not kind.fits(values):
        several = not TASKS["classification"].fits(values)
        numbers = task is None and values.ndim == 1 and has_fractions(values)
        kind = TASKS["multilabel" if several else "regression" if numbers else "classification"]
    return kind.of_array(values, names, where)


def _check_marks(values: NDArray[Any], names: tuple[str, ...] | None, where: str) -> None:
    if values.dtype.kind not in "iufb" or not np.isin(values, (0, 1)).all():
        raise DataError(f"{where} has labels of the shape {values.shape} that are not all 0 and 1; "
                        "each picture takes one label, or a row of 0 and 1.")  # fmt: skip
    if names is not None and len(names) != values.shape[1]:
        raise DataError(f"{where} has {values.shape[1]} labels a picture and {len(names)} class_names.")
