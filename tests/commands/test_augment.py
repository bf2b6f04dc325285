"""The contact sheet shows originals and views, the same for the same seed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import regraft
from regraft.core.errors import InputError, UnknownName


def test_contact_sheet(shapes: Path, tmp_path: Path) -> None:
    sheets = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        found = regraft.augment(str(shapes), out=str(tmp_path / f"{name}.png"), rows=3, views=2, seed=seed)
        sheets.append(np.asarray(Image.open(found.out)))
    assert len(found.rows) == 3 and found.flips
    assert sheets[0].shape == (3 * 134 + 6, 3 * 134 + 18, 3)
    assert (sheets[0] == sheets[1]).all() and (sheets[0] != sheets[2]).any()


def test_digits_are_not_mirrored_and_mistakes_are_named(shapes: Path, tmp_path: Path) -> None:
    assert not regraft.augment("embedded:digits", out=str(tmp_path / "d.png"), rows=1, views=1).flips
    with pytest.raises(UnknownName):
        regraft.augment(str(shapes), policy="stronk", out=str(tmp_path / "x.png"))
    with pytest.raises(InputError, match="from 1 to 200"):
        regraft.augment(str(shapes), rows=0, out=str(tmp_path / "x.png"))
    assert not (tmp_path / "x.png").exists()


def test_boxes_are_drawn_on_the_sheet(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Image.new("RGB", (80, 40), "black").save(tmp_path / f"{name}.jpg")
        (tmp_path / f"{name}.txt").write_text("0 0.5 0.5 0.4 0.6\n")
    (tmp_path / "data.yaml").write_text("names: [cell, other]\n")
    found = regraft.augment(str(tmp_path), policy="flip", out=str(tmp_path / "sheet.png"), rows=2, views=1)
    sheet = np.asarray(Image.open(found.out)).astype(int)
    red = (sheet[:, :, 0] > 150) & (sheet[:, :, 1:] < 90).all(2)
    assert sheet.shape == (2 * 246 + 6, 2 * 246 + 18, 3) and red.sum() > 800
