"""Fixtures: a cache of its own for the tests, small pictures made on the spot, and the shared data where it is."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SHARED = Path(os.environ.get("REGRAFT_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the user's own cache, weights or runs."""
    import torch

    torch.set_num_threads(1)
    os.environ["REGRAFT_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ.pop("REGRAFT_WEIGHTS", None)


@pytest.fixture(scope="session", autouse=True)
def without_nets() -> Iterator[Callable[[str], bool]]:
    """By default nothing of the extra `nets`, so that tests say the same where it is installed, and are quick: to load
    its network for texts takes seconds. Tests name its networks; what is here gives back `default.is_here`.
    """
    from regraft.backbones.rows import E5, LITES
    from regraft.features import default

    is_here, patch = default.is_here, pytest.MonkeyPatch()
    patch.setattr(default, "is_here", lambda name: name not in (E5.name, *LITES) and is_here(name))
    yield is_here
    patch.undo()


@pytest.fixture
def as_installed(without_nets: Callable[[str], bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """Defaults go by what is on this machine."""
    from regraft.features import default

    monkeypatch.setattr(default, "is_here", without_nets)


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REGRAFT_CACHE", str(tmp_path / "own-cache"))
    return tmp_path / "own-cache"


@pytest.fixture
def shared() -> Path:
    if not SHARED.exists():
        pytest.skip(f"the shared data is not at {SHARED} (REGRAFT_SHARED names the folder)")
    return SHARED


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each kind of model as 0.1 saved it, in folders by kind: see ``tests/golden/keep.py``."""
    folder = tmp_path_factory.mktemp("saved")
    with zipfile.ZipFile(Path(__file__).parent / "golden" / "runs-0.1.zip") as z:
        z.extractall(folder)
    return folder


def with_slow(values: Iterable[object], slow: Container[object]) -> list[object]:
    """The values of a parameter, of which those in ``slow`` are for make test-all: others show the same sooner."""
    return [pytest.param(v, marks=[pytest.mark.slow] * (v in slow)) for v in values]


def shape(kind: str, rng: np.random.Generator, side: int = 40) -> Image.Image:
    """A bright square or disc at a random place on a dark, noisy ground."""
    y, x = np.mgrid[:side, :side]
    cy, cx = rng.integers(13, side - 13, 2)
    if kind == "square":
        mask = (abs(y - cy) < 9) & (abs(x - cx) < 9)
    else:
        mask = (y - cy) ** 2 + (x - cx) ** 2 < 60
    picture = rng.integers(0, 60, (side, side, 3))
    picture[mask] += rng.integers(120, 190, 3)
    return Image.fromarray(picture.astype(np.uint8))


def write_shapes(root: Path, count: int, seed: int = 0, classes: tuple[str, ...] = ("disc", "square")) -> Path:
    rng = np.random.default_rng(seed)
    for kind in classes:
        (root / kind).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            shape(kind, rng).save(root / kind / f"{i:03d}.png")
    return root


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two classes with 20 pictures each. Not to be written to: see ``own_shapes``."""
    return write_shapes(tmp_path_factory.mktemp("shapes"), 20)


@pytest.fixture
def own_shapes(tmp_path: Path) -> Path:
    return write_shapes(tmp_path / "photos", 8)


@contextmanager
def killed_at(number: int) -> Iterator[None]:
    """Ctrl-C at the ``number``-th step of a training, whose checkpoints are written at every step until then."""
    from regraft.training import loop

    step, calls = loop.Run.one_step, []

    def killed(self, *args):
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return step(self, *args)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
        patch.setattr(loop.Run, "one_step", killed)
        yield
