"""The loop that trains every method: phases in, the best weights out; exact to the bit when it is resumed.

Nothing depends on what a generator has done before: order and views come from (seed, epoch), chance inside a step from
(seed, step), rates from the step. So the weights, what the optimiser and the average remember, and the step are the
whole state.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from regraft.backbones.base import Body
from regraft.errors import InputError
from regraft.methods.base import Phase
from regraft.runtime import say, track
from regraft.training import checkpoint
from regraft.training.batches import Batches, count
from regraft.training.mixing import mix
from regraft.training.schedule import SCHEDULES, layer_scales

CHECKPOINT_SECONDS = 30.0


@dataclass(frozen=True)
class Settings:
    """What the loop is told besides the phases. ``ema`` is the decay of the averaged weights (0: none)."""

    batch: int = 32
    schedule: str = "cosine"
    weight_decay: float = 0.02
    ema: float = 0.99
    clip: float = 1.0
    smoothing: float = 0.05
    mix: str = "none"
    precision: str = "auto"
    seed: int = 0


class Learner(nn.Module):
    """The blocks of a body from ``border`` on, its pooling, and a head: activations at the border -> logits."""

    def __init__(self, body: Body, head: nn.Module, border: int = 0) -> None:
        super().__init__()
        self.body, self.head, self.border = body, head, border

    def forward(self, x: Tensor) -> Tensor:
        for _, block in self.body.blocks[self.border :]:
            x = block(x)
        logits: Tensor = self.head(self.body.pool(x))
        return logits


@dataclass
class Progress:
    """Where a run stands, and what it has seen."""

    phase: int = 0
    epoch: int = 0
    batch: int = 0
    step: int = 0
    micro: int = 1
    best: float = math.inf
    history: list[dict[str, Any]] = field(default_factory=list)


def train(
    learner: Learner,
    phases: Sequence[Phase],
    data: Batches,
    targets: NDArray[Any],
    settings: Settings,
    *,
    folder: Path,
    inner: Callable[[Learner], float] | None = None,
    stop_after: int | None = None,
) -> Progress:
    """Trains ``learner`` in place and returns what happened.

    ``targets`` (n, k) are the probabilities each example should get. ``inner`` judges the averaged weights after every
    epoch on examples that are not trained on (lower is better): the best weights are kept. Without it the last averaged
    weights are. Checkpoints go to ``folder``; where there is one, the run goes on from it. ``stop_after`` ends after so
    many steps, as a kill would. Raises ``InputError`` where the loss is no longer a number.
    """
    run = _Run(learner, phases, data, torch.from_numpy(targets).float(), settings, folder, inner)
    run.resume()
    run.go(stop_after)
    return run.at


class _Run:
    def __init__(
        self,
        learner: Learner,
        phases: Sequence[Phase],
        data: Batches,
        targets: Tensor,
        settings: Settings,
        folder: Path,
        inner: Callable[[Learner], float] | None,
    ) -> None:
        self.learner, self.phases, self.data, self.targets = learner, phases, data, targets
        self.settings, self.folder, self.inner = settings, folder, inner
        self.at = Progress()
        self.device = next(learner.parameters()).device
        for phase in phases:
            if phase.penalty is not None:  # it notes the weights that the run starts from, also where it is resumed
                phase.penalty(learner)
        self.parameters = dict(learner.named_parameters())
        self.names: dict[Tensor, str] = {p: n for n, p in self.parameters.items()}
        self.average = {k: v.detach().clone() for k, v in learner.state_dict().items()}
        self.best: dict[str, Tensor] = {}
        self.bf16 = settings.precision == "bf16" or (settings.precision == "auto" and bf16_pays(self.device.type))
        self.saved = time.monotonic()
        if settings.batch > len(data):
            say(f"a batch of {settings.batch} is more than the {len(data)} examples: all of them are taken at once")

    # -- state ---------------------------------------------------------------------------------------------------

    def save(self) -> None:
        tensors = {"model": dict(self.learner.state_dict()), "average": self.average, "best": self.best}
        tensors["optimiser"] = checkpoint.optimiser_tensors(self.optimiser, self.names)
        checkpoint.save(self.folder, {"at": asdict(self.at), "settings": asdict(self.settings)}, tensors)
        self.saved = time.monotonic()

    def resume(self) -> None:
        found = checkpoint.load(self.folder)
        self.waiting: dict[str, Tensor] = {}
        if found is None:
            return
        state, tensors = found
        if state["settings"] != asdict(self.settings):
            raise InputError(
                f"The checkpoint in {self.folder} was made with other settings; repeat them or --overwrite."
            )
        self.at = Progress(**state["at"])
        if state["at"]["best"] is None:  # JSON has no infinity
            self.at.best = math.inf
        self.learner.load_state_dict(tensors["model"])
        here = {kind: {k: v.to(self.device) for k, v in tensors.get(kind, {}).items()} for kind in ("average", "best")}
        self.average, self.best = here["average"], here["best"]
        self.waiting = tensors.get("optimiser", {})
        say(f"resumed at step {self.at.step}")

    # -- the way through -----------------------------------------------------------------------------------------

    def go(self, stop_after: int | None) -> None:
        while self.at.phase < len(self.phases):
            phase = self.phases[self.at.phase]
            self.begin(phase)
            while self.at.epoch < phase.epochs:
                if not self.one_epoch(phase, stop_after):
                    return
                self.judge(phase)
                self.at.epoch, self.at.batch = self.at.epoch + 1, 0
                self.save()
            self.at.phase, self.at.epoch, self.at.batch = self.at.phase + 1, 0, 0
        self.learner.load_state_dict(self.best or self.average)
        self.learner.eval()

    def begin(self, phase: Phase) -> None:
        """Freezes, and makes the optimiser of a phase (with what it remembered, where the run was resumed)."""
        self.learner.body.freeze(phase.frozen)
        blocks = self.learner.body.blocks
        scales = layer_scales(len(blocks), phase.layer_decay)
        groups = []
        for module, scale in [(self.learner.head, 1.0), *((b, s) for (_, b), s in zip(blocks, scales, strict=True))]:
            learning = [p for p in module.parameters() if p.requires_grad]
            for decayed in (True, False):
                some = [p for p in learning if (p.ndim > 1) == decayed]
                if some:
                    decay = self.settings.weight_decay if decayed else 0.0
                    groups.append({"params": some, "scale": scale, "weight_decay": decay})
        frozen = {id(t) for _, b in blocks[: phase.frozen] for t in (*b.parameters(), *b.buffers())}
        self.followed = [k for k, v in self.learner.state_dict(keep_vars=True).items() if id(v) not in frozen]
        self.optimiser = torch.optim.AdamW(groups, lr=phase.rate)
        checkpoint.restore_optimiser(self.optimiser, self.waiting, self.parameters)
        self.waiting = {}
        per_epoch = count(len(self.data), self.settings.batch)
        self.total = per_epoch * phase.epochs
        self.first_step = self.at.step - (self.at.epoch * per_epoch + self.at.batch)

    def one_epoch(self, phase: Phase, stop_after: int | None) -> bool:
        """Trains to the end of the epoch; false where it was told to stop before."""
        self.learner.train()
        number = sum(p.epochs for p in self.phases[: self.at.phase]) + self.at.epoch
        losses = []
        work = self.data.epoch(number, self.settings.batch, self.at.batch)
        for x, positions in track(
            work,
            f"{phase.name}, epoch {self.at.epoch + 1} of {phase.epochs}",
            count(len(self.data), self.settings.batch),
        ):
            if stop_after is not None and self.at.step >= stop_after:
                return False
            wanted = self.targets[torch.from_numpy(positions)]
            losses.append(self.one_step(phase, x.to(self.device), wanted.to(self.device)))
            self.at.step, self.at.batch = self.at.step + 1, self.at.batch + 1
            if time.monotonic() - self.saved > CHECKPOINT_SECONDS:
                self.save()
        self.at.history.append({"phase": phase.name, "epoch": self.at.epoch, "step": self.at.step,
                                "loss": float(np.mean(losses)) if losses else None})  # fmt: skip
        return True

    def one_step(self, phase: Phase, x: Tensor, targets: Tensor) -> float:
        share = SCHEDULES[self.settings.schedule](self.at.step - self.first_step, self.total)
        for group in self.optimiser.param_groups:
            group["lr"] = phase.rate * group["scale"] * share
        torch.manual_seed(self.settings.seed * 1_000_003 + self.at.step)
        chance = np.random.default_rng([self.settings.seed, self.at.step])
        x, targets = mix(self.settings.mix, x, targets, chance)
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.backward(phase, x, targets)
        if not math.isfinite(loss):
            raise InputError(
                f"The loss is no longer a number at step {self.at.step} of {phase.name}: the rate {phase.rate:g} is "
                f"probably too high, try --lr {phase.rate / 10:g}; the last good state is in {self.folder}."
            )
        if self.settings.clip:
            nn.utils.clip_grad_norm_([p for p in self.parameters.values() if p.grad is not None], self.settings.clip)
        self.optimiser.step()
        self.follow()
        return loss

    def backward(self, phase: Phase, x: Tensor, targets: Tensor) -> float:
        """The loss and its gradients, in smaller pieces where memory does not suffice for the whole batch."""
        while True:
            try:
                value = 0.0
                for part, wanted in zip(x.chunk(self.at.micro), targets.chunk(self.at.micro), strict=True):
                    with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16):
                        logits = self.learner(part)
                    loss = cross_entropy(logits.float(), wanted, self.settings.smoothing) * len(part) / len(x)
                    if phase.penalty is not None:
                        loss = loss + phase.penalty(self.learner) / self.at.micro
                    loss.backward()
                    value += float(loss.detach())
                return value
            except torch.OutOfMemoryError:
                if self.at.micro >= len(x):
                    raise
                self.at.micro *= 2
                say(f"out of memory: batches are taken in {self.at.micro} pieces from now on")
                self.optimiser.zero_grad(set_to_none=True)

    def follow(self) -> None:
        """The averaged weights follow: decay d, rising from 0 in the first steps (as (1 + i) / (10 + i))."""
        d = min(self.settings.ema, (1 + self.at.step) / (10 + self.at.step)) if self.settings.ema else 0.0
        state = self.learner.state_dict()
        for key in self.followed:
            value = state[key]
            if value.is_floating_point():
                self.average[key].mul_(d).add_(value.detach(), alpha=1 - d)
            else:
                self.average[key].copy_(value)

    def judge(self, phase: Phase) -> None:
        """The averaged weights on the inner part; the best are kept."""
        if self.inner is None:
            return
        own = {k: v.detach().clone() for k, v in self.learner.state_dict().items()}
        self.learner.load_state_dict(self.average)
        self.learner.eval()
        value = self.inner(self.learner)
        self.learner.load_state_dict(own)
        self.at.history[-1]["inner"] = value
        say(f"{phase.name}, epoch {self.at.epoch + 1} of {phase.epochs}: inner log loss {value:.4f}")
        if value < self.at.best:
            self.at.best = value
            self.best = {k: v.clone() for k, v in self.average.items()}


def cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy in nats against target probabilities (n, k), smoothed towards the uniform ones.

    Szegedy et al. 2016 (https://arxiv.org/abs/1512.00567), section 7.
    """
    return nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing)


def bf16_pays(device: str = "cpu") -> bool:
    """Whether this machine multiplies bfloat16 faster than float32."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported()
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
