"""What a person should know of how networks read texts: in windows, cut, or in a script that they do not know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from regraft.backbones.base import Pretrained
from regraft.backbones.text.tokeniser import Subwords
from regraft.core.errors import UnreadableItem
from regraft.core.types import Problem
from regraft.data.items import Items
from regraft.data.transforms.loaders import load_item
from regraft.features.encoders.base import Mapped
from regraft.features.fusion import parts_of

AT_ONCE, SAMPLE = 512, 1000
"""So many texts are tokenised at once; what no network knows is counted in so many, evenly spaced."""
UNKNOWN_CHARACTERS, UNKNOWN_WORDS = 0.05, 0.5
"""From such a share on it is told of: a tokeniser that knows the script lacks single signs, word vectors many words."""


def reading_problems(network: Pretrained, data: Sequence[Items], name: str) -> list[Problem]:
    """How the networks side by side in ``network`` read the texts of ``data``, called ``name``; nothing of other items.
    Texts that cannot be read are left to who reads them.
    """
    parts = [p for p in parts_of(network) if p.spec.modality == "text" and not isinstance(p, Mapped)]
    return [problem for part in parts for problem in [*_lengths(part, data, name), *_unknown(part, data, name)]]


def _lengths(network: Pretrained, data: Sequence[Items], name: str) -> Iterator[Problem]:
    """Texts that are read in windows, and those that are cut. Of words without a network the mean is the same either
    way.
    """
    spec, ends = network.spec, sum(network.tokeniser.ends)
    if not spec.tokens:
        return
    long = cut = count = 0
    most = spec.windows * (spec.tokens - ends)
    for texts in _chunks(data):
        count += len(texts)
        # of so few bytes no tokeniser makes more tokens, whatever view lengthens the text
        may = texts if spec.view else [t for t in texts if len(t.encode("utf-8", "replace")) > spec.tokens - ends]
        for text, row in zip(may, network.tokeniser.encode(may), strict=True):
            long += len(row) > spec.tokens
            cut += 0 < most < len(row) - ends or 0 < spec.characters < len(text)
    if long and isinstance(network.tokeniser, Subwords):
        yield Problem("long-texts", name, f"holds {_of(long, count)} longer than the {spec.tokens} tokens that "
                      f"{network.name} takes: they are read in windows of that many, whose features are averaged by "
                      "their tokens; a method that trains the network learns from their beginning")  # fmt: skip
    if cut:
        yield Problem("cut-texts", name, f"holds {_of(cut, count)} longer than {spec.windows} windows of {spec.tokens} "
                      f"tokens, which are all that {network.name} reads: they are cut there")  # fmt: skip


def _unknown(network: Pretrained, data: Sequence[Items], name: str) -> Iterator[Problem]:
    """Texts in a script, or of words, that the tokeniser has no numbers for."""
    total = sum(map(len, data))
    some = [t for texts in _chunks(data, max(1, total // SAMPLE)) for t in texts]
    share, subwords = network.tokeniser.unknown(some), isinstance(network.tokeniser, Subwords)
    if share >= (UNKNOWN_CHARACTERS if subwords else UNKNOWN_WORDS):
        what = "characters" if subwords else "words"
        yield Problem("unknown-script", name, f"holds {share:.0%} {what} that the tokeniser of {network.name} does not "
                      "know, which was made for other languages: take a network that reads these, or "
                      "tfidf")  # fmt: skip


def _chunks(data: Sequence[Items], step: int = 1) -> Iterator[list[str]]:
    """The texts that can be read, every ``step``-th, some at once."""
    found: list[str] = []
    for items in data:
        for i in range(0, len(items), step):
            try:
                found.append(str(load_item(items, i)))
            except UnreadableItem:
                continue
            if len(found) == AT_ONCE:
                yield found
                found = []
    yield found


def _of(some: int, count: int) -> str:
    return f"{some:,} text{'' if some == 1 else 's'} (of {count:,})"
