"""Lists, tensors and arrays of Python callers, brought to plain lists and NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from regraft.core.errors import DataError
from regraft.data.image.decoding import from_array
from regraft.data.items import PictureObjects, picture_array


def listed(x: Any, what: str) -> list[Any] | None:
    """The members of a list, a Series, or an array of objects or texts; None for arrays of numbers.

    Raises ``DataError`` for what can be walked through only once, or in no order.
    """
    if isinstance(x, np.ndarray):
        column = x[:, 0] if x.ndim == 2 and x.shape[1] == 1 and x.dtype.kind in "UOST" else x
        return column.tolist() if column.ndim == 1 and column.dtype.kind in "UOST" else None
    if isinstance(x, Sequence) and not isinstance(x, str | bytes | bytearray | memoryview):
        return list(x)
    if hasattr(x, "to_pylist"):  # pyarrow
        return list(x.to_pylist())
    if getattr(x, "ndim", 1) == 1 and hasattr(x, "to_list"):  # pandas, polars
        return list(x.to_list())
    if not hasattr(x, "__len__") and not hasattr(x, "__array__"):
        raise DataError(f"{what} is a {type(x).__name__}, which can be walked through once; hand over list(x).")
    return None


def as_array(x: Any, what: str) -> NDArray[Any]:
    """A list, tensor or array of numbers as one array; raises ``DataError`` where it is none or has gaps."""
    if isinstance(x, np.ma.MaskedArray):
        if np.ma.is_masked(x):
            raise DataError(f"{what} is a masked array with masked values; fill them, or leave their items out.")
        return np.asarray(x.data)
    try:
        array = np.asarray([plain(v) for v in x] if isinstance(x, list | tuple) else plain(x))
    except (ValueError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{what} is no array: its members are of unlike shapes or types ({reason}).") from error
    if hasattr(x, "detach") and array.ndim == 3 and array.shape[0] in (1, 3):
        raise DataError(f"{what} has the shape {array.shape}: one picture, channels first? Pictures are (n, h, w, 3): "
                        "x.permute(1, 2, 0)[None].")  # fmt: skip
    return array


def plain(value: Any) -> Any:
    """A tensor as an array, wherever it lies; anything else as it is."""
    if not (hasattr(value, "detach") and hasattr(value, "cpu")):
        return value
    here = value.detach().cpu()
    return (here.float() if "bfloat16" in str(here.dtype) else here).numpy()  # NumPy has no bfloat16


def one_shape(values: Sequence[Any]) -> bool:
    """Whether all arrays have one shape."""
    return len({tuple(v.shape) for v in values}) == 1


def picture_objects(values: Sequence[Any], what: str) -> PictureObjects:
    """Arrays of pictures of several sizes, (h, w) or (h, w, 1 or 3), as Pillow pictures.

    Raises ``DataError`` naming the first that is none.
    """
    images = []
    for i, value in enumerate(values):
        array, name = as_array(value, f"{what}[{i}]"), f"{what}[{i}]"
        if array.ndim == 3 and array.shape[2] not in (1, 3):
            raise DataError(f"{name} has the shape {array.shape}; a picture is (h, w) or (h, w, 3), channels last and "
                            "without transparency.")  # fmt: skip
        if array.ndim not in (2, 3):
            raise DataError(f"{name} has the shape {array.shape}; a picture is (h, w) or (h, w, 3).")
        picture_array(array[None], name)
        pixels = from_array(array)
        images.append(Image.fromarray(pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels))
    return PictureObjects(images)
