"""``regraft align``: the word vectors of two languages in one file, so that what is learned in one serves the other."""

from __future__ import annotations

from dataclasses import replace

from regraft.backbones.text.alignment import Alignment, aligned
from regraft.core.errors import InputError
from regraft.core.files import output


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
    return replace(aligned(source, target, pairs, path, seed), out=out)
