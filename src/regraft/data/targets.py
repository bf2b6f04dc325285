"""What Python callers hand over as ``y``: labels and numbers, in the types they were given in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from regraft.core.errors import DataError
from regraft.data.arrays import as_array, listed, plain

# scikit-learn's conformance checks ask for some of the words below


def as_labels(y: Any, n: int) -> NDArray[Any]:
    """(n,) labels in the type that they have in ``y``: of a column of Int64 or of categories that of its values.

    Raises ``DataError`` where one is missing, where numbers and texts are mixed, or where there are not n.
    """
    values = _column(y, "class")
    if values.dtype.kind in "OU":
        for i, value in enumerate(values.tolist()):
            if not isinstance(value, str | int | float | bool | np.generic):
                raise DataError(f"Unknown label type: y[{i}] is {value!r}; write labels as texts or whole numbers.")
            if isinstance(value, str) and not value.strip():
                raise DataError(f"y[{i}] is empty, and each item takes a class; leave out what has none.")
    try:
        check_classification_targets(values)
    except (ValueError, TypeError) as error:
        raise DataError(str(error)) from error
    return _of_length(values, n, "labels", "label")


def as_numbers(y: Any, n: int) -> NDArray[np.float64]:
    """(n,) finite numbers; raises ``DataError`` naming the place of one that is none."""
    values = _column(y, "number")
    try:
        numbers = values.astype(np.float64)
    except (ValueError, TypeError) as error:
        raise DataError(_no_number(values) or str(error)) from error
    _require_finite(numbers, "number")
    return _of_length(numbers, n, "numbers", "")


def _no_number(values: NDArray[Any]) -> str | None:
    for i, value in enumerate(values.tolist()):
        try:
            float(value)
        except (ValueError, TypeError):
            return f"y[{i}] is {value!r}, which is no number."
    return None


def _of_length(values: NDArray[Any], n: int, things: str, one: str) -> NDArray[Any]:
    if len(values) != n:
        each = f"each item takes one {one}".rstrip()
        raise DataError(f"X has {n} items and y {len(values)} {things}; {each}.")
    return values


def _column(y: Any, one: str) -> NDArray[Any]:
    """``y`` as an array (n,) without gaps."""
    if y is None:
        raise DataError("fit requires y to be passed, but the target y is None.")
    several = isinstance(y, Iterable) or hasattr(y, "__array__")
    if isinstance(y, str | bytes | Mapping | set | frozenset) or not several or hasattr(y, "toarray"):
        kind = type(y).__name__
        raise DataError(f"y is of the type {kind}; wanted is a list, an array or a Series with a {one} for each item.")
    y = plain(y)
    found = y if isinstance(y, np.ndarray) or getattr(y, "ndim", 1) != 1 else listed(y, "y")
    if isinstance(found, list):
        _require_all(found, one)
        _require_one_kind(found)
    array = as_array(y if found is None else found, "y")
    if array.dtype.kind == "c":
        raise DataError(f"Complex data not supported: y[0] is {array.ravel()[0]}.")
    if array.ndim == 2 and array.shape[1] > 1:
        way = "of one-hot rows y.argmax(1) is one; several classes" if one == "class" else "several numbers"
        raise DataError(f"y has the shape {array.shape}, and should be a 1d array: {way} an item are learned by "
                        "regraft.fit.")  # fmt: skip
    try:
        array = column_or_1d(array, warn=True)
    except (ValueError, TypeError) as error:
        raise DataError(" ".join(str(error).split())) from error
    if array.dtype.kind == "O":
        _require_all(array.tolist(), one)
        _require_one_kind(array.tolist())
    _require_finite(array, one)
    return np.asarray(array.tolist()) if _boxed_numbers(array) else array


def _require_all(values: list[Any], one: str) -> None:
    for i, value in enumerate(values):
        if value is None or str(value) in ("<NA>", "NaT") or (isinstance(value, float) and value != value):
            raise _gap(i, value, one)


def _require_finite(array: NDArray[Any], one: str) -> None:
    bad = ~np.isfinite(array) if array.dtype.kind == "f" else np.isnat(array) if array.dtype.kind in "mM" else None
    if bad is None or not bad.any():
        return
    i = int(np.flatnonzero(bad)[0])
    if array.dtype.kind == "f" and np.isinf(array[i]):
        raise DataError(f"Input y contains infinity or a value too large for dtype('float64'): y[{i}] is {array[i]}.")
    raise _gap(i, array[i], one)


def _gap(i: int, value: Any, one: str) -> DataError:
    return DataError(f"Input y contains NaN: y[{i}] is {value}, and each item takes a {one}; leave out what has none.")


def _require_one_kind(values: list[Any]) -> None:
    texts = [isinstance(v, str) for v in values]
    if any(texts) and not all(texts):
        a, b = texts.index(True), texts.index(False)
        raise DataError(f"y mixes texts and others: y[{a}] is {values[a]!r} and y[{b}] is {values[b]!r}; write all "
                        "labels in one way.")  # fmt: skip


def _boxed_numbers(array: NDArray[Any]) -> bool:
    """Whether an array of objects holds numbers or booleans of one kind, as columns of Int64 do."""
    kinds = {type(v) for v in array.tolist()} if array.dtype.kind == "O" else set()
    return len(kinds) == 1 and kinds <= {int, float, bool}
