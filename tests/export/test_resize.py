"""Resizing inside a graph gives the very grey levels that Pillow gives outside."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from regraft.core.errors import InputError
from regraft.core.types import PreprocessSpec
from regraft.data.image.decoding import fit
from regraft.export.resize import Fitted

SPECS = {
    "stretched": PreprocessSpec(height=32, width=24),
    "cut out": PreprocessSpec(height=28, width=30, resize=36),
    "cut out beyond the edges": PreprocessSpec(height=30, width=34, resize=20),
    "bicubic": PreprocessSpec(height=31, width=45, interpolation="bicubic"),
    "bicubic, blue first": PreprocessSpec(height=28, width=28, resize=33, interpolation="bicubic", colour="bgr"),
    "grey": PreprocessSpec(height=28, width=28, colour="grey", mean=(0.5,), std=(0.5,)),
}
SIZES = [(1, 1), (1, 9), (7, 1), (2, 2), (5, 3), (32, 24), (33, 400), (400, 33), (64, 64), (100, 77), (77, 100),
         (480, 640), (61, 59)]  # fmt: skip


@pytest.mark.parametrize("name", SPECS)
def test_as_pillow_does(name: str) -> None:
    """To the bit where bilinear, within one level at a few edges where bicubic; up, down, odd, a single pixel."""
    spec, rng = SPECS[name], np.random.default_rng(0)
    graph, unlike = Fitted(spec), []
    some = rng.integers(1, 300, (12, 2)).tolist()
    for height, width in (*SIZES, *some):
        picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        found, wanted = graph(torch.from_numpy(picture))[0].numpy(), fit(picture, spec).astype(int)
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() <= (1 if spec.interpolation == "bicubic" else 0), (height, width)
        unlike.append((found != wanted).mean())
    assert np.mean(unlike) < 1e-3


def test_both_orders_of_passes_occur() -> None:
    """Pillow goes down the columns first where a picture is tall: a graph of one order would miss it."""
    spec, rng = SPECS["bicubic"], np.random.default_rng(0)
    other = Fitted(spec)
    other.tall_first = not other.tall_first
    picture = rng.integers(0, 256, (400, 50, 3), dtype=np.uint8)
    assert np.abs(other(torch.from_numpy(picture))[0].numpy() - fit(picture, spec)).max() > 1


def test_a_large_picture_stays_near() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (90, 30_000, 3), dtype=np.uint8)
    spec = PreprocessSpec(height=16, width=16)
    off = np.abs(Fitted(spec)(torch.from_numpy(picture))[0].numpy() - fit(picture, spec))
    assert off.max() <= 1


def test_what_cannot_be_scaled_alike_is_refused() -> None:
    with pytest.raises(InputError, match="bilinear and bicubic can"):
        Fitted(PreprocessSpec(height=8, width=8, interpolation="nearest"))
