"""The training loop: its speed against the plain PyTorch float32 loop, 30 rounds of kill -9 and resume, and what word
vectors cost.

Parts (all without arguments): speed, last_k, kill_and_resume, embeddings.
Needs no data of others; embeddings needs the extra nets (e5-small). Takes about 14 minutes on two cores.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from common import keep
from regraft.backbones import catalog
from regraft.core.runtime import bf16_pays, keep_memory
from regraft.methods.base import Phase
from regraft.models.heads import LinearHead
from regraft.training import loop

BATCH, CLASSES, STEPS, ROUNDS = 32, 10, 3, 6


def plain_side() -> Callable[[], None]:
    """A step of the loop that everybody writes: float32, AdamW."""
    from torchvision import models

    x, y = torch.randn(BATCH, 3, 224, 224), torch.arange(BATCH) % CLASSES
    plain = models.resnet18(num_classes=CLASSES)
    optimiser = torch.optim.AdamW(plain.parameters(), 1e-4)

    def step() -> None:
        optimiser.zero_grad()
        nn.functional.cross_entropy(plain(x), y).backward()
        optimiser.step()

    return step


def our_side() -> Callable[[], None]:
    """A step of regraft's loop on the same, with all that `train` sets up."""
    keep_memory()
    x, y = torch.randn(BATCH, 3, 224, 224), torch.arange(BATCH) % CLASSES
    body = catalog.load("random:resnet18").body.to(memory_format=torch.channels_last)
    learner = loop.Learner(body, LinearHead.zero(512, CLASSES))
    phase, targets = Phase("all", 1, 0, 1e-4), torch.eye(CLASSES)[y]
    x = x.contiguous(memory_format=torch.channels_last)
    run = loop.Run(learner, [phase], range(BATCH * 1000), targets, loop.Settings(batch=BATCH), Path(), None)
    run.begin(phase)
    learner.train()

    def step() -> None:
        run.one_step(phase, x, targets)
        run.at.step += 1

    return step


SIDES = {"plain": plain_side, "ours": our_side}


def worker(side: str) -> None:
    """Takes ``STEPS`` steps for each line that is read, and answers with the seconds of one."""
    step = SIDES[side]()
    for _ in sys.stdin:
        start = time.perf_counter()
        for _ in range(STEPS):
            step()
        print((time.perf_counter() - start) / STEPS, flush=True)


def speed() -> dict[str, Any]:
    """Full resnet18 at 224 pixels, every layer learning, the same batch: seconds a step, taken in turns.

    Each side has a process of its own, since regraft's loop also sets how its process keeps memory.
    """
    sides = {name: subprocess.Popen([sys.executable, __file__, "--side", name], stdin=subprocess.PIPE, text=True,
                                    stdout=subprocess.PIPE) for name in SIDES}  # fmt: skip
    times: dict[str, list[float]] = {name: [] for name in SIDES}
    for number in range(ROUNDS):
        for name, process in sides.items():
            assert process.stdin and process.stdout
            process.stdin.write("go\n")
            process.stdin.flush()
            seconds = float(process.stdout.readline())
            if number:  # the first round warms up
                times[name].append(seconds)
    for process in sides.values():
        process.communicate()
    ratios = [a / b for a, b in zip(times["plain"], times["ours"], strict=True)]
    return {
        "network": "resnet18 at 224, batch 32, all layers",
        "bf16": bf16_pays("cpu"),
        "times_faster": statistics.median(ratios),
        "times_faster_by_round": ratios,
        "images_a_second": {k: BATCH / statistics.median(v) for k, v in times.items()},
    }


def last_blocks(last: int = 4) -> dict[str, Any]:
    """The last blocks of mobilenet_v2 at 224 pixels: the plain float32 loop, which computes the frozen blocks in every
    step, against ours on their stored activations.

    The removed operations allow ``(F + 3 S) / (3 S)``: F and S are the multiplications of a forward pass through the
    frozen and the learning part; a backward pass costs twice its forward pass.
    """
    from torch.utils.flop_counter import FlopCounterMode

    body = catalog.load("random:mobilenet_v2").body
    first_trained_block = len(body.blocks) - last
    x, y = torch.randn(BATCH, 3, 224, 224), torch.arange(BATCH) % CLASSES
    frozen = nn.Sequential(*(b for _, b in body.blocks[:first_trained_block])).requires_grad_(False).eval()
    learning = nn.Sequential(*(b for _, b in body.blocks[first_trained_block:]), body.pool, nn.Linear(1280, CLASSES))
    learning.requires_grad_(True).train()
    optimiser = torch.optim.AdamW(learning.parameters(), 1e-4)
    counts = []
    with torch.no_grad():
        for part, data in ((frozen, x), (learning, frozen(x))):
            with FlopCounterMode(display=False) as counter:
                part(data)
            counts.append(counter.get_total_flops())
        rows = frozen(x).numpy()

    def plain_step() -> None:
        optimiser.zero_grad()
        with torch.no_grad():
            inside = frozen(x)
        nn.functional.cross_entropy(learning(inside), y).backward()
        optimiser.step()

    learner = loop.Learner(
        catalog.load("random:mobilenet_v2").body, LinearHead.zero(1280, CLASSES), first_trained_block
    )
    phase, targets = Phase("last", 1, first_trained_block, 1e-4), torch.eye(CLASSES)[y]
    run = loop.Run(learner, [phase], range(BATCH * 1000), targets, loop.Settings(batch=BATCH), Path(), None)
    run.begin(phase)
    learner.train()

    def our_step() -> None:
        run.one_step(phase, torch.from_numpy(rows[np.arange(BATCH)]), targets)
        run.at.step += 1

    ratios, _ = in_turns(plain_step, our_step)
    allowed = (counts[0] + 3 * counts[1]) / (3 * counts[1])
    return {"network": f"mobilenet_v2 at 224, batch {BATCH}, the last {last} blocks", "frozen_gflop": counts[0] / 1e9,
            "learning_gflop": counts[1] / 1e9, "allowed": allowed, "times_faster": statistics.median(ratios),
            "times_faster_by_round": ratios, "share_of_allowed": statistics.median(ratios) / allowed}  # fmt: skip


def in_turns(plain_step: Any, our_step: Any) -> tuple[list[float], dict[str, list[float]]]:
    """How many times faster ours is in each round, and the seconds a step of both."""
    times: dict[str, list[float]] = {"plain": [], "ours": []}
    for number in range(ROUNDS):
        for name, step in (("plain", plain_step), ("ours", our_step)):
            start = time.perf_counter()
            for _ in range(STEPS):
                step()
            if number:  # the first round warms up
                times[name].append((time.perf_counter() - start) / STEPS)
    return [a / b for a, b in zip(times["plain"], times["ours"], strict=True)], times


def kills(rounds: int = 30) -> dict[str, Any]:
    """A small training killed by SIGKILL at a random moment and resumed, again and again, until it is done."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        rng = np.random.default_rng(0)
        for i in range(150):
            target = work / "d" / ("dark" if i % 2 else "bright")
            target.mkdir(parents=True, exist_ok=True)
            picture = rng.integers(0, 120, (32, 32, 3)) + (0 if i % 2 else 90)
            Image.fromarray(picture.astype(np.uint8)).save(target / f"{i}.png")
        environment = {**os.environ, "REGRAFT_CACHE": str(work / "cache"), "OMP_NUM_THREADS": "1"}

        def command(out: str) -> list[str]:
            return [sys.executable, "-m", "regraft", "-q", "fit", str(work / "d"), "--method", "finetune", "--epochs",
                    "220", "--batch", "32", "--controls", "none", "--out", str(work / out), "--resume"]  # fmt: skip

        subprocess.run(command("whole"), check=True, env=environment, stdout=subprocess.DEVNULL)
        chance, killed, starts = random.Random(0), 0, 0
        while not (work / "often").exists():
            process = subprocess.Popen(command("often"), env=environment, stdout=subprocess.DEVNULL)
            starts += 1
            deadline = time.monotonic() + (chance.uniform(2.5, 5.0) if killed < rounds else 600)
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                killed += 1
            process.wait()
        models = [(work / n / "model/model.safetensors").read_bytes() for n in ("whole", "often")]
    return {"killed": killed, "starts": starts, "equal_to_the_bit": models[0] == models[1]}


class SameTokens:
    """``steps`` batches of 32 texts of 64 tokens, drawn from all of e5-small's."""

    def __init__(self, steps: int) -> None:
        rng = np.random.default_rng(0)
        numbers = torch.from_numpy(rng.integers(4, 250_000, (steps * BATCH, 64)))
        self.x = torch.stack([numbers, torch.ones_like(numbers)], 1)

    def __len__(self) -> int:
        return len(self.x)

    def epoch(self, number: int, size: int, skip: int, share: tuple[int, int] = (0, 1)) -> Iterator[Any]:
        for start in range(skip * size, len(self), size):
            yield self.x[start : start + size], np.arange(start, start + size)


def one_side(embeddings: bool, steps: int) -> dict[str, Any]:
    """A training of e5-small, its word vectors learning or not: a step, a checkpoint, what saving took of the time."""
    begun = time.perf_counter()
    body = catalog.load("e5-small").body
    loaded = time.perf_counter() - begun
    keep_memory()
    data, head = SameTokens(steps), LinearHead.zero(384, 2).requires_grad_(True)
    targets = torch.eye(2)[torch.arange(len(data)) % 2]
    settings = loop.Settings(batch=BATCH, train_embeddings=embeddings)
    with tempfile.TemporaryDirectory() as folder:
        learner, phases = loop.Learner(body, head), [Phase("all", 1, 0, 1e-5)]
        run = loop.Run(learner, phases, data, targets, settings, Path(folder), None)
        times, step = [], run.one_step

        def timed(*arguments: Any) -> dict[str, float]:
            start = time.perf_counter()
            losses = step(*arguments)
            times.append(time.perf_counter() - start)
            return losses

        run.one_step = timed  # type: ignore[method-assign]
        begun = time.perf_counter()
        run.go()
        whole = time.perf_counter() - begun
        saving, begun = run.saving.seconds, time.perf_counter()
        run.save()
        written = time.perf_counter() - begun
        size = (Path(folder) / "last" / "state.safetensors").stat().st_size
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"steps": steps, "seconds_a_step": statistics.median(times[1:]), "seconds": whole,
            "share_of_saving": saving / whole, "checkpoint_bytes": size, "seconds_a_checkpoint": written,
            "peak_bytes": memory, "seconds_to_load": loaded}  # fmt: skip


def embeddings() -> dict[str, Any]:
    """e5-small, whose word vectors are 96 of 118 million weights, trained with and without them."""
    found: dict[str, Any] = {"network": f"e5-small, batch {BATCH}, 64 tokens, all layers", "bf16": bf16_pays("cpu")}
    for name, words in (("kept", ["0", "40"]), ("trained", ["1", "16"])):
        command = [sys.executable, __file__, "--embeddings", *words]
        found[name] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    found["times_faster"] = found["trained"]["seconds_a_step"] / found["kept"]["seconds_a_step"]
    return found


PARTS = {"speed": speed, "last_k": last_blocks, "kill_and_resume": kills, "embeddings": embeddings}


def main() -> None:
    if sys.argv[1:2] == ["--side"]:
        return worker(sys.argv[2])
    if sys.argv[1:2] == ["--embeddings"]:
        return print(json.dumps(one_side(sys.argv[2] == "1", int(sys.argv[3]))))
    for name in sys.argv[1:] or PARTS:
        keep("training", PARTS, name, PARTS[name]())


if __name__ == "__main__":
    main()
