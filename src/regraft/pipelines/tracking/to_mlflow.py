"""MLflow: a run in the experiment of ``MLFLOW_EXPERIMENT_NAME`` at ``MLFLOW_TRACKING_URI`` (a server, a folder, a
database).
"""

from __future__ import annotations

import re

from regraft.pipelines.tracking.base import TrackedRun


def send(run: TrackedRun) -> None:
    """Settings as parameters, figures as metrics, curves by step, the files and the model as artifacts."""
    import mlflow

    with mlflow.start_run(run_name=run.name):
        mlflow.set_tag("run_folder", str(run.folder.absolute()))
        mlflow.log_params(run.parameters)
        mlflow.log_metrics({_key(k): v for k, v in run.figures.items()})
        for step, row in run.curves:
            mlflow.log_metrics({_key(k): v for k, v in row.items()}, step=step)
        for file in run.files:
            mlflow.log_artifact(str(file))
        mlflow.log_artifacts(str(run.folder / "model"), "model")


def _key(name: str) -> str:
    """MLflow takes no other signs in the name of a metric."""
    return re.sub(r"[^\w\-. :/]", "_", name)
