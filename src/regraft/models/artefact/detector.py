"""A detector saved and loaded: what its manifest tells, beside what every saved model has."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from regraft.core.errors import ArtefactError
from regraft.models.artefact.manifest import find, kind_of, read_manifest
from regraft.models.artefact.read import load_any
from regraft.models.artefact.write import write
from regraft.models.detectors.base import Detector
from regraft.models.learned import Learned


def save(detector: Detector, folder: Path, *, decision: dict[str, Any], metrics: dict[str, Any],
         record: dict[str, Any], learned: Learned | None) -> Path:  # fmt: skip
    """Writes the artefact under a temporary name and renames it to ``folder``.

    ``decision`` holds the ``threshold`` from which boxes are shown; ``record`` is what the run was; ``learned`` are all
    pictures that went into it, None where not all are known.
    """
    about = {
        "target": {"name": "boxes", "task": "detection", "classes": detector.classes, "decision": decision},
        "network": {"name": record.get("detector", detector.kind), "recipe": detector.recipe,
                    "spec": {"frame": detector.frame, "overlap": detector.overlap, "stretch": detector.stretches},
                    "provenance": asdict(detector.origin)},
        "record": record,
    }  # fmt: skip
    return write(folder, about, metrics, detector.state_dict(), {} if learned is None else learned.tensors())


def load(path: str | Path) -> tuple[Detector, dict[str, Any]]:
    """The detector and manifest of a run or artefact folder. Nothing in it is run; raises ``ArtefactError``."""
    found, manifest = load_any(path)
    if not isinstance(found, Detector):
        raise _no_detector(path, manifest)
    return found, manifest


def recipe_of(path: str | Path) -> dict[str, Any]:
    """What it takes to build the network of a run again; raises ``ArtefactError``."""
    manifest = read_manifest(find(path))
    if kind_of(manifest) != "detector":
        raise _no_detector(path, manifest)
    recipe: dict[str, Any] = manifest["network"]["recipe"]
    return recipe


def _no_detector(path: str | Path, manifest: dict[str, Any]) -> ArtefactError:
    task = manifest["target"]["task"] if "target" in manifest else "several tasks"
    return ArtefactError(f"{path} is a model for {task}, not a detector.")
