"""The rate to learn with, found by learning with all of them for a moment."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from regraft.backbones.base import copied
from regraft.core.runtime import track
from regraft.methods.base import Phase
from regraft.training.feeds.base import Batches
from regraft.training.loop import STEADY, Run, Trained
from regraft.training.state import Settings

STEPS, LOW, HIGH, WORSE, BACK = 60, 1e-5, 0.3, 2.0, 10.0


def suggest(
    learner: Trained, phase: Phase, data: Batches, targets: NDArray[Any], settings: Settings
) -> tuple[float, list[dict[str, float]]]:
    """A top rate for ``phase``, and the curve it was read from; ``learner`` stays as it is.

    The range test of Smith 2017 (https://arxiv.org/abs/1506.01186, section 3.3): the rate rises by a factor a step,
    from 1e-5 to 0.3, until the smoothed loss has doubled; a tenth of the rate where it was lowest is taken.
    """
    trial = copied(learner, share_word_vectors=not settings.train_embeddings)
    run = Run(trial, [phase], data, torch.from_numpy(targets).float(), replace(settings, ema=0.0), Path(), None)
    run.begin(phase)
    trial.train()
    curve: list[dict[str, float]] = []
    smooth, lowest = 0.0, math.inf
    endless = chain.from_iterable(data.epoch(e, settings.batch, 0) for e in count())
    for step, (x, positions) in track(zip(range(STEPS), endless, strict=False), "which rate", STEPS):
        rate = LOW * (HIGH / LOW) ** (step / (STEPS - 1))
        wanted = run.targets[torch.from_numpy(positions)].to(run.device)
        loss = run.learn(phase, x.to(run.device), wanted, rate)["loss"]
        run.at.step += 1
        smooth = STEADY * smooth + (1 - STEADY) * loss
        now = smooth / (1 - STEADY ** (step + 1))
        curve.append({"rate": rate, "loss": now})
        lowest = min(lowest, now)
        if not math.isfinite(loss) or now > WORSE * lowest:
            break
    best = min((c for c in curve if math.isfinite(c["loss"])), key=lambda c: c["loss"])
    return best["rate"] / BACK, curve
