"""Weights & Biases: a run in the project of ``WANDB_PROJECT``; ``WANDB_MODE=offline`` keeps it in a folder."""

from __future__ import annotations

import re

from regraft.pipelines.tracking.base import TrackedRun


def send(run: TrackedRun) -> None:
    """Settings as the configuration, figures as the summary, curves by step, the files and the model as an artifact."""
    import wandb

    with wandb.init(name=run.name, config={**run.parameters, "run_folder": str(run.folder.absolute())}) as there:
        for step, row in run.curves:
            there.log(row, step=step)
        there.summary.update(run.figures)
        artifact = wandb.Artifact(re.sub(r"[^\w\-.]", "_", run.name, flags=re.ASCII), type="model")
        for file in run.files:
            artifact.add_file(str(file))
        artifact.add_dir(str(run.folder / "model"), name="model")
        there.log_artifact(artifact)
