"""One fit, after everything was found: rows, a model, its figures, an artefact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.backbones.base import Pretrained
from regraft.commands import runfolder
from regraft.commands.adapt import Adapted, Start, adapt, adapted_rows
from regraft.commands.auto import DEFAULT_BUDGET, auto
from regraft.commands.controls import Control, ControlKit, run_controls
from regraft.commands.evidence import write_evidence, write_line
from regraft.commands.inner import promised
from regraft.commands.judging import abstaining, decision, gain_over_best
from regraft.commands.learned import learned_from
from regraft.commands.parts import part_figures
from regraft.commands.settings import seconds_of
from regraft.commands.split import Rows, Split
from regraft.commands.unlike import familiar_with, unlike_figures
from regraft.data.dataset import Dataset
from regraft.errors import DataError
from regraft.features.fusion import parts_of
from regraft.features.rows import Runner, below
from regraft.features.store import RowStore
from regraft.features.tables import columns_of
from regraft.methods import linear_probe as PROBE
from regraft.methods.base import Fitted
from regraft.metrics import evenly
from regraft.model import artefact
from regraft.model.heads import LinearHead
from regraft.model.learned import Learned
from regraft.model.model import Model
from regraft.model.sureness import sureness
from regraft.runtime import Stopwatch, say
from regraft.types import Problem

KNOWN = 2000
"""Of how many items a trained network's features are computed anew, to know what training items look like."""


@dataclass(frozen=True)
class FitResult:
    """What a fit was and what it reached, and what ``--json`` prints.

    ``metrics["val"]`` holds the figures on items that were not trained on (None where none could be held out),
    ``metrics["controls"]`` the same by control; where some judged items have a copy in training,
    ``metrics["val_without_copies"]``; ``metrics["unlike"]`` tells of those unlike the training data. ``gain`` is the
    accuracy (or map) minus the best control's, or the best control's rmse minus ours; ``gain_over_probe`` that over the
    linear probe, for methods that train a network. ``seen`` is the share of judged pictures whose labels the network's
    pretraining saw, None where that is not known; ``seen_in_training`` that of the training pictures; ``columns`` what
    those of a table are (`regraft.types.Roles`).
    """

    run: str
    task: str
    method: str
    backbone: str
    engine: str
    metrics: dict[str, Any]
    gain: dict[str, Any] | None
    gain_over_probe: dict[str, Any] | None
    seconds: dict[str, float]
    cached: bool
    items: dict[str, int]
    classes: tuple[str, ...]
    split: str
    choice: dict[str, Any]
    decision: dict[str, Any]
    seen: float | None
    seen_in_training: float | None
    rows: dict[str, int]
    problems: list[dict[str, str]] = field(default_factory=list)
    columns: dict[str, Any] | None = None


@dataclass(frozen=True)
class Given:
    """A method whose training is done already; ``alone`` is what the same network learns from this task alone, None
    where that was not asked for.
    """

    adapted: Adapted
    alone: Adapted | None = None


@dataclass
class Job:
    """One run, after everything was found and before anything is computed."""

    run: runfolder.RunFolder
    settings: dict[str, Any]
    split: Split
    network: Pretrained
    warm: LinearHead | None
    runner: Runner
    store: RowStore
    watch: Stopwatch
    search: dict[str, Any] | None = None
    others: tuple[Dataset, ...] = ()
    """What the network has learned from beside the training part: the items of other tasks."""

    @property
    def numbers(self) -> bool:
        return self.split.train.target.task == "regression"

    def result(self, method: Any) -> FitResult:
        run, split, watch = self.run, self.split, self.watch
        run.log("start", settings=self.settings, split=split.how, columns=split.columns)
        if split.train.roles is not None:
            say(str(split.train.roles))
        say(f"{len(split.train)} items to learn from, {len(split.val or ())} to judge on: {split.how}")
        with watch("extract"):
            train, computed = self.rows(split.train)
            judged, more = self.rows(split.val)
        run.log("extracted", rows=len(train.y) + len(judged.y), computed=computed + more)

        learn = partial(
            (method if hasattr(method, "fit_features") else PROBE).fit_features,
            target=split.train.target,
            seed=self.settings["seed"],
            class_weight=self.settings["class_weight"],
            **({k: self.settings[k] for k in ("alpha", "quantiles")} if self.numbers else {}),
        )
        groups = None if split.groups is None else split.groups[train.items]
        own = partial(learn, own_units=self.network.spec.modality == "table",
                      blocks=[p.width for p in parts_of(self.network)],
                      **({"names": columns_of(self.network)} if self.numbers else {}))  # fmt: skip
        grouped = partial(learn, groups=groups)
        with watch("fit"):
            model, choice, probe = self.learned(method, partial(own, groups=groups), train)
        if self.search:
            choice = choice | {"search": self.search}
        trained = "adapted_by" in model.network.provenance
        figures: dict[str, Any] = {"val": None, "controls": {}}
        over_best = over_probe = seen = None
        for_controls, rows = 0, judged
        if split.val is not None and len(judged.y):
            if probe is not None:
                rows = self.anew(model, split.val, judged)
            single = self.model_of(method.alone) if isinstance(method, Given) and method.alone else None
            figures, (over_best, over_probe), for_controls = self.judge(
                model, train, judged, rows, grouped, probe, single
            )
            seen = self.seen(split.val, split.pixels)
            run.log("judged", val=figures["val"], gain=over_best, gain_over_probe=over_probe)

        if self.settings["outliers"]:
            figures |= self.know(model, train, rows, probe)
        refit = bool(self.settings["refit"] and len(judged.y) and not trained)
        if refit:
            x, y = below([train.x, judged.x]), np.concatenate([train.y, judged.y])
            with watch("fit"):
                fitted = own(x, y, record=choice)
                model.head, choice = fitted.head, fitted.record
        record = {
            "name": run.path.name, "data": self.settings["data"], "method": self.settings["method"],
            "settings": self.settings, "choice": choice, "trained_on": len(train.y) + refit * len(judged.y),
            "judged_on": len(judged.y), "refit": refit, "seen": seen, "columns": split.columns,
        }  # fmt: skip
        artefact.save(model, run.work / "model", metrics=figures, record=record,
                      learned=self.learned_from(split.train, split.val if refit else None))  # fmt: skip
        computed += more + for_controls
        return FitResult(
            run=str(run.path), task=split.train.target.task, method=self.settings["method"],
            backbone=self.network.name, engine=self.runner.engine, metrics=figures, gain=over_best,
            gain_over_probe=over_probe, seconds=watch.record(),
            cached=computed == 0, items={"train": len(train.y), "val": len(judged.y)},
            classes=split.train.classes, split=split.how, choice=choice, decision=model.decision, seen=seen,
            seen_in_training=self.seen(split.train, split.train_pixels),
            rows={"computed": computed}, problems=[asdict(p) for p in split.problems], columns=split.columns,
        )  # fmt: skip

    def learned_from(self, *data: Dataset | None) -> Learned | None:
        """See `regraft.commands.learned.learned_from`."""
        return learned_from(*data, *self.others, network=self.network, settings=self.settings, store=self.store)

    def learned(
        self, method: Any, learn: Callable[..., Any], train: Rows
    ) -> tuple[Model, dict[str, Any], Model | None]:
        """The model, a record of how it was chosen, and for a trained method the probe it has to beat."""
        name, target = self.split.train.target_name, self.split.train.target
        fitted = learn(train.x, train.y)
        probe = Model(self.network, fitted.head, name, target)
        if hasattr(method, "fit_features"):
            return self.closed(probe, fitted, train), fitted.record, None
        start = Start(self.network, fitted.head, fitted.record, self.warm)
        groups = None if self.split.groups is None else self.split.groups[train.items]
        kit: Any = {"groups": groups, "folder": self.run.work, "device": self.runner.device, "store": self.store}
        tried: dict[str, Any] = {}
        adapted: Adapted | None
        if isinstance(method, Given):
            adapted = method.adapted
        elif hasattr(method, "plan"):
            adapted = adapt(method, start, self.split.train, train, self.settings, **kit)
        else:
            left = self.watch.left(seconds_of(self.settings["budget"] or DEFAULT_BUDGET))
            adapted, steps = auto(start, self.split.train, train, self.settings, learn=learn, left=left, **kit)
            tried = {"auto": steps}
            self.run.log("auto", **tried)
        if adapted is None:
            return self.closed(probe, fitted, train), fitted.record | tried, None
        model = self.model_of(adapted)
        held = None if groups is None else groups[adapted.positions]
        model.decision = self.decision(model, adapted.logits, adapted.labels if len(adapted.labels) else train.y, held)
        if adapted.logits is None and fitted.logits is not None and self.numbers:
            # with few items the probe's errors are the only ones known; they carry no interval of another model
            model.decision |= sureness(fitted.logits, train.y) | {"sigma_by": f"{len(train.y)} items, by the probe"}
        if adapted.chose and promised(self.settings) is not None and adapted.logits is not None:
            text = "no group can be spared to find by what is promised: items that chose the epoch do it"
            self.split.problems.append(Problem("promised-by-known-items", self.split.train.name, text))
        self.run.log("trained", **adapted.record, decision=model.decision)
        return model, adapted.record | tried, probe

    def model_of(self, adapted: Adapted) -> Model:
        target = self.split.train
        return Model(adapted.network, adapted.head, target.target_name, target.target)

    def know(self, model: Model, train: Rows, judged: Rows, probe: Model | None) -> dict[str, Any]:
        """Lets the model know what the training items look like; what is flagged among the judged ones, whose features
        are those of the model's own network.
        """
        split, seed = self.split, self.settings["seed"]
        if probe is not None and split.train.modality != "table":  # the features are the trained network's
            some = evenly(len(train.y), KNOWN)
            train = self.anew(model, split.train, Rows(train.x[some], train.y[some], train.items[some]))
        groups = None if split.groups is None else split.groups[train.items]
        model.familiar, problem = familiar_with(split.train, train, groups, seed)
        split.problems += [problem] if problem else []
        if model.familiar is None or split.val is None or not len(judged.y):
            return {}
        names = [split.val.items.name(int(i)) for i in judged.items]
        figures = unlike_figures(model.familiar, judged.x, names)
        if probe is not None:  # the network has learned from these items: how much further out others lie, nobody knows
            figures["expected"] = None
        return {"unlike": figures}

    def anew(self, model: Model, data: Dataset, rows: Rows) -> Rows:
        """The same items in the features of a trained network."""
        x = adapted_rows(model.network, data, rows, self.settings["engine"], self.runner.device)
        return Rows(x, rows.y, rows.items)

    def closed(self, probe: Model, fitted: Fitted, train: Rows) -> Model:
        """The probe as the model of the run."""
        rows = np.arange(len(train.y)) if fitted.rows is None else fitted.rows
        groups = None if self.split.groups is None else self.split.groups[train.items][rows]
        probe.decision = self.decision(probe, fitted.logits, train.y[rows], groups)
        if "interval" in probe.decision:
            probe.folds = fitted.folds
            probe.decision["interval"]["by"] = "CV+, by heads that had not seen some of the items each"
        for why in fitted.record.get("stopped_early", ()):
            self.split.problems.append(Problem("stopped-early", self.split.train.name, why))
        self.run.log("fitted", **fitted.record, decision=probe.decision)
        return probe

    def seen(self, data: Dataset | None, pixels: NDArray[np.uint64] | None) -> float | None:
        """The share of pictures whose labels the network's pretraining saw, None where that is not known."""
        known = self.network.seen
        if known is None or pixels is None or data is None:
            return None
        held = np.flatnonzero(np.isin(pixels, known))
        if len(held):
            first = data.items.name(int(held[0])) + (f" and {len(held) - 1} more" if len(held) > 1 else "")
            text = f"the pretraining of {self.network.name} saw it with its label ({len(held)} of {len(data)})"
            self.split.problems.append(Problem("seen-in-pretraining", first, text))
        return len(held) / max(len(data), 1)

    def judge(
        self,
        model: Model,
        train: Rows,
        judged: Rows,
        rows: Rows,
        learn: Callable[..., Any],
        probe: Model | None,
        single: Model | None = None,
    ) -> tuple[dict[str, Any], list[dict[str, Any] | None], int]:
        """The figures on the judged items beside the controls, the gain over the best control and over the probe, and
        the controls' forward passes.
        """
        split, seed = self.split, self.settings["seed"]
        assert split.val is not None
        probabilities = model.probabilities(rows.x)
        groups = split.groups_judged(judged.items)
        figures: dict[str, Any] = {"val": model.figures(judged.y, probabilities, groups)}
        if split.copied is not None and split.copied[judged.items].any():
            alone = ~split.copied[judged.items]
            left = None if groups is None else groups[alone]
            rest = model.figures(judged.y[alone], probabilities[alone], left) if alone.any() else None
            figures["val_without_copies"] = {"items": int(alone.sum()), **(rest or {})}
        below = model.decision.get("abstain_below")
        if below is not None:
            figures["abstaining"] = abstaining(judged.y, probabilities, below, groups)
        with self.watch("controls"):
            kit = ControlKit(split, train, judged, learn, self.settings["engine"], self.runner.device, self.store,
                             self.settings["size"], groups)  # fmt: skip
            tried = run_controls(self.settings["controls"], self.network, kit)
            if probe is not None:
                by_probe = probe.probabilities(judged.x)
                tried.append(Control("linear-probe", model.figures(judged.y, by_probe, groups), by_probe))
            if single is not None:
                by_single = single.probabilities(self.anew(single, split.val, judged).x)
                tried.append(Control("alone", model.figures(judged.y, by_single, groups), by_single))
        figures["controls"] = {c.name: c.figures for c in tried}
        parts = part_figures(model, kit, probabilities, seed)
        if parts:
            figures["parts"] = parts
        write_evidence(self.run.work, split.val, rows, model, probabilities)
        names = columns_of(model.network)
        if self.numbers and names and len(names) == 1 and probe is None:
            write_line(self.run.work, names, split.train.target_name, train, judged, model)
        gains = [gain_over_best(model.target.task, judged.y, probabilities, over, seed, groups)
                 for over in (tried, [c for c in tried if c.name == "linear-probe"])]  # fmt: skip
        return figures, gains, sum(c.computed for c in tried)

    def decision(
        self, model: Model, outputs: NDArray[Any] | None, truth: NDArray[Any], groups: NDArray[Any] | None
    ) -> dict[str, Any]:
        """See `regraft.commands.judging.decision`; what a person should know of it is listed."""
        found, problem = decision(model, outputs, truth, self.settings, self.split.train.name, groups)
        self.split.problems += [problem] if problem else []
        return found

    def rows(self, data: Dataset | None) -> tuple[Rows, int]:
        """The rows of one part and the forward passes they cost; what cannot be read is listed and left out."""
        if data is None or not len(data):
            nothing = np.zeros(0, np.int64)
            return Rows(np.zeros((0, self.network.width), np.float32), nothing, nothing), 0
        found = self.runner.stored(data.items, self.store)
        for i, why in sorted(found.failed.items()):
            self.split.problems.append(Problem("unreadable", data.items.name(i), why + "; it is set aside"))
            say(f"set aside: {data.items.name(i)}: {why}")
        if not len(found.positions):
            raise DataError(f"None of the {len(data)} items of {data.name} can be read.")
        return Rows(found.rows, data.y[found.positions], found.positions), found.computed
