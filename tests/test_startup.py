"""What is imported when: a command pays for its own parts, and a refusal for none of those that learn."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import regraft
from regraft.methods import BY_KIND, METHODS, kind_of

HEAVY = ("torch", "torchvision", "sklearn", "scipy.special", "scipy.sparse", "scipy.stats", "scipy.optimize", "pandas",
         "pyarrow", "matplotlib", "jinja2", "transformers", "timm", "PIL.Image", "numpy")  # fmt: skip
DRAWN = ("PIL.Image", "numpy")
"""What data is read with."""

ASK = """
import json, sys
from regraft.cli import main
sys.argv = ["regraft", *json.loads(sys.argv[1])]
try:
    main()
except SystemExit as end:
    print(json.dumps({"status": end.code, "modules": sorted(sys.modules)}))
"""


def run(*code: str) -> str:
    done = subprocess.run([sys.executable, "-c", *code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def command(*words: str) -> tuple[int, set[str]]:
    """The exit status, and which of the heavy modules were imported."""
    found = json.loads(run(ASK, json.dumps(words)))
    return found["status"], set(HEAVY) & set(found["modules"])


@pytest.fixture
def table(tmp_path: Path) -> str:
    rows = [f"{i % 7},{'yes' if i % 3 else 'no'},{i * 0.37:.2f}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["a,label,b", *rows]) + "\n")
    return str(tmp_path / "t.csv")


def test_importing_regraft_imports_nothing_heavy() -> None:
    loaded = json.loads(run("import json, sys, regraft; print(json.dumps(sorted(sys.modules)))"))
    assert not set(HEAVY) & set(loaded)


def test_the_signature_and_the_words_of_fit_need_no_torch() -> None:
    ask = "import inspect, sys, regraft; print(len(inspect.signature(regraft.fit).parameters), bool(regraft.fit.__doc__), 'torch' in sys.modules)"  # noqa: E501
    assert run(ask).split() == [str(len(regraft.fit.__signature__.parameters)), "True", "False"]


@pytest.mark.parametrize("words", [("--help",), ("fit", "--help"), ("--version",)])
def test_help_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    assert command(*words) == (0, set())


@pytest.mark.parametrize(
    "words",
    [
        ("fit", "nowhere"),
        ("fit", "nowhere", "nowhere/else", "--method", "joint"),
        ("fit", "TABLE", "--method", "nonsense"),
        ("fit", "TABLE", "--method", "lp-ft", "--augment", "nonsense"),
        ("fit", "TABLE", "--method", "lp-ft", "--mix", "nonsense"),
        ("fit", "TABLE", "--controls", "nonsense"),
        ("fit", "TABLE", "--epochs", "3"),
        ("fit", "TABLE", "--val", "nowhere"),
        ("fit", "TABLE", "--corrections", "nowhere.csv"),
        ("fit", "TABLE", "--target", "nowhere", "--method", "dann"),
        ("fit", "TABLE", "TABLE"),
        ("fit", "TABLE", "--detector", "yolo"),
    ],
    ids=" ".join,
)
def test_what_is_wrong_is_refused_before_anything_heavy_is_imported(words: tuple[str, ...], table: str) -> None:
    status, loaded = command(*(table if word == "TABLE" else word for word in words))
    assert status == 2 and loaded <= set(DRAWN)


def test_looking_at_a_table_learns_nothing(table: str) -> None:
    status, loaded = command("inspect", table)
    assert status == 0 and loaded <= set(DRAWN)


def test_which_network_texts_would_take_is_told_without_torch(tmp_path: Path) -> None:
    rows = [f"the film is {'good' if i % 2 else 'bad'} and it is no {i},{i % 2}" for i in range(20)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    status, loaded = command("inspect", str(tmp_path / "t.csv"), "--text", "text")
    assert status == 0 and not loaded & {"torch", "torchvision", "transformers"}


def test_a_fit_imports_what_it_uses(table: str, tmp_path: Path) -> None:
    """A probe on a table trains no network, and needs nothing of that, nor torch's compiler."""
    done = json.loads(run(ASK, json.dumps(["-q", "fit", table, "--out", str(tmp_path / "r")])))
    loaded = set(done["modules"])
    assert done["status"] == 0 and {"torch", "matplotlib"} <= loaded
    assert not loaded & {"transformers", "timm", "torch._dynamo"}
    assert not [m for m in loaded if m.startswith(("regraft.training", "regraft.selection", "regraft.estimators"))]
    assert "regraft.data.transforms.augment" not in loaded


def test_torchvision_comes_without_the_compiler() -> None:
    """Networks are built from shapes, and ops ask what can be compiled when they want to know."""
    ask = """
import sys
from regraft.backbones import catalog
catalog.load("random:mobilenet_v2")
catalog.build(catalog.recipe_of(catalog.rows("mobilenet_v2")[0]))
import regraft.models.detectors.catalog
early = "torch._dynamo" in sys.modules
from torchvision.ops import roi_align
import torch
boxes = torch.tensor([[0.0, 0.0, 0.0, 3.0, 3.0]])
print(early, tuple(roi_align(torch.ones(1, 1, 4, 4), boxes, 2).shape), roi_align.__module__)
from torchvision.ops.roi_align import is_compile_supported
print(early, is_compile_supported("cpu"), "torch._dynamo" in sys.modules)
"""
    assert run(ask).split() == ["False", "True", "True"]


def test_a_method_lies_below_its_kind() -> None:
    for kind, methods in BY_KIND.items():
        assert {METHODS.get(name).KIND for name in methods} == {kind}
        assert {kind_of(name) for name in methods} == {kind}
    assert [n for methods in BY_KIND.values() for n in methods] == list(METHODS)
