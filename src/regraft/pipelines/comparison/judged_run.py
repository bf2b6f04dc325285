"""A finished run as it is compared with others: its record, and what it said of the items that it was judged on."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from regraft.core.border import written_by_regraft
from regraft.core.errors import ArtefactError, InputError
from regraft.core.files import path_of
from regraft.models.artefact.manifest import split_task
from regraft.pipelines.comparison.answers import KINDS, Answers
from regraft.pipelines.evidence.judged import JUDGED
from regraft.pipelines.run_folder import read_settings, status_of


@dataclass(frozen=True)
class JudgedRun:
    """Of n judged items the ``names``, the ``digests`` of their contents (empty where none was recorded, as of rows),
    which belong together (``groups`` (n,), None where none do) and the ``answers``.
    """

    run: str
    folder: Path
    settings: dict[str, Any]
    result: dict[str, Any]
    names: list[str]
    digests: list[str]
    groups: NDArray[Any] | None
    answers: Answers

    @classmethod
    def read(cls, run: str) -> Self:
        """Of a run folder, or ``FOLDER#TASK``; raises ``ArtefactError`` where it is no finished run, ``InputError``
        where it was judged on nothing.
        """
        where, task = split_task(run)
        folder = path_of(where, "RUN") / ("" if task is None else Path("tasks") / task)
        if not folder.is_dir():
            raise ArtefactError(f"There is no run at {folder}: a finished run folder is wanted.")
        record = read_settings(folder)
        if (status := status_of(record)) != "done":
            raise ArtefactError(f"{run} is {status}: only runs that are done are compared.")
        result = record["result"]
        if "tasks" in result:
            each = ", ".join(f"{run}#{name}" for name in result["tasks"])
            raise InputError(f"{run} holds several tasks; compare one of them: {each}.")
        with written_by_regraft(folder):
            try:
                names, answers = KINDS[result["task"]].read(folder, result["classes"])
            except FileNotFoundError:
                raise InputError(f"{run} was judged on no item with a label, so it cannot be compared.") from None
            digests, groups = _identity(folder, names)
        return cls(run, folder, record["settings"], result, names, digests, groups, answers)

    def take(self, at: NDArray[np.int64]) -> JudgedRun:
        """The same, judged on the items ``at`` alone."""
        return replace(self, names=[self.names[i] for i in at], digests=[self.digests[i] for i in at],
                       groups=None if self.groups is None else self.groups[at],
                       answers=self.answers.take(at))  # fmt: skip

    @property
    def crossed(self) -> bool:
        """Whether it was judged by a cross-validation: its answers are those of the first round."""
        return self.result.get("cross_validation") is not None

    def places(self, names: list[str], digests: list[str]) -> NDArray[np.int64]:
        """(n,) where each of these items is among those judged here, -1 where it is not: by the name, with the same
        content where that was recorded, else by the content. What occurs twice is not told apart.
        """
        by_name, by_digest = _once(self.names), _once(self.digests)
        other_names, other_digests = _once(names), _once(digests)
        found = np.full(len(names), -1)
        for i, (name, digest) in enumerate(zip(names, digests, strict=True)):
            at = by_name.get(name, -1) if name in other_names else -1
            if at >= 0 and not (digest and self.digests[at] and digest != self.digests[at]):
                found[i] = at
            elif digest in other_digests:
                found[i] = by_digest.get(digest, -1)
        taken = Counter(found.tolist())
        return np.array([at if taken[at] == 1 else -1 for at in found.tolist()], np.int64)


def _once(values: list[str]) -> dict[str, int]:
    """Value -> place, of those that occur once and are known."""
    counts = Counter(values)
    return {v: i for i, v in enumerate(values) if v and counts[v] == 1}


def _identity(folder: Path, names: list[str]) -> tuple[list[str], NDArray[Any] | None]:
    """Digests and groups as the run recorded them; runs of older versions did not."""
    path = folder / JUDGED
    if not path.is_file():
        return [""] * len(names), None
    with open(path, newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    groups = np.array([r["group"] for r in rows])
    return [r["digest"] for r in rows], None if len(np.unique(groups)) in (1, len(rows)) else groups
