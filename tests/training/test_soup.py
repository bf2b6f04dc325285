"""Averaged weights of several trainings: which, what of, and that none is trained twice."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import regraft
from regraft.core.errors import InputError, TrainingError
from regraft.data.transforms.policy import Policy
from regraft.models import artefact
from regraft.options.fit import FitOptions, Meaning
from regraft.training import checkpoint, loop
from regraft.training.soup import Member, Recipe, greedy, recipes
from tests.conftest import write_shapes

QUICK = {"method": "finetune", "epochs": 1, "batch": 16, "controls": "none", "soup": 3}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> str:
    return str(write_shapes(tmp_path_factory.mktemp("s") / "shapes", 70))


@pytest.fixture(scope="module")
def cooked(pictures: str, tmp_path_factory):
    """A run; its trainings, which it drops in the end, stay in ``members`` beside it."""
    folder = tmp_path_factory.mktemp("r")

    def kept(several: list[Member], *more):
        shutil.copytree(several[0].folder.parents[1], folder / "members")
        return greedy(several, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("regraft.training.soup.greedy", kept)
        return regraft.fit(pictures, out=str(folder / "soup"), **QUICK)


def weights_of(run: str) -> dict[str, torch.Tensor]:
    model = artefact.load(run)[0]
    head = {f"head.{k}": v for k, v in model.head.state_dict().items()}
    return {f"body.{k}": v for k, v in model.network.body.state_dict().items()} | head


def members(folder: Path, *values: float) -> list[Member]:
    """Trainings whose only weight has these values; their loss is its square."""
    found = []
    for i, value in enumerate(values):
        checkpoint.save(folder / str(i), {}, {"model": {"w": torch.tensor([value])}})
        found.append(Member(Recipe(i, 1.0, Policy("none")), value**2, {}, folder / str(i)))
    return found


def test_members_join_from_the_best_on_and_stay_where_it_is_no_worse(tmp_path: Path) -> None:
    """0.5 begins; -0.6 brings the mean to -0.05; 3 would spoil it; 0.9 too, though less."""
    tried = []

    def judge(weights):
        tried.append(float(weights["w"]))
        return tried[-1] ** 2

    weights, taken, loss = greedy(members(tmp_path, 3.0, 0.9, 0.5, -0.6), {"w": torch.tensor([7.0])}, judge)
    assert tried == pytest.approx([-0.05, 0.8 / 3, 2.9 / 3]) and [m.recipe.seed for m in taken] == [2, 3]
    assert float(weights["w"]) == pytest.approx(-0.05) and loss == pytest.approx(0.0025)


def test_all_weigh_the_same_and_what_one_has_not_changed_counts_as_it_was(tmp_path: Path) -> None:
    several = members(tmp_path, 1.0, 2.0, 6.0)
    checkpoint.save(tmp_path / "0", {}, {"model": {}})  # it changed nothing: its weight is that of the start
    weights, taken, _ = greedy(several, {"w": torch.tensor([1.0])}, lambda _: 0.0)
    assert len(taken) == 3 and float(weights["w"]) == pytest.approx(3.0)


def test_the_first_member_is_the_training_without_a_soup() -> None:
    found = [*recipes(7, 5, Policy("light", False), asked=False)]
    assert found[0] == Recipe(5, 1.0, Policy("light", False)) and len({r.seed for r in found}) == 7
    assert [(r.rate, r.policy.name) for r in found[:4]] == [
        (1.0, "light"), (0.5, "standard"), (2.0, "light"), (1.0, "standard")]  # fmt: skip
    assert not any(r.policy.flips for r in found), "what must not be mirrored never is"
    assert {r.policy.name for r in recipes(4, 0, Policy("strong"), asked=True)} == {"strong"}
    assert {r.policy.name for r in recipes(4, 0, Policy("none"), asked=False)} == {"none"}  # texts


def test_one_network_is_saved_the_average_of_those_taken(cooked, pictures: str, tmp_path: Path) -> None:
    soup = cooked.choice["soup"]
    assert [m["seed"] for m in soup["members"]] == [0, 1, 2] and any(m["taken"] for m in soup["members"])
    assert soup["inner_log_loss"] == cooked.choice["inner_log_loss"] <= soup["best_alone"]
    assert soup["best_alone"] == min(m["inner_log_loss"] for m in soup["members"])
    kept = [checkpoint.load(Path(cooked.run).with_name("members") / f"{i}/trained")[1]["model"] for i in range(3)]
    taken = [k for k, m in zip(kept, soup["members"], strict=True) if m["taken"]]
    saved = weights_of(cooked.run)
    body = [k for k in taken[0] if k.startswith("body.")]
    assert body and all(torch.allclose(saved[k], sum(t[k] for t in taken) / len(taken), atol=1e-6) for k in body)
    alone = regraft.fit(pictures, out=str(tmp_path / "alone"), **QUICK | {"soup": None})
    assert alone.choice["inner_log_loss"] == soup["members"][0]["inner_log_loss"]
    assert {k: v.shape for k, v in weights_of(alone.run).items()} == {k: v.shape for k, v in saved.items()}
    assert "soup" not in alone.choice and not (Path(cooked.run).with_name("members") / "0/checkpoints").exists()
    assert cooked.metrics["val"]["accuracy"] > 0.5


def test_what_was_trained_before_an_interruption_is_not_trained_again(cooked, pictures, tmp_path, monkeypatch) -> None:
    train, begun = loop.train, []

    def stopped(*args, **how):
        begun.append(how["folder"])
        if len(begun) == 2:
            raise KeyboardInterrupt
        return train(*args, **how)

    monkeypatch.setattr(loop, "train", stopped)
    out = str(tmp_path / "again")
    with pytest.raises(KeyboardInterrupt):
        regraft.fit(pictures, out=out, **QUICK)
    begun[:] = [None, None]
    result = regraft.fit(pictures, out=out, resume=True, **QUICK)
    assert [Path(f).parent.name for f in begun[2:]] == ["1", "2"], "the first had ended"
    assert result.choice["soup"] == json.loads(json.dumps(cooked.choice["soup"]))
    ours, theirs = weights_of(result.run), weights_of(cooked.run)
    assert all(torch.equal(ours[k], theirs[k]) for k in theirs)


def test_a_rate_that_is_too_high_leaves_one_out(pictures: str, tmp_path: Path, monkeypatch) -> None:
    train = loop.train

    def diverging(learner, phases, *args, **how):
        if phases[0].rate > 1.5e-3 or all_fail:
            raise TrainingError(f"the rate {phases[0].rate:g} is too high")
        return train(learner, phases, *args, **how)

    monkeypatch.setattr(loop, "train", diverging)
    all_fail = False
    soup = regraft.fit(pictures, out=str(tmp_path / "r"), **QUICK).choice["soup"]
    assert soup["left_out"] == ["the rate 0.002 is too high"] and [m["seed"] for m in soup["members"]] == [0, 1]
    all_fail = True
    with pytest.raises(TrainingError, match="the rate 0.001 is too high"):
        regraft.fit(pictures, out=str(tmp_path / "s"), **QUICK)


def test_numbers_and_texts_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(150):
        words = rng.permutation(["good", "bad", "film", "the"])[:3]
        lines.append(f"{' '.join(words)},{2.0 * ('good' in words) + rng.normal() / 10:.3f}")
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    result = regraft.fit(str(tmp_path / "t.csv"), backbone="regraft_tiny_text", method="lp-ft", epochs=2,
                         soup=2, task="regression", controls="none", out=str(tmp_path / "r"))  # fmt: skip
    soup = result.choice["soup"]
    assert soup["inner_log_loss"] <= soup["best_alone"] and {m["augment"] for m in soup["members"]} == {"none"}
    assert result.metrics["val"]["rmse"] < 1.2


@pytest.mark.parametrize(
    ("more", "why"),
    [({"backbone": "random:regraft_tiny"}, "starts from random weights"),
     ({"batch_norm": "learn"}, "statistics of its own"), ({"soup": 1}, "between 2 and 50"),
     ({"method": "lora"}, "is not for lora"), ({"method": "scratch"}, "is not for scratch"),
     ({"method": "mlp-probe"}, "is not for mlp-probe"),
     ({"method": "contrastive"}, "is not for contrastive"), ({"method": "auto"}, "is not for auto"),
     ({"method": "linear-probe", "epochs": None, "batch": None}, "for methods that train a network")],
)  # fmt: skip
def test_where_weights_are_not_averaged(pictures: str, tmp_path: Path, more: dict, why: str) -> None:
    with pytest.raises(InputError, match=why):
        regraft.fit(pictures, out=str(tmp_path / "r"), **QUICK | more)
    assert not [*tmp_path.iterdir()]


def test_few_items_boxes_domains_and_tasks_have_no_soup(own_shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="100 items or more"):
        regraft.fit(str(own_shapes), out=str(tmp_path / "few"), **QUICK)
    options = FitOptions.of(soup=3)
    for meaning, why in (
        (Meaning("finetune", "detector", "single", "detection"), "not for detectors"),
        (Meaning("dann", "adapting networks", "target"), "no inner split"),
        (Meaning("joint", "domains", "domains"), "a loss of its own"),
    ):
        assert [why in str(error) for error in options.wrong(meaning)] == [True]


def test_other_settings_are_refused(pictures: str, cooked, tmp_path: Path) -> None:
    from regraft.training.soup import _kept
    from regraft.training.state import Settings

    folder = Path(cooked.run).with_name("members") / "1/trained"
    state = json.loads((folder / "last/state.json").read_text())
    fields = state["settings"] | {"class_weight": None}
    assert _kept(Recipe(1, 0.5, Policy("standard")), Settings(**fields), folder) is not None
    with pytest.raises(InputError, match="seed was 1 and is 4"):
        _kept(Recipe(1, 0.5, Policy("standard")), replace(Settings(**fields), seed=4), folder)
