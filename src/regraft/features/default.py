"""Which network to start from when the user names none: by the sides of pictures, by the languages of texts.

What stands first was measured: see docs/weights.md and ``benchmarks/bench_defaults.py``. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from regraft.backbones.rows import E5, LITES, MINILM, OWN, TINY, TINY_TEXT
from regraft.backbones.sources.base import here
from regraft.backbones.sources.package import problem
from regraft.core.arrays import subsample
from regraft.core.errors import UnreadableItem
from regraft.core.runtime import say
from regraft.core.types import Problem
from regraft.data.items import Items
from regraft.data.text.languages import NAMES, Languages, languages_in
from regraft.data.transforms.loaders import SMALL_SIDE, load_item, sample_of, shape_of

PICTURES_LOOKED_AT, TEXTS_LOOKED_AT = 16, 1000
PHOTOS = ("efficientnet_lite2", "efficientnet_lite1", "efficientnet_lite0", "mobilenet_v2")
"""Networks for pictures larger than `SMALL_SIDE`, the best first; the last is fetched where none is here."""


@dataclass(frozen=True)
class Default:
    """``backbone`` is taken because of ``why``; ``better`` says what would be better and is not here. ``languages``
    maps the languages of the texts looked at to their number. ``fault`` is what keeps the package of a better one from
    being read.
    """

    backbone: str
    why: str
    better: str = ""
    languages: dict[str, int] = field(default_factory=dict)
    fault: str = ""

    def tell(self) -> None:
        """Says what is taken for texts and pictures; for numeric rows there is no choice."""
        if self.backbone != "raw":
            more = self.better or self.fault
            say(f"{self.backbone} by default: {self.why}{f'; {more}' if more else ''}")

    def problems(self, data: str) -> list[Problem]:
        """That something better could be had, for the list of what is done with ``data``."""
        if self.better:
            return [Problem("no-network-reads-it", data, f"{self.why}; {self.better}")]
        return [Problem("package-fault", data, f"{self.backbone} is taken; {self.fault}")] if self.fault else []


def default_for(items: Items, *others: Items, one: bool = False, weights: str | Path | None = None) -> Default:
    """The default for ``items``, and ``others`` that the same network is to read.

    Numeric rows: ``raw``. Pictures: ``regraft_tiny`` where the largest side of the first is at most 64 pixels, else the
    first of `PHOTOS` that is here. Texts: ``e5-small``, or ``tfidf`` where most are in letters that it lacks; where it
    is not here `before` if all are English, else ``tfidf``; where the language cannot be told `before`. With ``one``, a
    network that can be trained, whatever it reads. With ``weights``, the file of a person, what that has always been
    for: ``mobilenet_v2`` or `before`.
    """
    if items.modality == "table":
        return Default("raw", "the columns themselves")
    if items.modality == "text":
        return _for_texts([items, *others], one, weights is not None)
    sides = [max(sample_of(items).shape[:2])]
    for i in range(min(len(items), PICTURES_LOOKED_AT)):
        try:
            sides.append(max(shape_of(items, i)[:2]))
        except UnreadableItem:
            continue
    if max(sides) <= SMALL_SIDE:
        return Default(TINY.name, f"the pictures have at most {SMALL_SIDE} pixels a side")
    why = f"the pictures have more than {SMALL_SIDE} pixels a side"
    return Default(photos() if weights is None else PHOTOS[-1], why)


def photos() -> str:
    """The default for pictures of more than `SMALL_SIDE` pixels a side."""
    return next((name for name in PHOTOS[:-1] if is_here(name)), PHOTOS[-1])


def before() -> str:
    """What reads English beside ``e5-small``: ``minilm`` where its package is installed, else ``regraft_tiny_text``."""
    return MINILM.name if is_here(MINILM.name) else TINY_TEXT.name


def defaults() -> dict[str, str]:
    """Network -> what it is the default for on this machine."""
    found = {"raw": "tables", TINY.name: f"pictures up to {SMALL_SIDE} pixels", photos(): "larger pictures"}
    if is_here(E5.name):
        return found | {E5.name: "texts", before(): "texts of a word or two"}
    return found | {before(): "English texts"}


def is_here(name: str) -> bool:
    """Whether the weights of a network of `regraft.backbones.rows` and the library that runs it are on this machine."""
    row, library = OWN[name], "timm" if name in LITES else OWN[name].library
    return (library == "regraft" or find_spec(library) is not None) and next(here([row]), None) is not None


def languages(*items: Items) -> Languages:
    """What languages texts are in, by up to 1,000 of each of ``items``, evenly spread."""
    texts = []
    for some in items:
        for i in subsample(len(some), TEXTS_LOOKED_AT):
            try:
                texts.append(str(load_item(some, int(i))))
            except UnreadableItem:
                continue
    return languages_in(texts)


def _for_texts(items: list[Items], one: bool, weights: bool) -> Default:
    found = languages(*items)
    foreign = _named(name for name in found.main if name != "en")
    if weights or not found.main:
        why = "the language cannot be told from so few words"
        return Default(before(), "weights are given without a name" if weights else why, languages=found.texts)
    if found.main[0] == "rare":
        return _counted(NAMES["rare"], "the weights of a network that reads it, if there are any, are taken by "
                        "--backbone FOLDER", found, one)  # fmt: skip
    if is_here(E5.name):
        name = f"{E5.name}[join]" if found.cut else E5.name
        emoji = " and emoji" if "emoji" in found.main else ""
        why = f"the texts are {_named(found.main)}, and {E5.name} reads about 100 languages{emoji}"
        return Default(name, why, languages=found.texts)
    assert E5.package is not None
    fault = (problem(E5.package) or "").rstrip(".")
    if not foreign:
        return Default(before(), "the texts are English", languages=found.texts, fault=fault)
    better = fault or f"{E5.package.command} brings {E5.name}, which reads about 100 languages"
    return _counted(foreign, better, found, one)


def _counted(foreign: str, better: str, found: Languages, one: bool) -> Default:
    """Counted words and characters, since no network here reads what is ``foreign``; or the least bad network."""
    if not one:
        why = f"no network here reads {foreign}, so words and characters are counted"
        return Default("tfidf", why, better, found.texts)
    able = TINY_TEXT.name if set(found.main) <= {"zh", "en"} else E5.name if is_here(E5.name) else before()
    return Default(able, f"no network here reads {foreign} well, and one is wanted", better, found.texts)


def _named(languages: Iterable[str]) -> str:
    return " and ".join(NAMES[name] for name in languages)
