"""Copies are found, and pictures that only resemble each other are not."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regraft.core.row_store import RowStore
from regraft.data.audit.audit import audited
from regraft.data.audit.duplicates import NEAR, _detail, clusters, exact_pairs, near_pairs
from regraft.data.audit.facts import Facts, thumbnail
from regraft.data.audit.measure import facts
from regraft.data.dataset import classification_dataset
from regraft.data.items import PictureObjects


def photo(seed: int, side: int = 200) -> Image.Image:
    """Blobs of colour at many scales: a stand-in for a photo."""
    rng = np.random.default_rng(seed)
    layers = [np.kron(rng.normal(size=(side // c, side // c, 3)), np.ones((c, c, 1))) * c**0.5 for c in (4, 10, 25, 50)]
    mixed = sum(layers)
    scaled = (mixed - mixed.min()) / (mixed.max() - mixed.min())
    return Image.fromarray((255 * scaled).astype(np.uint8))


def recoded(image: Image.Image, quality: int, scale: float) -> Image.Image:
    buffer = io.BytesIO()
    image.resize((int(image.width * scale), int(image.height * scale))).save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def look(images: list[Image.Image], tmp_path: Path) -> Facts:
    return facts(PictureObjects(images), RowStore(tmp_path))[0]


def test_exact_and_near_copies(tmp_path: Path) -> None:
    images = [photo(i) for i in range(6)]
    images += [images[2].copy(), recoded(images[4], 40, 0.6), recoded(images[0], 85, 1.2)]
    found = look(images, tmp_path)
    assert exact_pairs(found).tolist() == [[2, 6]]
    assert sorted(near_pairs(found).tolist()) == [[0, 8], [4, 7]]


def test_small_and_flat_pictures_are_not_near_copies(tmp_path: Path) -> None:
    small = [photo(i).resize((28, 28)) for i in range(3)]
    flat = [Image.new("RGB", (100, 100), (v, v, v)) for v in (10, 11, 200)]
    found = look([*small, recoded(photo(0), 80, 0.14), *flat], tmp_path)
    assert not len(near_pairs(found)) and not len(exact_pairs(found))


def test_clusters_join_chains() -> None:
    numbers = clusters(6, np.array([[0, 1], [1, 2]]), np.array([[4, 5]]))
    assert len(set(numbers[[0, 1, 2]])) == 1 and len(set(numbers[[4, 5]])) == 1 and len(set(numbers)) == 3


def test_the_threshold_parts_copies_from_others_on_real_photos(shared: Path) -> None:
    """The figures in the docstring of NEAR, on a fifth of the photos."""
    rng = np.random.default_rng(0)
    originals, copies = [], []
    for archive in ("hymenoptera", "imagenet_samples"):
        with zipfile.ZipFile(shared / f"data/{archive}.zip") as z:
            for name in [n for n in z.namelist() if n.lower().endswith((".jpg", ".jpeg"))][::5]:
                image = Image.open(io.BytesIO(z.read(name))).convert("RGB")
                copy = recoded(image, int(rng.integers(25, 90)), rng.uniform(0.5, 1.3))
                originals.append(thumbnail(np.asarray(image)))
                copies.append(thumbnail(np.asarray(copy)))
    a, b = _detail(np.stack(originals)), _detail(np.stack(copies))
    others = a @ a.T - 2 * np.eye(len(a))
    assert (a * b).sum(1).min() > NEAR + 0.05
    assert others.max() < NEAR - 0.1


@pytest.mark.parametrize("what", ["duplicate", "near-duplicate"])
def test_problems_say_what_is_worst(what: str, tmp_path: Path) -> None:
    first = photo(0)
    again = first.copy() if what == "duplicate" else recoded(first, 60, 0.8)
    items = PictureObjects([first, again, photo(1), photo(2)])

    def kinds(labels: list[int], parts: list[str]) -> list[str]:
        data = classification_dataset("d", items, np.array(labels), ("a", "b"), np.array(parts))
        return [p.kind for p in audited(data, RowStore(tmp_path)).problems]

    assert kinds([0, 0, 1, 1], ["", "", "", ""]) == [what]
    assert kinds([0, 0, 1, 1], ["train", "val", "train", "val"]) == [f"{what}-across-parts"]
    assert kinds([0, 1, 1, 1], ["train", "val", "train", "val"]) == [f"{what}-two-labels"]


def test_facts_are_computed_once(tmp_path: Path, monkeypatch) -> None:
    items = PictureObjects([photo(i) for i in range(4)])
    first = facts(items, RowStore(tmp_path))[0]
    monkeypatch.setattr("regraft.data.audit.measure.facts_of", lambda *_: pytest.fail("looked at again"))
    again = facts(items, RowStore(tmp_path))[0]
    assert (first.thumbs == again.thumbs).all() and (first.pixels == again.pixels).all()
