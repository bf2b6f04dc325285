"""In what runs differ beside their answers: settings, versions, and what they have learned from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from regraft.core.border import written_by_regraft
from regraft.core.errors import ArtefactError
from regraft.models import artefact
from regraft.pipelines.comparison.judged_run import JudgedRun


def differing(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each ``name`` that has not the same value in all records, with the ``values`` in their order."""
    names = list(dict.fromkeys(name for record in records for name in record))
    rows = [{"name": name, "values": [r.get(name) for r in records]} for name in names]
    return [row for row in rows if any(v != row["values"][0] for v in row["values"])]


def settings(runs: Sequence[JudgedRun]) -> list[dict[str, Any]]:
    """The settings that differ but for the folder, and the split in words where that does."""
    return differing([{k: v for k, v in run.settings.items() if k != "out"} | {"split": run.result["split"]}
                      for run in runs])  # fmt: skip


def versions(runs: Sequence[JudgedRun]) -> list[dict[str, Any]]:
    """The versions that the runs were made with, where they differ."""
    found = []
    for run in runs:
        with written_by_regraft(run.folder):
            manifest = json.loads((run.folder / "model" / artefact.MANIFEST).read_text(encoding="utf-8"))
            found.append(manifest["versions"])
    return differing(found)


def learned(runs: Sequence[JudgedRun]) -> list[str]:
    """A sentence for each run whose model has learned from other items than that of the first, by their digests."""
    known = [_learned(run) for run in runs]
    said, first = [], known[0]
    for run, own in zip(runs[1:], known[1:], strict=True):
        if first is None or own is None:
            continue
        more, fewer = len(own - first), len(first - own)
        if more or fewer:
            said.append(f"the saved model of {run.run} has learned from {more:,} items that {runs[0].run} has not, and "
                        f"not from {fewer:,} of its items")  # fmt: skip
    return said


def _learned(run: JudgedRun) -> set[int] | None:
    try:
        found = artefact.learned_by(run.folder)
    except ArtefactError:  # the model was moved away, or is damaged: its answers are still there
        return None
    return None if found is None else set(found.digests.tolist())
