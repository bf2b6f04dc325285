"""Few items are judged by a cross-validation: every choice nested, the same folds for all, intervals that hold."""

import json
from pathlib import Path

import numpy as np
import pytest

import regraft
from regraft.core.errors import InputError
from regraft.data.folds import deal, most_folds
from regraft.data.splits import make_split
from regraft.features.labelled import LabelledFeatures
from regraft.metrics.intervals import wilson
from regraft.pipelines.stages.controls import Control
from regraft.pipelines.stages.cross_validation import mean_of_rounds, widening
from regraft.pipelines.stages.outcome import Outcome, together
from tests.conftest import write_shapes


def table(path: Path, n: int, *, task: str = "classes", seed: int = 0, d: int = 4) -> str:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    y = x[:, 0] + 0.3 * rng.normal(size=n)
    said = [f"{v:.4f}" for v in y] if task == "numbers" else ["big" if v > 0 else "small" for v in y]
    rows = [",".join([*(f"{v:.5f}" for v in row), word]) for row, word in zip(x, said, strict=True)]
    path.write_text("\n".join([",".join([*(f"c{i}" for i in range(d)), "label"]), *rows]) + "\n")
    return str(path)


def test_folds_hold_their_share_of_every_class() -> None:
    y = np.repeat([0, 1, 2], [5, 10, 7])
    folds = deal(y, None, None, 0)
    assert folds is not None and folds.shape == (60 // 22, 22)
    for fold in folds:
        counts = np.array([np.bincount(y[fold == f], minlength=3) for f in range(5)])
        assert (counts.max(0) - counts.min(0) <= 1).all(), "a class is spread evenly"
    assert (folds[0] != folds[1]).any() and (deal(y, None, None, 1) != folds).any()
    assert (deal(y, None, None, 0) == folds).all()


def test_no_more_folds_than_the_usual_class_has_items() -> None:
    """Leave-one-out of five a class expects the other class: an accuracy of 0.51 where it is 0.70."""
    y = np.repeat([0, 1], 5)
    assert most_folds(y, None) == 5
    with pytest.raises(InputError, match="--cv 10 asks for more folds .* take up to 5"):
        deal(y, None, 10, 0)
    with pytest.raises(InputError, match="--cv 2: the usual class has one of the groups .* leave --cv out"):
        deal(y, y, 2, 0)
    groups = np.array([0, 0, 0, 1, 1, 2, 2, 3, 3, 3])
    assert most_folds(y, groups) == 2
    folds = deal(y, groups, None, 0)
    assert folds is not None
    for fold in folds:
        assert all(len(np.unique(fold[groups == g])) == 1 for g in range(4)), "no group is torn"


def test_what_is_alone_of_its_class_is_never_judged() -> None:
    folds = deal(np.array([0, 0, 0, 1, 1, 1, 2]), None, None, 0)
    assert folds is not None and (folds[:, 6] == -1).all() and (folds[:, :6] >= 0).all()
    assert deal(np.array([0, 1, 2]), None, None, 0) is None
    held = np.array([0, 0, 1, 1])
    assert deal(np.array([0, 1, 0, 2]), held, None, 0) is None, "each group holds a class that the other has not"


def test_means_of_rounds_and_their_intervals() -> None:
    first = {"accuracy": 0.8, "accuracy_ci95": [0.7, 0.99], "controls": {"a": {"rmse": 2.0, "rmse_ci95": [0.1, 3.0]}},
             "answered": 3, "name": "x", "none": None, "per_class": [0.5, None]}  # fmt: skip
    second = {**first, "accuracy": 0.9, "answered": 4, "per_class": [0.7, 0.2]}
    found = mean_of_rounds([first, second])
    wider = widening(2)
    assert wider == pytest.approx(1.75**0.5) and widening(1) == pytest.approx(2**0.5)
    assert found["accuracy"] == pytest.approx(0.85) and found["answered"] == 4 and found["name"] == "x"
    assert found["accuracy_ci95"] == pytest.approx([0.85 - 0.15 * wider, 1.0]), "no accuracy above 1"
    assert found["controls"]["a"]["rmse_ci95"] == pytest.approx([0.0, 2 + wider]), "no error below 0"
    assert found["none"] is None and found["per_class"] == pytest.approx([0.6, 0.2])
    gained = mean_of_rounds([{"value": 0.5, "ci95": [-0.9, 0.95], "metric": "accuracy", "against": "raw"}] * 2)
    assert gained["ci95"] == [-1.0, 1.0] and gained["against"] == "raw"


def test_intervals_hold_the_accuracy_of_the_model_of_all_items() -> None:
    """By simulation with a classifier in closed form; the probe itself: benchmarks/bench_coverage.py."""

    def right(x, y, new, truth, k):
        mean, hot = x.mean(0), np.eye(k)[y]
        gram = (x - mean) @ (x - mean).T
        ridge = gram + 0.3 * np.trace(gram) / len(x) * np.eye(len(x))
        weight = (x - mean).T @ np.linalg.solve(ridge, hot - hot.mean(0))
        return ((new - mean) @ weight + hot.mean(0)).argmax(1) == truth

    for k, each, apart in ((2, 5, 0.7), (2, 5, 1.5), (5, 20, 1.5), (3, 10, 1.5)):
        held = {"ours": [], "as of new items": []}
        for seed in range(300):
            rng = np.random.default_rng([seed, k, each])
            y, new = np.repeat(np.arange(k), each), rng.integers(0, k, 2000)
            centres = rng.normal(size=(k, 30)) * apart * 0.26
            x, fresh = (centres[c] + rng.normal(size=(len(c), 30)) for c in (y, new))
            folds = deal(y, None, None, seed)
            figures = []
            for fold in folds:
                hits = sum(right(x[fold != f], y[fold != f], x[fold == f], y[fold == f], k).sum()
                           for f in range(fold.max() + 1))  # fmt: skip
                figures.append({"accuracy": hits / len(y), "accuracy_ci95": list(wilson(hits, len(y)))})
            true = right(x, y, fresh, new, k).mean()
            for name, found in (("ours", mean_of_rounds(figures)), ("as of new items", figures[0])):
                low, high = found["accuracy_ci95"]
                held[name].append(low <= true <= high)
        assert np.mean(held["ours"]) >= 0.92, (k, each, apart)
        assert np.mean(held["as of new items"]) < np.mean(held["ours"])


@pytest.mark.slow
def test_five_pictures_a_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = write_shapes(tmp_path / "photos", 5)
    result = regraft.fit(str(data))
    assert result.items == {"train": 10, "val": 10} and result.cross_validation == {"folds": 5, "rounds": 5}
    assert result.split == "judged by 5-fold cross-validation, 5 times"
    assert set(result.metrics["controls"]) == {"majority", "raw", "random:regraft_tiny"}
    record = json.loads(Path(result.run, "model/manifest.json").read_text())["record"]
    assert record["trained_on"] == 10 and record["cross_validation"] == result.cross_validation
    again = regraft.fit(str(data), out="again")
    other = regraft.fit(str(data), out="other", seed=1)
    assert again.metrics == result.metrics and again.gain == result.gain, "same seed, same figures"
    assert other.metrics["controls"]["raw"] != result.metrics["controls"]["raw"]
    page = Path(result.run, "report.html").read_text()
    assert "5-fold cross-validation, 5 times" in page and "the saved model learned from all" in page
    assert "5-fold cross-validation, 5 times" in Path(result.run, "model/README.md").read_text()


def test_no_label_reaches_its_own_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels that mean nothing: what is chosen by them all would look better than chance."""
    monkeypatch.chdir(tmp_path)
    accuracies = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        lines = [",".join([*(f"{v:.5f}" for v in rng.normal(size=30)), "ab"[i % 2]]) for i in range(40)]
        Path("t.csv").write_text("\n".join([",".join([*(f"c{i}" for i in range(30)), "label"]), *lines]) + "\n")
        accuracies.append(regraft.fit("t.csv", controls="none", seed=seed, out=f"r{seed}").metrics["val"]["accuracy"])
    assert np.mean(accuracies) < 0.62


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_tables_are_learned_anew_in_every_fold(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sizes = []
    from regraft.features.encoders.table import TableNetwork

    whole = TableNetwork.fitted
    monkeypatch.setattr(TableNetwork, "fitted", lambda self, items: (sizes.append(len(items)), whole(self, items))[1])
    more = {"interval": 0.8, "quantiles": "0.2,0.8"} if task == "numbers" else {}
    result = regraft.fit(table(tmp_path / "t.csv", 50, task=task), controls="none", **more)
    assert sizes[0] == 50 and sorted({*sizes[1:]})[-1] < 45, "what fills gaps is found without the judged rows"
    val = result.metrics["val"]
    if task == "numbers":
        assert val["r2"] > 0.7 and 0.5 < val["interval"]["coverage"] <= 1 and set(val["quantiles"]) == {"0.2", "0.8"}
        lines = Path(result.run, "predictions.csv").read_text().splitlines()
        assert len(lines) == 51 and lines[0] == "input,label,predicted,sigma,low,high,q:0.2,q:0.8"
    else:
        assert val["accuracy"] > 0.75


def test_what_is_left_to_people_is_judged_by_each_folds_own_threshold(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = regraft.fit(table(tmp_path / "t.csv", 250), controls="none", accuracy=0.9)
    left = result.metrics["abstaining"]
    assert result.cross_validation == {"folds": 5, "rounds": 1}
    assert left["abstain_below"] == result.decision["abstain_below"] and 0 < left["left"] < 1
    assert left["accuracy"] > result.metrics["val"]["accuracy"] and isinstance(left["answered"], int)


def test_multilabel_thresholds_are_those_of_the_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5))
    tags = ["|".join(n for n, v in zip("abc", row[:3], strict=True) if v > 0.2) or "a" for row in x]
    lines = [",".join([*(f"{v:.4f}" for v in row), tag]) for row, tag in zip(x, tags, strict=True)]
    Path("t.csv").write_text("\n".join(["p,q,r,s,t,label", *lines]) + "\n")
    result = regraft.fit("t.csv", task="multilabel", controls="majority,raw")
    assert result.cross_validation is not None and len(result.decision["thresholds"]) == 3
    assert result.metrics["val"]["map"] > 0.8 > result.metrics["controls"]["majority"]["map"]
    assert result.gain["ci95"][0] > 0 and result.gain["metric"] == "map"


def test_auto_searches_in_every_fold(own_shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    from regraft.selection import halving as search

    seen, choose = [], search.choose
    monkeypatch.setattr(search, "choose", lambda part, asked, **kw: (
        seen.append((len(part.train), asked)), choose(part, asked, **kw))[1])  # fmt: skip
    result = regraft.fit(str(own_shapes), backbone="auto:raw,regraft_tiny", controls="majority")
    assert result.cross_validation == {"folds": 5, "rounds": 1}
    assert seen[0] == (16, "auto:raw,regraft_tiny") and len(seen) == 6
    assert all(n < 16 and asked == "auto:raw,regraft_tiny" for n, asked in seen[1:])
    assert result.choice["search"]["asked"] == "auto:raw,regraft_tiny"


def test_parts_of_a_fusion_on_the_same_folds(own_shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    parts = regraft.fit(str(own_shapes), backbone="regraft_tiny@1+raw", controls="none").metrics["parts"]
    assert set(parts["alone"]) == {"regraft_tiny@1", "raw"} == set(parts["adds"])
    assert parts["nothing"] == [n for n, g in parts["adds"].items() if g["ci95"][0] <= 0]


def test_where_it_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    many, few = table(tmp_path / "many.csv", 400), table(tmp_path / "few.csv", 30)
    assert make_split(many, few=True).folds is None and make_split(few).folds is None
    split = make_split(many, cv=3)
    assert split.cross_validation == {"folds": 3, "rounds": 1} and split.val is None
    kept = regraft.fit(few, refit=False, controls="none", out="kept")
    assert kept.cross_validation is None and kept.items["val"] == 6
    for more, why in (({"method": "lp-ft"}, "lp-ft is judged on what is held out"), ({"val": few}, "take one"),
                      ({"refit": False}, "learns from all"), ({"cv": 1}, "it must be 2 or more")):  # fmt: skip
        with pytest.raises(InputError, match=why):
            regraft.fit(few, **({"cv": 3} | more), out="never")
    assert not Path("never").exists()


def test_a_part_val_joins_where_folds_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    images = {f"{part}_images": rng.integers(0, 255, (n, 8, 8), dtype=np.uint8)
              for part, n in (("train", 20), ("val", 6), ("test", 4))}  # fmt: skip
    np.savez("d.npz", **images, **{f"{part}_labels": np.arange(n) % 2 for part, n in
                                   (("train", 20), ("val", 6), ("test", 4))})  # fmt: skip
    assert regraft.fit("d.npz", controls="none", out="a").items == {"train": 20, "val": 6}
    result = regraft.fit("d.npz", controls="none", cv=2, out="b")
    assert result.items == {"train": 26, "val": 26} and result.cross_validation["folds"] == 2


def outcome(items: list[int], decision: dict, carries: bool = False, **more) -> Outcome:
    rows = LabelledFeatures(np.array(items)[:, None] * 1.0, np.array(items) % 2, np.array(items))
    p = np.array(items)[:, None] + np.array([0.0, 0.1, 0.2, 0.3])[None]
    own = [Control("raw", p + 1, {"thresholds": [0.1, 0.2]}), Control(more.pop("second", "mean"), p, {"sigma": 2.0})]
    return Outcome(rows, p if carries else p[:, :2], decision, carries, own, **more)


def test_what_folds_decide_each_by_themselves_stays_with_their_items() -> None:
    first = outcome([4, 0, 2], {"thresholds": [0.3, 0.4], "sigma": 1.0, "abstain_below": 0.9, "more": 1}, computed=3)
    second = outcome([3, 1], {"thresholds": [0.5, 0.6], "sigma": 3.0, "abstain_below": 0.8}, computed=4)
    found = together([first, second])
    assert found.rows.items.tolist() == [0, 1, 2, 3, 4] and found.rows.y.tolist() == [0, 1, 0, 1, 0]
    assert found.probabilities[:, 0].tolist() == [0, 1, 2, 3, 4] and found.computed == 7
    assert found.decision["thresholds"].tolist() == [[0.3, 0.4], [0.5, 0.6], [0.3, 0.4], [0.5, 0.6], [0.3, 0.4]]
    assert found.decision["sigma"].tolist() == [1, 3, 1, 3, 1] and "more" not in found.decision
    assert found.decision["abstain_below"].tolist() == [0.9, 0.8, 0.9, 0.8, 0.9]
    assert [c.name for c in found.controls] == ["raw", "mean"]
    assert found.control("raw").probabilities[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert together([first]) is first


def test_intervals_are_judged_where_every_fold_carries_them() -> None:
    asked = {"interval": {"level": 0.9, "radius": 1.0}}
    wide = {"interval": {"level": 0.9, "radius": 2.0}}
    both = together([outcome([0], asked, True), outcome([1], wide, True)])
    assert both.carries and both.probabilities.shape == (2, 4)
    assert both.decision["interval"]["radius"].tolist() == [1.0, 2.0]
    one = together([outcome([0], asked, True), outcome([1], {})])
    assert not one.carries and one.probabilities.shape == (2, 2) and "interval" not in one.decision


def test_controls_that_some_fold_has_not_are_left_out() -> None:
    names = [c.name for c in together([outcome([i], {}, second=f"random:{i}") for i in range(2)]).controls]
    assert names == ["raw", "random"], "a fold that chose another network has another untrained one"
    assert [c.name for c in together([outcome([0], {}), outcome([1], {}, second="random:b")]).controls] == ["raw"]
