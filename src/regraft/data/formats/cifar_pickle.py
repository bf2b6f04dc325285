"""Reading a pickle of plain arrays without letting it build anything else.

Names in the pickle never reach NumPy: they are stand-ins that only take down shape, type and bytes, of which arrays
are made afterwards. So no function is called on the file's word, and no array points where it likes.
"""

from __future__ import annotations

import io
import math
import pickle
from typing import Any

import numpy as np

from regraft.core.errors import DataError

_ERRORS = (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, ImportError,
           OverflowError, RecursionError, MemoryError)  # fmt: skip


class _Type:
    """``numpy.dtype(code, ...)`` with its byte order."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code = code.decode() if isinstance(code, bytes) else str(code)
        self.order = "|"

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        self.order = order.decode() if isinstance(order, bytes) else str(order)

    def make(self) -> np.dtype[Any]:
        found = np.dtype(self.code)
        if found.kind not in "iufb":
            raise ValueError(f"an array of type {self.code!r} is not of plain numbers")
        return np.dtype(self.order + found.str[1:]) if self.order in "<>" else found


class _Array:
    """An array in the making: shape, type, order, bytes."""

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.type, self.fortran, self.data = state

    def make(self) -> np.ndarray[Any, Any]:
        kind = self.type.make()
        data = self.data.encode("latin1") if isinstance(self.data, str) else self.data
        if not isinstance(data, bytes | bytearray) or len(data) != kind.itemsize * math.prod(self.shape):
            raise ValueError("an array's bytes do not fill its shape")
        return np.frombuffer(bytes(data), kind).reshape(self.shape, order="F" if self.fortran else "C")


class _Marker:
    """``numpy.ndarray`` as a name: not to be called."""


def _reconstruct(kind: Any, *_: Any) -> _Array:
    if kind is not _Marker:
        raise pickle.UnpicklingError("it rebuilds what is no array")
    return _Array()


def _frombuffer(data: Any, kind: Any, shape: Any, order: Any = "C") -> _Array:
    made = _Array()
    made.__setstate__((1, shape, kind, order == "F", bytes(data)))
    return made


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    return str(text).encode("latin1")


_STAND_INS: dict[str, Any] = {
    "ndarray": _Marker, "dtype": _Type, "_reconstruct": _reconstruct, "_frombuffer": _frombuffer, "encode": _encode
}  # fmt: skip
_MODULES = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name in _STAND_INS and (module in _MODULES) != (module == "_codecs" and name == "encode"):
            return _STAND_INS[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no array")


def load_arrays(data: bytes, where: str) -> Any:
    """The contents of a pickle that holds nothing but arrays and containers; raises ``DataError`` for any other."""
    try:
        return _made(_ArraysOnly(io.BytesIO(data), encoding="bytes").load())
    except _ERRORS as error:
        raise DataError(f"{where} is no pickle of plain arrays ({error}); nothing in it was run.") from error


def _made(value: Any) -> Any:
    if isinstance(value, _Array):
        return value.make()
    if isinstance(value, dict):
        return {_made(k): _made(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_made(v) for v in value]
    if isinstance(value, str | bytes | int | float | bool) or value is None:
        return value
    raise ValueError(f"it holds a {type(value).__name__}")
