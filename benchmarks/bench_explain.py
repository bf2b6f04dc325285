"""The pointing game: the share of maps whose maximum lies on the object, Grad-CAM against chance and against a network
that has learned nothing.

Zhang et al. 2018 (https://doi.org/10.1007/s11263-017-1059-x). One of four handwritten digits (scikit-learn's), 64 pixels
wide, is pasted in a bright colour at a random place into a photo of ants or bees of 224 x 224 pixels; a probe on frozen
features learns from 240 such pictures which digit it is, and 100 others are explained. Chance is the share of the
picture that the digit's square covers. Photos and weights are taken from the shared folder (`REGRAFT_WEIGHTS`). Some
minutes on one core.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

import regraft
from common import need, unzipped, write
from regraft.explanation.pictures import MapMaker
from regraft.inference.load import load

SIDE, OBJECT, DIGITS, LEARNED, JUDGED, OCCLUDED, SEEDS = 224, 64, (0, 1, 4, 7), 240, 100, 20, 3
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


def pasted(grounds: list[NDArray[np.uint8]], n: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], ...]:
    """Pictures (n, 224, 224, 3), the number of each one's class (n,), and top and left of its object (n, 2)."""
    digits = load_digits()
    pictures, labels, corners = [], [], []
    for i in range(n):
        k = i % len(DIGITS)
        glyph = digits.images[rng.choice(np.flatnonzero(digits.target == DIGITS[k]))] / 16
        ink = (
            np.asarray(Image.fromarray((glyph * 255).astype(np.uint8)).resize((OBJECT, OBJECT)), float)[..., None] / 255
        )
        top, left = rng.integers(0, SIDE - OBJECT + 1, 2)
        picture = grounds[rng.integers(len(grounds))].astype(float)
        place = picture[top : top + OBJECT, left : left + OBJECT]
        place[:] = place * (1 - ink) + ink * rng.integers([200, 0, 150], [256, 60, 256])
        pictures.append(picture.round().astype(np.uint8))
        labels.append(k)
        corners.append((top, left))
    return np.stack(pictures), np.array(labels), np.array(corners)


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
        some = [part[:OCCLUDED] for part in judge]
        found[name] = {"accuracy": run.metrics["val"]["accuracy"],
                       "grad_cam": pointed(MapMaker(predictor, "grad-cam"), *judge),
                       "occlusion": pointed(MapMaker(predictor, "occlusion"), *some)}  # fmt: skip
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
    write("explain", {"seeds": f"0 to {SEEDS - 1}", "pictures": JUDGED, "occluded": OCCLUDED,
                      "chance": (OBJECT / SIDE) ** 2, "networks": networks})  # fmt: skip


if __name__ == "__main__":
    main()
