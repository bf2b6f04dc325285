"""What a method of training needs of the network and the data."""

from __future__ import annotations

from regraft.backbones.base import Pretrained, word_vectors
from regraft.core.errors import InputError
from regraft.data.dataset import Dataset
from regraft.methods import METHODS
from regraft.methods.needs import Offered, check_needs
from regraft.options.fit import FitOptions


def check(network: Pretrained, data: Dataset, options: FitOptions) -> None:
    """Raises ``InputError`` where this network or this data is not for trained methods."""
    method = options.training.method
    both = method == "joint" or options.scenario.target is not None
    if network.recipe["architecture"] in ("raw", "tfidf", "fusion") and (both or data.modality != "table"):
        raise InputError(f"--method {method} trains one network on pictures or texts; the backbone is {network.name}.")
    for option in ("augment", "mix"):
        asked = getattr(options.training, option)
        if data.modality != "image" and asked not in (None, "none"):
            raise InputError(f"--{option} {asked} is for pictures; these are {data.modality}s.")
    if options.training.train_embeddings and (why := _no_embeddings(network, data, method)):
        raise InputError(f"--train-embeddings: {why}.")
    if str(method) in METHODS:
        check_needs(METHODS.get(str(method)), Offered(str(method), data.target.task, network, options))


def _no_embeddings(network: Pretrained, data: Dataset, method: str | None) -> str | None:
    """Why ``--train-embeddings`` would change nothing; None where it does."""
    if data.modality != "text":
        return f"only networks on texts have word vectors; these are {data.modality}s"
    if not word_vectors(network.body):
        return f"{network.name} has no word vectors beside layers of other kinds; all that it has is trained"
    if method == "scratch" or not network.pretrained:
        return "word vectors that nobody trained before are trained anyway"
    return None
