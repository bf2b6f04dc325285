"""What a step returns: a loss and the parts it is the sum of, in the history and in ``training.csv``; what a method
needs.
"""

import copy
import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from regraft.backbones.base import Body
from regraft.core.errors import InputError
from regraft.methods import METHODS
from regraft.methods.adaptation.on_networks import Sizes
from regraft.methods.base import Options, Phase, summed, supervised_step
from regraft.methods.finetuning.detector import SUMMARIES, phases
from regraft.methods.finetuning.l2_sp import StartingPoint
from regraft.methods.multi_domain import SharedLoss, divided
from regraft.methods.multi_task import Heads, OwnBlock, TaskLoss, Uncertainty
from regraft.methods.needs import CHECKS, KNOWN, Offered, check_needs
from regraft.models.heads import LinearHead
from regraft.options.fit import FitOptions
from regraft.training.feeds.features import RowBatches
from regraft.training.feeds.many_domains import ManyDomains
from regraft.training.feeds.two_domains import TwoDomains
from regraft.training.learner import Learner
from regraft.training.logs import COLUMNS, Logs
from regraft.training.loop import train
from regraft.training.losses import LOSSES
from regraft.training.state import Settings

SETTINGS = Settings(batch=10, precision="float32")
ADAPTING = [name for name in METHODS if METHODS.get(name).KIND == "adapting networks" and name != "adabn"]
TRAINED = [name for name in METHODS if METHODS.get(name).KIND == "training"]
PARTS = {
    "l2-sp": {"classification", "penalty"}, "contrastive": {"same_class", "other_class"},
    "dann": {"classification", "domain"}, "cdan": {"classification", "domain"}, "adda": {"domain", "adversarial"},
    "dan": {"classification", "transfer"}, "jan": {"classification", "transfer"},
    "deep-coral": {"classification", "transfer"}, "mcc": {"classification", "class_confusion"},
    "mcd": {"classification", "second_classification", "discrepancy"}, "mdd": {"classification", "disparity"},
    "pseudo-label": {"classification", "pseudo_labels"}, "shot": {"information_maximisation", "pseudo_labels"},
}  # fmt: skip
"""The parts of each method's loss; of all others it is one."""


def learner_of(width: int = 8, classes: int = 3) -> Learner:
    torch.manual_seed(0)
    body = Body([("a", nn.Sequential(nn.Linear(6, width), nn.BatchNorm1d(width), nn.Tanh()))], nn.Identity())
    return Learner(body, LinearHead(width, classes))


def rows(n: int, shift: float = 0.0, seed: int = 0) -> tuple[RowBatches, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    return RowBatches([(rng.normal(size=(n, 6)) + shift + 2 * np.eye(6)[y]).astype(np.float32)], 0), np.eye(3)[y]


def problem(name: str) -> tuple[Learner, tuple[Phase, ...], object, np.ndarray]:
    """A learner, the phases of a method, data for them and targets."""
    learner, (source, targets) = learner_of(), rows(40)
    if name in TRAINED:
        return learner, METHODS.get(name).plan(1, Options(2, rate=0.01)).phases, source, targets
    plan = METHODS.get(name).plan_domains(1, Options(2, rate=0.01))
    target, _ = rows(30, 1.0, 1)
    if plan.extra is not None:
        with torch.no_grad():
            learner.extra = plan.extra(learner, Sizes(8, 3, 30))
        learner.extra.requires_grad_(name not in ("pseudo-label", "shot"))
    data = TwoDomains(source if plan.source else None, target, target, 2)
    return learner, plan.phases, data, targets if plan.source else np.zeros((30, 3))


def trained(learner, phases, data, targets, folder: Path, settings: Settings = SETTINGS):
    """The history, and the rows of the table."""
    at = train(learner, phases, data, targets, settings, folder=folder / "c", report=Logs(folder))
    return at.history, list(csv.DictReader(open(folder / "training.csv")))


@pytest.mark.parametrize("name", [*TRAINED, *ADAPTING])
def test_the_parts_add_up_to_the_loss_and_are_kept(name: str, tmp_path: Path) -> None:
    history, table = trained(*problem(name), tmp_path)
    assert len(history) == len(table) > 0
    for epoch, row in zip(history, table, strict=True):
        assert set(epoch.get("parts", {})) == PARTS.get(name, set()), "a plain method has its loss alone"
        assert tuple(row)[: len(COLUMNS)] == COLUMNS and set(row) == {*COLUMNS, *PARTS.get(name, ())}
        if name in PARTS:
            assert sum(epoch["parts"].values()) == pytest.approx(epoch["loss"], rel=1e-5)
            assert {k: float(row[k]) for k in PARTS[name]} == pytest.approx(epoch["parts"], rel=1e-5)


@pytest.mark.parametrize("name", [*TRAINED, *ADAPTING])
def test_a_step_says_what_is_made_small(name: str) -> None:
    """A scalar by the name ``loss`` that has a gradient; all else is a part of it."""
    learner, plan, data, targets = problem(name)
    learner.body.freeze(0)
    x, positions = next(data.epoch(0, 10, 0))
    for phase in plan:
        if phase.before is not None:
            phase.before(learner, data)
        step = phase.step(learner.train(), x, torch.from_numpy(targets[positions]).float(), supervised)
        assert "loss" in step and step["loss"].ndim == 0 and step["loss"].requires_grad
        parts = [part for key, part in step.items() if key != "loss"]
        assert not parts or torch.allclose(sum(parts), step["loss"])
        if phase.step is not supervised_step:
            own = METHODS.get(name)
            assert name in ADAPTING or {"one process", "pairs of items"} & set(own.NEEDS), "gradients are not averaged"


def supervised(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(outputs, targets)


def test_a_step_without_a_loss_ends_the_training(tmp_path: Path) -> None:
    data, targets = rows(20)
    phase = Phase("all", 1, 0, 0.01, step=lambda learner, x, t, s: {"classification": s(learner(x), t)})
    with pytest.raises(KeyError, match="loss"):
        train(learner_of(), [phase], data, targets, SETTINGS, folder=tmp_path)


def test_a_detector_has_a_loss_of_its_own() -> None:
    for method in SUMMARIES:
        for phase in phases(method, 3, Options(4)):
            assert phase.step(lambda batch: 3 * batch, torch.ones(()), None, None) == {"loss": torch.tensor(3.0)}


def test_parts_are_added_from_left_to_right() -> None:
    big, small = torch.tensor(1e8), torch.tensor(1.0)
    step = summed(first=big, second=small, third=-big)
    assert step["loss"] == (big + small) - big == 0 and list(step) == ["loss", "first", "second", "third"]


def test_accumulated_parts_are_those_of_the_whole(tmp_path: Path) -> None:
    """Without batch statistics; the penalty is counted once, whatever the pieces."""
    found = []
    for pieces in (1, 4):
        learner, (data, targets) = learner_of(), rows(40)
        learner.body.blocks[0][1][1] = nn.Identity()
        phase = Phase("all", 1, 0, 0.01, penalty=StartingPoint(1.0, 0.1))
        settings = Settings(batch=20, accumulate=pieces, precision="float32")
        found.append(trained(learner, [phase], data, targets, tmp_path / str(pieces), settings)[0][0]["parts"])
    assert found[0]["penalty"] > 0 and found[0] == pytest.approx(found[1], rel=1e-5)


def test_the_plain_loss_is_named_after_the_task(tmp_path: Path) -> None:
    data, targets = rows(40)
    phase = Phase("all", 1, 0, 0.01, penalty=StartingPoint())
    settings = Settings(batch=10, precision="float32", task="regression")
    assert list(trained(learner_of(), [phase], data, targets, tmp_path, settings)[0][0]["parts"]) == [
        "regression", "penalty"]  # fmt: skip


@pytest.mark.slow
def test_parts_of_two_processes_are_means(tmp_path: Path) -> None:
    found = []
    for processes in (1, 2):
        learner, (data, targets) = learner_of(), rows(40)
        learner.body.blocks[0][1][1] = nn.Identity()
        phases = [Phase("all", 1, 0, 0.01, penalty=StartingPoint(1.0, 0.1))]
        settings = Settings(batch=10, precision="float32")
        at = train(learner, phases, data, targets, settings, folder=tmp_path / str(processes), processes=processes)
        found.append({"loss": at.history[0]["loss"], **at.history[0]["parts"]})
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def many(n: int) -> tuple[ManyDomains, np.ndarray]:
    domains = [rows(n, shift, seed) for seed, shift in enumerate((0.0, 1.0))]
    return ManyDomains([feed for feed, _ in domains], 0), np.concatenate([targets for _, targets in domains])


def test_each_domain_has_its_loss(tmp_path: Path) -> None:
    learner, (data, targets) = learner_of(), many(40)
    divided(learner.body, 2)
    loss = SharedLoss({"plain": range(3), "dark": range(3)}, 0.0)
    history, table = trained(learner, [Phase("joint", 2, 0, 0.01, step=loss)], data, targets, tmp_path)
    for number, epoch in enumerate(history):
        turns = data.turns(number, 10)
        share = {"plain_loss": float((turns == 0).mean()), "dark_loss": float((turns == 1).mean())}
        assert sum(share[k] * v for k, v in epoch["parts"].items()) == pytest.approx(epoch["loss"], rel=1e-6)
        assert set(epoch["parts"]) == set(table[number]) - set(COLUMNS) == set(share)


@pytest.mark.parametrize("soft", [None, 0.3])
def test_each_task_has_its_loss_by_its_name(soft: float | None, tmp_path: Path) -> None:
    learner, (data, targets) = learner_of(), many(40)
    if soft is not None:
        learner.body = Body([(n, OwnBlock(b, 2)) for n, b in learner.body.blocks], nn.Identity())
    learner.head = Heads([learner.head, LinearHead(8, 1)])
    learner.extra = Uncertainty(2)
    loss = TaskLoss(["form", "loss"], [LOSSES["softmax"], LOSSES[None]], [3, 1], 0.05, soft)
    wanted = {"form_loss", "loss_loss", "uncertainty"} | ({"distance"} if soft else set())
    history, table = trained(learner, [Phase("shared", 2, 0, 0.01, step=loss)], data, targets, tmp_path)
    assert {name for epoch in history for name in epoch["parts"]} == set(table[0]) - set(COLUMNS) == wanted
    x, positions = next(data.epoch(0, 10, 0))
    step = loss(learner, x, torch.from_numpy(targets[positions]).float(), None)
    parts = [part for name, part in step.items() if name != "loss"]
    assert len(parts) == len(wanted) - 1 and torch.allclose(sum(parts), step["loss"])


@pytest.mark.parametrize("name", list(METHODS))
def test_needs_are_known(name: str) -> None:
    needs = getattr(METHODS.get(name), "NEEDS", ())
    assert isinstance(needs, tuple) and set(needs) <= set(KNOWN)
    if hasattr(METHODS.get(name), "plan_domains"):
        plan = METHODS.get(name).plan_domains(3, Options(1))
        assert plan.needs == needs, "what is planned is what was declared"


@pytest.mark.parametrize(
    ("method", "offered", "message"),
    [
        ("contrastive", {"task": "regression"}, "--method contrastive is for classes; the label is a number here"),
        ("contrastive", {"batch": 1}, "--batch 1: contrastive compares the items of a batch; it takes two or more"),
        ("contrastive", {"focal": 2.0}, "--focal: contrastive compares the items"),
        ("contrastive", {"processes": 2}, "--processes 2: contrastive compares the items of a batch; it takes one"),
        ("lora", {"processes": 3}, "--processes 3: lora trains in one"),
        ("adabn", {"norms": []}, "--method adabn: net has no batch normalisation to adapt"),
        ("adabn", {"batch_norm": "keep"}, "--batch-norm keep: adabn takes the statistics of the target"),
        ("joint", {"fixed": 1}, "--method joint: net has a part that stays as it is"),
    ],
)
def test_what_is_missing_is_said(method: str, offered: dict, message: str) -> None:
    def there(task="classification", norms=(1,), fixed=0, **options) -> Offered:
        network = SimpleNamespace(name="net", body=SimpleNamespace(norms=lambda: norms, fixed=fixed))
        return Offered(method, task, network, FitOptions.of(**options))

    check_needs(METHODS.get(method), there())
    with pytest.raises(InputError, match=message):
        check_needs(METHODS.get(method), there(**copy.copy(offered)))


def test_every_check_is_needed_by_a_method() -> None:
    assert {need for name in METHODS for need in getattr(METHODS.get(name), "NEEDS", ())} == set(KNOWN) >= set(CHECKS)
