"""A fit on several labelled domains: one model, reported per domain beside training on each alone."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.core.errors import InputError
from regraft.core.row_store import RowStore
from regraft.core.runtime import Stopwatch, resolve_device, say
from regraft.core.types import LabelSpec
from regraft.data.dataset import Dataset
from regraft.data.items import Items, JoinedItems, Renamed
from regraft.data.names import short
from regraft.data.open import split_part
from regraft.data.relabel import relabel
from regraft.data.splits import Split, make_split
from regraft.features.labelled import LabelledFeatures, fresh_rows
from regraft.methods import multi_domain as METHOD
from regraft.methods.adaptation.on_networks import SourceTraining
from regraft.metrics.classes import classification
from regraft.models import artefact
from regraft.models.heads import LinearHead
from regraft.models.model import Model
from regraft.pipelines import run_folder as runfolder
from regraft.pipelines.evidence.predictions import write_evidence
from regraft.pipelines.stages.contamination import learned_from
from regraft.pipelines.stages.network import started
from regraft.pipelines.validate import hints_of
from regraft.tasks import TASKS
from regraft.training.multi_domain import Domain, rows_of, trained
from regraft.training.requirements import check
from regraft.training.trainer import Initialization, adapt, changed


def fit_joint(data: list[Any], val: Any, settings: dict[str, Any], *, overwrite: bool, resume: bool) -> dict[str, Any]:
    """The fields of a `regraft.pipelines.fit.FitResult`.

    ``metrics["domains"]`` holds by domain the figures of the joint model and, unless ``--controls none``, of the same
    network trained on it alone, with the gain. ``metrics["val"]`` is over the judged items of all, each with the
    statistics of its domain. Writes ``domains/NAME/`` with a model for each, and ``model/``, which knows no domain.
    """
    watch = Stopwatch("prepare", "audit", "extract", "controls", "fit")
    names = [str(d) for d in settings["data"]]
    out = runfolder.folder_for(settings["out"], "+".join(map(_domain, names)), "joint", resume)
    if resume and (done := runfolder.finished(out, settings)):
        say(f"{out} is already finished")
        return done
    device, store = resolve_device(settings["device"]), RowStore()
    hints = hints_of(settings)
    with watch("audit"):
        splits = [make_split(d, v, format=settings["format"], hints=hints, seed=settings["seed"], store=store)
                  for d, v in zip(data, _judged_on(val, len(data)), strict=True)]  # fmt: skip
    domains, classes = _domains(names, splits)
    with watch("prepare"):
        network, _ = started(splits[0], names[0], settings["init"], settings["backbone"], settings["weights"],
                             settings["size"])  # fmt: skip
        for split in splits:
            check(network, split.train, settings)
    settings |= {"backbone": network.name}
    with runfolder.RunFolder(out, settings, overwrite=overwrite, resume=resume) as run:
        with watch("fit"):
            body, head, record = trained(out.name, run.work, settings, network, domains, classes, device, store)
        with watch("controls"):
            heads = [rows_of(head, d.own) for d in domains]
            for one, d in zip(heads, domains, strict=True):
                one.apply_temperature(record["temperatures"][d.name])
            head.apply_temperature(
                float(np.exp(np.mean(np.log([*record["temperatures"].values()]))))
            )  # of no domain: their middle
            figures, models = _judged(run, settings, network, body, head, heads, domains, classes, device, store)
        mixed = changed(network, METHOD.undivided(body, network.body, None), "joint", statistics=True)
        whole = Model(mixed, head, "label", LabelSpec("classification", classes))
        about = {"name": out.name, "data": " + ".join(names), "method": "joint", "settings": settings, "choice": record,
                 "trained_on": sum(len(d.split.train) for d in domains), "judged_on": figures["items"],
                 "columns": splits[0].columns}  # fmt: skip
        learned = learned_from(*(s.train for s in splits), network=network, settings=settings, store=store)
        artefact.save(whole, run.work / "model", metrics=figures, record=about, learned=learned)
        for domain, model in zip(domains, models, strict=True):
            own = {"val": figures["domains"][domain.name]["joint"]}
            artefact.save(
                model, run.work / "domains" / domain.name, metrics=own, record={**about, "domain": domain.name},
                learned=learned,
            )  # fmt: skip
        result = {
            "run": str(out), "task": "classification", "method": "joint", "backbone": network.name, "engine": "torch",
            "metrics": figures, "gain": None, "gain_over_probe": None, "seconds": watch.record(), "cached": False,
            "items": {"train": about["trained_on"], "val": figures["items"]}, "classes": classes,
            "split": _how(val), "choice": record, "decision": {}, "seen": None,
            "seen_in_training": None, "rows": {"computed": 0},
            "problems": [asdict(p) for s in splits for p in s.problems],
        }  # fmt: skip
        run.finish(result)
    return result


def _judged_on(val: Any, domains: int) -> list[Any]:
    """What to judge each domain on: one for each, in a list or with commas; or nothing, and parts of them are."""
    if val is None:
        return [None] * domains
    found = val.split(",") if isinstance(val, str) else list(val) if isinstance(val, list | tuple) else [val]
    if len(found) != domains:
        raise InputError(f"--val names {len(found)} data for {domains} domains: name one for each, with commas.")
    return found


def _how(val: Any) -> str:
    return "judged on a part held out of each domain" if val is None else "judged on data of each domain that was named"


def _domain(data: str) -> str:
    return short(split_part(data)[0])


def _domains(names: list[str], splits: list[Split]) -> tuple[list[Domain], tuple[str, ...]]:
    """The domains with labels in the classes of all, in the order of their first appearance."""
    for name, split in zip(names, splits, strict=True):
        if split.train.target.task != "classification":
            raise InputError(f"{name} is for {split.train.target.task}; --method joint is for one class an item.")
        if split.train.modality != splits[0].train.modality:
            raise InputError(f"{name} holds {split.train.modality} items and {names[0]} {splits[0].train.modality} "
                             "items; --method joint takes one kind.")  # fmt: skip
    own = METHOD.heads([s.train.classes for s in splits])
    classes = tuple(dict.fromkeys(c for s in splits for c in s.train.classes))
    short: list[str] = []
    for name in names:
        base, n = _domain(name), 2
        while (label := base if base not in short else f"{base}-{n}") in short:
            n += 1
        short.append(label)
    for split in splits:
        split.train = relabel(split.train, classes)
        split.val = None if split.val is None else relabel(split.val, classes)
    return [Domain(n, s, [classes.index(c) for c in o]) for n, s, o in zip(short, splits, own, strict=True)], classes


def _judged(
    run: runfolder.RunFolder,
    settings: dict[str, Any],
    network: Pretrained,
    body: Any,
    head: LinearHead,
    heads: list[LinearHead],
    domains: list[Domain],
    classes: tuple[str, ...],
    device: str,
    store: RowStore,
) -> tuple[dict[str, Any], list[Model]]:
    """Figures by domain and over all, and a model for each domain."""
    found: dict[str, Any] = {"val": None, "controls": {}, "domains": {}, "items": 0}
    models, shown = [], _Shown()
    for i, d in enumerate(domains):
        own = changed(network, METHOD.undivided(body, network.body, i), "joint", statistics=True)
        spec = LabelSpec("classification", tuple(classes[c] for c in d.own))
        models.append(Model(own, heads[i], "label", spec))
        if d.split.val is None:
            found["domains"][d.name] = {"items": 0, "joint": None}
            continue
        rows = fresh_rows(own, d.split.val, np.arange(len(d.split.val)), settings["engine"], device)
        probabilities = np.zeros((len(rows.y), len(classes)))
        probabilities[:, d.own] = models[-1].probabilities(rows.x)
        groups = d.split.groups_judged(rows.items)
        figures = {"items": len(rows.y), "joint": classification(rows.y, probabilities, groups)}
        if settings["controls"] != "none":
            alone = _alone(run, settings, network, d, classes, rows, device, store)
            won = TASKS["classification"].gain(rows.y, probabilities, alone, settings["seed"], groups)
            figures |= {"alone": classification(rows.y, alone, groups), "gain": {**won, "against": "alone"}}
        found["domains"][d.name] = figures
        shown.add(d.name, d.split.val, rows, probabilities, groups)
    if shown.rows:
        rows, probabilities, groups = shown.together()
        found |= {"val": classification(rows.y, probabilities, groups), "items": len(rows.y)}
        model = Model(models[0].network, head, "label", LabelSpec("classification", classes))
        write_evidence(run.work, shown.data(), rows, model, probabilities)
    return found, models


class _Shown:
    """The judged items of all domains, one domain behind the other."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.judged: list[Dataset] = []
        self.rows: list[LabelledFeatures] = []
        self.probabilities: list[NDArray[np.float64]] = []
        self.groups: list[NDArray[Any] | None] = []

    def add(
        self,
        name: str,
        judged: Dataset,
        rows: LabelledFeatures,
        probabilities: NDArray[np.float64],
        groups: NDArray[Any] | None,
    ) -> None:
        self.names.append(name)
        self.judged.append(judged)
        self.rows.append(rows)
        self.probabilities.append(probabilities)
        self.groups.append(groups)

    def data(self) -> Dataset:
        """The items as one data set, each under its domain's name and its own."""
        items: list[Items] = [Renamed(d.items, f"{n}: ") for n, d in zip(self.names, self.judged, strict=True)]
        first, y = self.judged[0], np.concatenate([d.y for d in self.judged])
        return replace(first, items=reduce(JoinedItems, items), labels={first.target_name: y},
                       parts=np.full(len(y), ""), groups=None)  # fmt: skip

    def together(self) -> tuple[LabelledFeatures, NDArray[np.float64], NDArray[Any] | None]:
        """Rows by their position in `data`, probabilities, and what belongs together, never across domains."""
        starts = np.cumsum([0, *map(len, self.judged)])
        rows = LabelledFeatures(np.concatenate([r.x for r in self.rows]), np.concatenate([r.y for r in self.rows]),
                    np.concatenate([r.items + s for r, s in zip(self.rows, starts, strict=False)]))  # fmt: skip
        groups = None
        if any(g is not None for g in self.groups):
            own = [np.arange(len(r.y)) if g is None else np.unique(g, return_inverse=True)[1].reshape(-1)
                   for r, g in zip(self.rows, self.groups, strict=True)]  # fmt: skip
            groups = np.concatenate([g + s for g, s in zip(own, starts, strict=False)])
        return rows, np.concatenate(self.probabilities), groups


def _alone(
    run: runfolder.RunFolder,
    settings: dict[str, Any],
    network: Pretrained,
    domain: Domain,
    classes: tuple[str, ...],
    judged: LabelledFeatures,
    device: str,
    store: RowStore,
) -> NDArray[np.float64]:
    """What the same network, trained on one domain alone, says of its judged items."""
    own = tuple(c for c, n in domain.split.train.class_counts().items() if n)
    data = relabel(domain.split.train, own)
    rows = fresh_rows(network, data, np.arange(len(data)), settings["engine"], device)
    folder = run.work / f"alone-{domain.name}"
    folder.mkdir(exist_ok=True)
    start = Initialization(network, LinearHead.zero(network.width, len(own)), {})
    told = {**settings, "batch_norm": "learn"}  # as the joint model does
    groups = None if domain.split.groups is None else domain.split.groups[rows.items]
    made = adapt(SourceTraining(network.has_learned), start, data, rows, told, groups=groups, folder=folder,
                 device=device, store=store)  # fmt: skip
    assert domain.split.val is not None
    x = fresh_rows(made.network, domain.split.val, judged.items, settings["engine"], device).x
    found = np.zeros((len(judged.y), len(classes)))
    model = Model(made.network, made.head, "label", LabelSpec("classification", own))
    found[:, [classes.index(c) for c in own]] = model.probabilities(x)
    return found
