"""What a saved model says of itself: its manifest, found, read and checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from regraft.core.errors import ArtefactError
from regraft.core.files import path_of, sha256

FORMAT, FORMAT_VERSION, TASKS_VERSION, OWN_VERSION = "regraft-artefact", 1, 2, 3
MANIFEST, MODEL, BACKBONE = "manifest.json", "model.safetensors", "backbone.safetensors"
TOKENIZER, PARTS, LEARNED, INT8 = "tokenizer", "parts", "learned.safetensors", "int8"

Kind = Literal["model", "tasks", "detector"]
"""What a folder may hold: a model of classes or numbers, several such by task, or what finds boxes."""


def kind_of(manifest: dict[str, Any]) -> Kind:
    """What a manifest is of."""
    if "tasks" in manifest:
        return "tasks"
    return "detector" if manifest["target"].get("task") == "detection" else "model"


def find(path: str | Path) -> Path:
    """The artefact folder that ``path``, a run or an artefact, means; raises ``ArtefactError``."""
    folder = path_of(path, "MODEL")
    for candidate in (folder, folder / "model"):
        if (candidate / MANIFEST).is_file():
            return candidate
    if not folder.exists():
        raise ArtefactError(f"There is no model at {path}: a run folder or its model/ folder is wanted.")
    if folder.name.endswith(".partial"):
        raise ArtefactError(f"{path} is a run that did not finish: 'regraft fit ... --resume' ends it.")
    raise ArtefactError(f"{path} is no model: it holds neither {MANIFEST} nor model/{MANIFEST}.")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, after checking the format and the digest of every file."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{folder / MANIFEST} cannot be read: {error}.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ArtefactError(f"{folder / MANIFEST} is not the manifest of a regraft model.")
    if lacks := _lacks(manifest):
        raise ArtefactError(f"{folder / MANIFEST} is damaged: it holds no {lacks}. Copy it again or repeat the run.")
    if manifest["format_version"] > OWN_VERSION:
        raise ArtefactError(
            f"{folder} has format version {manifest['format_version']}; this regraft reads up to {OWN_VERSION}: "
            "upgrade regraft."
        )
    damaged = damage(folder, manifest)
    if damaged:
        raise ArtefactError(f"{folder} is damaged: {'; '.join(damaged)}. Copy it again or repeat the run.")
    return manifest


def damage(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """What is missing or differs from its digest; empty where all is well."""
    found = []
    for name, expected in manifest["files"].items():
        if not (folder / name).is_file():
            found.append(f"{name} is missing")
        elif sha256(folder / name) != expected:
            found.append(f"{name} does not match its digest")
    return found


def split_task(path: str | Path) -> tuple[str, str | None]:
    """``runs/mine#colour`` -> (``runs/mine``, ``colour``)."""
    text = str(path)
    if "#" in text and not path_of(text, "MODEL").exists():
        where, _, task = text.rpartition("#")
        return where, task
    return text, None


def summary(manifest: dict[str, Any]) -> dict[str, Any]:
    """A short account of a model, for listings."""
    found = {"backbone": manifest["network"]["name"], "created": manifest["created"]}
    if kind_of(manifest) == "tasks":
        return found | {"tasks": {n: {"task": t["target"]["task"], "classes": t["target"]["classes"]}
                                  for n, t in manifest["tasks"].items()}}  # fmt: skip
    return found | {"task": manifest["target"]["task"], "classes": manifest["target"]["classes"]}


def _lacks(manifest: dict[str, Any]) -> str | None:
    """The first thing that every manifest holds and this one does not, or not as it should be."""
    tasks = manifest.get("tasks", {"": manifest})
    if not isinstance(tasks, dict) or not tasks:
        return "tasks"
    for key, kind in {"format_version": int, "created": str, "network": dict, "versions": dict, "files": dict}.items():
        if not isinstance(manifest.get(key), kind):
            return key
    for task in tasks.values():
        for key in ("target", "record"):
            if not isinstance(task, dict) or not isinstance(task.get(key), dict):
                return key
    return None
