"""Layers side by side, stacking, and the parts that add nothing."""

from pathlib import Path

import numpy as np
import pytest

import regraft


def test_layers_of_one_network_side_by_side(shapes: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    name = "regraft_tiny@1+regraft_tiny@5"
    result = regraft.fit(str(shapes), backbone=name, controls="none", out="r")
    parts = result.metrics["parts"]
    assert result.backbone == name and [p["name"] for p in parts["parts"]] == name.split("+")
    assert set(parts["alone"]) == set(parts["adds"]) == set(name.split("+"))
    assert parts["nothing"] == [n for n, g in parts["adds"].items() if g["ci95"][0] <= 0]
    assert 0.5 <= parts["stacked"]["accuracy"] <= 1 and parts["stacked"]["log_loss"] > 0
    pictures = sorted(str(p) for p in shapes.rglob("*.png"))[:5]
    assert np.allclose(regraft.load("r").predict_proba(pictures).sum(1), 1)
    page = Path("r/report.html").read_text()
    assert "stacked" in page and all(n in page for n in parts["nothing"])


def test_few_examples_are_not_stacked(own_shapes: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in [*own_shapes.rglob("*.png")]:
        if int(path.stem) > 2:
            path.unlink()
    parts = regraft.fit(str(own_shapes), backbone="regraft_tiny@1+regraft_tiny@5", controls="none").metrics["parts"]
    assert parts["stacked"] is None and set(parts["late"]) == set(parts["alone"]["regraft_tiny@1"])


def test_stacking_weighs_the_part_that_knows() -> None:
    from regraft.core.types import LabelSpec
    from regraft.data.splits import Split
    from regraft.features.labelled import LabelledFeatures
    from regraft.methods.probes.linear_probe import fit_features
    from regraft.models.model import Model
    from regraft.pipelines.stages.controls import ControlKit
    from regraft.pipelines.stages.fusion_ablation import _learned, _stacked

    rng = np.random.default_rng(0)
    target = LabelSpec("classification", ("a", "b"))

    def rows(n: int) -> LabelledFeatures:
        y = np.arange(n) % 2
        return LabelledFeatures(
            np.hstack([rng.normal(size=(n, 3)) + 2 * y[:, None], rng.normal(size=(n, 3))]), y, np.arange(n)
        )

    def learn(x, y, **more):
        return fit_features(x, y, target, **more)

    train, judged = rows(200), rows(100)
    split = Split(None, None, "")  # type: ignore[arg-type]
    kit = ControlKit(split, train, judged, learn, "auto", "cpu", None)  # type: ignore[arg-type]
    columns = [slice(0, 3), slice(3, 6)]
    learned = [_learned(kit, [i], columns) for i in range(2)]
    model = Model(None, learned[0].head, "label", target)  # type: ignore[arg-type]
    alone = [Model(None, f.head, "label", target).probabilities(judged.x[:, c])  # type: ignore[arg-type]
             for f, c in zip(learned, columns, strict=True)]  # fmt: skip
    stacked = _stacked(model, kit, learned, alone)
    assert stacked is not None
    hits = [float((p.argmax(1) == judged.y).mean()) for p in (*alone, stacked)]
    assert hits[2] >= hits[0] - 0.03 > hits[1] and hits[0] == pytest.approx(0.95, abs=0.06)
