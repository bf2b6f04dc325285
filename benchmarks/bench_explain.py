"""The pointing game: the share of maps whose maximum lies on the object, Grad-CAM against chance and against a network
that has learned nothing.

Zhang et al. 2018 (https://doi.org/10.1007/s11263-017-1059-x). One of four patterns (stripes, a chequerboard, a disc, a
ring), 64 pixels wide and of any colour, is pasted at a random place into a photo of ants or bees of 224 x 224 pixels; a
probe on frozen features learns from 160 such pictures which pattern it is, and 60 others, on other photos, are
explained. Chance is the share of the picture that the pattern's square covers. Photos and weights are taken from the
shared folder (`REGRAFT_WEIGHTS`). Some minutes on one core.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import regraft
from common import need, unzipped, write
from regraft.explanation.pictures import MapMaker
from regraft.inference.load import load

SIDE, OBJECT, LEARNED, JUDGED, SEEDS = 224, 64, 160, 60, 3
NETWORKS = ("mobilenet_v2", "squeezenet1_0", "random:mobilenet_v2", "random:squeezenet1_0")


def photos(archive: Path) -> list[NDArray[np.uint8]]:
    """The middles of all photos, 224 x 224."""
    found = []
    for file in sorted(unzipped(archive).rglob("*.jpg")):
        image = Image.open(file).convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        found.append(np.asarray(image.crop((left, top, left + side, top + side)).resize((SIDE, SIDE))))
    return found


def patterns() -> list[NDArray[np.bool_]]:
    """Four patterns (64, 64): where the colour is; elsewhere in the square the photo is seen."""
    y, x = np.mgrid[:OBJECT, :OBJECT]
    off = np.hypot(y - OBJECT / 2, x - OBJECT / 2)
    return [y // 8 % 2 == 0, (y // 16 + x // 16) % 2 == 0, off < 30, (off < 30) & (off > 18)]


def pasted(grounds: list[NDArray[np.uint8]], n: int, rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
    """Pictures (n, 224, 224, 3), the number of each one's pattern (n,), and top and left of its square (n, 2)."""
    marks, pictures, corners = patterns(), [], rng.integers(0, SIDE - OBJECT + 1, (n, 2))
    labels = np.arange(n) % len(marks)
    for label, (top, left) in zip(labels.tolist(), corners.tolist(), strict=True):
        picture = grounds[rng.integers(len(grounds))].copy()
        place = picture[top : top + OBJECT, left : left + OBJECT]
        place[marks[label]] = rng.integers(0, 256, 3)
        pictures.append(picture)
    return np.stack(pictures), labels, corners


def pointed(maker: MapMaker, pictures: NDArray[np.uint8], labels: NDArray[Any], corners: NDArray[Any]) -> float:
    """The share of maps of the true class whose maximum lies in the object's square."""
    hits = []
    for picture, label, (top, left) in zip(pictures, labels.tolist(), corners.tolist(), strict=True):
        found = maker(picture, label)
        y, x = np.unravel_index(int(found.argmax()), found.shape)
        hits.append(top <= y < top + OBJECT and left <= x < left + OBJECT)
    return float(np.mean(hits))


def one_seed(grounds: list[NDArray[np.uint8]], seed: int, work: Path) -> dict[str, dict[str, float]]:
    """Figures by network: the photos of the judged pictures are none of those learned from."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(grounds))
    half = len(order) // 2
    learn = pasted([grounds[i] for i in order[:half]], LEARNED, rng)
    judge = pasted([grounds[i] for i in order[half:]], JUDGED, rng)
    data = work / f"{seed}.npz"
    np.savez(data, train_images=learn[0], train_labels=learn[1], val_images=judge[0], val_labels=judge[1])
    found = {}
    for name in NETWORKS:
        run = regraft.fit(str(data), backbone=name, seed=seed, controls="none", outliers=False, refit=False,
                          out=str(work / f"{seed}-{name.replace(':', '-')}"))  # fmt: skip
        predictor = load(run.run, engine="torch")
        found[name] = {"accuracy": run.metrics["val"]["accuracy"],
                       "grad_cam": pointed(MapMaker(predictor, "grad-cam"), *judge)}  # fmt: skip
        print(seed, name, found[name], flush=True)
    return found


def main() -> None:
    """Runs all seeds and writes the figures."""
    [archive] = need("data/hymenoptera.zip")
    grounds = photos(archive)
    with tempfile.TemporaryDirectory() as work:
        each = [one_seed(grounds, seed, Path(work)) for seed in range(SEEDS)]
    networks = {name: {key: {"mean": float(np.mean(v)), "low": min(v), "high": max(v)}
                       for key in each[0][name] for v in [[one[name][key] for one in each]]}
                for name in NETWORKS}  # fmt: skip
    write("explain", {"seeds": f"0 to {SEEDS - 1}", "pictures": JUDGED,
                      "chance": (OBJECT / SIDE) ** 2, "networks": networks})  # fmt: skip


if __name__ == "__main__":
    main()
