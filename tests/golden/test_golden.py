"""Every task, scenario, kind of method and command gives what it gave when `record.py` was run last.

On the machine of the record heads and files are equal to the bit (figures but for a last one: sums depend on where an
array lies in memory). On another one (other instructions add in another order; training may take
bfloat16) the shape, the words and, of methods without training, the figures within a hundredth.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import regraft
from tests.golden.record import RUNS, differences, loosely, machine, plain, recorded

RECORD = json.loads((Path(__file__).parent / "recorded.json").read_text(encoding="utf-8"))
CLOSED = {"pictures", "pictures_few", "pictures_groups", "multilabel", "picture_numbers", "table_classes",
          "table_numbers", "texts_fused", "share_features", "looking", "aligned", "listed"}  # fmt: skip


ADDED = {
    # one type of result for every task, with None where a task has no such thing
    "boxes", "detector", "columns", "cross_validation", "gain_over_probe", "rows", "seen", "seen_in_target",
    "seen_in_training",
    # one record of every training
    "bf16", "phases", "pieces_a_batch", "steps", "frozen", "head", "layer_decay", "only", "parts",
    # word vectors that stay as they are
    "left_alone", "train_embeddings",
    # several domains flag what is unlike their training items
    "unlike",
    # what a person corrected of the labels
    "corrections",
    # why a network was taken where none was named
    "default",
}  # fmt: skip
"""Names of JSON that have come since the record; whatever else differs is lost or changed."""


ALONE = 1e-5
"""What answers may differ by: a single picture ran in a full batch when they were recorded, and runs alone now."""


FILES_ADDED = ("judged.csv", "-why.jpg")
"""How the names of files end that a run has come to write since."""


PROBLEMS_ADDED = ("long-texts", "unknown-script")
"""The kinds of problems that a run has come to list since."""


def without_added(record: Any) -> Any:
    """The same with lists that hold none of these files and problems."""
    if isinstance(record, dict):
        return {k: without_added(v) for k, v in record.items()}
    if isinstance(record, list):
        kept = [v for v in record if not (isinstance(v, str) and v.endswith(FILES_ADDED))]
        return [v for v in kept if not (isinstance(v, dict) and v.get("kind") in PROBLEMS_ADDED)]
    return record


RENAMED = {f"/result/engine: 'text' was, '{name}' is" for name in ("torch", "torch-bf16")}
"""What runs texts is called as what runs pictures now; the rows are the same."""


def lost(old: Any, new: Any, close: float) -> list[str]:
    """Where a run differs from its record by more than what has come since."""
    new = without_added(new)
    near = set(differences(old, new, max(close, ALONE)))
    found = [d for d in differences(old, new, close) if d in near or not d.startswith("/answers/")]
    return [d for d in found if d not in RENAMED
            and not (d.endswith("is only in the new one") and d.split(" ")[0].rpartition("/")[2] in ADDED)]  # fmt: skip


def test_every_run_is_recorded() -> None:
    assert set(RECORD["runs"]) == set(RUNS) and set(RUNS) >= CLOSED


@pytest.mark.parametrize("name", RUNS)
def test_the_same_as_recorded(name: str) -> None:
    old, new = RECORD["runs"][name], recorded(name)
    if RECORD["machine"] == machine():
        assert not lost(old, new, 1e-9)
    else:
        close = 0.01 if name in CLOSED else math.inf
        assert not lost(loosely(old), loosely(new), close)


KINDS = ("boxes", "classes", "joint", "multilabel", "numbers", "target", "tasks", "texts", "trained")


@pytest.mark.parametrize("kind", KINDS)
def test_an_old_run_answers_as_it_did(
    kind: str, saved: Path, monkeypatch: pytest.MonkeyPatch, fresh_cache: Path
) -> None:
    monkeypatch.chdir(saved / kind)
    expected = json.loads(Path("expected.json").read_text(encoding="utf-8"))
    answers = plain(regraft.predict("run", expected["inputs"]).predictions[:3], str(saved))
    assert len(answers) == min(3, len(expected["answers"])) > 0
    assert not list(differences(expected["answers"], answers, 1e-3))
    assert regraft.verify("run")["ok"]


def test_old_runs_are_listed_and_reported(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {kind.name for kind in saved.iterdir()} == set(KINDS)
    for kind in KINDS:
        found = regraft.runs(str(saved / kind))
        assert len(found) == 1 and found[0]["status"] == "done", kind
        if kind != "tasks":
            assert "<html" in regraft.report(str(saved / kind / "run")).read_text(encoding="utf-8")
