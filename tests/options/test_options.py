"""Options are declared once: the command line, Python, the record of a run and the page of the docs follow."""

import inspect
import json
import re
import zipfile
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import regraft
from regraft.cli import app
from regraft.core.errors import InputError, UnknownName
from regraft.methods import METHODS, kind_of
from regraft.options import reference
from regraft.options.fit import OPTIONS, FitOptions, Meaning
from regraft.pipelines.validate import check, meaning_of, recorded

ROOT = Path(__file__).parents[2]
PROBE = Meaning("linear-probe", "features", "single", "classification")


def sentences(meaning: Meaning = PROBE, **given) -> list[str]:
    return [str(error) for error in FitOptions.of(**given).wrong(meaning)]


def test_python_and_the_command_line_know_the_same_options() -> None:
    command = typer.main.get_command(app).commands["fit"]
    typed = {p.name: p for p in command.params}
    assert typed.keys() - OPTIONS.keys() == {"data", "config", "as_json"} and OPTIONS.keys() <= typed.keys()
    python = inspect.signature(regraft.fit).parameters
    assert list(python)[1:] == [*OPTIONS, "spec"], "an object of Python's, beside an nn.Module"
    for name, one in OPTIONS.items():
        assert python[name].default == typed[name].default == one.default, name
        assert one.option.help in regraft.fit.__doc__.replace("\n    ", " ") and name in FitOptions().flat()


def test_help_has_titled_panels_within_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = CliRunner().invoke(app, ["fit", "--help"], env={"COLUMNS": "80"}, terminal_width=80).output
    titles = re.findall(r"^(\S[^:\n]*):$", text, re.M)
    panels = ["Data", "Network", "Training", "Evaluation", "Another domain", "Several tasks", "A teacher", "Output"]
    assert titles == ["Arguments", *panels, "Options"]
    assert all(len(line) <= 80 for line in text.splitlines())
    for title, name in (("Network", "--backbone"), ("Several tasks", "--soft"), ("Output", "--json")):
        panel = text.split(f"\n{title}:\n")[1].split("\n\n")[0]
        assert re.search(rf"^  {name}\b", panel, re.M), (title, name)


def test_the_page_of_the_docs_is_written_from_the_options() -> None:
    assert (ROOT / "docs/options.md").read_text(encoding="utf-8") == reference.page()


def test_all_that_is_wrong_is_named_at_once() -> None:
    options = FitOptions.of(
        epochs=0, class_weight="balance", interval=2, mapping="a=b", quantiles="0.1,0.9", engine="x"
    )
    with pytest.raises(InputError) as raised:
        check(options, PROBE)
    for name in ("epochs", "class-weight", "interval", "mapping", "quantiles", "engine"):
        assert name in str(raised.value), name
    assert "did you mean 'balanced'" in str(raised.value)
    with pytest.raises(UnknownName, match="did you mean 'balanced'"):  # a single one keeps its kind
        check(FitOptions.of(class_weight="balance"), PROBE)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"accuracy": 0.5}, False), ({"accuracy": 0}, True), ({"accuracy": 1}, True),
        ({"accuracy": float("nan")}, True),
        ({"size": 8}, False), ({"size": 7}, True), ({"size": "large"}, True), ({"size": 10_001}, True),
        ({"seed": -1}, True), ({"cv": 1}, True), ({"cv": 2}, False), ({"cv": 2, "refit": False}, True),
        ({"cv": 2, "val": "v.csv"}, True), ({"budget": "10m"}, True), ({"budget": "10m", "backbone": "auto"}, False),
        ({"budget": "soon", "backbone": "auto"}, True), ({"backbone": "auto", "weights": "w.pth"}, True),
        ({"controls": "none"}, False), ({"alpha": 1.0}, True), ({"multi_scale": True}, True),
    ],
)  # fmt: skip
def test_ranges_and_what_goes_together(given: dict, wrong: bool) -> None:
    assert bool(sentences(**given)) == wrong


def test_for_what_an_option_means_something() -> None:
    trains = Meaning("last-k", "training", "single", "classification")
    assert not sentences(trains, epochs=3, blocks=2, mix="mixup")
    assert "is for methods that train a network; linear-probe has no use" in sentences(epochs=3)[0]
    assert "is for last-k; finetune" in sentences(Meaning("finetune", "training"), blocks=2)[0]
    domains = Meaning("joint", "domains", "domains")
    assert sentences(domains, interval=0.9) == ["--interval 0.9: --method joint has no use for it."]
    boxes = Meaning("finetune", "detector", "single", "detection")
    assert sentences(boxes, label="x", epochs=2) == ["--label is not for detectors."]
    assert not sentences(Meaning("linear-probe", "features", "single", "regression"), interval=0.9, alpha=0.0)


def test_what_is_written_is_read() -> None:
    options = FitOptions.of(lr="1e-3", quantiles="0.1,0.9", epochs=2)
    assert options.training.lr == 1e-3 and options.evaluation.quantiles == [0.1, 0.9]
    assert options.changed(epochs=3).training.epochs == 3 and options.training.epochs == 2
    for given, told in (({"lr": "fast"}, "--lr is 'fast'"), ({"lr": 0}, "above 0"), ({"quantiles": "0.9,0.1"}, "rise")):
        with pytest.raises(InputError, match=told):
            FitOptions.of(**given)
    with pytest.raises(TypeError, match="unexpected keyword argument 'epoch'; did you mean epochs"):
        FitOptions.of(epoch=3)


def test_a_run_records_what_0_1_recorded() -> None:
    with zipfile.ZipFile(ROOT / "tests/golden/runs-0.1.zip") as z:
        old = json.loads(z.read("classes/run/run.json"))["settings"]
    options = FitOptions.of(**{k: v for k, v in old.items() if k != "data"})
    now = recorded(options, old["data"])
    assert {k: v for k, v in now.items() if k in old} == old
    assert not any(v for k, v in now.items() if k not in old)  # what came since was not asked for then


def test_every_method_says_what_it_is() -> None:
    kinds = {name: kind_of(name) for name in METHODS}
    assert kinds["linear-probe"] == "features" and kinds["dann"] == "adapting networks" and kinds["auto"] == "auto"
    parts = {"features": "fit_features", "training": "plan", "adapting features": "fit_domains",
             "adapting networks": "plan_domains", "domains": "phase", "auto": "NEXT"}  # fmt: skip
    for name, kind in kinds.items():
        assert hasattr(METHODS.get(name), parts[kind]), name
    adapting = meaning_of(FitOptions.of(method="auto", target="t.npz"))
    assert (adapting.kind, adapting.scenario) == ("adapting features", "target")


def test_words_that_options_offer_are_those_that_are_known() -> None:
    """Options lie below what they choose from, so they name it; here the two are compared."""
    from regraft.data.formats import FORMATS
    from regraft.data.transforms.augment import OPERATIONS, POLICIES
    from regraft.methods.multi_task import WEIGHTS
    from regraft.options import data, scenario, training
    from regraft.pipelines.scenarios.multi_task import WAYS
    from regraft.training.schedule import SCHEDULES

    assert set(data.FORMATS) == set(FORMATS) and set(training.SCHEDULES) == set(SCHEDULES)
    assert set(scenario.SHARED) == set(WAYS) and set(scenario.TASK_WEIGHTS) == set(WEIGHTS)
    assert set(training.OPERATIONS) == set(OPERATIONS) and set(training.POLICIES) == set(POLICIES)
