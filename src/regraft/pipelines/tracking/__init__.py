"""Where teams keep the figures of their runs: a tracker is one short file and one line here."""

from __future__ import annotations

from importlib.util import find_spec

from regraft.core.errors import InputError
from regraft.core.registry import Registry

TRACKERS = Registry(
    "tracker",
    {
        "mlflow": "regraft.pipelines.tracking.to_mlflow",
        "wandb": "regraft.pipelines.tracking.to_wandb",
    },
)
"""Each has ``send(run)``, which takes a `regraft.pipelines.tracking.base.TrackedRun`; the package has its name."""


def require(name: str | None) -> None:
    """Raises ``InputError`` where the package of the tracker ``name`` is not there."""
    if name is not None and name in TRACKERS and find_spec(name) is None:
        raise InputError(f"--track {name} needs {name}: pip install 'regraft[{name}]'.")
