"""``regraft align``: the word vectors of two languages in one file, so that what is learned in one serves the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from regraft.backbones.text import vectors
from regraft.backbones.text.alignment import _judged, _mean, _pairs, _turn
from regraft.core.errors import DataError, InputError
from regraft.core.files import new_file, output
from regraft.metrics.intervals import proportion
from regraft.text.alignment import unit


@dataclass(frozen=True)
class Alignment:
    """What ``--json`` prints. ``precision_at_1``: of the pairs held out, how often the nearest of the target's words
    (of all that pairs name) is the right one, with its 95 % interval; ``by_chance`` is what guessing among them
    reaches, where several pairs may name one target.
    """

    out: str
    words: int
    dimensions: int
    pairs: int
    pairs_without_vectors: int
    held_out: int
    precision_at_1: float | None
    precision_ci95: tuple[float, float] | None
    by_chance: float | None


def align(source: str, target: str, pairs: str, *, out: str, overwrite: bool = False, seed: int = 0) -> Alignment:
    """Turns the vectors of ``source`` into the space of ``target`` and writes both as one table to ``out`` (.npz).

    ``pairs``: a dictionary in CC-CEDICT's format, or a CSV with two columns, words or texts of the source's language
    and what they mean in the target's. A text counts as the mean of its words' vectors. A fifth of the pairs first
    judges a turn found on the rest; the turn that is written is found on all. Of a word in both files the target's
    vector is kept. Raises ``InputError`` where files cannot be read or no pair has vectors on both sides.
    """
    path = output(out)
    if path.suffix != ".npz":
        raise InputError(f"--out {out}: the vectors are written as .npz; give a name that ends so.")
    if path.exists() and not overwrite:
        raise InputError(f"{out} exists; --overwrite replaces it.")
    (from_words, x), (to_words, y) = vectors.read(_there(source)), vectors.read(_there(target))
    if x.shape[1] != y.shape[1]:
        raise InputError(f"{source} has vectors of {x.shape[1]} numbers and {target} of {y.shape[1]}; both need one.")
    both = _pairs(_there(pairs))
    here, there = _numbers(from_words), _numbers(to_words)
    found = ((_mean(s, here, x), _mean(t, there, y)) for s, t in both)
    known = [(a, b) for a, b in found if a is not None and b is not None]
    if not known:
        raise InputError(f"None of the {len(both)} pairs in {pairs} has vectors on both sides.")
    a, b = (np.stack(side) for side in zip(*known, strict=True))
    hits, held, chance = _judged(a, b, seed)
    turn = _turn(a, b)
    missing = [i for i, word in enumerate(from_words) if word not in there]
    table = np.concatenate([unit(y), unit(x[missing]) @ turn]).astype(np.float32)
    names = np.array([*to_words, *(from_words[i] for i in missing)])
    with new_file(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, words=names, vectors=table)
    return Alignment(
        out=out, words=len(names), dimensions=table.shape[1], pairs=len(known),
        pairs_without_vectors=len(both) - len(known), held_out=held,
        precision_at_1=hits / held if held else None, precision_ci95=proportion(hits, held) if held else None,
        by_chance=chance if held else None,
    )  # fmt: skip


def _there(path: str) -> Path:
    if not Path(path).is_file():
        raise DataError(f"There is no file {path}.")
    return Path(path)


def _numbers(words: list[str]) -> dict[str, int]:
    return {word: i for i, word in enumerate(words)}
