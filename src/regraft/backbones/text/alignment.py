"""How word vectors of two languages are brought together by a dictionary, and judged on pairs held out of it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regraft.core.errors import DataError
from regraft.text.alignment import align as rotation
from regraft.text.alignment import unit
from regraft.text.cedict import Glosses
from regraft.text.words import words as words_of

HELD_OUT = 0.2


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
