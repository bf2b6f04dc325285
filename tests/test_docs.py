"""What the documents say is true today."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
import typer.main

from regraft import cli

ROOT = Path(__file__).parents[1]


def test_readme_names_commands_and_options_that_exist() -> None:
    group = typer.main.get_command(cli.app)
    text = (ROOT / "README.md").read_text()
    named = set(re.findall(r"regraft ([a-z]+)", re.sub(r"\s+", " ", text))) & {"fit", "inspect", "predict", "evaluate", "backbones", "demo"}  # noqa: E501 # fmt: skip
    assert {"fit", "inspect", "predict", "evaluate"} <= named <= set(group.commands)
    options = {o for c in group.commands.values() for p in c.params for o in (*p.opts, *p.secondary_opts)}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= options


def test_changelog_names_every_command() -> None:
    commands = set(typer.main.get_command(cli.app).commands)
    text = (ROOT / "CHANGELOG.md").read_text()
    assert {c for c in commands if c in text} == commands


def test_results_are_rendered_from_the_json_files() -> None:
    if not (ROOT / "benchmarks/results.py").exists():
        pytest.skip("the benchmarks are not beside the tests")
    spec = importlib.util.spec_from_file_location("results", ROOT / "benchmarks/results.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "benchmarks/RESULTS.md").read_text() == module.render()
    assert (ROOT / "docs/domains.md").read_text() == module.domains_page()


def test_readme_figures_are_those_of_the_benchmark() -> None:
    curves = json.loads((ROOT / "benchmarks/results/spine.json").read_text())["digits_few_labels"]["curves"]
    text = (ROOT / "README.md").read_text()
    for i, labels in ((0, 1), (3, 10)):
        row = [f"{curves[n][i]['mean']:.3f}" for n in ("regraft_tiny", "raw")]
        assert f"| {labels} | {row[0]} | {row[1]} |" in text
