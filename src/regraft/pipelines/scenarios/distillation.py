"""A teacher, its answers to items without labels, labels where there are some: what a small network learns of both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from regraft.backbones.base import Pretrained
from regraft.core.errors import InputError
from regraft.core.runtime import resolve_device
from regraft.core.types import Problem
from regraft.data.audit.audit import audited
from regraft.data.dataset import Dataset
from regraft.data.open import name_of, same_data
from regraft.data.parts import evaluation_part
from regraft.data.relabel import relabel
from regraft.data.splits import Split, make_split
from regraft.features.fingerprints import fingerprints
from regraft.features.fusion import parts_of
from regraft.features.lesson import Lesson
from regraft.methods import METHODS
from regraft.methods.distillation import Distilled
from regraft.methods.probes.logistic import targets_of
from regraft.models.learned import Learned as LearnedItems
from regraft.models.model import Model
from regraft.options.distillation import LABEL_WEIGHT, TEMPERATURE
from regraft.options.fit import FitOptions
from regraft.pipelines.scenarios.single import Single
from regraft.pipelines.stages.distilled import compared, labels_alone
from regraft.pipelines.stages.teacher import Teacher
from regraft.pipelines.stages.unlabelled import Unlabelled, joined, sorted_out
from regraft.pipelines.validate import meaning_of

METHODS_ON_LABELS = ("contrastive",)
"""Methods that train on which class an item is of, and not on a probability."""


class Distillation(Single):
    """A network taught by another model; the probe where the method trains none."""

    unlabelled: Unlabelled

    def __init__(self, data: Any, options: FitOptions, network: Pretrained | None = None) -> None:
        asked = options.distillation
        self.teacher = Teacher.load(str(asked.teacher), options.network.engine, resolve_device(options.network.device))
        self.mere = self.teacher.unlabelled(data if asked.unlabelled is None else asked.unlabelled, options.data)
        self.labels = None if same_data(data, asked.unlabelled) else self.teacher.labelled(data, options.data)
        opened = self.mere if self.labels is None else self.labels
        super().__init__(opened, data, options, network, meaning_of(options, task="classification"))
        learns = self.meaning.kind == "training"
        self.options = self.options.changed(
            temperature=asked.temperature or TEMPERATURE if learns else None,
            label_weight=LABEL_WEIGHT if asked.label_weight is None else asked.label_weight, refit=False,
        )  # fmt: skip

    @property
    def how(self) -> str:
        return "distill"

    def check(self) -> None:
        """Raises ``InputError`` for a method that cannot learn a teacher's answers, and where no network is named."""
        super().check()
        method, kind = self.meaning.method, self.meaning.kind
        if kind not in ("features", "training") or method in METHODS_ON_LABELS or \
                (kind == "features" and method != "linear-probe"):  # fmt: skip
            raise InputError(f"--method {method} does not learn from a teacher; lp-ft, finetune and linear-probe do.")
        if self.given is None and self.options.network.backbone is None:
            raise InputError("--teacher: name the network that is to learn with --backbone.")
        if self.labels is None and self.options.distillation.label_weight != LABEL_WEIGHT:
            raise InputError("--label-weight is for labels beside the teacher's answers, and there are none.")

    def split(self) -> None:
        """Labelled items to learn from and to judge on, none that the teacher knows; behind the first those that have
        no labels.
        """
        seed = self.options.run.seed
        self.halves = self._labelled()
        self._judge_unknown()
        split, train = self.halves, None if self.labels is None else self.halves.train
        self.look_at(self.mere, np.arange(len(self.mere)))
        self.unlabelled = sorted_out(self.mere, train, split.val, self.teacher.model.network, self.store, seed)
        split.problems += [*self.mere.problems, *self.unlabelled.problems]
        if self.labels is None:
            learn = self.unlabelled.learn
            self.halves = replace(split, train=learn, groups=self.unlabelled.groups)
        else:
            self.halves = joined(split, self.unlabelled)
        if not len(self.halves.train):
            raise InputError(f"--unlabelled {self.mere.name}: every item of it is judged, or cannot be read: none is "
                             "left to learn from.")  # fmt: skip

    def _labelled(self) -> Split:
        """The labelled items, in the teacher's classes; without any an empty training part."""
        options, classes = self.options, self.teacher.classes
        if self.labels is not None:
            split = make_split(self.labels, options.data.val, format=options.data.format, hints=options.data.hints(),
                               seed=options.run.seed, store=self.store, look=self._at_first)  # fmt: skip
            split.train = relabel(split.train, classes)
            split.val = None if split.val is None else relabel(split.val, classes)
            return split
        nothing = self.mere.take(np.zeros(0, np.int64))
        if options.data.val is None:
            return Split(nothing, None, "not judged: there are no labels")
        other = audited(evaluation_part(self.teacher.labelled(options.data.val, options.data)), self.store)
        split = Split(nothing, other.data, f"judged on {name_of(options.data.val)}", other.problems)
        split.pixels, split.val_groups = None if other.facts is None else other.facts.pixels, other.groups
        return split

    def _judge_unknown(self) -> None:
        """Leaves out of the judgement what the teacher has learned from."""
        split, val = self.halves, self.halves.val
        if val is None:
            return
        if self.teacher.learned is None:
            text = "does not know what it learned from: items that it has seen may be among those that judge it"
            split.problems.append(Problem("teacher-knows", self.teacher.path, text))
            return
        prints = fingerprints(val.items, self.teacher.model.network, self.store)
        known = self.teacher.learned.among(val.items, prints)
        split.problems += known.problems("they judge neither teacher nor student")
        keep = np.flatnonzero(~known.either)
        if not len(keep):
            text = ("the teacher has learned from all items to judge on (fit it with --no-refit, or name others with "
                    "--judge): what it and the student are worth is not known")  # fmt: skip
            split.problems.append(Problem("not-judged", val.name, text))
        split.val = val.take(keep) if len(keep) else None
        split.pixels = None if split.pixels is None else split.pixels[keep]
        split.copied = None if split.copied is None else split.copied[keep]
        split.val_groups = None if split.val_groups is None else split.val_groups[keep]

    def load_network(self) -> None:
        """The student's; raises ``InputError`` where it is the teacher's own."""
        super().load_network()
        own = self.teacher.model.network
        mine, theirs = ([(p.name, p.spec) for p in parts_of(n)] for n in (self.network, own))
        if all(part in mine for part in theirs):
            raise InputError(f"--into {self.network.name} is the teacher's own network, or holds it, fed "
                             "alike: it would be no faster. Name a smaller one, or feed it smaller pictures with "
                             "--size.")  # fmt: skip

    def begin(self) -> None:
        """The method, with the teacher's loss where it trains."""
        asked, method = self.options.distillation, METHODS.get(self.meaning.method)
        if self.meaning.kind == "training":
            method = Distilled(method, float(asked.temperature or 1), float(asked.label_weight or 0))
        self.method = method
        super().begin()

    def extract(self) -> None:
        """The student's rows, and what the teacher says of the same items."""
        super().extract()
        split, rows = self.halves, self.train
        soft, at = self.teacher.answers(split.train.items.take(rows.items), self.store)
        rows = rows.at(at)
        known = rows.y >= 0
        hot = np.zeros(soft.shape)
        hot[known] = targets_of(rows.y[known], soft.shape[1])
        rows.y = np.where(known, rows.y, soft.argmax(1))
        self.train = replace(rows, lesson=Lesson(soft, hot, float(self.options.distillation.label_weight or 0)))
        y = np.full(len(split.train), -1)
        y[rows.items] = rows.y
        split.train = replace(split.train, labels={split.train.target_name: y})
        self.run.log("taught", teacher=self.teacher.path, items=len(rows.y), labelled=int(known.sum()))

    def _alone(self) -> Model | None:
        """The same student, learned from the labels alone; None where there are none."""
        plain = METHODS.get(self.meaning.method)
        return None if self.labels is None else labels_alone(self.context, plain, self.train)

    def evaluate(self) -> None:
        """Beside the same student on labels alone, and what it lost and won beside its teacher."""
        super().evaluate()
        self.figures["distillation"] = compared(self.context, self.teacher, self.learned.model, self.outcomes,
                                                self.unlabelled, self.train)  # fmt: skip
        self.run.log("compared", **self.figures["distillation"])

    def record(self) -> dict[str, Any]:
        told = self.teacher.predictor.manifest
        teacher = {"run": self.teacher.path, "backbone": told["network"]["name"], "data": told["record"].get("data")}
        return super().record() | {"teacher": teacher}

    def learned_items(self, *data: Dataset | None) -> LearnedItems | None:
        """Those of the student, and of the teacher, whose answers tell of them."""
        own, before = super().learned_items(*data), self.teacher.learned
        return None if own is None or before is None else before | own
