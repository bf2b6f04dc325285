"""Reading a saved model: every file against its digest, then the network and the heads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from regraft.backbones import catalog, weights
from regraft.backbones.base import Pretrained
from regraft.backbones.text.tokeniser import DICTIONARY
from regraft.core.border import written_by_regraft
from regraft.core.errors import ArtefactError, InputError
from regraft.core.types import LabelSpec, PreprocessSpec
from regraft.features.encoders.table import COLUMNS, TableMap, table_network
from regraft.features.encoders.tfidf import TfIdf
from regraft.features.fusion import TERMS, fuse, parts_of, tfidf
from regraft.models.artefact.manifest import (
    BACKBONE,
    INT8,
    LEARNED,
    MODEL,
    PARTS,
    TOKENIZER,
    find,
    kind_of,
    read_manifest,
    split_task,
)
from regraft.models.cv_plus import FoldHeads
from regraft.models.detectors import catalog as detectors
from regraft.models.detectors.base import Detector, Origin
from regraft.models.heads import HEADS
from regraft.models.learned import Learned
from regraft.models.model import Model
from regraft.models.outliers import OutlierDetector


def _read_network(entry: dict[str, Any], folder: Path, body: dict[str, Tensor], module: Any = None) -> Pretrained:
    """The network of `_entry`; ``body`` holds its weights where they were changed, ``module`` is its code where that is
    the user's own.
    """
    if "parts" in entry:
        return fuse([_read_network(p, folder / PARTS / str(i), {}) for i, p in enumerate(entry["parts"])])
    if (folder / BACKBONE).exists():
        body = load_file(folder / BACKBONE)
    files = {f.name: f.read_bytes() for f in sorted((folder / TOKENIZER).glob("*"))}
    if entry["recipe"]["architecture"] == "tfidf":
        return tfidf(entry["name"], TfIdf.from_bytes(files[TERMS]), files.get(DICTIONARY))
    if entry["recipe"]["architecture"] == "table":
        return table_network(TableMap.from_bytes(files[COLUMNS]))
    if entry["recipe"]["library"] == "module":
        network = _read_module(entry, folder, body, module)
        network.provenance = entry["provenance"]
        return network
    if module is not None:
        raise InputError(f"{folder} brings its own network, {entry['name']}: leave out backbone=.")
    network = catalog.rebuild(entry["name"], entry["recipe"], PreprocessSpec.from_json(entry["spec"]), body, files)
    network.provenance = entry["provenance"]
    network.int8 = {f.name: f.read_bytes() for f in sorted((folder / INT8).glob("*"))}
    architecture = entry["recipe"].get("of", entry["recipe"])["architecture"]
    network.seen = catalog.seen_by(architecture, entry["provenance"]["weights"])
    return network


def _read_module(entry: dict[str, Any], folder: Path, body: dict[str, Tensor], module: Any) -> Pretrained:
    if module is None:
        raise ArtefactError(f"{folder} was fitted on a module of the user's own, {entry['name']}, whose code no model "
                            "holds: load it in Python, by regraft.load(..., backbone=module).")  # fmt: skip
    from regraft.backbones.modules.base import rebuilt

    return rebuilt(module, entry, body, folder / BACKBONE)


Loaded = tuple[Model, dict[str, Any]]
Saved = Model | dict[str, Model] | Detector
"""A model, several by task, or what finds boxes."""


def load_any(path: str | Path, beside: Loaded | None = None, module: Any = None) -> tuple[Saved, dict[str, Any]]:
    """What a run or artefact folder holds, of the class that its manifest names, and the manifest. Nothing in it is
    run; raises ``ArtefactError``.

    ``FOLDER#TASK`` is one task of a model of several. A network that is the same as that of ``beside``, loaded before,
    is not read again. ``module`` is the code of a model that was fitted on a module of the user's own.
    """
    if split_task(path)[1] is not None:
        return load(path, beside)
    folder = find(path)
    manifest = read_manifest(folder)
    with written_by_regraft(folder):
        if module is not None and kind_of(manifest) != "model":
            raise InputError(f"{folder} brings its own network: leave out backbone=.")
        if kind_of(manifest) == "detector":
            return _read_detector(folder, manifest), manifest
        models = _read_tasks(folder, manifest, beside, module)
        return models if kind_of(manifest) == "tasks" else models[""], manifest


def load(path: str | Path, beside: Loaded | None = None) -> Loaded:
    """`load_any`, where one model of classes or numbers is wanted."""
    where, task = split_task(path)
    found, manifest = load_any(where, beside)
    if isinstance(found, Detector):
        raise ArtefactError(f"{where} is a detector: predict, evaluate and regraft.load take it.")
    if isinstance(found, Model):
        if task is not None:
            raise ArtefactError(f"{where} is a model of one task; leave out #{task}.")
        return found, manifest
    if task is None or task not in found:
        raise unnamed(where, found)
    return found[task], {**manifest, **manifest["tasks"][task]}


def unnamed(where: str, tasks: Iterable[str]) -> ArtefactError:
    """Of several ``tasks`` one must be named."""
    names = list(tasks)
    return ArtefactError(f"{where} holds the tasks {', '.join(names)}: name one, as {where}#{names[0]}.")


def parameters(found: Saved) -> int:
    """How many numbers a saved model holds, several tasks together."""
    if isinstance(found, Detector):
        return sum(p.numel() for p in found.parameters())
    models = found.values() if isinstance(found, dict) else [found]
    modules = {id(p.body): p.body for m in models for p in parts_of(m.network)} | {id(m.head): m.head for m in models}
    return sum(p.numel() for m in modules.values() for p in m.parameters())


def _same_network(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two manifests name the same network, to the bit, whose weights do not lie in ``MODEL``."""
    files = [{k: v for k, v in m["files"].items() if k.startswith((BACKBONE, PARTS, TOKENIZER, INT8))} for m in (a, b)]
    return bool(a["network"] == b["network"] and files[0] == files[1])


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
    spec = LabelSpec(target["task"], tuple(target["classes"]))
    known = entry.get("familiar")
    familiar = None if known is None else OutlierDetector.read(known, own)
    return Model(network, module, target["name"], spec, target.get("decision", {}), familiar, FoldHeads.read(own))


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


def _read_detector(folder: Path, manifest: dict[str, Any]) -> Detector:
    network = manifest["network"]
    detector = detectors.rebuild(network["recipe"], manifest["target"]["classes"], tuple(network["spec"]["frame"]))
    weights.fill(detector, load_file(folder / MODEL), folder / MODEL, network["name"])
    detector.overlap, detector.stretches = network["spec"]["overlap"], network["spec"].get("stretch", False)
    detector.origin = Origin(**network["provenance"])
    detector.body.freeze()
    return detector.requires_grad_(False).eval()


def _read_tasks(folder: Path, manifest: dict[str, Any], beside: Loaded | None, module: Any = None) -> dict[str, Model]:
    tasks: dict[str, Any] = manifest.get("tasks") or {"": manifest}
    state = load_file(folder / MODEL)
    body = {k.removeprefix("body."): v for k, v in state.items() if k.startswith("body.")}
    if beside is not None and not body and _same_network(manifest, beside[1]):
        network = beside[0].network
    else:
        network = _read_network(manifest["network"], folder, body, module)
    several = "tasks" in manifest
    networks = {name: _own(network, one["part"], name) if "part" in one else network for name, one in tasks.items()}
    return {name: _read_task(networks[name], one, state, f"{i}." if several else "")
            for i, (name, one) in enumerate(tasks.items())}  # fmt: skip
