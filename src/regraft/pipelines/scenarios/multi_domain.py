"""Several labelled domains of one task: one model, reported per domain beside training on each alone."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.core.arrays import subsample
from regraft.core.errors import InputError
from regraft.core.types import LabelSpec, Problem
from regraft.data.corrections import open_corrected
from regraft.data.dataset import Dataset
from regraft.data.items import Items, JoinedItems, Renamed
from regraft.data.names import short
from regraft.data.open import name_of, split_part
from regraft.data.relabel import relabel
from regraft.data.splits import Split, make_split
from regraft.features.default import default_for
from regraft.features.engines.base import plain_engine
from regraft.features.labelled import LabelledFeatures, fresh_rows, own_engine
from regraft.features.reading import reading_problems
from regraft.methods import multi_domain as METHOD
from regraft.methods.adaptation.on_networks import SourceTraining
from regraft.models import artefact
from regraft.models.heads import LinearHead
from regraft.models.model import Model
from regraft.options.fit import FitOptions
from regraft.pipelines.evidence.predictions import write_evidence
from regraft.pipelines.result import FitResult
from regraft.pipelines.scenarios.base import Scenario
from regraft.pipelines.stages.contamination import learned_from
from regraft.pipelines.stages.judging import abstaining
from regraft.pipelines.stages.learn import LOOKED_AT
from regraft.pipelines.stages.network import started
from regraft.pipelines.stages.outliers import fit_outlier_detector, unlike_figures
from regraft.pipelines.validate import meaning_of, one_each
from regraft.tasks import TASKS, Wanted
from regraft.training.multi_domain import Domain, train_domains
from regraft.training.network import train_network
from regraft.training.requirements import check as check_training
from regraft.training.trainer import Initialization, TrainingContext, changed


class MultiDomain(Scenario):
    """One network for all domains, normalised by domain. Writes ``domains/NAME/`` with a model for each, and
    ``model/``, which knows no domain.

    ``metrics["domains"]`` holds by domain the figures of the joint model and, unless ``--controls none``, of the same
    network trained on it alone, with the gain. ``metrics["val"]`` is over the judged items of all, each with the
    statistics of its domain.
    """

    network: Pretrained
    domains: list[Domain]
    classes: tuple[str, ...]

    def __init__(self, data: list[Any], options: FitOptions) -> None:
        names = [name_of(d) for d in data]
        super().__init__(options, names, meaning_of(options, several=True))
        self.data, self.data_names = data, names
        self.default: dict[str, Any] | None = None

    @property
    def stem(self) -> str:
        """The names of the domains."""
        return "+".join(map(_domain, self.data_names))

    def split(self) -> None:
        """Each domain's training part, and what it is judged on; labels in the classes of all."""
        data, count = self.options.data, len(self.data)
        how: dict[str, Any] = {"format": data.format, "hints": data.hints()}
        files = one_each(data.corrections, count, "--corrections", "domains")
        opened = [open_corrected(d, file, **how) for d, file in zip(self.data, files, strict=True)]
        splits = [make_split(d, v, seed=self.options.run.seed, store=self.store, **how)
                  for d, v in zip(opened, one_each(data.val, count, "--val", "domains"), strict=True)]  # fmt: skip
        self.domains, self.classes = _domains(self.data_names, splits)

    def load_network(self) -> None:
        """One for all domains, settled by the first."""
        asked, (first, *rest) = self.options.network, [d.split for d in self.domains]
        if asked.backbone is None and asked.init is None:
            default = default_for(first.train.items, *(s.train.items for s in rest), one=True, weights=asked.weights)
            default.tell()
            first.problems += default.problems(self.path.name)
            self.default, asked = asdict(default), self.options.changed(backbone=default.backbone).network
        self.network, _ = started(first, self.data_names[0], asked)
        for domain in self.domains:
            check_training(self.network, domain.split.train, self.options)
            domain.split.problems += reading_problems(self.network, [domain.split.train.items], domain.name)
        self.options = self.options.changed(backbone=self.network.name)

    @property
    def training(self) -> TrainingContext:
        """What trains, in the run's folder."""
        return TrainingContext(self.options, self.run.work, self.device, self.store)

    def learn(self) -> None:
        """The body, heads and statistics of all domains, and what training items look like to each."""
        joint = self.joint = train_domains(self.path.name, self.domains, self.classes, self.network, self.training)
        self.models = [self._model(joint.heads[i], i, d) for i, d in enumerate(self.domains)]
        for model, domain, unseen in zip(self.models, self.domains, joint.unseen, strict=True):
            self._decide(model, domain, unseen)
            if self.options.evaluation.outliers:
                model.familiar = self._known_items(model, domain.split)
        own = METHOD.undivided(joint.body, self.network.body, None)
        mixed = changed(self.network, own, "joint", statistics=True)
        self.whole = Model(mixed, joint.head, "label", LabelSpec("classification", self.classes))

    def _model(self, head: LinearHead, i: int, domain: Domain) -> Model:
        body = METHOD.undivided(self.joint.body, self.network.body, i)
        own = changed(self.network, body, "joint", statistics=True)
        return Model(own, head, "label", LabelSpec("classification", tuple(self.classes[c] for c in domain.own)))

    def _decide(self, model: Model, domain: Domain, unseen: Any) -> None:
        """From which confidence on a domain's answers reach the wanted accuracy."""
        if self.options.evaluation.accuracy is None:
            return
        logits, labels, items = unseen or (None, np.zeros(0, np.int64), np.zeros(0, np.int64))
        groups = None if domain.split.groups is None else domain.split.groups[items]
        wanted = Wanted(self.options.evaluation.accuracy)
        model.decision, problem = model.decided(logits, labels, wanted, domain.name, groups)
        domain.split.problems += [problem] if problem else []

    def _known_items(self, model: Model, split: Split) -> Any:
        some = subsample(len(split.train), LOOKED_AT).astype(np.int64)
        rows = fresh_rows(model.network, split.train, some, self.options.network.engine, self.device)
        groups = None if split.groups is None else split.groups[rows.items]
        known, problem = fit_outlier_detector(split.train, rows, groups, self.options.run.seed)
        split.problems += [problem] if problem else []
        return known

    def evaluate(self) -> None:
        """By domain and over all."""
        figures: dict[str, Any] = {"val": None, "controls": {}, "domains": {}, "items": 0}
        self.figures, shown = figures, _Shown()
        with self.watch("controls"):
            for model, domain in zip(self.models, self.domains, strict=True):
                if domain.split.val is None:
                    figures["domains"][domain.name] = {"items": 0, "joint": None}
                else:
                    figures["domains"][domain.name] = self._judged(model, domain, domain.split.val, shown)
        if shown.rows:
            rows, probabilities, groups = shown.together()
            task = TASKS["classification"]
            figures |= {"val": task.figures(rows.y, probabilities, {}, groups, None), "items": len(rows.y)}
            model = replace(self.whole, network=self.models[0].network, decision={})
            write_evidence(self.run.work, shown.data(), rows, model, probabilities, groups)
        self.seen = self._share_seen("val"), self._share_seen("train")

    def _judged(self, model: Model, domain: Domain, val: Dataset, shown: _Shown) -> dict[str, Any]:
        """The figures of one domain, of the same network trained on it alone, and the gain over that."""
        task = TASKS["classification"]
        rows = fresh_rows(model.network, val, np.arange(len(val)), self.options.network.engine, self.device)
        groups = domain.split.groups_judged(rows.items)
        probabilities = np.zeros((len(rows.y), len(self.classes)))
        probabilities[:, domain.own] = model.probabilities(rows.x)
        found = {"items": len(rows.y), "joint": task.figures(rows.y, probabilities, {}, groups, None)}
        if self.options.evaluation.controls != "none":
            alone = self._alone(domain, val, rows)
            won = task.gain(rows.y, probabilities, alone, self.options.run.seed, groups)
            found |= {"alone": task.figures(rows.y, alone, {}, groups, None), "gain": {**won, "against": "alone"}}
        if (least := model.decision.get("abstain_below")) is not None:
            found["abstaining"] = {**abstaining(rows.y, probabilities, least, groups), "abstain_below": least}
        if model.familiar is not None:  # the network has learned from its items: what others are expected is not known
            names = [val.items.name(int(i)) for i in rows.items]
            found["unlike"] = {**unlike_figures(model.familiar, rows.x, names), "expected": None}
        shown.add(domain.name, val, rows, probabilities, groups)
        return found

    def _alone(self, domain: Domain, val: Dataset, judged: LabelledFeatures) -> NDArray[np.float64]:
        """What the same network, trained on one domain alone, says of its judged items."""
        own = tuple(c for c, n in domain.split.train.class_counts().items() if n)
        data, engine = relabel(domain.split.train, own), self.options.network.engine
        rows = fresh_rows(self.network, data, np.arange(len(data)), engine, self.device)
        start = Initialization(self.network, LinearHead.zero(self.network.width, len(own)), {})
        context = self.training.inside(f"alone-{domain.name}").with_options(
            batch_norm="learn"
        )  # as the joint model does
        groups = None if domain.split.groups is None else domain.split.groups[rows.items]
        made = train_network(SourceTraining(self.network.has_learned), start, data, rows, context, groups)
        x = fresh_rows(made.network, val, judged.items, engine, self.device).x
        found = np.zeros((len(judged.y), len(self.classes)))
        model = Model(made.network, made.head, "label", LabelSpec("classification", own))
        found[:, [self.classes.index(c) for c in own]] = model.probabilities(x)
        return found

    def _share_seen(self, part: str) -> float | None:
        """The share of the items of all domains whose labels the network's pretraining saw, None where not known."""
        known, looked_at, held = self.network.seen, 0, 0
        for domain in self.domains:
            split = domain.split
            data, pixels = (split.val, split.pixels) if part == "val" else (split.train, split.train_pixels)
            if known is None or data is None or pixels is None:
                continue
            found = int(np.isin(pixels, known).sum())
            looked_at, held = looked_at + len(data), held + found
            if found:
                text = f"the pretraining of {self.network.name} saw {found} of its {len(data)} {part} items with labels"
                split.problems.append(Problem("seen-in-pretraining", domain.name, text))
        return held / looked_at if looked_at else None

    def save(self) -> None:
        """The model of no domain, and one a domain."""
        splits, items = [d.split for d in self.domains], self.figures["items"]
        about = {"name": self.path.name, "data": " + ".join(self.data_names), "method": "joint",
                 "settings": self.settings, "choice": self.joint.record,
                 "trained_on": sum(len(s.train) for s in splits), "judged_on": items,
                 "columns": splits[0].columns}  # fmt: skip
        learned = learned_from(*(s.train for s in splits), network=self.network, init=self.options.network.init,
                               store=self.store)  # fmt: skip
        artefact.save(self.whole, self.run.work / "model", metrics=self.figures, record=about, learned=learned)
        for domain, model in zip(self.domains, self.models, strict=True):
            own = {"val": self.figures["domains"][domain.name]["joint"]}
            artefact.save(model, self.run.work / "domains" / domain.name, metrics=own,
                          record={**about, "domain": domain.name}, learned=learned)  # fmt: skip

    def result(self) -> FitResult:
        """See `regraft.pipelines.result.FitResult`."""
        splits, how = [d.split for d in self.domains], "a part held out of each domain"
        how = how if self.options.data.val is None else "data of each domain that was named"
        return FitResult(
            run=str(self.path), task="classification", method="joint", backbone=self.network.name,
            engine=own_engine(self.options.network.engine, plain_engine(self.network, self.device)),
            metrics=self.figures, gain=None, seconds=self.watch.record(), cached=False,
            items={"train": sum(len(s.train) for s in splits), "val": self.figures["items"]}, classes=self.classes,
            split=f"judged on {how}", choice=self.joint.record, decision={}, seen=self.seen[0],
            seen_in_training=self.seen[1], rows={"computed": 0},
            problems=[asdict(p) for s in splits for p in s.problems],
            corrections=[c for s in splits for c in s.corrections], default=self.default,
        )  # fmt: skip


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
                       parts=np.full(len(y), ""), groups=None, corrections=None)  # fmt: skip

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
