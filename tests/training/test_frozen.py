"""What a training leaves as it is: word vectors unless told otherwise, and blocks that are frozen in every phase."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from regraft.backbones import catalog
from regraft.backbones.base import copied, word_vectors
from regraft.core.errors import InputError
from regraft.methods.adaptation import adda, pseudo_label
from regraft.methods.adaptation.on_networks import Sizes
from regraft.methods.base import Options, Phase, Plan
from regraft.methods.finetuning import l2_sp, lora
from regraft.methods.multi_task import own_bodies
from regraft.models.heads import LinearHead
from regraft.training import checkpoint, loop, saving
from regraft.training.feeds.tokens import TextBatches
from regraft.training.frozen import changing_ever
from regraft.training.loop import Learner, Settings, train
from tests.training.test_loop import PHASES, SETTINGS, Clock, problem, weights

pytest.importorskip("transformers", reason="transformers is in the extra text")
from tests.backbones.tiny_text import write_model
from tests.conftest import with_slow

TOKENS = 1000
WHOLE = [Phase("some", 1, frozen=1, rate=0.01), Phase("all", 2, frozen=0, rate=0.01)]
KEPT = Settings(batch=8, precision="float32", train_embeddings=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    """As e5-small: nine tenths of the weights are word vectors."""
    return str(write_model(tmp_path_factory.mktemp("m") / "large", vocab_size=TOKENS))


def pack(rows, length: int) -> torch.Tensor:
    found = torch.zeros(len(rows), 2, length, dtype=torch.int64)
    for i, row in enumerate(rows):
        found[i, 0, : len(row)] = torch.tensor(row)
        found[i, 1, : len(row)] = 1
    return found


def texts(folder: str, n: int = 40):
    """Tokens below or above 500, by the class."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    rows = [(rng.integers(6, 500, rng.integers(3, 20)) + 490 * c).tolist() for c in y]
    learner = Learner(catalog.load(folder).body, LinearHead.zero(32, 2).requires_grad_(True))
    return learner, TextBatches(rows, pack, seed=0), np.eye(2)[y]


def judged(learner: Learner) -> float:
    return float(learner.head.linear.weight.square().sum())


TABLE = "body.chain.embeddings.embeddings.word_embeddings.weight"


def test_word_vectors_keep_their_bits_and_all_else_learns(folder: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    learner, data, targets = texts(folder)
    before = {k: v.clone() for k, v in learner.state_dict().items()}
    progress = train(learner, WHOLE, data, targets, KEPT, folder=tmp_path, stop_after=12)
    moved = {k for k, v in learner.state_dict().items() if not torch.equal(v, before[k])}
    learned = {k for k, p in learner.named_parameters() if k != TABLE}
    assert moved == learned
    assert learner.get_parameter(TABLE).grad is None and TABLE not in moved
    assert progress.left_alone == {"weights": TOKENS * 32, "word_vectors": TOKENS * 32}
    state, tensors = checkpoint.load(tmp_path)
    assert {*tensors} == {"model", "average", "optimiser"} and state["left_out"]["names"] == [TABLE]
    assert not any("word_embeddings" in name for table in tensors.values() for name in table)
    learning = sum(t.nbytes for k, t in learner.state_dict().items() if k != TABLE)
    assert (tmp_path / "last/state.safetensors").stat().st_size < 4 * learning + 40_000, "and the names"


def test_they_learn_where_they_are_told_to(folder: str, tmp_path: Path) -> None:
    learner, data, targets = texts(folder)
    before = learner.get_parameter(TABLE).detach().clone()
    settings = Settings(batch=8, precision="float32")
    progress = train(learner, WHOLE, data, targets, settings, folder=tmp_path)
    assert not torch.equal(learner.get_parameter(TABLE), before)
    assert progress.left_alone == {"weights": 0, "word_vectors": 0}


@pytest.mark.parametrize("kill", [1, 5, 9])
@pytest.mark.parametrize("method", ["two phases", "l2-sp", "lora"])
def test_killed_and_resumed_to_the_bit(method: str, kill: int, folder: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    results = []
    for name, stops in (("a", [None]), ("b", [kill, None])):
        for stop in stops:
            torch.manual_seed(0 if stop else 7)
            learner, data, targets = texts(folder)
            plans = {"l2-sp": l2_sp.plan, "lora": lora.plan}
            plan = plans[method](3, Options(3, 0.01)) if method in plans else Plan(tuple(WHOLE))
            if plan.prepare:
                torch.manual_seed(1)
                plan.prepare(learner.body)
            at = train(learner, plan.phases, data, targets, KEPT, folder=tmp_path / name, inner=judged, stop_after=stop)
        results.append((weights(learner), at.step, [h["inner"] for h in at.history]))
    assert results[0] == results[1] and results[0][1] == 15


def test_other_weights_to_start_from_are_refused(folder: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    learner, data, targets = texts(folder)
    train(learner, WHOLE, data, targets, KEPT, folder=tmp_path, stop_after=7)
    learner, data, targets = texts(folder)
    with torch.no_grad():
        learner.get_parameter(TABLE)[TOKENS - 1, 0] += 1
    with pytest.raises(InputError, match=r"leaves out 1 tensors .* bring back its weights, or --overwrite"):
        train(learner, WHOLE, data, targets, KEPT, folder=tmp_path)
    with pytest.raises(InputError, match="train_embeddings was False and is True"):
        train(texts(folder)[0], WHOLE, data, targets, Settings(batch=8, precision="float32"), folder=tmp_path)


def test_a_checkpoint_that_holds_everything_is_resumed_as_before(tmp_path: Path, monkeypatch) -> None:
    """Those written before anything was left out."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    phases = [Phase("last", 4, frozen=1, rate=0.01)]
    whole, data, targets = problem()
    train(whole, phases, data, targets, SETTINGS, folder=tmp_path / "a")
    killed, data, targets = problem()
    train(killed, phases, data, targets, SETTINGS, folder=tmp_path / "b", stop_after=7)
    last = tmp_path / "b/last"
    state = json.loads((last / "state.json").read_text())
    assert {n.split(".")[2] for n in state.pop("left_out")["names"]} == {"a"}
    del state["settings"]["train_embeddings"], state["at"]["left_alone"]
    (last / "state.json").write_text(json.dumps(state))
    held = load_file(last / "state.safetensors")
    frozen = {k: v.clone() for k, v in killed.state_dict().items() if k.startswith("body.chain.a.")}
    assert frozen and not any("chain.a." in k for k in held)
    save_file(held | {f"{kind}/{k}": v.clone() for kind in ("model", "average") for k, v in frozen.items()},
              last / "state.safetensors")  # fmt: skip
    again, data, targets = problem()
    train(again, phases, data, targets, SETTINGS, folder=tmp_path / "b")
    assert weights(again) == weights(whole)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    learner, data, targets = problem()
    train(learner, PHASES, data, targets, SETTINGS, folder=tmp_path)
    learner.head = nn.Sequential(nn.Linear(8, 2), nn.Identity())
    with pytest.raises(InputError, match="of another network; --overwrite"):
        train(learner, PHASES, data, targets, SETTINGS, folder=tmp_path)


def test_what_changes_in_some_phase() -> None:
    learner, *_ = problem()
    names = lambda phases: {n.split(".")[2] if "body" in n else "head" for n in changing_ever(learner, phases, True)}
    assert names([Phase("last", 1, 1, 0.1)]) == {"b", "head"} == names([Phase("x", 1, f, 0.1) for f in (2, 1)])
    assert names(PHASES) == {"a", "b", "head"} and names([Phase("body", 1, 0, 0.1, head=False)]) == {"a", "b"}
    only = changing_ever(learner, [Phase("biases", 1, 0, 0.1, only="0.bias")], True)
    assert [n for n in only if n.startswith("body.chain.a")] == [
        "body.chain.a.0.bias", *(f"body.chain.a.1.{b}" for b in ("running_mean", "running_var", "num_batches_tracked"))
    ]  # fmt: skip


def test_nobody_else_in_the_learner_keeps_them(folder: str) -> None:
    """Neither a mean teacher nor the body of the source, which a method has beside the learner."""
    for extra in (adda.both, pseudo_label.teacher):
        learner, *_ = texts(folder)
        learner.extra = extra(learner, Sizes(32, 2, 40))
        for embeddings in (False, True):
            names = changing_ever(learner, WHOLE, embeddings)
            tables = [n for n in names if "word_embeddings" in n]
            assert len(tables) == (2 if embeddings else 0) and any(n.startswith("extra.0.chain") for n in names)


def test_a_copy_may_share_them(folder: str) -> None:
    body = catalog.load(folder).body
    (own,), (shared,), (apart,) = (word_vectors(b) for b in (body, copied(body, share_word_vectors=True), copied(body)))
    assert shared.data_ptr() == own.data_ptr() != apart.data_ptr() and shared is not own
    assert torch.equal(apart, own)
    first, second = (next(b.parameters()) for b in (body.chain["layer-0"], copied(body, share_word_vectors=True).chain["layer-0"]))  # noqa: E501 # fmt: skip
    assert first.data_ptr() != second.data_ptr()
    for share in (True, False):
        tables = {t.data_ptr() for t in word_vectors(own_bodies(body, 3, share))}
        assert len(tables) == (1 if share else 3)


def test_a_network_that_is_word_vectors_has_none_to_keep() -> None:
    assert word_vectors(catalog.load("regraft_tiny_text").body) == []


@pytest.mark.parametrize("slower", with_slow((1, 40), (40,)))
def test_saving_takes_a_twentieth_of_the_time_on_an_unknown_disk(slower: float, tmp_path: Path, monkeypatch) -> None:
    """The disk takes so many times fewer bytes a second than is reckoned; the run would end before that is made up."""
    clock, writes = Clock(), []
    learner, data, targets = problem()
    taken, write = loop.Run.one_step, checkpoint.write_state
    bytes_a_second = loop.size({"": learner.state_dict()}) * 4 / 10.0

    def step(self: loop.Run, *args: object) -> object:
        clock.now += 1.0
        return taken(self, *args)

    def slowly(path: Path, state: dict) -> None:
        seconds = loop.size({"": state}) * slower / bytes_a_second
        clock.now += seconds
        writes.append(seconds)
        write(path, state)

    monkeypatch.setattr(loop.time, "monotonic", clock)
    monkeypatch.setattr(loop.Run, "one_step", step)
    monkeypatch.setattr(checkpoint, "write_state", slowly)
    monkeypatch.setattr(saving, "BYTES_A_SECOND", bytes_a_second)
    monkeypatch.setattr(saving, "TRIED_FROM", 1)
    train(learner, [Phase("all", 120, 0, 0.01)], data, targets, SETTINGS, folder=tmp_path)
    assert sum(writes) <= 0.05 * clock.now
    assert (checkpoint.load(tmp_path) is not None) == (slower == 1), "600 steps allow 30 s, and it would take 400"
    assert [p.name for p in tmp_path.iterdir()] == ["last"] * (slower == 1), "nothing of the trial is left"
