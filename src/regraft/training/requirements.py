"""What a method of training needs of the network and the data."""

from __future__ import annotations

from typing import Any

from regraft.backbones.base import Pretrained
from regraft.core.errors import InputError
from regraft.data.dataset import Dataset


def check(network: Pretrained, data: Dataset, settings: dict[str, Any]) -> None:
    """Raises ``InputError`` where this network or this data is not for trained methods."""
    method = settings["method"]
    both = method == "joint" or settings["target"] is not None
    if network.recipe["architecture"] in ("raw", "tfidf", "fusion") and (both or data.modality != "table"):
        raise InputError(f"--method {method} trains one network on pictures or texts; the backbone is {network.name}.")
    if method == "joint" and network.body.fixed:
        raise InputError(f"--method joint: {network.name} has a part that stays as it is, and every domain wants its "
                         "own statistics; name one network.")  # fmt: skip
    for option in ("augment", "mix"):
        if data.modality != "image" and settings[option] not in (None, "none"):
            raise InputError(f"--{option} {settings[option]} is for pictures; these are {data.modality}s.")
