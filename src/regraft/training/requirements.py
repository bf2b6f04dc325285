"""What a method of training needs of the network and the data."""

from __future__ import annotations

from typing import Any

from regraft.backbones.base import Pretrained
from regraft.core.errors import InputError
from regraft.data.dataset import Dataset
from regraft.methods import METHODS
from regraft.methods.needs import Offered, check_needs


def check(network: Pretrained, data: Dataset, settings: dict[str, Any]) -> None:
    """Raises ``InputError`` where this network or this data is not for trained methods."""
    method = settings["method"]
    both = method == "joint" or settings["target"] is not None
    if network.recipe["architecture"] in ("raw", "tfidf", "fusion") and (both or data.modality != "table"):
        raise InputError(f"--method {method} trains one network on pictures or texts; the backbone is {network.name}.")
    for option in ("augment", "mix"):
        if data.modality != "image" and settings[option] not in (None, "none"):
            raise InputError(f"--{option} {settings[option]} is for pictures; these are {data.modality}s.")
    if method in METHODS:
        check_needs(METHODS.get(method), Offered(method, data.target.task, network, settings))
