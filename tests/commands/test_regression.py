"""Numbers as labels, the whole way: figures, files, what is refused."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import regraft
from regraft.core.errors import DataError, InputError
from regraft.data.open import open_data
from regraft.selection import method as auto
from regraft.training.validation import validation_parts, validation_split
from tests.conftest import shape
from tests.data.test_numeric_tables import houses, written


@pytest.fixture
def at(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_house_costs_a_line_of_its_area(at: Path) -> None:
    path = written(at, houses(200)[["area", "price"]])
    result = regraft.fit(path, out="run", interval=0.9, quantiles="0.05,0.5,0.95")
    val = result.metrics["val"]
    assert result.task == "regression" and set(result.metrics["controls"]) == {"mean"}
    assert {"rmse", "rmse_ci95", "mae", "r2", "nll", "coverage90", "interval", "quantiles"} <= set(val)
    assert val["r2"] > 0.95 and val["rmse"] < result.metrics["controls"]["mean"]["rmse"] / 4
    assert result.gain["against"] == "mean" and result.gain["metric"] == "rmse" and result.gain["ci95"][0] > 0
    mean = result.metrics["controls"]["mean"]
    assert result.gain["value"] == pytest.approx(mean["rmse"] - val["rmse"])
    slope, constant = result.choice["coefficients"]
    assert slope["name"] == "area" and slope["ci95"][0] < 3.1 < slope["ci95"][1] and constant["name"] == "(constant)"
    assert result.decision["sigma"] == pytest.approx(val["rmse"], rel=0.5)
    rows = list(csv.DictReader(open("run/predictions.csv")))
    assert len(rows) == 200 and {"predicted", "sigma", "low", "high", "q:0.05"} <= set(rows[0])
    off = [float(r["label"]) - float(r["predicted"]) for r in rows]
    assert np.sqrt(np.mean(np.square(off))) == pytest.approx(val["rmse"])
    page = Path("run/report.html").read_text()
    for words in (
        "price by area",
        "What each column adds",
        "How far off?",
        "Can its sigma be trusted?",
        "less rmse than mean",
    ):
        assert words in page
    line = json.loads(Path("run/line.json").read_text())
    assert line["slope"] == pytest.approx(3.1, abs=0.1) and len(line["points"]["learned from"]) == 200


def test_predict_and_evaluate(at: Path) -> None:
    path = written(at, houses(120))
    result = regraft.fit(path, out="run", interval=0.8, controls="none")
    new = written(at, houses(9)[["rooms", "district", "area"]], "new.csv")
    found = regraft.predict("run", [new]).predictions
    assert [r["input"] for r in found][:2] == ["row 2", "row 3"] and set(found[0]) == {
        "input",
        "value",
        "sigma",
        "low",
        "high",
        "unlike",
        "distances",
        "empty",
    }
    assert found[0]["high"] - found[0]["value"] == pytest.approx(result.decision["interval"]["radius"], rel=0.5)
    assert all(r["low"] <= r["value"] <= r["high"] for r in found)
    assert result.decision["interval"]["by"].startswith("CV+")
    for ending in (".csv", ".parquet"):
        regraft.predict("run", [new], out=f"answers{ending}")
    kept = pd.read_parquet("answers.parquet")
    assert kept["value"].tolist() == [r["value"] for r in found] == pd.read_csv("answers.csv")["value"].tolist()
    loaded = regraft.load("run")
    assert loaded.predict(houses(9)).tolist() == [r["value"] for r in found], "a DataFrame, columns by name"
    again = regraft.evaluate("run", path)
    assert again.items == 120 and again.metrics["rmse"] < 12 and "interval" in again.metrics
    moved = written(at, houses(120)[["price", "area", "rooms", "district"]], "moved.csv")
    assert regraft.evaluate("run", moved).metrics == again.metrics, "the label is found by its name"
    with pytest.raises(InputError, match="numbers, not probabilities"):
        loaded.predict_proba(houses(9))
    with pytest.raises(InputError, match="makes a folder a class"):
        regraft.predict("run", [new], sort_into="s")


def test_without_a_ridge_it_is_least_squares(at: Path) -> None:
    from sklearn.linear_model import LinearRegression

    frame = houses(60)[["area", "rooms", "price"]]
    frame.to_csv("t.csv", index=False)
    result = regraft.fit("t.csv", out="run", alpha=0, controls="none")
    x, y = frame[["area", "rooms"]].to_numpy(), frame["price"].to_numpy()
    line = LinearRegression().fit(x, y)
    assert regraft.load("run").predict(x) == pytest.approx(line.predict(x), abs=1e-8)
    assert [c["value"] for c in result.choice["coefficients"]] == pytest.approx(
        [*line.coef_, line.intercept_], abs=1e-8
    )


def test_pictures_to_numbers_by_probe_and_by_training(at: Path) -> None:
    rng = np.random.default_rng(0)
    Path("p").mkdir()
    rows = []
    for i in range(60):
        picture = shape("square", rng)
        level = int(rng.integers(0, 120))
        picture.point(lambda v, level=level: min(255, v + level)).save(f"p/{i:02d}.png")
        rows.append({"file": f"p/{i:02d}.png", "brightness": level + 0.5})
    pd.DataFrame(rows).to_csv("t.csv", index=False)
    probe = regraft.fit("t.csv", out="probe", backbone="regraft_tiny")
    assert {"mean", "raw", "random:regraft_tiny"} == set(probe.metrics["controls"])
    assert probe.metrics["val"]["r2"] > 0.8
    assert json.loads(Path("probe/mistakes/mistakes.json").read_text())[0].keys() >= {"file", "off"}
    last = regraft.fit(
        "t.csv",
        out="last",
        backbone="regraft_tiny",
        method="last-k",
        blocks=1,
        epochs=2,
        batch_norm="learn",
        controls="none",
    )
    assert last.metrics["val"]["r2"] > 0.5 and last.gain_over_probe["metric"] == "rmse"
    control = last.metrics["controls"]["linear-probe"]
    assert control["coverage90"] > 0.7 and control["nll"] < 6, "as unsure as its own errors, not as 1"
    value = regraft.load("last").predict(["p/00.png"])[0]
    assert abs(value - rows[0]["brightness"]) < 60


def test_a_hidden_layer_on_a_table(at: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (400, 2))
    pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": np.abs(x[:, 0]) + 0.1 * rng.normal(size=400)}).to_csv(
        "t.csv", index=False
    )
    result = regraft.fit("t.csv", out="run", method="mlp-probe", epochs=20, lr=1e-2, interval=0.9)
    assert result.metrics["val"]["r2"] > 0.8, "no line says |a|"
    assert result.metrics["controls"]["linear-probe"]["r2"] < 0.3 < result.gain_over_probe["value"] + 0.3
    assert regraft.load("run").predict(pd.DataFrame({"b": [0.0], "a": [2.0]}))[0] == pytest.approx(2, abs=0.4)
    assert "interval" in result.decision and result.metrics["val"]["interval"]["coverage"] > 0.8
    assert result.choice["inner_items"] == 48
    assert result.decision["sigma_by"] == "41 items that the head had not seen", "none of the 48 that chose the epoch"


def test_classes_of_a_table(at: Path) -> None:
    path = written(at, houses(120))
    result = regraft.fit(path, out="run", label="district")
    assert result.metrics["val"]["accuracy"] > 0.4 and "columns" not in result.choice
    hidden = regraft.fit(path, out="mlp", label="district", method="mlp-probe", epochs=2, controls="none")
    assert set(regraft.predict("mlp", [path]).predictions[0]["probabilities"]) == set(hidden.classes)


def test_what_is_refused(at: Path) -> None:
    frame = houses(40)
    path = written(at, frame)
    with pytest.raises(DataError, match="price is 7 in every row"):
        regraft.fit(written(at, frame.assign(price=7.0), "c.csv"), task="regression")
    with pytest.raises(DataError, match="holds 4 rows to learn price from; 5 or more"):
        regraft.fit(written(at, frame[:4], "few.csv"), task="regression")
    for options, words in (
        ({"accuracy": 0.9}, "--accuracy is for classes"), ({"class_weight": "balanced"}, "--class-weight is for"),
        ({"alpha": -1.0}, "--alpha is -1.0"), ({"interval": 1.5}, "--interval is 1.5"),
        ({"quantiles": "0.9,0.1"}, "that rise"), ({"quantiles": "a"}, "wanted are numbers"),
        ({"label": "district", "interval": 0.9}, "--interval is for numbers"),
        ({"method": "finetune"}, "trains a network, and a table has none"),
        ({"method": "mlp-probe", "quantiles": "0.5"}, "--quantiles is for methods on features"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            regraft.fit(path, out="refused", **options)
    assert not Path("refused").exists()


def test_what_is_said(at: Path) -> None:
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(size=(20, 30)), columns=[f"c{i}" for i in range(30)]).assign(
        price=rng.normal(size=20)
    )
    result = regraft.fit(written(at, wide), out="wide")
    assert "more-columns-than-rows" in {p["kind"] for p in result.problems}
    frame = houses(60)
    frame.loc[5, "price"] = 9e5
    kinds = {p.kind: p for p in regraft.inspect(written(at, frame)).problems}
    assert kinds["far-out"].item == "row 7"
    few = regraft.fit(written(at, houses(12)), out="few", interval=0.95, controls="none")
    assert [p["message"] for p in few.problems if p["kind"] == "no-interval"]
    found = regraft.inspect(written(at, houses(60)))
    assert found.columns == {"area": "number", "rooms": "number", "district": "category"} and found.numbers["max"] > 300


def test_determinism(at: Path) -> None:
    path = written(at, houses(80))
    a, b = (regraft.fit(path, out=n, interval=0.9, quantiles="0.1,0.9") for n in "ab")
    assert a.metrics == b.metrics and a.choice == b.choice and a.decision == b.decision


@pytest.mark.slow
def test_the_command_line(at: Path) -> None:
    path = written(at, houses(60))

    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-m", "regraft", "-q", *arguments], capture_output=True, text=True)

    done = run("fit", path, "--out", "run", "--interval", "0.9")
    assert done.returncode == 0, done.stderr
    assert "rmse" in done.stdout and "gain over mean" in done.stdout and "intervals of 0.9 hold" in done.stdout
    shown = run("predict", "run", path)
    assert shown.stdout.splitlines()[0].split() == ["input", "value", "sigma", "low", "high", "unlike"]
    assert "rmse" in run("evaluate", "run", path).stdout and "area      number" in run("inspect", path).stdout
    frame = houses(60).astype({"price": object})
    frame.loc[20, "price"] = "120 m2"
    bad = run("fit", written(at, frame, "bad.csv"))
    assert bad.returncode == 2 and "row 22: 'price' is '120 m2', a number with a unit" in bad.stderr


def test_groups_stay_together(at: Path) -> None:
    frame = houses(60).assign(owner=np.arange(60) // 4)
    data = open_data(written(at, frame.assign(price=frame.pop("price"))), hints=regraft.core.types.Hints(group="owner"))
    assert data.groups is not None and "owner" not in data.items.columns  # type: ignore[attr-defined]
    result = regraft.fit("houses.csv", out="run", group="owner", controls="none")
    assert result.metrics["val"]["r2"] > 0.8


def test_what_finds_the_width_of_intervals_chose_nothing() -> None:
    y = np.random.default_rng(0).normal(size=200)
    learn, hold, sure = validation_parts(y, None, 0, 0.9)
    assert sorted([*learn, *hold, *sure]) == list(range(200)) and (len(hold), len(sure)) == (30, 26)
    assert np.array_equal(hold, validation_split(y, None, 0)[1])
    learn, hold, sure = validation_parts(y, np.arange(200) % 4, 0, 0.9)
    assert len(hold) and np.array_equal(sure, hold) and len(learn) + len(hold) == 200, "no group is torn for it"


def test_auto_judges_both_methods_on_what_both_learned_from(at: Path, monkeypatch) -> None:
    seen = []
    probe = auto._probe
    monkeypatch.setattr(auto, "_probe", lambda *args: seen.append((args[1].learn, args[1].hold)) or probe(*args))
    (at / "p").mkdir()
    for i in range(150):
        Image.fromarray(np.full((16, 16, 3), i, np.uint8)).save(at / f"p/{i:03}.png")
    Path("t.csv").write_text("file,light\n" + "\n".join(f"p/{i:03}.png,{i}" for i in range(150)))
    told = {"method": "auto", "epochs": 2, "controls": "none", "task": "regression"}
    for name, interval, kept in (("plain", None, 102), ("wide", 0.8, 87)):
        regraft.fit("t.csv", out=name, interval=interval, **told)
        assert [len(part) for part in seen.pop()] == [kept, 18]
