"""An artefact is a folder that holds a model and everything needed to use it: tensors and JSON, nothing that runs.

``manifest.json``         format version, class names, network recipe and preprocessing, digests, versions
``model.safetensors``     the head, what the training data looks like, and the network where it was changed
``backbone.safetensors``  the network where it was not changed: a hard link into a store by content
``tokenizer/``            for networks on texts: what turns texts into token numbers, and a view's dictionary
``int8/``                 the graph that was quantised for the network, where its rows were learned from: OpenVINO's
                          own format, operations and numbers, and what it was calibrated on
``parts/0``, ``parts/1``  ... hold all three for each part of a fusion
``learned.safetensors``   what the items that it learned from are recognised by
``metrics.json``          the figures measured before the refit
``README.md``             the model card
"""

from __future__ import annotations

import copy
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch import Tensor

from regraft.backbones.base import Pretrained
from regraft.backbones.modules.own import as_saved
from regraft.backbones.weights import write_state
from regraft.core.errors import ArtefactError, DiskError
from regraft.core.files import disk_errors, new_file, new_folder, sha256, write_json, write_text
from regraft.core.runtime import cache_dir, versions
from regraft.features.engines import openvino_int8
from regraft.features.fusion import fuse, parts_of
from regraft.models.artefact.manifest import (
    BACKBONE,
    FORMAT,
    FORMAT_VERSION,
    INT8,
    LEARNED,
    MANIFEST,
    MODEL,
    OWN_VERSION,
    PARTS,
    TASKS_VERSION,
    TOKENIZER,
    kind_of,
)
from regraft.models.card import detector_card, model_card, tasks_card
from regraft.models.learned import Learned
from regraft.models.model import Model


def save(
    model: Model, folder: Path, *, metrics: dict[str, Any], record: dict[str, Any], learned: Learned | None
) -> Path:
    """Writes the artefact under a temporary name and renames it to ``folder``.

    ``record`` is what the run was: settings, choices, data; ``learned`` are all items that went into it, None where not
    all are known. Raises ``DiskError`` where there is no room.
    """
    tensors = _tensors(model) | _changed(model.network)
    known = {} if learned is None else learned.tensors()
    about = {"network": _entry(model.network), **_task(model), "record": record}
    return write(folder, about, metrics, tensors, known, network=model.network)


def save_tasks(
    models: dict[str, Model],
    folder: Path,
    *,
    metrics: dict[str, Any],
    records: dict[str, dict[str, Any]],
    learned: dict[str, Learned | None],
) -> Path:
    """Writes several tasks as one artefact: a head each on one network, or where theirs differ a network each."""
    own = len({tuple(p.digest() for p in parts_of(m.network)) for m in models.values()}) > 1
    networks = {name: m.network for name, m in models.items()}
    first = side_by_side(networks) if own else next(iter(networks.values()))
    tensors = {f"{i}.{k}": v for i, m in enumerate(models.values()) for k, v in _tensors(m).items()}
    tensors |= _changed(first)
    tasks = {name: {**_task(m), "record": records[name]} for name, m in models.items()}
    if own:
        tasks = {name: {**task, "part": i} for i, (name, task) in enumerate(tasks.items())}
    known = {f"{i}.{k}": v for i, m in enumerate(models) if (one := learned[m]) for k, v in one.tensors().items()}
    about, version = {"network": _entry(first), "tasks": tasks}, OWN_VERSION if own else TASKS_VERSION
    return write(folder, about, metrics, tensors, known, version, network=first)


def side_by_side(networks: dict[str, Pretrained]) -> Pretrained:
    """One network of each task's own."""
    if any(len(parts_of(n)) > 1 for n in networks.values()):
        raise ArtefactError("Tasks with networks of their own cannot each have several side by side.")
    named = {task: copy.copy(n) for task, n in networks.items()}
    for task, network in named.items():
        network.name = f"{network.name} ({task})"
    return fuse(list(named.values()))


def _tensors(model: Model) -> dict[str, Tensor]:
    """The head, what the training items look like, and the heads by which intervals are found."""
    head = {f"head.{k}": v for k, v in model.head.state_dict().items()}
    head |= {} if model.familiar is None else model.familiar.tensors()
    return head | ({} if model.folds is None else model.folds.tensors())


def _changed(network: Pretrained) -> dict[str, Tensor]:
    """The network's own weights, where they are no longer those of its publisher."""
    if "adapted_by" not in network.provenance:
        return {}
    return {f"body.{k}": v for k, v in network.body.state_dict().items()}


def _task(model: Model) -> dict[str, Any]:
    return {
        "target": {"name": model.target_name, "task": model.target.task, "classes": model.target.classes,
                   "decision": model.decision},
        "head": {"kind": model.head.kind, "features": model.network.width, "outputs": model.outputs},
        "familiar": None if model.familiar is None else model.familiar.record(),
    }  # fmt: skip


def write(
    folder: Path, about: dict[str, Any], metrics: dict[str, Any], tensors: dict[str, Tensor],
    known: dict[str, Tensor], version: int = FORMAT_VERSION, network: Pretrained | None = None,
) -> Path:  # fmt: skip
    """The folder of any saved model, whole or not at all: its ``tensors``, what it has learned from (``known``), the
    files of its ``network``, the manifest that tells ``about`` it, its figures, its card.
    """
    if folder.exists() and not (folder.is_dir() and ((folder / MANIFEST).is_file() or not any(folder.iterdir()))):
        raise ArtefactError(f"{folder} exists and is no model: choose another place; nothing was touched.")
    with new_folder(folder) as temporary:
        write_state(temporary / MODEL, tensors)
        if known:
            write_state(temporary / LEARNED, known)
        if network is not None:
            _write_network(network, temporary, "adapted_by" in network.provenance)
        manifest = {
            "format": FORMAT,
            "format_version": version,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            **about,
            "versions": versions(),
        }
        write_json(temporary / "metrics.json", metrics)
        card = {"model": model_card, "tasks": tasks_card, "detector": detector_card}[kind_of(manifest)]
        write_text(temporary / "README.md", card(manifest, metrics))
        written = [f for f in sorted(temporary.rglob("*")) if f.is_file()]
        manifest["files"] = {f.relative_to(temporary).as_posix(): sha256(f) for f in written}
        write_json(temporary / MANIFEST, manifest)
    return folder


def _entry(network: Pretrained) -> dict[str, Any]:
    """What the manifest says of a network, and of its parts where it has some."""
    found = {"name": network.name, "recipe": as_saved(network) | {"width": network.width},
             "spec": network.spec.to_json(), "provenance": network.provenance}  # fmt: skip
    parts = parts_of(network)
    return found | ({"parts": [_entry(p) for p in parts]} if len(parts) > 1 else {})


def _write_network(network: Pretrained, folder: Path, changed: bool) -> None:
    """The weights, unless they were changed and lie with the head, and the files that preparing the input needs."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = parts_of(network)
    for i, part in enumerate(parts if len(parts) > 1 else ()):
        _write_network(part, folder / PARTS / str(i), False)
    if "adapted_by" in network.provenance and not changed:  # one of several: nobody else will want its weights
        write_state(folder / BACKBONE, network.body.state_dict())
    elif network.body.state_dict() and not changed:
        try:
            _link(_blob(network), folder / BACKBONE)
        except DiskError:  # of the store; if the run's own takes nothing either, it says so
            write_state(folder / BACKBONE, network.body.state_dict())
    for name, data in network.files.items():
        (folder / TOKENIZER).mkdir(exist_ok=True)
        (folder / TOKENIZER / name).write_bytes(data)
    if openvino_int8.carries(network):
        (folder / INT8).mkdir()
        openvino_int8.write(network.int8, folder / INT8)


def _blob(network: Pretrained) -> Path:
    """The network's weights in the store by content, written on first use."""
    path = cache_dir() / "blobs" / f"{network.digest()}.safetensors"
    if not path.exists():
        with new_file(path) as temporary:
            write_state(temporary, network.body.state_dict())
            # the store is shared by hard links: nobody may write into one of them by mistake
            temporary.chmod(0o444)
    return path


def _link(source: Path, target: Path) -> None:
    with disk_errors(target):
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
