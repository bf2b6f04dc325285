"""What a method of training needs of the network and the data."""

from __future__ import annotations

from regraft.backbones.base import Pretrained, word_vectors
from regraft.core.errors import InputError
from regraft.data.dataset import Dataset
from regraft.features.encoders.base import Mapped
from regraft.features.fusion import parts_of
from regraft.methods import METHODS
from regraft.methods.needs import Offered, check_needs
from regraft.options.fit import FitOptions
from regraft.training.defaults import method_options


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


def trainees(network: Pretrained, data: Dataset, options: FitOptions) -> list[int]:
    """Which of the networks in a fusion learn, by number, of a network alone that one; raises ``InputError`` where one
    that is to cannot be trained, or not beside the others.
    """
    parts, asked = parts_of(network), options.training
    if len(parts) == 1:
        check(network, data, options)
        return [0]
    able = [i for i, part in enumerate(parts) if not isinstance(part, Mapped) and part.body.blocks]
    if asked.train_all and len(able) < 2:
        raise InputError(f"--train-all: of {network.name} {len(able) or 'none'} can be trained; leave it out, or name "
                         "several networks.")  # fmt: skip
    found = able if asked.train_all else [0]
    for i in found:
        if i not in able:
            raise InputError(f"--method {asked.method} trains the first network of {network.name}, and "
                             f"{parts[i].name} has nothing to train: name one that has first.")  # fmt: skip
        plan = METHODS.get(str(asked.method)).plan(len(parts[i].body.blocks), method_options(asked, data.modality, 1))
        if plan.refit or plan.head == "mlp":
            raise InputError(f"--method {asked.method} ends in a head of its own, which cannot be mixed with what "
                             f"stands beside it: name one network, as in --backbone {parts[i].name}, or take "
                             "lp-ft.")  # fmt: skip
        check(parts[i], data, options)
    return found


def _no_embeddings(network: Pretrained, data: Dataset, method: str | None) -> str | None:
    """Why ``--train-embeddings`` would change nothing; None where it does."""
    if data.modality != "text":
        return f"only networks on texts have word vectors; these are {data.modality}s"
    if not word_vectors(network.body):
        return f"{network.name} has no word vectors beside layers of other kinds; all that it has is trained"
    if method == "scratch" or not network.pretrained:
        return "word vectors that nobody trained before are trained anyway"
    return None
