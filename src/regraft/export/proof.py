"""An exported file is run beside the artefact, on real inputs, before it gets its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from regraft.core.errors import DataError, InputError
from regraft.core.runtime import track
from regraft.data.items import Items
from regraft.export.base import Arrays, Exportable, apart
from regraft.export.paired import paired
from regraft.export.predict import Run

LIMIT = 1e-3
"""How far answers in float32 may lie apart: probabilities, numbers in units of sigma, boxes in sides of a frame."""
SPREAD = 1e-3
"""No finer unit is taken for numbers than this share of the largest: float32 carries a thousandth of it, no more."""


@dataclass(frozen=True)
class Proof:
    """On what ``data`` and how many ``items`` a file was run beside its artefact, how many of their labels were the
    same (None where there are no labels), and the largest difference of an output, in ``units`` where it is a number.
    """

    data: str
    items: int
    labels_equal: int | None
    largest_difference: float

    @property
    def holds(self) -> bool:
        """Whether it answers as the artefact does."""
        return self.labels_equal in (None, self.items) and self.largest_difference <= LIMIT


def proof(run: Run, exportable: Exportable, items: Items, data: str) -> Proof:
    """Runs both on ``items``; raises ``DataError`` where none of them can be read."""
    most, equal, count, labelled = 0.0, 0, 0, False
    for given, wanted in track(exportable.feeds(items), "proving", len(items)):
        said, count = run(given), count + 1
        if "boxes" in wanted:
            said, wanted = paired(said, wanted, exportable.about["decision"]["threshold"], LIMIT)
        most = max(most, apart(in_units(said, wanted, exportable.about), in_units(wanted, wanted, exportable.about)))
        labels = [labels_of(one, exportable.about) for one in (said, wanted)]
        labelled = labels[1] is not None
        equal += labelled and np.array_equal(*labels)  # type: ignore[arg-type]
    if not count:
        raise DataError(f"None of the {len(items)} items of {data} can be read, to prove the export on; --data names "
                        "others.")  # fmt: skip
    return Proof(data, count, int(equal) if labelled else None, most)


def proven(run: Run, exportable: Exportable, items: Items, data: str) -> Proof:
    """`proof`; raises ``InputError`` where the file does not answer as the artefact does."""
    found = proof(run, exportable, items, data)
    if not found.holds:
        same = "" if found.labels_equal is None else f"{found.labels_equal} of {found.items} labels are the same, "
        raise InputError(f"Nothing was written: the exported file does not answer as the model does ({same}the largest "
                         f"difference is {found.largest_difference:.2g}, allowed is {LIMIT:g}, on {data}); try another "
                         "--to, or regraft.load(MODEL).to_torch().")  # fmt: skip
    return found


def in_units(said: Arrays, wanted: Arrays, about: dict[str, Any]) -> Arrays:
    """Outputs in the units that ``about`` has for some of them: numbers in their sigma."""
    units = about.get("units", {})
    return {name: values.astype(float) / max(units[name], SPREAD * float(np.abs(wanted[name]).max(initial=0)), 1e-30)
            if name in units else values for name, values in said.items()}  # fmt: skip


def labels_of(said: Arrays, about: dict[str, Any]) -> Any:
    """What outputs decide, None for numbers: the class, which classes there are, or those of the boxes."""
    if "labels" in said:
        return said["labels"]
    if "probabilities" not in said:
        return None
    p = said["probabilities"]
    if about["link"] == "sigmoid":
        return p >= np.array(about["decision"].get("thresholds", 0.5))
    return p.argmax()
