"""An artefact is a folder that holds a model and everything needed to use it: tensors and JSON, nothing that runs.

``manifest.json``         format version, class names, network recipe and preprocessing, digests, versions
``model.safetensors``     the head, what the training data looks like, and the network where it was changed
``backbone.safetensors``  the network where it was not changed: a hard link into a store by content
``tokenizer/``            what preparing a text needs; ``parts/0``, ``parts/1``, ... hold both for each part of a fusion
``tokenizer/``            for networks on texts: what turns texts into token numbers, and a view's dictionary
``learned.safetensors``   what the items that it learned from are recognised by
``metrics.json``          the figures measured before the refit
``README.md``             the model card
"""

from __future__ import annotations

import copy
import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from regraft.backbones import catalog
from regraft.backbones.base import Pretrained
from regraft.backbones.text.tokeniser import DICTIONARY
from regraft.backbones.weights import write_state
from regraft.core.border import written_by_regraft
from regraft.core.errors import ArtefactError
from regraft.core.files import disk_errors, new_file, new_folder, path_of, sha256, write_json, write_text
from regraft.core.runtime import cache_dir, versions
from regraft.core.types import PreprocessSpec, TargetSpec
from regraft.features.encoders.table import COLUMNS, TableMap, table_network
from regraft.features.encoders.tfidf import TfIdf
from regraft.features.fusion import TERMS, fuse, parts_of, tfidf
from regraft.models.card import model_card, tasks_card
from regraft.models.cv_plus import FoldHeads
from regraft.models.heads import HEADS
from regraft.models.learned import Learned
from regraft.models.model import Model
from regraft.models.outliers import Familiar

FORMAT, FORMAT_VERSION, TASKS_VERSION, OWN_VERSION = "regraft-artefact", 1, 2, 3
MANIFEST, MODEL, BACKBONE = "manifest.json", "model.safetensors", "backbone.safetensors"
LEARNED = "learned.safetensors"
TOKENIZER, PARTS = "tokenizer", "parts"


def save(
    model: Model, folder: Path, *, metrics: dict[str, Any], record: dict[str, Any], learned: Learned | None
) -> Path:
    """Writes the artefact under a temporary name and renames it to ``folder``.

    ``record`` is what the run was: settings, choices, data; ``learned`` are all items that went into it, None where not
    all are known. Raises ``DiskError`` where there is no room.
    """
    tensors = _tensors(model) | _changed(model.network)
    known = {} if learned is None else learned.tensors()
    return _write(folder, model.network, tensors, {**_task(model), "record": record}, metrics, FORMAT_VERSION, known)


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
    return _write(folder, first, tensors, {"tasks": tasks}, metrics, OWN_VERSION if own else TASKS_VERSION, known)


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


def _write(
    folder: Path,
    network: Pretrained,
    tensors: dict[str, Tensor],
    more: dict[str, Any],
    metrics: dict[str, Any],
    version: int,
    known: dict[str, Tensor],
) -> Path:
    if folder.exists() and not (folder.is_dir() and ((folder / MANIFEST).is_file() or not any(folder.iterdir()))):
        raise ArtefactError(f"{folder} exists and is no model: choose another place; nothing was touched.")
    with new_folder(folder) as temporary:
        write_state(temporary / MODEL, tensors)
        if known:
            write_state(temporary / LEARNED, known)
        _write_network(network, temporary, "adapted_by" in network.provenance)
        manifest = {
            "format": FORMAT,
            "format_version": version,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "network": _entry(network),
            **more,
            "versions": versions(),
        }
        write_json(temporary / "metrics.json", metrics)
        card = tasks_card(manifest, metrics) if "tasks" in manifest else model_card(manifest, metrics)
        write_text(temporary / "README.md", card)
        written = [f for f in sorted(temporary.rglob("*")) if f.is_file()]
        manifest["files"] = {f.relative_to(temporary).as_posix(): sha256(f) for f in written}
        write_json(temporary / MANIFEST, manifest)
    return folder


def _entry(network: Pretrained) -> dict[str, Any]:
    """What the manifest says of a network, and of its parts where it has some."""
    found = {"name": network.name, "recipe": network.recipe | {"width": network.width}, "spec": network.spec.to_json(),
             "provenance": network.provenance}  # fmt: skip
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
        _link(_blob(network), folder / BACKBONE)
    for name, data in network.files.items():
        (folder / TOKENIZER).mkdir(exist_ok=True)
        (folder / TOKENIZER / name).write_bytes(data)


def _read_network(entry: dict[str, Any], folder: Path, body: dict[str, Tensor]) -> Pretrained:
    """The network of `_entry`; ``body`` holds its weights where they were changed."""
    if "parts" in entry:
        return fuse([_read_network(p, folder / PARTS / str(i), {}) for i, p in enumerate(entry["parts"])])
    if (folder / BACKBONE).exists():
        body = load_file(folder / BACKBONE)
    files = {f.name: f.read_bytes() for f in sorted((folder / TOKENIZER).glob("*"))}
    if entry["recipe"]["architecture"] == "tfidf":
        return tfidf(entry["name"], TfIdf.from_bytes(files[TERMS]), files.get(DICTIONARY))
    if entry["recipe"]["architecture"] == "table":
        return table_network(TableMap.from_bytes(files[COLUMNS]))
    network = catalog.rebuild(entry["name"], entry["recipe"], PreprocessSpec.from_json(entry["spec"]), body, files)
    network.provenance = entry["provenance"]
    architecture = entry["recipe"].get("of", entry["recipe"])["architecture"]
    network.seen = catalog.seen_by(architecture, entry["provenance"]["weights"])
    return network


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


def damage(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """What is missing or differs from its digest; empty where all is well."""
    found = []
    for name, expected in manifest["files"].items():
        if not (folder / name).is_file():
            found.append(f"{name} is missing")
        elif sha256(folder / name) != expected:
            found.append(f"{name} does not match its digest")
    return found


Loaded = tuple[Model, dict[str, Any]]


def load(path: str | Path, beside: Loaded | None = None) -> Loaded:
    """The model and manifest of a run or artefact folder. Nothing in it is run; raises ``ArtefactError``.

    ``FOLDER#TASK`` is one task of a model of several. A network that is the same as that of ``beside``, loaded before,
    is not read again.
    """
    where, task = split_task(path)
    models, manifest = load_tasks(where, beside)
    if "tasks" not in manifest and task is None:
        return models[""], manifest
    if task not in models or "tasks" not in manifest:
        there = ", ".join(models) if "tasks" in manifest else ""
        raise ArtefactError(f"{where} holds the tasks {there}: name one, as {where}#{next(iter(models))}." if there else
                            f"{where} is a model of one task; leave out #{task}.")  # fmt: skip
    return models[task], {**manifest, **manifest["tasks"][task]}


def split_task(path: str | Path) -> tuple[str, str | None]:
    """``runs/mine#colour`` -> (``runs/mine``, ``colour``)."""
    text = str(path)
    if "#" in text and not path_of(text, "MODEL").exists():
        where, _, task = text.rpartition("#")
        return where, task
    return text, None


def learned_by(path: str | Path) -> Learned | None:
    """The items that a model of classes, numbers or boxes, or one task of it (``FOLDER#TASK``), has learned from; None
    where it does not know them all, as models of older versions. Raises ``ArtefactError``.
    """
    where, task = split_task(path)
    folder = find(where)
    manifest = read_manifest(folder)
    if LEARNED not in manifest["files"]:
        return None
    with written_by_regraft(folder):
        prefix = "" if task is None else f"{list(manifest['tasks']).index(task)}."
        state = load_file(folder / LEARNED)
        own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        return Learned.read(own) if own else None


def _same_network(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two manifests name the same network, to the bit, whose weights do not lie in ``MODEL``."""
    files = [{k: v for k, v in m["files"].items() if k.startswith((BACKBONE, PARTS, TOKENIZER))} for m in (a, b)]
    return bool(a["network"] == b["network"] and files[0] == files[1])


def load_tasks(path: str | Path, beside: Loaded | None = None) -> tuple[dict[str, Model], dict[str, Any]]:
    """Every task of a model by name, all on the same network; a model of one task has the name ``""``."""
    folder = find(path)
    manifest = read_manifest(folder)
    if manifest.get("target", {}).get("task") == "detection":
        raise ArtefactError(f"{path} is a detector: predict, evaluate and regraft.load take it.")
    with written_by_regraft(folder):
        return _read_tasks(folder, manifest, beside), manifest


def _read_tasks(folder: Path, manifest: dict[str, Any], beside: Loaded | None) -> dict[str, Model]:
    tasks: dict[str, Any] = manifest.get("tasks") or {"": manifest}
    state = load_file(folder / MODEL)
    body = {k.removeprefix("body."): v for k, v in state.items() if k.startswith("body.")}
    if beside is not None and not body and _same_network(manifest, beside[1]):
        network = beside[0].network
    else:
        network = _read_network(manifest["network"], folder, body)
    several = "tasks" in manifest
    networks = {name: _own(network, one["part"], name) if "part" in one else network for name, one in tasks.items()}
    return {name: _read_task(networks[name], one, state, f"{i}." if several else "")
            for i, (name, one) in enumerate(tasks.items())}  # fmt: skip


def _own(network: Pretrained, part: int, task: str) -> Pretrained:
    """The network of one task, out of `side_by_side`, under its own name again."""
    found = parts_of(network)[part]
    found.name = found.name.removesuffix(f" ({task})")
    return found


def _read_task(network: Pretrained, entry: dict[str, Any], state: dict[str, Tensor], prefix: str) -> Model:
    head, target = entry["head"], entry["target"]
    module = HEADS.get(head["kind"])(head["features"], head["outputs"])
    own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    head_state = {k.removeprefix("head."): v for k, v in own.items() if k.startswith("head.")}
    module.load_state_dict(head_state, strict=True, assign=True)
    module.requires_grad_(False).eval()
    spec = TargetSpec(target["task"], tuple(target["classes"]))
    known = entry.get("familiar")
    familiar = None if known is None else Familiar.read(known, own)
    return Model(network, module, target["name"], spec, target.get("decision", {}), familiar, FoldHeads.read(own))


def summary(manifest: dict[str, Any]) -> dict[str, Any]:
    """A short account of a model, for listings."""
    found = {"backbone": manifest["network"]["name"], "created": manifest["created"]}
    if "tasks" in manifest:
        return found | {"tasks": {n: {"task": t["target"]["task"], "classes": t["target"]["classes"]}
                                  for n, t in manifest["tasks"].items()}}  # fmt: skip
    return found | {"task": manifest["target"]["task"], "classes": manifest["target"]["classes"]}


def parameters(*models: Model) -> int:
    """How many numbers a model holds, or several together."""
    modules = {id(p.body): p.body for m in models for p in parts_of(m.network)} | {id(m.head): m.head for m in models}
    return sum(p.numel() for m in modules.values() for p in m.parameters())
