"""Real inputs to run an exported file on beside its artefact."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.arrays import subsample
from regraft.core.errors import InputError
from regraft.data.items import Items
from regraft.inference.load import AnyPredictor
from regraft.inference.training_data import opened_again

MOST = 100
SIZES = ((224, 224), (480, 640), (333, 250), (60, 400), (31, 17), (1, 1), (96, 96), (200, 201))
"""Heights and widths of generated pictures."""


def inputs_for(predictor: AnyPredictor, data: str | None) -> tuple[Items, str]:
    """At most ``MOST`` items, spread over all, and in words what they are: those of ``data``, else what the model was
    fitted on where that is still to be found, else pictures made up. Raises ``InputError`` where there are none.
    """
    if data is not None:
        items, told = predictor.items(data), data
    else:
        try:
            items, told = opened_again(predictor.manifest).items, predictor.manifest["record"]["settings"]["data"]
        except InputError as error:
            if predictor.modality != "image":
                raise InputError(f"No items to prove the export on: {error}; --data names some.") from error
            items, told = predictor.items(made_up()), f"generated pictures, as {error}"
    if not len(items):
        raise InputError(f"{told} holds no items to prove the export on; --data names others.")
    return items.take(subsample(len(items), MOST)), told


def made_up() -> list[NDArray[Any]]:
    """Pictures of several sizes: coarse noise of few colours, no two alike."""
    rng, found = np.random.default_rng(0), []
    for height, width in 3 * SIZES:
        coarse = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
        rows, columns = (np.arange(n) * k // n for n, k in ((height, 4), (width, 5)))
        found.append(coarse[rows][:, columns])
    return found
