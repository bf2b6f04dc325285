"""Whatever is saved becomes a plain module of PyTorch that answers as the model does, without its run folder."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import regraft
from regraft.backbones.text.tokeniser import pack
from regraft.core.errors import InputError
from regraft.inference.load import load_any
from regraft.inference.modules import BoxModule, PictureModule, TextModule
from regraft.inference.multi_task import TaskPredictor

KINDS = {"trained": PictureModule, "multilabel": PictureModule, "target": PictureModule, "tasks": dict,
         "boxes": BoxModule}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_module_answers_as_the_model(
    kind: str, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_cache: Path
) -> None:
    shutil.copytree(saved / kind, tmp_path / kind)
    monkeypatch.chdir(tmp_path / kind)
    predictor = load_any("run")
    items = predictor.items(json.loads(Path("expected.json").read_text(encoding="utf-8"))["inputs"][0])
    loaded = [items.load(i) for i in range(len(items))]
    said = predictor.predict(items) if kind == "boxes" else outputs_of(predictor, items)
    module = predictor.to_torch()
    shutil.rmtree(tmp_path / kind)
    assert type(module) is KINDS[kind]
    if kind == "boxes":
        for ours, theirs in zip(module.answer(loaded), said, strict=True):
            assert np.allclose(ours.xyxy, theirs.xyxy, atol=1e-2) and np.array_equal(ours.labels, theirs.labels)
        return
    for name, one in (module if kind == "tasks" else {"": module}).items():
        answers = one.answer(loaded)
        assert answers.dtype == torch.float32 and answers.shape[1] == max(1, len(one.class_names))
        assert np.allclose(answers.numpy(), said[name], atol=1e-5)


def outputs_of(predictor: Any, items: Any) -> dict[str, np.ndarray]:
    """Probabilities, or numbers, by task."""
    parts = predictor.all_of(items)
    if not isinstance(predictor, TaskPredictor):
        return {"": predictor.joined(parts).probabilities}
    return {name: p.joined([a[name] for a in parts]).probabilities for name, p in predictor.tasks.items()}


def test_a_module_for_texts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = (
        ["dull", "boring", "bad", "poor", "awful", "slow", "weak"],
        ["fine", "great", "lovely", "good", "strong", "bright", "warm"],
    )
    rest = ["the", "film", "story", "actors", "plot", "music", "scenes", "ending", "camera", "people", "night", "town"]
    texts = [" ".join(rng.permutation([*rng.choice(words[i % 2], 3), *rng.choice(rest, 6)])) for i in range(80)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *(f"{t},{i % 2}" for i, t in enumerate(texts))]) + "\n")
    run = regraft.fit(str(tmp_path / "t.csv"), backbone="regraft_tiny_text", controls="none", out=str(tmp_path / "r"))
    model = regraft.load(run.run)
    module = model.to_torch()
    assert isinstance(module, TextModule) and module.class_names == ("0", "1")
    asked = ["a fine dull film", "dull", "story " * 300]
    said = model.predict_proba(asked)
    assert np.allclose(module.answer(asked).numpy(), said, atol=1e-5) and np.ptp(said[:, 0]) > 0.1
    tokeniser = model.model.network.tokeniser
    (row,) = tokeniser.encode(asked[:1])
    x = pack([row], len(row), tokeniser)
    assert torch.allclose(module(x), module.answer(asked[:1]), atol=1e-5)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, shapes: Path) -> Any:
    out = tmp_path_factory.mktemp("run") / "r"
    return regraft.load(regraft.fit(str(shapes), controls="none", out=str(out)).run)


def test_pictures_of_the_networks_size(photos: Any, shapes: Path) -> None:
    """One tensor in, as it is decoded; what `answer` does besides is to fit pictures to that size."""
    module = photos.to_torch()
    ((height, width, channels),) = module.sizes
    x = np.random.default_rng(0).integers(0, 255, (5, height, width, channels), dtype=np.uint8)
    found = module(torch.from_numpy(x))
    assert torch.allclose(found, module.answer(x), atol=1e-6)
    assert np.allclose(found.numpy(), photos.predict_proba(list(x)), atol=1e-5)
    assert not any(p.requires_grad for n, p in module.named_parameters() if n.startswith("networks"))
    large = [
        np.random.default_rng(1).integers(0, 255, size, dtype=np.uint8) for size in ((90, 70, 3), (40, 200), (8, 8, 1))
    ]
    assert np.allclose(module.answer(large).numpy(), photos.predict_proba(large), atol=1e-5)


def test_a_module_is_saved_exported_and_on_its_own(photos: Any, tmp_path: Path) -> None:
    module = photos.to_torch()
    ((height, width, channels),) = module.sizes
    x = torch.randint(0, 255, (2, height, width, channels), dtype=torch.uint8)
    before = module(x)
    torch.save(module.state_dict(), tmp_path / "m.pt")
    other = copy.deepcopy(module)
    with torch.no_grad():
        other.head.linear.weight.zero_()
    assert not torch.allclose(other(x), before) and torch.equal(module(x), before)
    other.load_state_dict(torch.load(tmp_path / "m.pt", weights_only=True))
    assert torch.equal(other(x), before)
    program = torch.export.export(module, (x,), dynamic_shapes=(({0: torch.export.Dim.DYNAMIC},),))
    more = torch.cat([x, x, x])
    assert torch.allclose(program.module()(more), module(more), atol=1e-5)
    with torch.no_grad():
        module.head.linear.weight.zero_()
    assert np.allclose(photos.to_torch()(x).detach(), before.detach()), "the model keeps its own weights"


def test_numbers_with_quantiles_and_networks_side_by_side(shapes: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (60, 20, 20, 3), dtype=np.uint8)
    np.savez(tmp_path / "n.npz", images=x, labels=x.mean((1, 2, 3)) / 3.7)
    out = str(tmp_path / "r")
    run = regraft.fit(str(tmp_path / "n.npz"), backbone="regraft_tiny+random:regraft_tiny", controls="none",
                      quantiles="0.1,0.9", out=out).run  # fmt: skip
    model = regraft.load(run)
    module = model.to_torch()
    found = module.answer(list(x[:9]))
    assert len(module.sizes) == 2 and found.shape == (9, 3) and bool((found[:, 1] <= found[:, 2]).all())
    assert np.allclose(found[:, 0].numpy(), model.predict(list(x[:9])), rtol=1e-5)


def test_what_is_no_network_of_torch(tmp_path: Path) -> None:
    rows = [f"{i % 7},{'yes' if i % 3 else 'no'},{i * 0.37:.2f}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["a,label,b", *rows]) + "\n")
    model = regraft.load(regraft.fit(str(tmp_path / "t.csv"), out=str(tmp_path / "r")).run)
    with pytest.raises(InputError, match="is no network of PyTorch"):
        model.to_torch()


def test_what_is_counted_is_no_network_either(saved: Path, monkeypatch: pytest.MonkeyPatch, fresh_cache: Path) -> None:
    monkeypatch.chdir(saved / "texts")
    with pytest.raises(InputError, match="tfidf is no network of PyTorch"):
        load_any("run").to_torch()
