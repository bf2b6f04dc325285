"""What every registered format, method, head and engine answers for."""

import inspect
from pathlib import Path

import numpy as np
import pytest

from regraft.core.registry import Registry
from regraft.core.types import LabelSpec
from regraft.data.formats import FORMATS
from regraft.features.engines.base import ENGINES
from regraft.methods import METHODS
from regraft.models.heads import HEADS
from regraft.selection.scores import SCORES


@pytest.mark.parametrize("registry", [FORMATS, METHODS, HEADS, ENGINES, SCORES], ids=lambda r: r.what)
def test_every_entry_can_be_imported(registry: Registry) -> None:
    assert len(list(registry)) and all(registry.get(name) is not None for name in registry)


@pytest.mark.parametrize("name", list(FORMATS))
def test_formats_do_not_recognise_what_is_not_theirs(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.bin").write_bytes(b"\0\1\2")
    sniff = FORMATS.get(name).sniff
    assert [sniff(tmp_path / p) for p in ("empty", "x.bin", "nowhere")] == [None, None, None]
    assert set(inspect.signature(FORMATS.get(name).read).parameters) == {"path", "hints"}
    assert FORMATS.get(name).__doc__


CLOSED = [name for name in METHODS if hasattr(METHODS.get(name), "fit_features")]


def test_every_method_is_of_one_kind() -> None:
    """On features, or trained, of one domain or two; ``auto`` chooses among the others."""
    kinds = [
        {
            k
            for k in ("fit_features", "plan", "fit_domains", "plan_domains", "heads", "NEXT")
            if hasattr(METHODS.get(n), k)
        }
        for n in METHODS
    ]
    for name, kind in zip(METHODS, kinds, strict=True):
        assert hasattr(METHODS.get(name), "OPTIMISES") == bool(kind & {"fit_domains", "plan_domains"})
    assert all(len(k) == 1 for k in kinds) and [n for n in METHODS if hasattr(METHODS.get(n), "NEXT")] == ["auto"]


@pytest.mark.parametrize("name", CLOSED)
def test_methods_learn_what_can_be_learned(name: str) -> None:
    method = METHODS.get(name)
    assert method.SUMMARY
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(3, 8))
    y = np.arange(60) % 3
    target = LabelSpec("classification", ("a", "b", "c"))
    x = (centres[y] + rng.normal(size=(60, 8))).astype(np.float32)
    fitted = method.fit_features(x, y, target, seed=0)
    import torch

    logits = fitted.head(torch.from_numpy(x))
    assert logits.shape == (60, 3) and (logits.argmax(1).numpy() == y).mean() > 0.95
    again = method.fit_features(x, y, target, seed=0, record=fitted.record)
    assert all(torch.equal(a, b) for a, b in zip(fitted.head.state_dict().values(), again.head.state_dict().values(), strict=True))  # noqa: E501 # fmt: skip
