"""How word vectors of two languages are brought together by a dictionary, and judged on pairs held out of it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.text import vectors
from regraft.core.errors import DataError, InputError
from regraft.core.files import new_file
from regraft.metrics.intervals import proportion
from regraft.text.alignment import align as rotation
from regraft.text.alignment import unit
from regraft.text.cedict import Glosses
from regraft.text.words import words as words_of

HELD_OUT = 0.2


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


def aligned(source: str, target: str, pairs: str, out: Path, seed: int) -> Alignment:
    """See `regraft.commands.align.align`; ``out`` is written."""
    (from_words, x), (to_words, y) = vectors.read(_there(source)), vectors.read(_there(target))
    if x.shape[1] != y.shape[1]:
        raise InputError(f"{source} has vectors of {x.shape[1]} numbers and {target} of {y.shape[1]}; both need one.")
    both = _pairs(_there(pairs))
    here, there = ({word: i for i, word in enumerate(words)} for words in (from_words, to_words))
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
    with new_file(out) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, words=names, vectors=table)
    return Alignment(
        out=str(out), words=len(names), dimensions=table.shape[1], pairs=len(known),
        pairs_without_vectors=len(both) - len(known), held_out=held,
        precision_at_1=hits / held if held else None, precision_ci95=proportion(hits, held) if held else None,
        by_chance=chance if held else None,
    )  # fmt: skip


def _there(path: str) -> Path:
    if not Path(path).is_file():
        raise DataError(f"There is no file {path}.")
    return Path(path)


def _pairs(path: Path) -> list[tuple[str, str]]:
    if path.suffix in (".csv", ".tsv"):
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
        for number, row in enumerate(rows, 1):
            if len(row) != 2:
                raise DataError(f"{path}: line {number} has {len(row)} columns; a pair takes two, source and target.")
        return [(a.strip(), b.strip()) for a, b in rows if a.strip() and b.strip()]
    return list(Glosses.read(path.read_bytes(), path.name).meanings.items())


def _mean(text: str, numbers: dict[str, int], table: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """The vector of a word or text (D,), of length 1; None where no word of it has one."""
    there = [text] if text in numbers else [w if w in numbers else w.lower() for w in words_of(text)]
    found = [numbers[w] for w in there if w in numbers]
    if not found:
        return None
    mean: NDArray[np.float64] = unit(unit(table[found]).mean(0, keepdims=True))[0]
    return mean


def _judged(a: NDArray[np.float64], b: NDArray[np.float64], seed: int) -> tuple[int, int, float]:
    """(hits, pairs asked, the share that guessing hits): a turn found on four fifths of the pairs, asked for the target
    of the others.
    """
    order = np.random.default_rng(seed).permutation(len(a))
    held, learn = np.split(order, [int(HELD_OUT * len(a))])
    if not len(held):
        return 0, 0, 0.0
    nearest = (a[held] @ _turn(a[learn], b[learn]) @ b.T).argmax(1)
    _, target, times = np.unique(b.round(9), axis=0, return_inverse=True, return_counts=True)
    target = target.reshape(-1)
    chance = float(times[target[held]].mean()) / len(b)
    return int((target[nearest] == target[held]).sum()), len(held), chance


def _turn(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """From the rows of a to those of b, of which each belongs to the one beside it."""
    return rotation(a, b, np.repeat(np.arange(len(a)), 2))
