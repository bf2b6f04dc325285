"""A trained detector on disk: tensors and readable JSON, as every regraft model."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from regraft.backbones import weights
from regraft.backbones.weights import write_state
from regraft.core.border import written_by_regraft
from regraft.core.errors import ArtefactError
from regraft.core.files import new_folder, sha256, write_json, write_text
from regraft.core.runtime import versions
from regraft.models.artefact.manifest import (
    FORMAT,
    FORMAT_VERSION,
    LEARNED,
    MANIFEST,
    MODEL,
    find,
    read_manifest,
    split_task,
)
from regraft.models.detectors.base import Detector, Origin
from regraft.models.detectors.catalog import rebuild
from regraft.models.learned import Learned


def save(detector: Detector, folder: Path, *, decision: dict[str, Any], metrics: dict[str, Any],
         record: dict[str, Any], learned: Learned | None) -> Path:  # fmt: skip
    """Writes the artefact under a temporary name and renames it to ``folder``.

    ``decision`` holds the ``threshold`` from which boxes are shown; ``record`` is what the run was; ``learned`` are all
    pictures that went into it, None where not all are known.
    """
    if folder.exists() and not (folder.is_dir() and ((folder / MANIFEST).is_file() or not any(folder.iterdir()))):
        raise ArtefactError(f"{folder} exists and is no model: choose another place; nothing was touched.")
    with new_folder(folder) as temporary:
        write_state(temporary / MODEL, detector.state_dict())
        if learned is not None:
            write_state(temporary / LEARNED, learned.tensors())
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "target": {"name": "boxes", "task": "detection", "classes": detector.classes, "decision": decision},
            "network": {"name": record.get("detector", detector.kind), "recipe": detector.recipe,
                        "spec": {"frame": detector.frame, "overlap": detector.overlap,
                                 "stretch": detector.stretches},
                        "provenance": asdict(detector.origin)},
            "record": record,
            "versions": versions(),
        }  # fmt: skip
        write_json(temporary / "metrics.json", metrics)
        write_text(temporary / "README.md", _card(manifest, metrics))
        written = [f for f in sorted(temporary.rglob("*")) if f.is_file()]
        manifest["files"] = {f.relative_to(temporary).as_posix(): sha256(f) for f in written}
        write_json(temporary / MANIFEST, manifest)
    return folder


def load(path: str | Path) -> tuple[Detector, dict[str, Any]]:
    """The detector and manifest of a run or artefact folder. Nothing in it is run; raises ``ArtefactError``."""
    folder, manifest = _read(path)
    network = manifest["network"]
    with written_by_regraft(folder):
        state = load_file(folder / MODEL)
        detector = rebuild(network["recipe"], manifest["target"]["classes"], tuple(network["spec"]["frame"]))
        weights.fill(detector, state, folder / MODEL, network["name"])
        detector.overlap, detector.stretches = network["spec"]["overlap"], network["spec"].get("stretch", False)
        detector.origin = Origin(**network["provenance"])
        detector.body.freeze()
    return detector.requires_grad_(False).eval(), manifest


def recipe_of(path: str | Path) -> dict[str, Any]:
    """What it takes to build the network of a run again; raises ``ArtefactError``."""
    recipe: dict[str, Any] = _read(path)[1]["network"]["recipe"]
    return recipe


def _read(path: str | Path) -> tuple[Path, dict[str, Any]]:
    """The folder of a detector and its manifest."""
    folder = find(path)
    manifest = read_manifest(folder)
    if not holds(manifest):
        raise ArtefactError(f"{path} is a model for {manifest['target']['task']}, not a detector.")
    return folder, manifest


def holds(manifest: dict[str, Any]) -> bool:
    """Whether a manifest is that of a detector."""
    return bool(manifest.get("target", {}).get("task") == "detection")


def is_detector(path: str | Path) -> bool:
    """Whether the model of a run or artefact folder is a detector; raises ``ArtefactError`` where it is no model."""
    return holds(read_manifest(find(split_task(path)[0])))


def _card(manifest: dict[str, Any], metrics: dict[str, Any]) -> str:
    """The model card: Markdown with the metadata that model hubs read."""
    target, record, val = manifest["target"], manifest["record"], metrics.get("val") or {}
    lines = [
        "---", "library_name: regraft", "pipeline_tag: object-detection", "tags: [regraft, transfer-learning]", "---",
        f"# {record.get('name', 'A regraft detector')}", "",
        f"Finds {len(target['classes'])} kinds of objects: {', '.join(target['classes'][:20])}"
        + (", ..." if len(target["classes"]) > 20 else "."), "",
        f"- detector: {manifest['network']['name']}; weights before training: "
        f"{manifest['network']['provenance']['weights']}",
        f"- method: {record.get('method')}; trained on {record.get('data')}, {record.get('trained_on')} pictures",
    ]  # fmt: skip
    if val.get("map") is not None:
        lines.append(f"- mAP {val['map']:.4f}, mAP50 {val['map50']:.4f} on {record.get('judged_on')} pictures that "
                     "were not trained on")  # fmt: skip
    return "\n".join([*lines, "", "Use: `regraft predict FOLDER PICTURES...`.", ""])
