"""The catalog's transformers for texts: from a folder, the cache, an installed package, or the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from regraft.backbones import weights
from regraft.backbones.base import Pretrained
from regraft.backbones.huggingface import text as folders
from regraft.backbones.rows import E5, MINILM, Row
from regraft.backbones.sources import cache
from regraft.backbones.sources.base import here
from regraft.backbones.sources.package import problem
from regraft.backbones.text.unpacked import unpacked, whole
from regraft.core.errors import WeightsError

ROWS = {row.name: row for row in (MINILM, E5)}


def load(row: Row, name: str, *, trained: bool = True) -> Pretrained:
    """The network of ``row``, frozen; untrained (always the same draw) where not ``trained``.

    Raises ``WeightsError``, naming the package, where it is nowhere.
    """
    network = folders.read(folder_of(row), name, trained=trained)
    network.provenance["licence"] = row.licence
    if trained:
        network.provenance |= {"weights": row.tag, "pretrained_on": row.pretrained_on}
        if row.package is not None:
            network.provenance["package"] = row.package.name
    return network


def folder_of(row: Row) -> Path:
    """The folder with the network's configuration, tokeniser and weights, made or fetched where it is not here."""
    nowhere = next(here([row]), None) is None
    if nowhere and row.hub is not None and row.package is not None and problem(row.package) is None:
        try:
            return folders.from_hub(row.hub)
        except WeightsError as error:
            raise WeightsError(
                f"The weights of {row.name} come with the package {row.package.name}, which is not installed "
                f"({row.package.command}), and {error}"
            ) from error
    path = weights.find(row.name, [row])[1]
    if row is not E5:
        return path.parent
    own = cache.folder() / Path(row.files[1]).parent
    if row.package is not None and path.name == Path(row.package.file).name:
        return unpacked(row.package, path, own)
    return whole(path.parent) if path.parent.name == own.name else path.parent
