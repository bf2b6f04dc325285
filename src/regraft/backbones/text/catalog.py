"""Networks for texts by name.

``minilm``; ``e5-small``; ``regraft_tiny_text``, which comes with regraft; ``hf/ORG/NAME`` of the Hugging Face hub; a
folder with a ``config.json``; ``vectors:PATH``, a table of word vectors. ``random:`` before it is the same network
untrained, ``@layer.3`` behind it its first blocks, and ``[halfwidth+pinyin]`` the view of the text that it gets.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from regraft.backbones.base import Body, Pretrained
from regraft.backbones.blocks import chain_of
from regraft.backbones.huggingface import text as folders
from regraft.backbones.sources.embedded import EMBEDDED
from regraft.backbones.text import published, transformer, vectors
from regraft.backbones.text.tokeniser import DICTIONARY
from regraft.core.errors import InputError, WeightsError
from regraft.text.views import dictionary_of, steps, view

OWN = (*published.ROWS, vectors.TINY)


class Name(NamedTuple):
    """The parts of a name; what is not given is empty."""

    base: str
    view: str = ""
    block: str = ""
    random: bool = False


def parse(name: str) -> Name:
    """``random:BASE[VIEW]@BLOCK`` in its parts; the view may also stand last."""
    random = name.startswith("random:")
    rest, shown, block = name.removeprefix("random:"), "", ""
    if not Path(rest).expanduser().is_dir():
        if found := re.search(r"\[([^\[\]]*)\](?=$|@[^/\\@]*$)", rest):
            rest, shown = rest[: found.start()] + rest[found.end() :], found[1]
        if (found := re.search(r"@([^/\\@]+)$", rest)) and not Path(rest).expanduser().exists():
            rest, block = rest[: found.start()], found[1]
    return Name(rest, shown, block, random)


def is_text(name: str) -> bool:
    """Whether a name is that of a network for texts."""
    base = parse(name).base
    if base in OWN or base.startswith(("hf/", "vectors:")):
        return True
    folder = Path(base).expanduser()
    is_path = "/" in base or "\\" in base
    return chain_of(base) is None and folder.is_dir() and (is_path or (folder / folders.CONFIG).is_file())


def folder_of(name: str) -> Path | None:
    """The folder that a name of a transformer means, fetched where it is on the hub; None for other names."""
    base = parse(name).base
    if base.startswith("hf/"):
        return folders.from_hub(base.removeprefix("hf/"))
    folder = Path(base).expanduser()
    return folder if (folder / folders.CONFIG).is_file() and base not in OWN else None


def load(name: str, weights: str | Path | None = None) -> Pretrained:
    """The network called ``name``, frozen and in eval mode; raises ``InputError`` and ``WeightsError``."""
    base, shown, block, random = parse(name)
    if weights is not None:
        raise InputError(f"--weights {weights}: {base} brings its own; to use others, name their folder in --backbone.")
    if base.startswith("vectors:"):
        network = vectors.load(Path(base.removeprefix("vectors:")).expanduser(), name, trained=not random)
    elif base == vectors.TINY:
        network = vectors.embedded(EMBEDDED, name, trained=not random)
    elif base in published.ROWS:
        network = published.load(published.ROWS[base], name, trained=not random)
    else:
        folder = folders.from_hub(base.removeprefix("hf/")) if base.startswith("hf/") else Path(base).expanduser()
        network = folders.read(folder, name, trained=not random)
    if shown:
        network = viewed(network, shown)
    if block:
        network.body = network.body.upto(block)
        network.recipe["block"] = block
    network.body.freeze().eval()
    return network


def viewed(network: Pretrained, chain: str) -> Pretrained:
    """The network with a view of its own: it keeps the dictionary that a gloss step names."""
    names = steps(chain)
    path = dictionary_of(names)
    if path is not None:
        network.files[DICTIONARY] = path.read_bytes()
    view(names, network.files.get(DICTIONARY))  # a dictionary that is none is told of now, not at the first text
    network.spec = replace(network.spec, view=names)
    network.provenance.pop("digest", None)
    return network


def body_of(recipe: dict[str, Any], *, initialise: bool = False) -> Body:
    """The body that a recipe describes, without its weights; a transformer with ``initialise`` is drawn."""
    if recipe["library"] == "vectors":
        body = vectors.body(recipe["words"], recipe["dimensions"])
    elif recipe["library"] == "transformers":
        body = transformer.body_of(transformer.build(recipe, initialise=initialise), recipe)
    else:
        raise WeightsError(f"This regraft does not know the library {recipe['library']!r} of a network for texts.")
    return body.upto(recipe["block"]) if recipe.get("block") else body
