"""The public surface is deliberate."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import regraft
from regraft.core.renamed import RENAMED

SOURCE = Path(regraft.__file__).parent


def test_every_public_name_resolves() -> None:
    for name in regraft.__all__:
        assert callable(getattr(regraft, name)), name
    assert set(regraft.__all__) <= set(dir(regraft))


def test_no_public_name_is_a_module() -> None:
    modules = {p.stem for p in SOURCE.iterdir()}
    assert not modules & set(regraft.__all__)


def test_importing_regraft_is_light() -> None:
    code = "import sys, regraft; assert not {'torch', 'numpy', 'typer'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_every_module_is_short() -> None:
    long = {
        str(p.relative_to(SOURCE)): n for p in SOURCE.rglob("*.py") if (n := len(p.read_text().splitlines())) >= 400
    }
    assert not long


def test_the_layer_contract_holds() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))],
        cwd=SOURCE.parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_old_names_of_modules_lead_to_todays() -> None:
    for old, new in RENAMED.items():
        sys.modules.pop(f"regraft.{old}", None)
        with pytest.warns(DeprecationWarning, match=f"regraft.{old} is regraft.{new[0]}"):
            module = import_module(f"regraft.{old}")
        for part in new:
            name = next(n for n in vars(import_module(f"regraft.{part}")) if n[0].isupper() or n[0].islower())
            assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="no attribute"):
        _ = import_module("regraft.types").nothing


def test_old_names_lead_to_what_they_meant() -> None:
    meant = {"boxes": "Boxes", "commands.job": "FitResult", "commands.split": "strata", "data.sources": "open_data",
             "detection_metrics": "map_interval", "errors": "InputError", "features.rows": "Runner",
             "features.store": "RowStore", "methods.folds": "stratified_folds", "methods.linear_probe": "fit_features",
             "model.model": "Model", "model.sureness": "sureness", "runtime": "say",
             "training.batches": "PictureBatches",
             "types": "TargetSpec"}  # fmt: skip
    for old, name in meant.items():
        assert callable(getattr(import_module(f"regraft.{old}"), name)), old
