"""The loop that trains every method: phases in, the best weights out; exact to the bit when it is resumed.

Nothing depends on what a generator has done before: order and views come from (seed, epoch), chance inside a step from
(seed, step), rates from the step. So the weights, what the optimiser and the average remember, and the step are the
whole state.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from regraft.core.errors import ArtefactError, TrainingError
from regraft.core.runtime import bf16_pays, keep_memory, say, track
from regraft.methods.base import Phase
from regraft.models.detectors.base import Detector
from regraft.training import checkpoint
from regraft.training.averaging import decay_at, follow
from regraft.training.distributed import Team, run_distributed
from regraft.training.feeds.base import ALL, Batches, Inputs, count
from regraft.training.frozen import changing, changing_ever, check_same_start, fingerprint, left_alone, let_learn
from regraft.training.learner import Learner
from regraft.training.mixing import mix
from regraft.training.objective import Objective, means
from regraft.training.precision import strided_depthwise_in_float32
from regraft.training.saving import Saving, size
from regraft.training.schedule import SCHEDULES, layer_scales
from regraft.training.state import Progress, Settings, check_same, versions

Trained = Learner | Detector
"""What is trained: it has a ``body`` of blocks that can be frozen, and a ``head``."""

CHECKPOINT_SECONDS, LAST_SECONDS = 30.0, 0.25
"""How long inside of an epoch nothing is saved (0: after every step, whatever that costs); and how long saving the last
weights may take in any case.
"""
STEADY, DIVERGED = 0.9, 3.0
"""How much of the smoothed loss each step keeps, and how many times its best (or that of knowing nothing) it may be."""


def train(
    learner: Trained,
    phases: Sequence[Phase],
    data: Batches,
    targets: NDArray[Any],
    settings: Settings,
    *,
    folder: Path,
    inner: Callable[[Any], float] | None = None,
    report: Callable[[Progress], None] | None = None,
    stop_after: int | None = None,
    processes: int = 1,
) -> Progress:
    """Trains ``learner`` in place and returns what happened.

    ``targets`` (n, k) are the probabilities each example should get. ``inner`` judges the averaged weights after every
    epoch on examples that are not trained on (lower is better): the best weights are kept. Without it the last averaged
    weights are. Checkpoints go to ``folder``; where there is one, the run goes on from it. ``report`` hears of every
    epoch. ``stop_after`` ends after so many steps, as a kill would. Raises ``InputError`` where the loss is no longer a
    number, or grows and grows.
    """
    keep_memory()
    arguments: Any = (learner, phases, data, torch.from_numpy(targets).float(), settings, folder, inner, report)
    if processes > 1:
        run_distributed(processes, next(learner.parameters()).device.type, _in_team, *arguments)
    run = Run(*arguments)
    run.resume()
    run.go(stop_after)
    run.at.left_alone = left_alone(learner, run.changing)
    return run.at


def _in_team(
    team: Team,
    learner: Trained,
    phases: Sequence[Phase],
    data: Batches,
    targets: Tensor,
    settings: Settings,
    folder: Path,
    inner: Callable[[Any], float] | None,
    report: Callable[[Progress], None] | None,
) -> None:
    keep_memory()
    run = Run(copy.deepcopy(learner).to(team.device), phases, data, targets, settings, folder, inner, report, team)
    run.resume()
    run.go(None)


class Run:
    """A training on its way. In several processes there is one in each, and the first of them judges and saves."""

    def __init__(
        self,
        learner: Trained,
        phases: Sequence[Phase],
        data: Batches,
        targets: Tensor,
        settings: Settings,
        folder: Path,
        inner: Callable[[Any], float] | None,
        report: Callable[[Progress], None] | None = None,
        team: Team | None = None,
    ) -> None:
        self.team, self.share = team, (team.rank, team.size) if team else ALL
        self.learner, self.phases, self.data, self.targets = learner, phases, data, targets
        self.settings, self.folder, self.inner, self.report = settings, folder, inner, report
        self.at = Progress(accumulation_steps=settings.accumulate)
        self.device = next(learner.parameters()).device
        self.changing = frozenset(changing_ever(learner, phases, settings.train_embeddings))
        learner.body.keep_statistics(settings.batch_norm == "keep")
        self.parameters = dict(learner.named_parameters())
        self.names: dict[Tensor, str] = {p: n for n, p in self.parameters.items()}
        self.average = {k: v.clone() for k, v in self.state().items()}
        self.best: dict[str, Tensor] = {}
        self.bf16 = settings.precision == "bf16" or (settings.precision == "auto" and bf16_pays(self.device.type))
        self.objective = Objective(settings, self.device, self.bf16)
        self.saved = self.since = time.monotonic()
        self.saving, self.saved_at = Saving(), -1
        self.done_here = 0
        self.waiting: dict[str, Tensor] = {}
        if settings.batch > len(data):
            say(f"a batch of {settings.batch} is more than the {len(data)} examples: all of them are taken at once")

    # -- state ---------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Tensor]:
        """The weights that may change in this run, by name: no copies."""
        return {k: v for k, v in self.learner.state_dict().items() if k in self.changing}

    def put(self, state: dict[str, Tensor]) -> None:
        """Gives the learner such weights."""
        missing, unknown = self.learner.load_state_dict(state, strict=False)
        if unknown or not self.changing.isdisjoint(missing):
            raise ArtefactError(f"The checkpoint in {self.folder} is of another network; --overwrite begins anew.")

    @cached_property
    def left_out(self) -> dict[str, Any]:
        """What no checkpoint of this run holds, since it stays as it is."""
        return fingerprint({k: v for k, v in self.learner.state_dict().items() if k not in self.changing})

    def save(self) -> None:
        """Writes the state, from which the run goes on to the same bits."""
        tensors = {"model": self.state(), "average": self.average, "best": self.best}
        self.write(tensors | {"optimiser": checkpoint.optimiser_tensors(self.optimiser, self.names)})

    def write(self, tensors: dict[str, dict[str, Tensor]]) -> None:
        """A checkpoint of these tensors, where this process is the one that saves."""
        if self.share[0]:
            return
        begun = time.monotonic()
        state = {"at": asdict(self.at), "settings": asdict(self.settings), "versions": versions(),
                 "left_out": self.left_out}  # fmt: skip
        checkpoint.save(self.folder, state, tensors)
        self.saved, self.saved_at = time.monotonic(), self.at.step
        self.saving.note(self.saved - begun, size(tensors))

    def save_if_affordable(self) -> None:
        """Saves, unless that would take too much of the time."""
        if self.share[0]:
            return
        wanted = size({"": self.state()}) * (5 if self.best else 4)
        if not CHECKPOINT_SECONDS or self.saving.affords_first(wanted, self.folder, self.average):
            self.save()

    def save_last(self) -> None:
        """The weights that a run has come to, which is all that is needed of one that has ended: other processes, and
        who resumes what follows a training, take them from there.
        """
        if self.saved_at == self.at.step:
            return
        weights = {"model": self.best or self.average}
        if self.team or not CHECKPOINT_SECONDS or self.saving.affords(size(weights), LAST_SECONDS):
            self.write(weights)

    def resume(self) -> None:
        """Goes on from the last checkpoint, where there is one."""
        last = checkpoint.load(self.folder)
        if last is None:
            return
        state, tensors = last
        check_same(state, self.settings, self.folder)
        self.at = Progress(**state["at"])
        for name in ("best", "lowest"):  # JSON has no infinity
            if state["at"][name] is None:
                setattr(self.at, name, math.inf)
        if "left_out" in state:
            check_same_start(state["left_out"], self.left_out, self.folder)
        self.put(tensors["model"])
        here = {kind: {k: v.to(self.device) for k, v in tensors.get(kind, {}).items() if k in self.changing}
                for kind in ("model", "average", "best")}  # fmt: skip
        self.average, self.best = here["average"] or here["model"], here["best"]
        self.waiting = tensors.get("optimiser", {})
        say(f"resumed at step {self.at.step}")

    # -- the way through -----------------------------------------------------------------------------------------

    def go(self, stop_after: int | None = None) -> None:
        """Trains to the end, or so many steps, and takes the best weights seen."""
        with strided_depthwise_in_float32(self.learner, self.bf16 and self.device.type == "cpu"):
            if not self.through(stop_after):
                return
        self.put(self.best or self.average)
        self.learner.eval()

    def through(self, stop_after: int | None) -> bool:
        """All phases; false where it was told to stop before their end."""
        while self.at.phase < len(self.phases):
            phase = self.phases[self.at.phase]
            self.begin(phase)
            while self.at.epoch < phase.epochs and not self.spent():
                if not self.one_epoch(phase, stop_after):
                    return False
                self.judge(phase)
                self.done_here += 1
                self.at.epoch, self.at.batch = self.at.epoch + 1, 0
                self.save_if_affordable()
                if self.report and not self.share[0]:
                    self.report(self.at)
            if self.spent():
                say(f"{phase.name}: {self.at.stale} epochs brought nothing; it ends here")
            self.at.phase, self.at.epoch, self.at.batch, self.at.stale = self.at.phase + 1, 0, 0, 0
        if self.done_here:
            self.save_last()
        return True

    def begin(self, phase: Phase) -> None:
        """Freezes, and makes the optimiser of a phase (with what it remembered, where the run was resumed)."""
        let_learn(self.learner, phase, self.settings.train_embeddings)
        blocks = self.learner.body.blocks
        scales = layer_scales(len(blocks), phase.layer_decay)
        groups = []
        own = [(self.learner.head, 1.0), (self.learner.extra, 1.0)]
        for module, scale in [*own, *((b, s) for (_, b), s in zip(blocks, scales, strict=True))]:
            learning = [p for p in module.parameters() if p.requires_grad]
            for decayed in (True, False):
                parameters = [p for p in learning if (p.ndim > 1) == decayed]
                if parameters:
                    decay = self.settings.weight_decay if decayed else 0.0
                    groups.append({"params": parameters, "scale": scale, "weight_decay": decay})
        self.followed = changing(self.learner, self.settings.train_embeddings)
        if self.at.epoch + self.at.batch == 0:
            self.at.smooth, self.at.lowest = 0.0, math.inf
        self.optimiser = torch.optim.AdamW(groups, lr=phase.rate, fused=True)
        checkpoint.restore_optimiser(self.optimiser, self.waiting, self.parameters)
        self.waiting = {}
        self.net = self.team.wrap(self.learner) if self.team else self.learner
        per_epoch = self.per_epoch()
        self.total = per_epoch * phase.epochs
        self.first_step = self.at.step - (self.at.epoch * per_epoch + self.at.batch)

    def spent(self) -> bool:
        """Whether the phase has gone on for long enough without bringing anything."""
        return 0 < self.settings.patience <= self.at.stale

    def per_epoch(self) -> int:
        """Steps in an epoch."""
        return count(len(self.data), self.settings.batch, self.share[1])

    def one_epoch(self, phase: Phase, stop_after: int | None) -> bool:
        """Trains to the end of the epoch; false where it was told to stop before."""
        self.learner.train()
        number = sum(p.epochs for p in self.phases[: self.at.phase]) + self.at.epoch
        steps: list[dict[str, float]] = []
        if phase.before is not None and self.at.batch == 0:
            phase.before(self.learner, self.data)
            self.learner.train()
        work = self.data.epoch(number, self.settings.batch, self.at.batch, self.share)
        label = f"{phase.name}, epoch {self.at.epoch + 1} of {phase.epochs}{self.time_left()}"
        for x, positions in track(work, label, self.per_epoch() - self.at.batch):
            if stop_after is not None and self.at.step >= stop_after:
                return False
            wanted = self.targets[torch.from_numpy(positions)]
            steps.append(self.one_step(phase, x.to(self.device), wanted.to(self.device)))
            self.at.step, self.at.batch = self.at.step + 1, self.at.batch + 1
            if time.monotonic() - self.saved > CHECKPOINT_SECONDS:
                self.save_if_affordable()
        self.note(phase, means(steps))
        return True

    def note(self, phase: Phase, losses: dict[str, float]) -> None:
        """A row of the history: the mean loss of an epoch and, where it is the sum of several, of its parts."""
        if self.team:
            losses = {name: self.team.mean(value) for name, value in losses.items()}
        row = {"phase": phase.name, "epoch": self.at.epoch, "step": self.at.step, "loss": losses.pop("loss", None),
               "rate": phase.rate * self.rate_share(self.at.step - 1)}  # fmt: skip
        self.at.history.append({**row, **({"parts": losses} if losses else {})})

    def time_left(self) -> str:
        """In words, from the epochs this process has seen."""
        if not self.done_here:
            return ""
        each = (time.monotonic() - self.since) / self.done_here
        left = sum(p.epochs for p in self.phases) - len(self.at.history)
        return f", about {left * each / 60:.0f} min left" if left * each > 90 else f", about {left * each:.0f} s left"

    def rate_share(self, step: int) -> float:
        """The share of the top rate in force at a step."""
        return SCHEDULES[self.settings.schedule](step - self.first_step, self.total)

    def one_step(self, phase: Phase, x: Inputs, targets: Tensor) -> dict[str, float]:
        """A step with the rate of its turn; raises ``InputError`` where the loss shows that nothing is learned."""
        losses = self.learn(phase, x, targets, phase.rate * self.rate_share(self.at.step))
        if not math.isfinite(losses["loss"]):
            raise TrainingError(
                f"The loss is no longer a number at step {self.at.step} of {phase.name}: the rate {phase.rate:g} is "
                f"probably too high, try --lr {phase.rate / 10:g}; the last good state is in {self.folder}."
            )
        self.watch(phase, losses["loss"])
        return losses

    def learn(self, phase: Phase, x: Inputs, targets: Tensor, rate: float) -> dict[str, float]:
        """One step with this top rate: the ``loss`` before it, and its parts. Where it is no number, nothing is
        learned.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["scale"]
        torch.manual_seed((self.settings.seed * 1_000_003 + self.at.step) * self.share[1] + self.share[0])
        chance = np.random.default_rng([self.settings.seed, self.at.step, *self.share[:1] * (self.share[1] > 1)])
        if isinstance(x, Tensor):
            x, targets = mix(self.settings.mix, x, targets, chance)
        self.optimiser.zero_grad(set_to_none=True)
        losses = self.backward(phase, x, targets)
        if not math.isfinite(losses["loss"]):
            return losses
        if self.settings.clip:
            nn.utils.clip_grad_norm_([p for p in self.parameters.values() if p.grad is not None], self.settings.clip)
        self.optimiser.step()
        self.follow()
        return losses

    def follow(self) -> None:
        """The averaged weights follow."""
        follow(self.average, self.learner.state_dict(), self.followed, decay_at(self.at.step, self.settings.ema))

    def watch(self, phase: Phase, loss: float) -> None:
        """Raises ``InputError`` where the smoothed loss has grown to a multiple of the best it was in this phase."""
        step = self.at.step - self.first_step
        self.at.smooth = STEADY * self.at.smooth + (1 - STEADY) * loss
        now = self.at.smooth / (1 - STEADY ** (step + 1))
        self.at.lowest = min(self.at.lowest, now)
        if step >= 20 and now > DIVERGED * max(self.at.lowest, math.log(max(2, self.targets.shape[1]))):
            raise TrainingError(
                f"The loss grew from {self.at.lowest:.3g} to {now:.3g} by step {self.at.step} of {phase.name}: the "
                f"rate {phase.rate:g} is too high, try --lr {phase.rate / 10:g} or --lr auto; the last state is in "
                f"{self.folder}."
            )

    def backward(self, phase: Phase, x: Inputs, targets: Tensor) -> dict[str, float]:
        """The loss, its parts and gradients, in smaller pieces where memory does not suffice for the whole batch."""
        while True:
            steps = self.at.accumulation_steps
            try:
                return self.objective.backward(phase, self.net, self.learner, x, targets, steps)
            except torch.OutOfMemoryError:
                if steps >= len(x) // 2:
                    raise
                self.at.accumulation_steps *= 2
                say(f"out of memory: batches are taken in {self.at.accumulation_steps} pieces from now on")
                self.optimiser.zero_grad(set_to_none=True)

    def judge(self, phase: Phase) -> None:
        """The averaged weights on the inner part; the best are kept."""
        if self.inner is None:
            return
        value = None if self.share[0] else self.judged()
        if self.team:
            value = self.team.first_says(value)
        assert value is not None
        self.at.history[-1]["inner"] = value
        say(f"{phase.name}, epoch {self.at.epoch + 1} of {phase.epochs}: inner loss {value:.4f}")
        self.at.stale += 1
        if value < self.at.best:
            self.at.best, self.at.stale = value, 0
            self.best = {k: v.clone() for k, v in self.average.items()}

    def judged(self) -> float:
        """How the averaged weights do on the inner part."""
        assert self.inner is not None
        own = {k: v.clone() for k, v in self.state().items()}
        self.put(self.average)
        self.learner.eval()
        value = self.inner(self.learner)
        self.put(own)
        return value
