"""A second training, on what was held out in the first too: how long, from what, and with whose figures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import regraft
from regraft.core.errors import InputError
from regraft.methods.base import Phase
from regraft.models import artefact
from regraft.pipelines.result import FitResult
from regraft.training import loop
from regraft.training.feeds.base import count
from regraft.training.network import to_best
from tests.conftest import killed_at, with_slow, write_shapes
from tests.training.test_beside import OPTIONS, write_table

QUICK = {"method": "finetune", "epochs": 3, "batch": 16, "controls": "none", "backbone": "regraft_tiny"}
FULL = QUICK | {"refit_full": True}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> str:
    return str(write_shapes(tmp_path_factory.mktemp("s") / "shapes", 70))


@pytest.fixture(scope="module")
def full(pictures: str, tmp_path_factory) -> FitResult:
    return regraft.fit(pictures, out=str(tmp_path_factory.mktemp("r") / "full"), **FULL)


def bits(run: str) -> dict[str, torch.Tensor]:
    model = artefact.load(run)[0]
    return model.network.body.state_dict() | {f"head.{k}": v for k, v in model.head.state_dict().items()}


def test_as_many_epochs_as_the_inner_part_found_best() -> None:
    def epochs(*inner: tuple[int, float | None]) -> list[tuple[str, int]]:
        """By the epoch inside its phase, and the loss, of every epoch."""
        found = to_best(phases, [{"epoch": epoch, "inner": value} for epoch, value in inner])
        assert found[0] == replace(phases[0], epochs=found[0].epochs)
        return [(p.name, p.epochs) for p in found]

    phases = (Phase("a", 2, 0, 0.1), Phase("b", 3, 1, 0.1), Phase("b", 2, 2, 0.1))  # gradual calls two alike
    assert epochs((0, 3), (1, 2), (0, 1), (1, 0.5), (2, 0.6), (0, 0.7), (1, 0.5)) == [("a", 2), ("b", 2)]
    assert epochs((0, 3), (1, 2), (0, 1), (1, 0.5), (2, 0.6), (0, 0.4), (1, 0.5)) == [("a", 2), ("b", 3), ("b", 1)]
    assert epochs((0, 1), (1, 2), (0, 3), (1, 3), (2, 3), (0, 3), (1, 3)) == [("a", 1)]
    # a phase that patience ended early is as long as it was; what is no number was not the best
    assert epochs((0, 3), (0, 2), (1, 2), (0, 1)) == [("a", 1), ("b", 2), ("b", 1)]
    assert epochs((0, float("nan")), (1, 2), (0, None)) == [("a", 2)]


def test_it_learns_from_all_as_long_as_was_best(full: FitResult, pictures: str, tmp_path: Path) -> None:
    plain = regraft.fit(pictures, out=str(tmp_path / "plain"), **QUICK)
    again = full.choice["refit_full"]
    assert full.choice["history"] == plain.choice["history"], "the first training is the same"
    assert full.choice["temperature"] == plain.choice["temperature"] and full.decision == plain.decision
    inner = [row["inner"] for row in plain.choice["history"]]
    epochs = inner.index(min(inner)) + 1
    assert again["items"] == full.items["train"] == 112 and again["steps"] == epochs * count(112, 16, 1)
    assert len(again["history"]) == epochs and not any("inner" in row for row in again["history"])
    ours, theirs = bits(full.run), bits(plain.run)
    assert any(not torch.equal(v, theirs[k]) for k, v in ours.items()), "another network"
    assert full.metrics["val"]["accuracy"] > 0.9 and regraft.verify(full.run)["ok"]
    page = " ".join(Path(full.run, "report.html").read_text(encoding="utf-8").split())
    assert f"Trained once more on all 112 items, the ones held out among them, for {epochs} epoch" in page
    assert Path(full.run, "refit", "training.csv").is_file() and not [*Path(full.run).rglob("checkpoints")]


def test_the_second_goes_on_after_an_interruption(full: FitResult, pictures: str, tmp_path: Path) -> None:
    out = str(tmp_path / "r")
    with killed_at(full.choice["steps"] + 3):
        regraft.fit(pictures, out=out, **FULL)
    assert Path(f"{out}.partial", "refit").is_dir()
    found = regraft.fit(pictures, out=out, resume=True, **FULL)
    assert all(torch.equal(v, bits(full.run)[k]) for k, v in bits(out).items()), "to the bit"
    assert found.metrics == full.metrics


@pytest.mark.parametrize("method", with_slow(("gradual", "last-k", "l2-sp", "lp-ft", "scratch", "mlp-probe"),
                                             ("last-k", "l2-sp", "lp-ft", "scratch", "mlp-probe")))  # fmt: skip
def test_methods_that_train_do_so_twice(method: str, pictures: str, tmp_path: Path) -> None:
    found = regraft.fit(pictures, out=str(tmp_path / "r"), **FULL | {"method": method, "epochs": 2})
    first, again = ([row["phase"] for row in one["history"]] for one in (found.choice, found.choice["refit_full"]))
    assert again == first[: len(again)] and found.choice["refit_full"]["items"] == 112
    assert np.isfinite(found.metrics["val"]["log_loss"]) and regraft.verify(found.run)["ok"]


@pytest.mark.parametrize("method", with_slow(("lp-ft", "finetune"), ("finetune",)))
def test_it_begins_where_the_first_began_and_keeps_its_temperature(
    method: str, pictures: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, train = [], loop.train

    def spied(learner, *more, **named):
        before = {k: v.clone() for k, v in learner.state_dict().items()}
        found = train(learner, *more, **named)
        seen.append((before, {k: v.clone() for k, v in learner.state_dict().items()}, more[3]))
        return found

    monkeypatch.setattr(loop, "train", spied)
    told = {"method": method, "epochs": 2, "class_weight": "balanced"}
    found = regraft.fit(pictures, out=str(tmp_path / "r"), **FULL | told)
    (first, *_, less), (second, after, settings) = seen
    assert all(torch.equal(v, second[k]) for k, v in first.items() if k.startswith("body."))
    assert settings.class_weight == (1.0, 1.0) != less.class_weight, "that of 56 and 56, not of 47 and 48"
    head, temperature = artefact.load(found.run)[0].head, found.choice["temperature"]
    assert abs(temperature - 1) > 0.05
    assert torch.allclose(head.linear.weight, after["head.linear.weight"] / temperature)


@pytest.mark.slow
def test_a_student_learns_from_all_too(pictures: str, own_shapes: Path, tmp_path: Path) -> None:
    """The same network on the labels alone, of which none can be held out, learns once."""
    teacher = regraft.fit(pictures, controls="none", backbone="regraft_tiny", out=str(tmp_path / "t")).run
    told = {"into": "random:lenet", "unlabelled": pictures, "data": str(own_shapes), "epochs": 2, "refit_full": True}
    found = regraft.distill(teacher, out=str(tmp_path / "s"), patience=1, **told)
    assert found.choice["refit_full"]["items"] == found.items["train"]


def test_numbers_come_in_their_unit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, 200)
    images = (x[:, None, None] * 200 + rng.uniform(0, 30, (200, 12, 12))).astype(np.uint8)
    np.savez(tmp_path / "n.npz", images=images, labels=1000 + 50 * x)
    found = regraft.fit(str(tmp_path / "n.npz"), task="regression", out=str(tmp_path / "r"), **FULL | {"epochs": 4})
    assert found.metrics["val"]["r2"] > 0.8 and found.choice["refit_full"]["items"] == found.items["train"]


def test_what_stands_beside_learns_from_all_too(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is in the extra text")
    from tests.backbones.tiny_text import write_model

    bert, data = str(write_model(tmp_path / "tiny")), str(write_table(tmp_path / "reviews.csv", 240))
    told = OPTIONS | {"backbone": f"{bert}+tfidf"}
    plain, full = (regraft.fit(data, out=str(tmp_path / f"r{on}"), refit_full=on, **told) for on in (None, True))
    for name, share in plain.choice["beside"]["shares"].items():
        assert full.choice["beside"]["shares"][name] == pytest.approx(share, abs=1e-3), "found by the first training"
    assert full.choice["refit_full"]["items"] == full.items["train"] and full.metrics["val"]["accuracy"] > 0.9
    ours, theirs = (artefact.load(r.run)[0].head.linear.weight for r in (full, plain))
    words = slice(-full.metrics["parts"]["parts"][1]["width"], None)
    assert not torch.equal(ours[:, words], theirs[:, words]), "counted words learn from what was held out"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"method": "linear-probe", "epochs": None, "batch": None}, "such as lp-ft; linear-probe has no use for it"),
        ({"method": "contrastive"}, "contrastive holds nothing out"),
        ({"interval": 0.9, "data": "numbers"}, "--interval 0.9 is kept by items held out: leave out one"),
        ({"accuracy": 0.9}, "--accuracy 0.9 is kept by items held out"),
        ({"soup": 2}, "--soup 2 averages trainings that items held out choose"),
        ({"data": "few"}, "of 13 items none is held out"),
    ],
)
def test_what_it_is_not_for_is_said(more: dict, why: str, pictures: str, own_shapes: Path, tmp_path: Path) -> None:
    kinds = {"few": own_shapes, "numbers": write_table(tmp_path / "numbers.csv", 120, numbers=True), "many": pictures}
    data, more = str(kinds[more.get("data", "many")]), {k: v for k, v in more.items() if k != "data"}
    with pytest.raises(InputError, match=why):
        regraft.fit(data, out=str(tmp_path / "r"), **FULL | more)
