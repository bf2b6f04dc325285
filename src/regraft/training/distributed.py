"""The loop in several processes: each learns from its share of every batch, and the gradients are averaged."""

from __future__ import annotations

import os
import socket
from typing import Any

import torch
from torch import Tensor, multiprocessing, nn
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from regraft.core.errors import InputError
from regraft.core.runtime import progress_is_shown, show_progress


class Team:
    """One of ``size`` processes, wrapped around accelerate (https://huggingface.co/docs/accelerate)."""

    def __init__(self, rank: int, size: int, device: str) -> None:
        from accelerate import Accelerator

        self.rank, self.size = rank, size
        self.accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no")

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        device: torch.device = self.accelerator.device
        return device

    def wrap(self, learner: nn.Module) -> nn.Module:
        """The learner whose gradients are averaged over the team at every backward pass."""
        return nn.parallel.DistributedDataParallel(learner)

    def mean(self, value: float) -> float:
        """The mean of a number over all processes."""
        reduced: Tensor = self.accelerator.reduce(torch.tensor(value, device=self.device), "mean")  # type: ignore[assignment]
        return float(reduced)

    def first_says(self, value: Any) -> Any:
        """What the first process holds, in all of them."""
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value])[0]


def run_distributed(size: int, device: str, job: Any, *arguments: Any) -> None:
    """Runs ``job(team, *arguments)`` in ``size`` new processes and waits; the first error of any ends all."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    threads = max(1, torch.get_num_threads() // size)
    faults = multiprocessing.get_context("spawn").SimpleQueue()
    place = (size, port, device, threads, progress_is_shown(), faults)
    try:
        multiprocessing.spawn(_enter, (*place, job, arguments), nprocs=size, join=True)  # type: ignore
    except (ProcessRaisedException, ProcessExitedException) as error:
        if not faults.empty():
            raise InputError(faults.get()) from error
        if not isinstance(error, ProcessExitedException):
            raise
        how = f"was ended by {error.signal_name}" if error.signal_name else f"ended with exit code {error.exit_code}"
        raise InputError(f"--processes {size}: process {error.error_index} {how}. In a script the call has to stand "
                         'under if __name__ == "__main__":, since each process reads the script anew; where memory is '
                         "short take fewer.") from error  # fmt: skip


def _enter(
    rank: int,
    size: int,
    port: int,
    device: str,
    threads: int,
    progress: bool,
    faults: Any,
    job: Any,
    arguments: tuple[Any, ...],
) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1",
                   "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": str(device == "cpu").lower()}  # fmt: skip
    torch.set_num_threads(threads)
    show_progress(progress and rank == 0)
    try:
        job(Team(rank, size, device), *arguments)
    except InputError as error:
        faults.put(str(error))
        raise
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
