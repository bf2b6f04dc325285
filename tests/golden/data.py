"""Small data of every kind, drawn anew: nothing here may change, since the recorded results were learned from it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from regraft.core.files import write_json

GOOD = ["good film", "a joy", "lovely story", "great fun", "excellent acting", "很好看", "喜欢"]
BAD = ["bad film", "a waste", "awful story", "so dull", "dreadful acting", "很难看", "讨厌"]
FILLERS = ["we came on monday", "there were four of us", "the place is by the river", "my sister chose it"]


def write_rows(path: Path, head: list[str], rows: Any) -> str:
    with open(path, "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([head, *rows])
    return str(path)


def shape(rng: np.random.Generator, square: bool, dark: bool = False, side: int = 20) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    cy, cx = rng.integers(7, side - 7, 2)
    mask = (abs(y - cy) < 5) & (abs(x - cx) < 5) if square else (y - cy) ** 2 + (x - cx) ** 2 < 25
    picture = rng.integers(0, 60, (side, side, 3))
    picture[mask] += rng.integers(120, 190, 3)
    return (picture // 2 if dark else picture).astype(np.uint8)


def photos(root: Path, count: int, seed: int = 0, dark: bool = False) -> str:
    """A folder a class: discs and squares."""
    rng = np.random.default_rng(seed)
    for kind in ("disc", "square"):
        (root / kind).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(shape(rng, kind == "square", dark)).save(root / kind / f"{i:03d}.png")
    return str(root)


def pictured(root: Path, count: int) -> str:
    """A table of pictures with two labels, one of them several classes, a number and a group."""
    rng = np.random.default_rng(5)
    root.mkdir()
    rows = []
    for i in range(count):
        square, dark = rng.random(2) < 0.5
        x = shape(rng, bool(square), bool(dark))
        Image.fromarray(x).save(root / f"{i:03d}.png")
        tags = "|".join(t for t, is_ in (("square", square), ("dark", dark)) if is_) or "plain"
        rows.append([f"{i:03d}.png", "square" if square else "disc", "dark" if dark else "light", tags,
                     round(float(x.mean()), 3), f"g{i // 4}"])  # fmt: skip
    return write_rows(root / "table.csv", ["file", "form", "light", "tags", "mean", "who"], rows)


def digits(path: Path, count: int, seed: int, dark: bool = False) -> str:
    from sklearn.datasets import load_digits

    found = load_digits()
    some = np.random.default_rng(seed).permutation(len(found.target))[:count]
    x = (found.images[some] * 15.9).astype(np.uint8)
    names = np.array([str(d) for d in range(10)])
    np.savez(path, images=(x // 3 + 90 if dark else x), labels=found.target[some], class_names=names)
    return str(path)


def texts(path: Path, count: int, seed: int = 0, others: bool = False) -> str:
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        words = rng.permutation(GOOD if i % 2 else BAD)[:2]
        rows.append([f"{', '.join(words)}; {rng.choice(FILLERS)} {i}{' indeed' * others}", "pos" if i % 2 else "neg",
                     f"2024-{1 + i % 12:02d}-03"])  # fmt: skip
    return write_rows(path, ["review", "sentiment", "date"], rows)


def columns(path: Path, count: int = 120) -> str:
    """Numbers of other units, one category, gaps; a class and a number to tell."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(count, 3)) * [1, 1000, 0.001]
    where = rng.choice(["north", "south"], count)
    z = x @ [1, 0.001, 1000] + (where == "north") + rng.normal(size=count) * 0.3
    rows = [[f"{a:.4f}", "" if i % 17 == 3 else f"{b:.2f}", f"{c:.6f}", w, "yes" if v > 0.5 else "no", f"{v:.4f}"]
            for i, ((a, b, c), w, v) in enumerate(zip(x, where, z, strict=True))]  # fmt: skip
    return write_rows(path, ["a", "b", "c", "where", "bought", "price"], rows)


def boxes(root: Path, count: int = 12) -> str:
    """Pictures of 64 x 48 with a bright or a dark square, the first without any, in COCO's format."""
    rng = np.random.default_rng(0)
    root.mkdir(parents=True)
    images, found = [], []
    for i in range(count):
        x = rng.integers(100, 140, (48, 64, 3)).astype(np.uint8)
        left, top, side = (int(v) for v in (*rng.integers(2, 20, 2), rng.integers(14, 26)))
        if i:
            x[top : top + side, left : left + side] = 240 if i % 2 else 10
            found.append({"id": i, "image_id": i, "category_id": 1 + (i + 1) % 2, "area": side * side, "iscrowd": 0,
                          "bbox": [left, top, side, side]})  # fmt: skip
        Image.fromarray(x).save(root / f"{i:02d}.png")
        images.append({"id": i, "file_name": f"{i:02d}.png", "width": 64, "height": 48})
    classes = [{"id": k + 1, "name": name} for k, name in enumerate(("bright", "dark"))]
    write_json(root / "annotations.json", {"images": images, "annotations": found, "categories": classes})
    return str(root)


def languages(folder: Path) -> tuple[str, str, str]:
    """Word vectors of two languages, one turned against the other, and a dictionary."""
    rng = np.random.default_rng(0)
    english = [*(f"word{i}" for i in range(30))]
    german = [*(f"wort{i}" for i in range(30))]
    table = rng.normal(size=(30, 6))
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    paths = []
    for name, words, rows in (("de", german, table @ turn), ("en", english, table)):
        lines = [
            f"{len(words)} 6",
            *(f"{w} {' '.join(f'{v:.6f}' for v in r)}" for w, r in zip(words, rows, strict=True)),
        ]
        (folder / f"{name}.vec").write_text("\n".join(lines) + "\n", encoding="utf-8")
        paths.append(str(folder / f"{name}.vec"))
    pairs = folder / "pairs.csv"
    pairs.write_text("\n".join(f"{a},{b}" for a, b in zip(german, english, strict=True)) + "\n", encoding="utf-8")
    return paths[0], paths[1], str(pairs)
