"""A SentencePiece tokeniser of the unigram kind (Kudo 2018), built of its parts with the library tokenizers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from regraft.backbones.text.charsmap import compiled
from regraft.text.words import need

BLANK = "\u2581"
"""What stands for a blank in the pieces."""


@dataclass(frozen=True)
class Unigram:
    """The parts: ``pieces`` by number with the logarithms of their probabilities, the numbers of the special tokens,
    and what takes the place of single characters before anything else.
    """

    pieces: Sequence[str]
    scores: Sequence[float]
    first: int
    last: int
    pad: int
    unknown: int
    characters: Mapping[str, str]

    def to_json(self) -> bytes:
        """The tokeniser as a ``tokenizer.json``.

        Characters are replaced, several blanks become one, one is put in front, and of all ways to cut a text into
        pieces the likeliest is taken, with ``first`` and ``last`` at its ends. What is no piece is unknown, a run of
        it one token.
        """
        library = need("tokenizers", "A tokeniser of unigrams")
        made = library.Tokenizer(library.models.Unigram(list(zip(self.pieces, self.scores, strict=True)), self.unknown))
        steps = [library.normalizers.Replace(library.Regex(" {2,}"), " ")]
        if self.characters:
            steps.insert(0, library.normalizers.Precompiled(compiled(self.characters)))
        made.normalizer = library.normalizers.Sequence(steps)
        made.pre_tokenizer = library.pre_tokenizers.Metaspace(replacement=BLANK, prepend_scheme="always")
        made.decoder = library.decoders.Metaspace(replacement=BLANK, prepend_scheme="always")
        begin, end = self.pieces[self.first], self.pieces[self.last]
        made.post_processor = library.processors.TemplateProcessing(
            single=f"{begin} $A {end}", special_tokens=[(begin, self.first), (end, self.last)]
        )
        special = (self.first, self.last, self.pad, self.unknown)
        made.add_special_tokens([library.AddedToken(self.pieces[i], normalized=False) for i in sorted(special)])
        return str(made.to_str()).encode()
