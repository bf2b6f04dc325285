"""Several tasks on one network: one artefact, one forward pass, the same bits as each task alone."""

import json
from pathlib import Path

import numpy as np
import pytest

import regraft
from regraft.core.errors import ArtefactError, InputError, UnknownName
from regraft.models import artefact
from regraft.pipelines.scenarios.multi_task import named
from tests.conftest import write_shapes


@pytest.fixture
def at(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def table(at: Path) -> str:
    """30 pictures with their form, their brightness and their number's parity."""
    from PIL import Image

    paths = sorted(write_shapes(at / "p", 15).rglob("*.png"))
    light = [np.asarray(Image.open(p)).mean() for p in paths]
    rows = [f"{p.relative_to(at)},{p.parent.name},{'light' if v > np.median(light) else 'dark'},{'ab'[i % 2]}"
            for i, (p, v) in enumerate(zip(paths, light, strict=True))]  # fmt: skip
    (at / "t.csv").write_text("file,form,light,parity\n" + "\n".join(rows))
    return "t.csv"


def test_one_pass_answers_all_tasks_to_the_bit(table: str, at: Path, fresh_cache) -> None:
    found = regraft.fit(table, label="form,light,parity", share="features", controls="majority")
    assert list(found.tasks) == ["form", "light", "parity"] and found.backbone == "regraft_tiny"
    assert found.computed == {"form": 30, "light": 0, "parity": 0} and found.problems == []
    run = Path(found.run)
    assert run.name == "t-shared-1" and {p.name for p in run.iterdir()} >= {"model", "tasks", "run.json"}
    assert (run / "tasks/light/report.html").is_file() and found.tasks["form"].run == str(run / "tasks/form")
    pictures = [str(p) for p in sorted((at / "p").rglob("*.png"))][:7]
    together = regraft.load(found.run)
    shares, labels = together.predict_proba(pictures), together.predict(pictures)
    for name in found.tasks:
        alone = regraft.load(run / "tasks" / name)
        assert np.array_equal(shares[name], alone.predict_proba(pictures))
        assert np.array_equal(labels[name], alone.predict(pictures))
        assert np.array_equal(regraft.load(f"{run}#{name}").predict_proba(pictures), shares[name])
    single = regraft.fit(table, label="light", controls="none", out="alone")
    assert np.array_equal(regraft.load("alone").predict_proba(pictures), shares["light"]), "as if fitted alone"
    assert regraft.verify(found.run)["tasks"]["light"] == {"task": "classification", "classes": [*single.classes]}


def test_a_class_and_a_number_of_one_table(at: Path, shapes: Path) -> None:
    """One model with a head for each; no task learns from the label of another, and all learn from the same columns."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(150):
        area, town = rng.uniform(30, 200), rng.choice(["A", "B"])
        rows.append(f"{area:.1f},{town},{1000 * area + 20000 * (town == 'A') + rng.normal(0, 3000):.0f},"
                    f"{'large' if area > 110 else 'small'},7")  # fmt: skip
    Path("h.csv").write_text("area,town,price,kind,id\n" + "\n".join(rows))
    found = regraft.fit("h.csv", label="price,kind", share="features", drop="id", controls="none", out="r")
    assert found.tasks["price"].task == "regression" and found.tasks["kind"].task == "classification"
    assert found.tasks["price"].metrics["val"]["r2"] > 0.95 and found.tasks["kind"].metrics["val"]["accuracy"] > 0.9
    Path("new.csv").write_text("town,area\nA,50\nB,180\n")
    small, large = (row["tasks"] for row in regraft.predict("r", ["new.csv"]).predictions)
    assert (small["kind"]["label"], large["kind"]["label"]) == ("small", "large")
    assert abs(small["price"]["value"] - 70_000) < 8_000 and abs(large["price"]["value"] - 180_000) < 8_000
    for data, drop in (("h.csv", "ide"), (str(shapes), "id")):
        told = regraft.fit(data, label="price" if data == "h.csv" else None, drop=drop, controls="none", out=drop)
        assert [p["item"] for p in told.problems if p["kind"] == "no-such-column"] == [drop]


def test_tasks_that_train_one_network(table: str, at: Path, fresh_cache) -> None:
    """One network, a head each; judged beside the probe and each task alone; the same again for the same seed."""
    told = {"label": "form,light", "share": "parameters", "epochs": 1, "batch": 8, "augment": "none"}
    found = regraft.fit(table, controls="majority", out="r", **told)
    assert found.method == "lp-ft" and {"together", "form", "light", "total"} <= set(found.seconds)
    form = found.tasks["form"]
    assert set(form.metrics["controls"]) == {"majority", "linear-probe", "alone"}
    assert form.choice["task_weights"] == "uncertainty" and set(form.choice["weights"]) == {"form", "light"}
    nets = [regraft.load(f"r#{name}").model.network for name in ("form", "light")]
    assert nets[0].digest() == nets[1].digest()
    assert (
        nets[0].digest() != regraft.load(regraft.fit(table, label="form", controls="none").run).model.network.digest()
    )
    assert (at / "r/tasks/light/report.html").is_file()
    picture = str(next((at / "p").rglob("*.png")))
    assert set(regraft.load("r").predict_proba([picture])) == {"form", "light"}
    for out, weights in (("again", "uncertainty"), ("fixed", "fixed")):
        other = regraft.fit(table, controls="none", out=out, task_weights=weights, **told)
        same = regraft.load(f"{out}#form").model.network.digest() == nets[0].digest()
        assert same == (weights == "uncertainty") and other.tasks["form"].choice["task_weights"] == weights
    assert (
        regraft.fit(table, controls="none", out="again", resume=True, task_weights="uncertainty", **told).run == "again"
    )


@pytest.mark.slow
def test_parameters_shared_softly(table: str, at: Path, fresh_cache) -> None:
    """A network for each task; the stronger they are drawn together, the closer they end; one artefact answers all."""
    told = {"label": "form,light", "share": "parameters", "epochs": 2, "batch": 8, "augment": "none"}
    distance = {}
    for soft in (0.0, 0.1, 10.0):
        found = regraft.fit(table, controls="none", out=f"r{soft}", soft=soft, **told)
        bodies = [regraft.load(f"r{soft}#{name}").model.network.body for name in ("form", "light")]
        distance[soft] = sum(float((a - b).square().sum()) for a, b in
                             zip(bodies[0].parameters(), bodies[1].parameters(), strict=True))  # fmt: skip
        assert found.tasks["light"].choice["soft"] == soft
    assert distance[10.0] < 0.5 * distance[0.1] < 0.5 * distance[0.0] and distance[10.0] > 0
    pictures = [str(p) for p in sorted((at / "p").rglob("*.png"))[:5]]
    both, alone = regraft.load("r0.1"), regraft.load("r0.1#light")
    assert np.array_equal(both.predict_proba(pictures)["light"], alone.predict_proba(pictures))
    one = regraft.fit(table, controls="none", out="again", soft=0.1, **told)
    assert regraft.load("again#form").model.network.digest() == regraft.load("r0.1#form").model.network.digest()
    assert one.run == "again" and regraft.predict("again", pictures[:1]).predictions[0]["tasks"].keys() == {
        "form",
        "light",
    }


@pytest.mark.slow
@pytest.mark.parametrize("soft", [None, 0.01])
def test_parameters_shared_by_classes_and_numbers(at: Path, soft: float | None) -> None:
    from PIL import Image

    """Enough items that some are held out inside, to choose the epoch and the control's."""
    rng, rows = np.random.default_rng(0), []
    (at / "q").mkdir()
    for i in range(130):
        light = rng.integers(20, 236)
        Image.fromarray(np.full((16, 16, 3), light, np.uint8)).save(at / f"q/{i}.png")
        rows.append(f"q/{i}.png,{light},{'day' if light > 128 else 'night'}")
    Path("q.csv").write_text("file,light,time\n" + "\n".join(rows))
    found = regraft.fit("q.csv", label="light,time", share="parameters", epochs=4, batch=16, out="r", soft=soft,
                        controls="majority")  # fmt: skip
    light = found.tasks["light"]
    assert light.task == "regression" and set(light.metrics["controls"]) == {"mean", "linear-probe", "alone"}
    assert all(c["coverage90"] > 0.7 for c in light.metrics["controls"].values()), "each by errors of its own"
    assert light.choice["inner_items"] > 10 and light.metrics["val"]["r2"] > 0.3
    if soft is not None:  # a task goes on as any other run does, under the network's own name
        more = regraft.fit("q.csv", label="time", drop="light", init="r#time", epochs=1, method="finetune", out="more")
        assert more.backbone == light.backbone and f"random:{light.backbone}" in more.metrics["controls"]
        return
    Path("v.csv").write_text("file,light,time\n" + "\n".join(rows[:9]))
    told = regraft.fit("q.csv", val="v.csv", label="light,time", share="parameters", epochs=1, controls="none", out="v")
    assert all(t.items["val"] == 9 and "v.csv" in t.split for t in told.tasks.values())
    row = regraft.predict("r", ["q/0.png"]).predictions[0]["tasks"]
    assert 0 < row["light"]["value"] < 256 and row["time"]["label"] in ("day", "night")


@pytest.mark.slow
def test_intervals_of_shared_parameters_are_found_on_items_that_chose_nothing(at: Path) -> None:
    from PIL import Image

    rows = []
    (at / "n").mkdir()
    for i in range(130):
        Image.fromarray(np.full((16, 16, 3), i, np.uint8)).save(at / f"n/{i}.png")
        rows.append(f"n/{i}.png,{i},{i * i}")
    Path("n.csv").write_text("file,light,square\n" + "\n".join(rows))
    found = regraft.fit("n.csv", label="light,square", share="parameters", epochs=1, controls="none", out="i",
                        task="regression", interval=0.8)  # fmt: skip
    light = found.tasks["light"]
    assert light.choice["inner_items"] == 16 and light.decision["sigma_by"].startswith("13 items")
    assert light.decision["interval"]["radius"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [({"share": "parameters", "method": "linear-probe"}, "trains as lp-ft"), ({"share": "features", "task_weights":
     "fixed"}, "--task-weights"), ({"share": "parameters", "backbone": "auto"}, "--backbone auto"),
     ({"task_weights": "fixed", "label": "form"}, "--task-weights"), ({"share": "bodies"}, "no way to share"),
     ({"share": "parameters", "task_weights": "all"}, "no --task-weights 'all'"),
     ({"share": "parameters", "focal": 2.0}, "--focal 2.0: --share parameters has no use for it"),
     ({"share": "features", "soft": 0.1}, "--soft 0.1"), ({"soft": 0.1, "label": "form"}, "--soft 0.1"),
     ({"share": "parameters", "soft": -1.0}, "--soft is -1.0; it must be 0 or more"),
     ({"share": "parameters", "mix": "mixup"}, "--mix mixup"), ({"share": "parameters", "lr": "auto"}, "--lr auto"),
     ({"share": "parameters", "class_weight": "balanced"}, "--class-weight")],
)  # fmt: skip
def test_what_sharing_cannot_mean(options: dict, message: str, table: str) -> None:
    with pytest.raises(InputError, match=message):
        regraft.fit(table, **{"label": "form,light", "controls": "none", "out": "x", **options})
    assert not Path("x").exists() and not Path("x.partial").exists()


def test_a_dropped_column_is_dropped_where_the_model_is_judged(at: Path) -> None:
    """With it the table would be one of texts."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    rows = [f"{a:.3f},{b:.3f},a rather long remark about row {i} of them,{'up' if a > 0 else 'down'}"
            for i, (a, b) in enumerate(x)]  # fmt: skip
    Path("n.csv").write_text("a,b,note,kind\n" + "\n".join(rows))
    regraft.fit("n.csv", label="kind", drop="note", controls="none", out="r")
    assert regraft.evaluate("r", "n.csv").metrics["accuracy"] > 0.9


def test_tables_of_other_columns_keep_their_own(at: Path) -> None:
    rng = np.random.default_rng(0)
    for name, label, columns in (("v", "kind", "ab"), ("s", "dir", "abc")):
        x = rng.normal(size=(80, len(columns)))
        rows = [",".join([*(f"{v:.3f}" for v in row), "up" if row[-1] > 0 else "down"]) for row in x]
        Path(f"{name}.csv").write_text(",".join(columns) + f",{label}\n" + "\n".join(rows))
    with pytest.raises(InputError, match="name a pretrained network"):
        regraft.fit(["v.csv", "s.csv"], label="kind,dir", share="features", controls="none", out="r")


def test_every_task_can_be_judged_and_predicted(table: str, at: Path) -> None:
    run = regraft.fit(table, label="form,light", share="features", controls="none", out="r").run
    assert regraft.evaluate("r#form", "p").items == 30
    picture = str(next((at / "p").rglob("*.png")))
    (row,) = regraft.predict(run, [picture]).predictions
    assert set(row["tasks"]) == {"form", "light"} and set(row["tasks"]["light"]["probabilities"]) == {"dark", "light"}
    assert regraft.predict(f"{run}#form", [picture], out="one.csv").items == 1
    assert regraft.predict(run, [picture], out="all.jsonl").items == 1
    assert json.loads(Path("all.jsonl").read_text())["tasks"]["form"] == row["tasks"]["form"]
    with pytest.raises(InputError, match="2 tasks: --out takes a .jsonl"):
        regraft.predict(run, [picture], out="all.csv")
    with pytest.raises(ArtefactError, match="holds the tasks form, light: name one, as r#form"):
        regraft.evaluate("r", "p")
    with pytest.raises(ArtefactError, match="name one"):
        regraft.load("r#colour")
    with pytest.raises(ArtefactError, match="one task; leave out #form"):
        regraft.load("r/tasks/form#form")


def test_tasks_with_different_items_are_told(at: Path) -> None:
    write_shapes(at / "one", 8)
    write_shapes(at / "two", 8)
    write_shapes(at / "two" / "more", 2, seed=7, classes=("disc",))
    for i, path in enumerate(sorted((at / "two" / "more").rglob("*.png"))):
        path.rename(at / "two" / "disc" / f"new{i}.png")
    (at / "two/more/disc").rmdir()
    (at / "two/more").rmdir()
    found = regraft.fit(["one", "two"], share="features", controls="none")
    assert list(found.tasks) == ["one", "two"]
    assert [(p.kind, p.item) for p in found.problems] == [("different-items", "two")]
    assert "2 of its 18 items" in found.problems[0].message


def test_what_cannot_be_shared(table: str, at: Path) -> None:
    (at / "t.txt.csv").write_text("text,label\n" + "\n".join(f"word {i},{'ab'[i % 2]}" for i in range(20)))
    with pytest.raises(InputError, match="p holds image items, t holds text items"):
        regraft.fit(["p", "t.txt.csv"], share="features")
    with pytest.raises(InputError, match="2 data sets are several tasks: --share features"):
        regraft.fit(["p", "t.csv"])
    with pytest.raises(UnknownName, match="way to share"):
        regraft.fit(["p", "t.csv"], share="everything")
    with pytest.raises(InputError, match="finetune trains it; methods on features: linear-probe"):
        regraft.fit(["p", "t.csv"], share="features", method="finetune")
    with pytest.raises(InputError, match="tfidf is counted"):
        regraft.fit(["p", "t.csv"], share="features", backbone="minilm+tfidf")
    with pytest.raises(InputError, match="several tasks: several DATA"):
        regraft.fit("p", share="features")
    assert not Path("runs").exists()


def test_names_of_tasks() -> None:
    assert list(named(["a/x.csv", "b/x.csv", "embedded:digits", "y#train"], None)) == ["x", "x-2", "digits", "y"]
    assert named(["t.csv"], "a, b") == {"a": ("t.csv", "a"), "b": ("t.csv", "b")}
    assert named(["a", "b"], "l") == {"a": ("a", "l"), "b": ("b", "l")}
    assert named(["a", "b"], "l,m") == {"a": ("a", "l"), "b": ("b", "m")}
    with pytest.raises(InputError, match="2 columns for 3 data sets"):
        named(["a", "b", "c"], "l,m")


def test_the_command_repeats_from_its_record(table: str, at: Path, monkeypatch, capsys) -> None:
    from regraft import cli

    def call(*argv: str) -> str:
        monkeypatch.setattr("sys.argv", ["regraft", "-q", *argv])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert left.value.code == 0
        return capsys.readouterr().out

    call("fit", table, "--label", "form,light", "--share", "features", "--controls", "none", "--out", "r")
    again = json.loads(call("fit", "--config", "r/run.json", "--out", "s", "--json"))
    assert list(again["tasks"]) == ["form", "light"]
    assert Path("r/model/model.safetensors").read_bytes() == Path("s/model/model.safetensors").read_bytes()
    shown = call("predict", "s", "p/disc/000.png")
    assert "form" in shown and "light" in shown


def test_tasks_of_a_dataframe(table: str, at: Path, fresh_cache) -> None:
    """Named by what they are, not by their contents, whichever way they share."""
    import pandas as pd

    frame = pd.read_csv(table)
    for how, more in (("features", {}), ("parameters", {"epochs": 1, "batch": 8, "augment": "none"})):
        found = regraft.fit(frame, label="form,light", share=how, controls="none", out=how, **more)
        assert set(found.tasks) == {"form", "light"}
        record = json.loads((at / how / "run.json").read_text())
        assert record["settings"]["data"] == [f"DataFrame of {len(frame)} rows"]
        for task in ("form", "light"):
            own = json.loads((at / how / "tasks" / task / "run.json").read_text())
            assert own["settings"]["data"] == f"DataFrame of {len(frame)} rows"


def test_a_network_is_read_again_only_where_it_is_another(table: str) -> None:
    told = {"controls": "none", "backbone": "regraft_tiny"}
    for name, options in (("a", told), ("b", told), ("other", told | {"backbone": "random:regraft_tiny"})):
        regraft.fit(table, label="form", drop="light,parity", out=name, **options)
    first = artefact.load("a")
    assert artefact.load("b", first)[0].network is first[0].network
    other = artefact.load("other", first)[0].network
    assert other is not first[0].network and other.digest() == artefact.load("other")[0].network.digest()


@pytest.mark.parametrize("how", ["features", "parameters"])
def test_two_tasks_start_from_another_run(table: str, at: Path, how: str) -> None:
    options = {"backbone": "random:lenet", "epochs": 1, "batch": 16, "augment": "none", "controls": "none"}
    one = regraft.fit(table, label="form", drop="light,parity", method="scratch", out="one", **options)
    told = {"drop": "parity", "init": one.run, "controls": "none", **({"epochs": 1} if how == "parameters" else {})}
    found = regraft.fit(table, label="form,light", share=how, out="two", **told)
    before = regraft.load(one.run).model.network
    after = {n: m.model.network for n, m in regraft.load(found.run).tasks.items()}
    assert {n.name for n in after.values()} == {before.name}
    if how == "features":
        assert {n.digest() for n in after.values()} == {before.digest()}, "the network of the run, as it was"
    else:
        fresh = regraft.fit(table, label="form,light", share=how, out="three", **{**told, "init": None, **options})
        weights = [regraft.load(r).tasks["form"].model.network.digest() for r in (found.run, fresh.run)]
        assert weights[0] != weights[1], "it goes on from there"
