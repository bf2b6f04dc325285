"""What it costs to add something: one short file and one registry line, and every command knows it."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import regraft
from regraft.core.registry import Registry
from regraft.core.types import Hints, LabelSpec
from regraft.data.formats import FORMATS
from regraft.data.open import open_data
from regraft.features.engines import ENGINES
from regraft.methods import METHODS
from regraft.models.model import Model
from regraft.options.fit import FitOptions
from regraft.pipelines.fit import carry_out
from regraft.tasks import TASKS

METHOD = '''
"""The class whose mean is nearest."""
import numpy as np
import torch
from regraft.methods.base import Fitted
from regraft.models.heads import LinearHead

KIND = "features"
SUMMARY = "the class whose mean is nearest (Rocchio 1971)"

def fit_features(rows, labels, target, *, seed=0, per_feature_scaling=False, class_weight=None, record=None, **more):
    means = np.stack([rows[labels == c].mean(0) for c in range(len(target.classes))])
    head = LinearHead(*means.shape[::-1])
    with torch.no_grad():
        head.linear.weight.copy_(torch.from_numpy(means))
        head.linear.bias.copy_(torch.from_numpy(-0.5 * (means**2).sum(1)))
    return Fitted(head.requires_grad_(False), record or {"chosen_by": "nothing to choose"})
'''

FORMAT = '''
"""Digits as lines of text: a label, a tab, 64 numbers."""
import numpy as np
from regraft.core.types import Evidence, Hints
from regraft.data.dataset import as_names, classification_dataset
from regraft.data.items import picture_array

def sniff(path):
    return Evidence("digits as lines", 1) if path.suffix == ".digits" else None

def read(path, hints=Hints()):
    lines = [line.split("\\t") for line in path.read_text().splitlines()]
    pixels = np.array([np.fromstring(p, np.uint8, sep=" ").reshape(8, 8, 1) for _, p in lines])
    y, names = as_names(np.array([label for label, _ in lines]))
    return classification_dataset(path.name, picture_array(pixels, "digit"), y, names, format="digit-lines")
'''

ENGINE = '''
"""PyTorch, half as many items at a time."""
from regraft.features.engines.torch import TorchEngine

class SmallBatches(TorchEngine):
    def __init__(self, network, device="cpu"):
        super().__init__(network, device)
        self.batch //= 2

    def describe(self):
        return {**super().describe(), "engine": "small"}
'''

Add = Callable[[Registry, str, str, str], int]


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Add:
    """Writes a module and its registry line; the number of lines of the module."""

    def added(registry: Registry, name: str, source: str, attribute: str = "") -> int:
        module = f"added_{name.replace('-', '_')}"
        (tmp_path / f"{module}.py").write_text(source.lstrip())
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, module, raising=False)
        monkeypatch.setitem(registry._entries, name, module + attribute)
        return len(source.strip().splitlines())

    return added


def test_a_method(add: Add, tmp_path: Path) -> None:
    assert add(METHODS, "nearest-mean", METHOD) <= 20
    found = regraft.fit("embedded:digits", method="nearest-mean", backbone="regraft_tiny", controls="majority",
                        out=str(tmp_path / "r"))  # fmt: skip
    assert found.metrics["val"]["accuracy"] > 0.9 and found.method == "nearest-mean"
    assert "nearest-mean" in [m["name"] for m in regraft.list_methods()]
    assert regraft.verify(found.run)["ok"], "the saved model needs the method no more"


def test_a_format(add: Add, tmp_path: Path) -> None:
    assert add(FORMATS, "digit-lines", FORMAT) <= 15
    rng = np.random.default_rng(0)
    lines = [
        f"{'one' if i % 2 else 'two'}\t{' '.join(map(str, rng.integers(90 * (i % 2), 160, 64)))}" for i in range(60)
    ]
    (tmp_path / "d.digits").write_text("\n".join(lines))
    assert regraft.inspect(str(tmp_path / "d.digits")).format == "digit-lines"
    found = regraft.fit(str(tmp_path / "d.digits"), backbone="raw", controls="none", out=str(tmp_path / "r"))
    assert found.classes == ("one", "two") and found.metrics["val"]["accuracy"] > 0.9


def test_an_engine(add: Add, shapes: Path, tmp_path: Path, fresh_cache: Path) -> None:
    assert add(ENGINES, "small", ENGINE, ":SmallBatches") <= 12
    runs = [regraft.fit(str(shapes), backbone="regraft_tiny", controls="none", engine=e, out=str(tmp_path / e))
            for e in ("torch", "small")]  # fmt: skip
    assert [r.engine for r in runs] == ["torch", "small"] and not runs[1].cached, "rows of its own"
    assert runs[0].metrics["val"]["accuracy"] == pytest.approx(runs[1].metrics["val"]["accuracy"], abs=0.01)


TASK = '''
"""Levels in the order of their numbers: judged by how many levels an answer is off."""
import numpy as np
from regraft.metrics.intervals import bootstrap_interval, paired_gain
from regraft.tasks.classification import Classification

class Levels(Classification):
    name, headline, sign = "levels", "levels_off", -1

    def figures(self, labels, said, decision, groups, ends):
        off = np.abs(said.argmax(1) - labels)
        found = {"levels_off": float(off.mean()), "levels_off_ci95": bootstrap_interval(off)}
        return super().figures(labels, said, decision, groups, ends) | found

    def gain(self, labels, ours, theirs, seed, groups):
        ours, theirs = (np.abs(p.argmax(1) - labels) for p in (ours, theirs))
        return paired_gain(theirs, ours, seed=seed, groups=groups)
'''


@pytest.fixture
def levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind of task in one short file, and its line in the registry."""
    assert len(TASK.strip().splitlines()) <= 16
    (tmp_path / "added_levels.py").write_text(TASK.lstrip())
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "added_levels", raising=False)
    monkeypatch.setitem(TASKS, "levels", import_module("added_levels").Levels())


def test_a_task_kind_from_outputs_to_figures(levels: None) -> None:
    model = Model(None, None, "stars", LabelSpec("levels", ("1", "2", "3")))  # type: ignore[arg-type]
    said = model.from_logits(np.array([[0.0, 3.0, 0.0], [0.0, 0.0, 3.0], [3.0, 0.0, 0.0]]))
    assert model.answers(said) == ["2", "3", "1"]
    assert model.figures(np.array([0, 2, 2]), said)[model.task.headline] == pytest.approx(1)


def test_a_task_kind_is_read_from_a_table_and_learned(levels: None, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    stars = rng.permutation(np.arange(160) % 4 + 8)
    rows = [f"{a:.3f},{b:.3f},{n}" for (a, b), n in zip(stars[:, None] + rng.normal(size=(160, 2)), stars, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,stars", *rows]))
    found = regraft.fit(str(tmp_path / "t.csv"), task="levels", out=str(tmp_path / "r"))
    assert (found.task, found.classes) == ("levels", ("8", "9", "10", "11")), "in the order of their numbers"
    judged, constant = found.metrics["val"], found.metrics["controls"]["majority"]
    assert judged["levels_off"] < 0.7 < constant["levels_off"] and found.gain["metric"] == "levels_off"
    assert found.gain["value"] == pytest.approx(constant["levels_off"] - judged["levels_off"])
    again = regraft.evaluate(found.run, str(tmp_path / "t.csv")).metrics
    assert again["levels_off_ci95"][0] <= again["levels_off"] <= again["levels_off_ci95"][1]
    assert (tmp_path / "r" / "report.html").is_file() and regraft.verify(found.run)["ok"]


def test_a_task_kind_is_read_from_an_array(levels: None, tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (12, 8, 8)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", train_images=pictures, train_labels=np.arange(12) % 3 + 9)
    data = open_data(tmp_path / "a.npz", hints=Hints(task="levels"))
    assert (data.target.task, data.classes) == ("levels", ("9", "10", "11"))
    assert data.class_counts() == {"9": 4, "10": 4, "11": 4}


def test_a_task_kind_trains_a_network(levels: None, tmp_path: Path) -> None:
    """Its loss follows from how its outputs become probabilities; options that are for any label take it."""
    rows = [f"{i}.png,{i % 2 + 1}" for i in range(24)]
    (tmp_path / "t.csv").write_text("\n".join(["picture,stars", *rows]))
    for i in range(24):
        Image.fromarray(np.full((12, 12), 30 + 180 * (i % 2) + i, np.uint8)).save(tmp_path / f"{i}.png")
    found = regraft.fit(str(tmp_path / "t.csv"), task="levels", label="stars", method="finetune", epochs=8, batch=6,
                        backbone="random:lenet", controls="none", out=str(tmp_path / "r"))  # fmt: skip
    assert found.method == "finetune" and found.metrics["val"]["levels_off"] < 0.5


SCENARIO = '''
"""Learns from every second training item: what half of the labels are worth."""
import numpy as np
from regraft.data.splits import part_of_split
from regraft.pipelines.scenarios.single import Single

class Half(Single):
    def split(self):
        super().split()
        half = part_of_split(self.halves, np.arange(0, len(self.halves.train), 2))
        self.halves.train, self.halves.groups, self.halves.train_pixels = half.train, half.groups, half.train_pixels
'''


def test_a_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class with the steps that differ, carried out as every fit is; its own line would stand in `scenario_of`."""
    assert len(SCENARIO.strip().splitlines()) <= 12
    (tmp_path / "added_half.py").write_text(SCENARIO.lstrip())
    monkeypatch.syspath_prepend(str(tmp_path))
    options = FitOptions.of(out=str(tmp_path / "r"), backbone="regraft_tiny", controls="majority")
    half = import_module("added_half").Half(open_data("embedded:digits"), "embedded:digits", options)
    found, whole = carry_out(half), regraft.fit("embedded:digits", **options.flat() | {"out": str(tmp_path / "w")})
    assert found.items["train"] == -(-whole.items["train"] // 2) and found.items["val"] == whole.items["val"]
    assert found.metrics["val"]["accuracy"] > 0.8 and regraft.verify(found.run)["ok"]
