"""``regraft compare``: the items that runs share, what is said of them, what is refused."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

import regraft
from regraft.cli import app
from regraft.core.errors import ArtefactError, InputError, UnknownName
from regraft.core.files import write_json
from regraft.metrics.intervals import difference
from regraft.pipelines.comparison.answers import KINDS
from regraft.tasks import TASKS
from tests.conftest import write_shapes

QUICK = {"controls": "none", "outliers": False}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two runs that learned from eight pictures and were judged on 80 others."""
    at = tmp_path_factory.mktemp("two")
    data, val = str(write_shapes(at / "few", 4)), str(write_shapes(at / "val", 40, seed=1))
    runs = [str(at / "runs" / name) for name in ("tiny", "raw")]
    for run, backbone in zip(runs, ("regraft_tiny", "raw"), strict=True):
        regraft.fit(data, val=val, backbone=backbone, out=run, **QUICK)
    return runs[0], runs[1]


def predictions(run: str | Path) -> list[dict[str, str]]:
    return list(csv.DictReader(open(Path(run) / "predictions.csv")))


def changed(run: str, into: Path, predicted: dict[str, str] | None = None, label: dict[str, str] | None = None,
            names: dict[str, str] | None = None, file: str = "predictions.csv") -> str:  # fmt: skip
    """A copy of a run in which some items, by name, were answered, labelled or named otherwise."""
    shutil.copytree(run, into)
    with open(into / file, newline="") as f:
        rows = list(csv.DictReader(f))
    for row in rows:
        row["predicted"] = (predicted or {}).get(row["input"], row["predicted"])
        row["label"] = (label or {}).get(row["input"], row["label"])
        row["input"] = (names or {}).get(row["input"], row["input"])
    with open(into / file, "w", newline="") as f:
        table = csv.DictWriter(f, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return str(into)


def test_two_runs_by_mcnemars_test(two: tuple[str, str], tmp_path: Path) -> None:
    tiny, raw = map(predictions, two)
    ours, theirs = (np.array([r["label"] == r["predicted"] for r in rows], float) for rows in (raw, tiny))
    found = regraft.compare(two, out=str(tmp_path / "c.html"))
    [row] = found.against
    wins, losses = int((ours > theirs).sum()), int((ours < theirs).sum())
    assert (row["better"], row["worse"]) == (wins, losses) and losses > wins
    assert row["p"] == pytest.approx(stats.binomtest(wins, wins + losses).pvalue) == row["p_holm"]
    assert row["difference"] == pytest.approx(ours.mean() - theirs.mean())
    assert row["ci95"] == pytest.approx(difference(ours, theirs))
    assert (found.items, found.metric, found.groups) == (80, "accuracy", None)
    assert [r["value"] for r in found.runs] == pytest.approx([theirs.mean(), ours.mean()])
    assert {s["name"]: s["values"] for s in found.settings} == {"backbone": ["regraft_tiny", "raw"]}
    assert found.versions == [] and found.notes == [], "both learned from the same items"
    page = Path(found.out or "").read_text()
    assert not re.findall(r"https?://|<script|<link|@import|url\((?!#)", page)
    assert "exact test" in page and f"{row['p']:.3g}" in page and "regraft_tiny" in page


def test_only_shared_items_with_the_same_label_count(two: tuple[str, str], tmp_path: Path) -> None:
    """By the name, else by the content; what has another content or another label is left out, and said to be."""
    names = [r["input"] for r in predictions(two[1])]
    right = {r["input"]: r["label"] for r in predictions(two[1])}
    other = {"disc": "square", "square": "disc"}
    moved = changed(two[1], tmp_path / "b", label={names[0]: other[right[names[0]]]},
                    names={names[1]: "elsewhere/1.png", names[2]: "elsewhere/2.png"})  # fmt: skip
    judged = (tmp_path / "b/judged.csv").read_text().splitlines()
    judged[2] = judged[2].replace(names[1], "elsewhere/1.png")
    judged[3] = "elsewhere/2.png,00,"
    judged[4] = f"{names[3]},ff,"
    (tmp_path / "b/judged.csv").write_text("\n".join(judged) + "\n")
    found = regraft.compare([two[0], moved])
    assert found.items == 77, "one found by its content; two of another content, one of another label"
    assert found.relabelled == [names[0]]
    assert "only the 77 items" in found.notes[0] and "another label" in found.notes[1]
    (tmp_path / "b/judged.csv").unlink()
    found = regraft.compare([two[0], moved])
    assert found.items == 77 and any("by their names alone" in n for n in regraft.compare([moved, two[0]]).notes)


def test_three_runs_with_holms_correction(two: tuple[str, str], tmp_path: Path) -> None:
    rows = predictions(two[0])
    worse = {r["input"]: "none" for r in rows[:20]}
    third = changed(two[0], tmp_path / "third", predicted=worse)
    found = regraft.compare([*two, third])
    p = [row["p"] for row in found.against]
    least = int(np.argmin(p))
    assert found.against[least]["p_holm"] == pytest.approx(min(1, 2 * p[least]))
    assert found.against[1]["worse"] == 20 and found.against[1]["p"] < 1e-4
    shown = CliRunner().invoke(app, ["compare", *two, third])
    assert f"{third} is worse than {two[0]}" in shown.stdout and "adjusted for 2 comparisons" in shown.stdout
    record = json.loads(CliRunner().invoke(app, ["compare", *two, third, "--json"]).stdout)
    assert record == json.loads(json.dumps(asdict(found)))


def test_groups_change_places_whole(tmp_path: Path) -> None:
    """What `--group` keeps together is the unit: copies of the same twelve items tell no more than twelve."""
    rng = np.random.default_rng(0)
    rows = ["a,b,who,label"]
    for g in range(60):
        a, b = rng.normal(size=2)
        rows += [f"{a + rng.normal(0, 0.1):.4f},{b:.4f},p{g},{'yes' if a + 0.7 * rng.normal() > 0 else 'no'}" for _ in range(5)]  # noqa: E501 # fmt: skip
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    runs = [str(tmp_path / name) for name in ("a", "b")]
    for run, drop in zip(runs, ("b", "a"), strict=True):
        regraft.fit(str(tmp_path / "t.csv"), label="label", group="who", drop=drop, out=run, **QUICK)
    found = regraft.compare(runs)
    assert found.groups == 12 and "whole groups" in found.test and found.items == 60
    alone = [shutil.copytree(run, f"{run}-alone") for run in runs]
    for run in alone:
        (Path(run) / "judged.csv").unlink()
    assert regraft.compare(list(map(str, alone))).against[0]["p"] < found.against[0]["p"]
    assert found.against[0]["p"] == regraft.compare(runs, seed=1).against[0]["p"], "exact"


def test_numbers_several_classes_and_cross_validation(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2))
    marks = ["|".join([n for n, v in zip("uv", row, strict=True) if v > 0] or ["none"]) for row in x]
    rows = [f"{a:.4f},{b:.4f},{2 * a + b + rng.normal():.4f},{m}" for (a, b), m in zip(x, marks, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,y,m", *rows]) + "\n")
    data = str(tmp_path / "t.csv")
    for name, more in {
        "both": {"label": "y", "drop": "m"}, "one": {"label": "y", "drop": "m,b"},
        "folds": {"label": "y", "drop": "m,b", "cv": 4},
        "marks": {"label": "m", "drop": "y"}, "mark": {"label": "m", "drop": "y,b"},
    }.items():  # fmt: skip
        regraft.fit(data, out=str(tmp_path / name), **more, **QUICK)

    def run(name: str) -> str:
        return str(tmp_path / name)

    found = regraft.compare([run("both"), run("one")])
    [row] = found.against
    assert found.metric == "rmse" and "paired bootstrap over items" in found.test and found.items == 80
    values = [r["value"] for r in found.runs]
    assert row["difference"] == pytest.approx(values[0] - values[1]) and row["difference"] < 0 and row["p"] < 0.01
    assert row["ci95"][1] < 0 and "better" not in row
    assert regraft.compare([run("both"), run("one")]) == found, "same seed, same bits"
    again = regraft.compare([run("both"), run("folds")])
    assert again.items == 80 and again.against[0]["p"] > row["p"], "the folds share their training items"
    assert any("cross-validation" in n for n in again.notes) and any("1.41 times" in n for n in again.notes)
    several = regraft.compare([run("marks"), run("mark")])
    assert several.metric == "map" and several.against[0]["difference"] < 0 and several.against[0]["p"] < 0.01
    task = json.loads((tmp_path / "marks/run.json").read_text())["result"]["metrics"]["val"]
    assert several.runs[0]["value"] == pytest.approx(task["map"])
    with pytest.raises(InputError, match="regression and .* for multilabel: their figures"):
        regraft.compare([run("both"), run("marks")])


def boxes_run(at: Path, shift: float, n: int = 40, classes: tuple[str, ...] = ("a", "b")) -> str:
    """A run folder of a detector whose boxes lie ``shift`` pixels aside."""
    pictures = [{"input": f"{i}.png", "truth": {"xyxy": [[10, 10, 40, 40]], "labels": [classes.index("ab"[i % 2])],
                                                "crowd": [False], "difficult": [False]},
                 "found": {"xyxy": [[10 + shift + i % 3, 10, 40 + shift, 40]], "scores": [0.9 - i / 100],
                           "labels": [classes.index("ab"[i % 2])]}} for i in range(n)]  # fmt: skip
    (at / "model").mkdir(parents=True)
    write_json(at / "detections.json", {"classes": classes, "threshold": 0.5, "pictures": pictures, "shown": []})
    write_json(at / "model/manifest.json", {"versions": {"torch": "2"}})
    result = {"task": "detection", "classes": classes, "items": {"train": 9}, "seconds": {"total": 1.0},
              "backbone": "x", "method": "finetune", "split": "judged"}  # fmt: skip
    write_json(at / "run.json", {"status": "done", "settings": {"size": int(shift)}, "result": result})
    return str(at)


def test_boxes(tmp_path: Path) -> None:
    """Classes in another order are the same ones; without a model that can be read the answers are still compared."""
    near, far = boxes_run(tmp_path / "near", 1), boxes_run(tmp_path / "far", 5, classes=("b", "a"))
    found = regraft.compare([near, far])
    [row] = found.against
    assert found.metric == "map" and "over pictures" in found.test and found.items == 40
    assert row["difference"] < -0.2 and row["p"] < 0.01 and row["ci95"][1] < 0
    with pytest.raises(InputError, match=r"know other classes \(b, c\)"):
        regraft.compare([near, boxes_run(tmp_path / "c", 1, n=1, classes=("a", "c"))])


def test_what_cannot_be_compared(two: tuple[str, str], tmp_path: Path) -> None:
    none = changed(two[0], tmp_path / "none", names={r["input"]: f"x{i}" for i, r in enumerate(predictions(two[0]))})
    (tmp_path / "none/judged.csv").unlink()
    with pytest.raises(InputError, match="no item in common: fit them on the same data"):
        regraft.compare([two[0], none])
    with pytest.raises(InputError, match="two runs or more"):
        regraft.compare([two[0]])
    with pytest.raises(InputError, match="named twice"):
        regraft.compare([two[0], two[0]])
    with pytest.raises(ArtefactError, match="There is no run at"):
        regraft.compare([two[0], str(tmp_path / "nowhere")])
    (tmp_path / "none/predictions.csv").unlink()
    with pytest.raises(InputError, match="judged on no item with a label"):
        regraft.compare([two[0], none])
    (tmp_path / "none/predictions.csv").write_text("input\nx\n")
    with pytest.raises(ArtefactError, match="damaged or not of this regraft"):
        regraft.compare([two[0], none])
    write_json(tmp_path / "none/run.json", {"status": "interrupted", "settings": {}})
    with pytest.raises(ArtefactError, match="is interrupted: only runs that are done"):
        regraft.compare([two[0], none])


def test_every_task_can_be_compared() -> None:
    assert set(KINDS) == {*TASKS, "detection"}


def test_runs_are_sorted(two: tuple[str, str], tmp_path: Path) -> None:
    folder, page = str(Path(two[0]).parent), tmp_path / "runs.html"
    best = regraft.runs(folder, sort="accuracy", out=str(page))
    assert [Path(r["run"]).name for r in best] == ["tiny", "raw"] and best[0]["accuracy"] > best[1]["accuracy"]
    assert [Path(r["run"]).name for r in regraft.runs(folder, sort="run")] == ["raw", "tiny"]
    assert [Path(r["run"]).name for r in regraft.runs(folder)] == ["raw", "tiny"], "the latest first"
    assert len(regraft.runs(folder, sort="map")) == 2 and regraft.runs(folder)[0]["seconds"] > 0
    text = page.read_text()
    assert not re.findall(r"https?://|<script src|<link|@import|url\((?!#)", text)
    assert text.count("<button") == 8, "no run has a map, an rmse or a gain"
    assert 'aria-sort="descending"><button type="button">accuracy' in text
    assert f'data-value="{best[0]["accuracy"]}"' in text
    with pytest.raises(UnknownName, match="did you mean 'accuracy'"):
        regraft.runs(folder, sort="acuracy")
