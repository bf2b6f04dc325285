"""The loop learns, stops where it must, and a resumed run ends with the same bits."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from regraft.backbones.base import Body
from regraft.core.errors import ArtefactError, InputError
from regraft.core.types import PreprocessSpec
from regraft.data.items import PictureArray
from regraft.data.transforms.policy import Policy
from regraft.methods.base import Phase
from regraft.methods.finetuning.l2_sp import StartingPoint
from regraft.training import loop, losses, objective, saving, state
from regraft.training.feeds.base import count, order
from regraft.training.feeds.features import RowBatches
from regraft.training.feeds.images import PictureBatches
from regraft.training.loop import Learner, Settings, train
from tests.conftest import with_slow

SPEC = PreprocessSpec(height=12, width=12)


def problem(n: int = 48):
    """Bright or dark pictures, a small network with dropout and batch normalisation."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    pictures = (rng.integers(0, 90, (n, 12, 12, 3)) + 120 * y[:, None, None, None]).astype(np.uint8)
    torch.manual_seed(0)
    blocks = [("a", nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU())),
              ("b", nn.Sequential(nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2)))]  # fmt: skip
    body = Body(blocks, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    data = PictureBatches(PictureArray(pictures, "x"), SPEC, Policy("light"), seed=0)
    return Learner(body, nn.Linear(8, 2)), data, np.eye(2)[y]


PHASES = (Phase("head", 1, frozen=2, rate=0.01), Phase("all", 3, frozen=0, rate=0.01, layer_decay=0.7))
SETTINGS = Settings(batch=10, precision="float32")


def weights(learner: Learner) -> bytes:
    return b"".join(v.numpy().tobytes() for v in learner.state_dict().values())


def test_it_learns(tmp_path: Path) -> None:
    learner, data, targets = problem()
    progress = train(learner, [Phase("all", 15, 0, 0.01)], data, targets, SETTINGS, folder=tmp_path)
    assert progress.history[-1]["loss"] < 0.5 * progress.history[0]["loss"]
    x, positions = next(data.epoch(0, 48, 0))
    assert (learner(x).argmax(1).numpy() == targets[positions].argmax(1)).mean() > 0.95


@pytest.mark.parametrize("kill", [1, 4, 5, 6, 13, 19])
def test_killed_at_any_step_and_resumed_to_the_bit(kill: int, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)  # after every step
    judged = lambda learner: float(learner.head.weight.square().sum())
    whole, data, targets = problem()
    done = train(whole, PHASES, data, targets, SETTINGS, folder=tmp_path / "a", inner=judged)
    killed, data, targets = problem()
    train(killed, PHASES, data, targets, SETTINGS, folder=tmp_path / "b", inner=judged, stop_after=kill)
    torch.manual_seed(999)
    again, data, targets = problem()
    resumed = train(again, PHASES, data, targets, SETTINGS, folder=tmp_path / "b", inner=judged)
    assert weights(again) == weights(whole)
    assert resumed.step == done.step == 20
    assert [h.get("inner") for h in resumed.history] == [h.get("inner") for h in done.history]


@pytest.mark.parametrize("kill", [5, 9])
def test_resumed_to_the_bit_with_a_last_batch_of_one_and_a_penalty(kill: int, tmp_path: Path, monkeypatch) -> None:
    """41 examples in batches of 10 are 4 steps, and L2-SP is drawn to where the run began, not to where it went on."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    results = []
    for name, stops in (("a", [None]), ("b", [kill, None])):
        for stop in stops:
            learner, data, targets = problem(41)
            phases = [Phase("all", 3, 0, 0.01, penalty=StartingPoint(1.0, 0.1))]
            at = train(learner, phases, data, targets, SETTINGS, folder=tmp_path / name, stop_after=stop)
        results.append(weights(learner))
        assert at.step == 12
    assert results[0] == results[1]


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    results = []
    for i, seed in enumerate((0, 0, 1)):
        learner, data, targets = problem()
        data = PictureBatches(data.items, SPEC, Policy("light"), seed)
        train(
            learner, PHASES, data, targets, Settings(batch=10, seed=seed, precision="float32"), folder=tmp_path / str(i)
        )
        results.append(weights(learner))
    assert results[0] == results[1] != results[2]


def test_frozen_blocks_keep_their_bits(tmp_path: Path) -> None:
    learner, data, targets = problem()
    before = [v.clone() for v in learner.body.blocks[0][1].state_dict().values()]
    train(learner, [Phase("last", 2, frozen=1, rate=0.01)], data, targets, SETTINGS, folder=tmp_path)
    after = learner.body.blocks[0][1].state_dict().values()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_layers_learn_at_their_own_rates(tmp_path: Path) -> None:
    learner, data, targets = problem()
    run = loop.Run(learner, PHASES, data, torch.from_numpy(targets), SETTINGS, tmp_path, None)
    run.resume()
    run.begin(Phase("all", 1, 0, 0.1, layer_decay=0.5))
    scale = {run.names[p].split(".")[0:3:2][-1]: g["scale"] for g in run.optimiser.param_groups for p in g["params"]}
    assert scale["a"] == 0.25 and scale["b"] == 0.5
    assert {g["scale"] for g in run.optimiser.param_groups} == {1.0, 0.5, 0.25}
    assert all((g["weight_decay"] > 0) == all(p.ndim > 1 for p in g["params"]) for g in run.optimiser.param_groups)


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_state(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    learner, data, targets = problem()
    plain, calls = losses.LOSSES["softmax"], []

    def fails(*args):
        calls.append(1)
        return plain(*args) * (float("nan") if len(calls) == 4 else 1)

    monkeypatch.setitem(losses.LOSSES, "softmax", fails)
    with pytest.raises(InputError, match=r"no longer a number at step 3 .* try --lr 0\.001"):
        train(learner, PHASES, data, targets, SETTINGS, folder=tmp_path)
    assert json.loads((tmp_path / "last/state.json").read_text())["at"]["step"] == 3


def test_out_of_memory_takes_smaller_pieces_with_nearly_the_same_gradient(tmp_path: Path, monkeypatch) -> None:
    learner, data, targets = problem()
    forward = Learner.forward

    def small(self, x):
        if len(x) > 5:
            raise torch.OutOfMemoryError("too much")
        return forward(self, x)

    monkeypatch.setattr(Learner, "forward", small)
    progress = train(learner, PHASES, data, targets, SETTINGS, folder=tmp_path)
    assert progress.accumulation_steps == 2 and progress.step == 20


def test_a_checkpoint_of_other_settings_or_damaged(tmp_path: Path) -> None:
    learner, data, targets = problem()
    train(learner, PHASES, data, targets, SETTINGS, folder=tmp_path)
    with pytest.raises(InputError, match="other settings"):
        train(learner, PHASES, data, targets, Settings(batch=11, precision="float32"), folder=tmp_path)
    (tmp_path / "last/state.safetensors").write_bytes(b"x")
    with pytest.raises(ArtefactError, match="damaged"):
        train(learner, PHASES, data, targets, SETTINGS, folder=tmp_path)


def test_the_average_follows_the_recorded_formula(tmp_path: Path) -> None:
    """min(decay, (1 + i) / (10 + i)), as recorded for weights 1, 2, 4, 8, 16: the first is a copy here too."""
    learner, data, targets = problem()
    run = loop.Run(learner, PHASES, data, torch.from_numpy(targets), Settings(ema=0.9), tmp_path, None)
    run.resume()
    run.begin(PHASES[1])
    bias = learner.head.bias
    value = 1.0
    with torch.no_grad():
        run.average["head.bias"].fill_(1.0)
        for i, w in enumerate([2.0, 4.0, 8.0, 16.0]):
            run.at.step = i
            bias.fill_(w)
            run.follow()
            d = min(0.9, (1 + i) / (10 + i))
            value = d * value + (1 - d) * w
            assert run.average["head.bias"][0].item() == pytest.approx(value, rel=1e-6)


def test_order_never_leaves_a_batch_of_one() -> None:
    assert [len(p) for p in order(21, 0, 0, 10)] == [10, 11]
    assert [len(p) for p in order(1, 0, 0, 10)] == [1]
    assert all(count(n, 10) == len(order(n, 0, 0, 10)) for n in range(1, 45))
    assert sorted(np.concatenate(order(21, 0, 3, 10))) == list(range(21))


def test_rows_in_place_of_pictures(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    views = [(rng.normal(size=(40, 8)) + 2 * y[:, None]).astype(np.float32) for _ in range(3)]
    learner = Learner(Body([("x", nn.Linear(8, 8))], nn.Identity()), nn.Linear(8, 2), first_trained_block=1)
    progress = train(
        learner, [Phase("head", 10, 1, 0.05)], RowBatches(views, 0), np.eye(2)[y], SETTINGS, folder=tmp_path
    )
    assert progress.history[-1]["loss"] < 0.5


def test_a_rate_that_diverges_is_stopped(tmp_path: Path, monkeypatch) -> None:
    learner, data, targets = problem()
    plain = losses.LOSSES["softmax"]
    calls = []

    def grows(*args):
        calls.append(1)
        return plain(*args) * 1.3 ** max(0, len(calls) - 10)

    monkeypatch.setitem(losses.LOSSES, "softmax", grows)
    with pytest.raises(InputError, match=r"loss grew from .* --lr 0\.001 or --lr auto"):
        train(learner, [Phase("all", 20, 0, 0.01)], data, targets, SETTINGS, folder=tmp_path)


def test_accumulated_pieces_give_the_gradient_of_the_whole(tmp_path: Path) -> None:
    """With a network without batch statistics, to rounding."""
    results = []
    for pieces in (1, 4):
        torch.manual_seed(0)
        body = Body([("a", nn.Sequential(nn.Flatten(), nn.Linear(12 * 12 * 3, 8), nn.Tanh()))], nn.Identity())
        learner = Learner(body, nn.Linear(8, 2))
        _, data, targets = problem()
        settings = Settings(batch=16, accumulate=pieces, precision="float32")
        at = train(learner, [Phase("all", 2, 0, 0.001)], data, targets, settings, folder=tmp_path / str(pieces))
        results.append(learner.head.weight.detach())
        assert at.step == 6
    assert torch.allclose(*results, atol=1e-5)


def test_pieces_hold_two_examples_at_least() -> None:
    assert [len(p) for p in objective.pieces(torch.zeros(10, 1), 4)] == [3, 3, 2, 2]
    assert [len(p) for p in objective.pieces(torch.zeros(3, 1), 4)] == [3]


def test_patience_ends_a_phase_early_also_when_resumed(tmp_path: Path) -> None:
    judged = iter([1.0, 2.0, 3.0, *[0.5] * 99])
    learner, data, targets = problem()
    settings = Settings(batch=10, precision="float32", patience=2)
    at = train(learner, PHASES[1:], data, targets, settings, folder=tmp_path, inner=lambda _: next(judged))
    assert [h["inner"] for h in at.history] == [1.0, 2.0, 3.0] and at.best == 1.0
    learner, data, targets = problem()
    again = train(learner, PHASES[1:], data, targets, settings, folder=tmp_path, inner=lambda _: 0.0)
    assert again.step == at.step, "what had ended does not go on"


def test_a_checkpoint_of_other_data_or_version_is_refused(tmp_path: Path, monkeypatch) -> None:
    learner, data, targets = problem()
    settings = Settings(batch=10, precision="float32", data="a")
    train(learner, PHASES[:1], data, targets, settings, folder=tmp_path)
    with pytest.raises(InputError, match="data has changed"):
        train(learner, PHASES[:1], data, targets, Settings(batch=10, precision="float32", data="b"), folder=tmp_path)
    monkeypatch.setattr(state, "__version__", "99")
    with pytest.raises(InputError, match="made by regraft .* and this is 99"):
        train(learner, PHASES[:1], data, targets, settings, folder=tmp_path)


def test_no_space_for_a_checkpoint_is_one_sentence(tmp_path: Path, monkeypatch) -> None:
    import errno

    from regraft.core.errors import DiskError
    from regraft.training import checkpoint

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    learner, data, targets = problem()
    monkeypatch.setattr(checkpoint, "write_state", full)
    with pytest.raises(DiskError, match="disk is full"):
        train(learner, PHASES, data, targets, SETTINGS, folder=tmp_path)
    assert not list(tmp_path.glob(".*tmp")), "nothing half-written is left"


def test_several_labels_and_class_weights(tmp_path: Path) -> None:
    learner, data, targets = problem()
    several = np.stack([targets[:, 0], np.ones(len(targets))], 1)
    settings = Settings(batch=10, precision="float32", task="multilabel", smoothing=0.0)
    train(learner, [Phase("all", 15, 0, 0.02)], data, several, settings, folder=tmp_path / "m")
    x, positions = next(data.epoch(0, 48, 0))
    assert ((learner(x) > 0).numpy() == several[positions].astype(bool)).mean() > 0.95
    logits, wanted = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.eye(2)
    plain = losses.LOSSES["softmax"](logits, wanted, 0.0, None)
    heavy = losses.LOSSES["softmax"](logits, wanted, 0.0, torch.tensor([3.0, 1.0]))
    first = -torch.log_softmax(logits, 1)[0, 0]
    assert heavy.item() == pytest.approx((plain + first).item(), rel=1e-6)


def test_focal_losses_are_the_pure_functions() -> None:
    from regraft.metrics import densities

    rng = np.random.default_rng(0)
    logits, truth = torch.from_numpy(rng.normal(size=(6, 3))), torch.eye(3, dtype=torch.float64)[[0, 1, 2, 2, 1, 0]]
    ours = losses.loss_of("multilabel", 2.0)(logits, truth, 0.0, None)
    wanted = densities.focal(truth.numpy(), logits.sigmoid().numpy(), gamma=2.0, alpha=None)
    assert ours.item() == pytest.approx(wanted.mean(), rel=1e-9)
    p = logits.softmax(1)[torch.arange(6), truth.argmax(1)]
    for gamma in (0.5, 2.0):
        found = losses.loss_of("classification", gamma)(logits, truth, 0.0, None)
        assert found.item() == pytest.approx((-((1 - p) ** gamma) * p.log()).mean().item(), rel=1e-9)
    weight = torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64)
    heavy = losses.loss_of("classification", 2.0)(logits, truth, 0.0, weight)
    assert heavy.item() == pytest.approx((-((1 - p) ** 2) * p.log() * (truth @ weight)).mean().item(), rel=1e-9)
    assert losses.loss_of("classification") is losses.LOSSES["softmax"]


@pytest.mark.parametrize("strided", [True, False])
def test_strided_depthwise_layers_run_in_float32_inside_and_are_themselves_after(strided: bool) -> None:
    from regraft.training.precision import strided_depthwise_in_float32

    layer = nn.Conv2d(4, 4, 3, 2 if strided else 1, groups=4)
    with strided_depthwise_in_float32(layer), torch.autocast("cpu", torch.bfloat16):
        inside = layer(torch.zeros(1, 4, 8, 8)).dtype
    assert inside == (torch.float32 if strided else torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.zeros(1, 4, 8, 8)).dtype == torch.bfloat16


class PadsFirst(nn.Conv2d):
    """As the layers of EfficientNet-Lite are: no padding of its own, the forward pass pads its input."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(nn.functional.pad(x, (1, 1, 1, 1)))


def test_a_layer_that_pads_by_itself_does_in_float32_too() -> None:
    from regraft.training.precision import strided_depthwise_in_float32

    layer, x = PadsFirst(4, 4, 3, 2, groups=4), torch.randn(2, 4, 9, 9)
    wanted = layer(x)
    with strided_depthwise_in_float32(layer), torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(layer(x), wanted, rtol=0, atol=0)


class Clock:
    """A time that passes only where it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("cost", with_slow((0.5, 20.0), (0.5,)))
def test_saving_takes_a_twentieth_of_the_time_at_most(cost: float, tmp_path: Path, monkeypatch) -> None:
    """Steps of a second; a checkpoint of some seconds, however large a network would have to be for that."""
    clock, saved = Clock(), []
    learner, data, targets = problem()
    taken, write = loop.Run.one_step, loop.checkpoint.save

    def step(self: loop.Run, *args: object) -> object:
        clock.now += 1.0
        return taken(self, *args)

    def save(folder: Path, state: dict, tensors: dict) -> None:
        whole = "optimiser" in tensors
        clock.now += cost if whole else cost / 5
        saved.append((clock.now, whole))
        write(folder, state, tensors)

    monkeypatch.setattr(loop.time, "monotonic", clock)
    monkeypatch.setattr(loop.Run, "one_step", step)
    monkeypatch.setattr(loop.checkpoint, "save", save)
    monkeypatch.setattr(saving, "BYTES_A_SECOND", loop.size({"": learner.state_dict()}) * 4 / cost)
    train(learner, [Phase("all", 100, 0, 0.01)], data, targets, SETTINGS, folder=tmp_path)
    seconds = sum(cost if whole else cost / 5 for _, whole in saved)
    assert 0.6 * 0.05 * 500 < seconds <= 0.05 * clock.now
    assert loop.checkpoint.load(tmp_path) is not None
    apart = np.diff([0.0, *(at for at, whole in saved if whole)])
    assert apart.max() < 30 * cost, "so much is lost where the run is killed, and no more"


def test_what_has_ended_is_not_trained_again(tmp_path: Path, monkeypatch) -> None:
    """The last checkpoint holds the weights that the run came to, and nothing else."""
    monkeypatch.setattr(loop.Run, "save_if_affordable", lambda self: None)
    results = []
    for _ in range(2):
        learner, data, targets = problem()
        judged = lambda learner: float(learner.head.weight.square().sum())
        at = train(learner, PHASES, data, targets, SETTINGS, folder=tmp_path, inner=judged)
        results.append((weights(learner), at.step, len(at.history)))
        monkeypatch.setattr(loop.Run, "one_step", None)
    assert results[0] == results[1]
    state, tensors = loop.checkpoint.load(tmp_path)
    assert set(tensors) == {"model"} and state["at"]["phase"] == len(PHASES)
