"""DataFrames of pandas, polars and pyarrow by what they share: columns with names. None of them is imported."""

from __future__ import annotations

from typing import Any


def is_frame(x: Any) -> bool:
    """Whether it is a table with named columns."""
    named = hasattr(x, "columns") or hasattr(x, "column_names")
    return named and getattr(x, "ndim", 2) == 2 and (hasattr(x, "iloc") or hasattr(x, "to_pydict") or
                                                     (hasattr(x, "get_column") and hasattr(x, "height")))  # fmt: skip


def frame_columns(frame: Any) -> list[tuple[str, list[Any]]]:
    """The columns in their order, each with its name as text and its n cells; names of two levels are joined."""
    if hasattr(frame, "iloc"):
        return [(_name(name), frame.iloc[:, i].tolist()) for i, name in enumerate(frame.columns)]
    if hasattr(frame, "to_pydict"):  # pyarrow
        return [(name, frame.column(i).to_pylist()) for i, name in enumerate(frame.column_names)]
    return [(name, frame.get_column(name).to_list()) for name in frame.columns]


def _name(name: Any) -> str:
    """The name of a column as text; of several levels all, those that are empty aside."""
    return " ".join(str(level) for level in name if str(level)) if isinstance(name, tuple) else str(name)
