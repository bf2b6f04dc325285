"""A teacher's answers, learned by a small network: what it costs and brings, said honestly."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits
from typer.testing import CliRunner

import regraft
from regraft.cli import app
from regraft.core.errors import DataError, InputError
from regraft.core.types import LabelSpec
from regraft.features.lesson import Lesson
from regraft.methods.distillation import Distilled, distillation_losses, softened
from regraft.methods.finetuning import lp_ft
from regraft.methods.probes import linear_probe
from regraft.methods.probes.linear_probe import fit_features
from regraft.models import artefact
from regraft.models.artefact.read import learned_by
from regraft.options.data import DataOptions
from regraft.pipelines.fit import fit
from regraft.pipelines.stages import distilled
from regraft.pipelines.stages.teacher import Teacher
from regraft.training import loop
from tests.conftest import write_shapes

TAUGHT, LABELLED, JUDGED = (0, 300), (300, 340), (1200, 1500)
"""Digits: what the teacher learns, what the student has labels of, what judges; those between have none."""
QUICK = {"controls": "none", "outliers": False}


def digits_in(path: Path, first: int, last: int, part: str = "") -> str:
    found = load_digits()
    images, labels = (found.images[first:last] * 15.9).astype(np.uint8), found.target[first:last]
    np.savez(path, **{f"{part}images": images, f"{part}labels": labels})
    return str(path)


@pytest.fixture(scope="module", autouse=True)
def short_timing() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distilled, "SECONDS", 0.05)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> dict[str, str]:
    """Digits in files, and the teacher, which has learned from all of ``taught``."""
    root = tmp_path_factory.mktemp("distill")
    ends = {"taught": TAUGHT, "labelled": LABELLED, "judged": JUDGED, "free": (400, 800), "few": (400, 520)}
    found = {name: digits_in(root / f"{name}.npz", *of) for name, of in ends.items()}
    teacher = fit(found["taught"], backbone="regraft_tiny", out=str(root / "teacher"), **QUICK)
    return found | {"teacher": teacher.run}


@pytest.fixture
def at(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def taught(data: dict[str, str], tmp_path_factory):
    """A probe on raw pixels, taught with 40 labels."""
    out = str(tmp_path_factory.mktemp("taught") / "r")
    return regraft.distill(data["teacher"], into="raw", unlabelled=data["free"], data=data["labelled"],
                           judge=data["judged"], method="linear-probe", out=out)  # fmt: skip


def distill(run: str, into: str, unlabelled: str, data: str | None = None, judge: str | None = None, **more):
    """`regraft.distill` without a report."""
    return fit(data or unlabelled, teacher=run, backbone=into, unlabelled=unlabelled, val=judge, **QUICK | more)


# -- the mathematics -----------------------------------------------------------------------------------------------


def test_softened_answers_are_those_of_logits_over_the_temperature() -> None:
    logits = torch.tensor([[3.0, 1.0, -2.0], [0.0, 0.5, 0.1]])
    assert torch.allclose(softened(logits.softmax(1), 1.0), logits.softmax(1), atol=1e-6)
    assert torch.allclose(softened(logits.softmax(1), 4.0), (logits / 4).softmax(1), atol=1e-6)
    assert softened(torch.tensor([[1.0, 0.0]]), 2.0).isfinite().all()


def test_the_loss_and_its_slope_are_those_of_the_paper() -> None:
    """Of an example without a label the slope by the logits is T (q - p), both softened by T (equation 2, times T^2):
    hence of one size at any temperature.
    """
    rng = np.random.default_rng(0)
    z, v = torch.tensor(rng.normal(size=(5, 4)), requires_grad=True), torch.tensor(rng.normal(size=(5, 4)))
    none = torch.zeros(5, 4)
    for t in (1.0, 3.0):
        parts = distillation_losses(z, v.softmax(1), none, t, 0.3)
        assert float(parts["labels"].detach()) == 0
        (slope,) = torch.autograd.grad(parts["teacher"], z)
        assert torch.allclose(slope, t * ((z / t).softmax(1) - (v / t).softmax(1)) / 5, atol=1e-7)
    assert float(distillation_losses(v, v.softmax(1), none, 2.0, 0.3)["teacher"]) == pytest.approx(0, abs=1e-7)


def test_labels_count_beside_the_answer_where_there_are_some() -> None:
    z, p = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.2, 0.8], [0.2, 0.8]])
    hot = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    parts = distillation_losses(z, p, hot, 1.0, 0.25)
    q = np.exp([1, 0]) / np.exp([1, 0]).sum()
    apart = (np.array([0.2, 0.8]) * np.log(np.array([0.2, 0.8]) / q)).sum()
    assert float(parts["teacher"]) == pytest.approx((0.75 + 1) * apart / 2, abs=1e-6)
    assert float(parts["labels"]) == pytest.approx(-0.25 * np.log(q[1]) / 2, abs=1e-6)


def test_a_lesson_mixes_answers_and_labels() -> None:
    lesson = Lesson(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([[0.0, 1.0], [0.0, 0.0]]), 0.5)
    assert np.allclose(lesson.targets, [[0.45, 0.55], [0.6, 0.4]])
    assert np.allclose(lesson.at(np.array([1])).answers_and_labels, [[0.6, 0.4, 0, 0]])


def test_a_distilled_method_keeps_its_phases_but_for_the_loss() -> None:
    from regraft.methods.base import Options

    plain, own = lp_ft.plan(4, Options(3)), Distilled(lp_ft, 2.0, 0.3).plan(4, Options(3))
    assert own.head == plain.head and len(own.phases) == len(plain.phases)
    assert [(p.name, p.epochs, p.rate) for p in own.phases] == [(p.name, p.epochs, p.rate) for p in plain.phases]
    x, targets = torch.tensor([[0.0, 2.0]]), torch.tensor([[0.5, 0.5, 0.0, 1.0]])
    found = own.phases[0].step(torch.nn.Identity(), x, targets, lambda *_: pytest.fail("not the task's loss"))
    assert set(found) == {"loss", "teacher", "labels"}
    assert float(found["loss"]) == pytest.approx(float(found["teacher"] + found["labels"]))


@pytest.mark.parametrize("many", [10**9, 1000])
def test_probes_take_probabilities(many: int, monkeypatch) -> None:
    """Hot ones make the head of labels; of soft ones the answers' mean is theirs, as the bias is free."""
    monkeypatch.setattr(linear_probe, "MANY", many)  # the way of many rows, or not
    rng = np.random.default_rng(1)
    x, spec = rng.normal(size=(600, 12)).astype(np.float32), LabelSpec("classification", ("a", "b", "c"))
    logits = x @ rng.normal(size=(12, 3))
    y = (logits + rng.gumbel(size=logits.shape)).argmax(1)
    heads = [fit_features(x, labels, spec).head for labels in (y, np.eye(3)[y])]
    assert torch.equal(heads[0].linear.weight, heads[1].linear.weight)
    soft = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    fitted = fit_features(x, soft, spec)
    with torch.no_grad():
        said = fitted.head(torch.from_numpy(x)).softmax(1).numpy()
    assert np.abs(said - soft).mean() < 0.03 < 0.1 < np.abs(np.eye(3)[y] - soft).mean()
    assert np.abs(said.mean(0) - soft.mean(0)).max() < 0.01


# -- what comes of it ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_student_learns_more_from_a_teacher_than_from_few_labels(taught, data: dict[str, str]) -> None:
    found = taught.metrics["distillation"]
    judged = found["judged"]
    assert judged["items"] == 300 and taught.metrics["val"]["accuracy"] == judged["student"]["accuracy"]
    assert judged["student_less_labels_alone"]["ci95"][0] > 0, "40 labels are few"
    assert taught.gain["against"] == "alone" and taught.gain["value"] == judged["student_less_labels_alone"]["value"]
    less = judged["student_less_teacher"]
    assert less["value"] == pytest.approx(judged["student"]["accuracy"] - judged["teacher"]["accuracy"])
    assert less["ci95"][0] <= less["value"] <= less["ci95"][1] and 0 <= less["p"] <= 1
    said = regraft.evaluate(data["teacher"], data["judged"]).metrics["accuracy"]
    assert said == judged["teacher"]["accuracy"]
    assert found["items"] == {"labelled": 40, "unlabelled": 360, "held_out": 40}
    assert found["agreement"]["items"] == 40 and found["agreement"]["value"] > 0.7
    assert found["student"]["megabytes"] < found["teacher"]["megabytes"] / 100
    assert found["speed"]["times"] > 1 and len(found["speed"]["times_by_turn"]) == 3


def test_the_control_is_the_fit_of_the_labels_alone(taught, data: dict[str, str], at: Path) -> None:
    plain = fit(data["labelled"], val=data["judged"], backbone="raw", refit=False, **QUICK)
    assert plain.metrics["val"]["accuracy"] == taught.metrics["distillation"]["judged"]["labels_alone"]["accuracy"]


def test_the_run_is_one_of_fit(taught, data: dict[str, str], at: Path) -> None:
    """Record, report, artefact, predictions; evaluate, compare, export and predict take it; it knows what it
    learned.
    """
    run = Path(taught.run)
    record = json.loads((run / "run.json").read_text())
    assert record["settings"]["teacher"] == data["teacher"] and record["settings"]["unlabelled"] == data["free"]
    assert record["result"]["metrics"]["distillation"]["items"]["labelled"] == 40
    page = (run / "report.html").read_text()
    assert "Beside its teacher" in page and "times as fast as the teacher" in page
    assert regraft.evaluate(str(run), data["judged"]).metrics["accuracy"] == taught.metrics["val"]["accuracy"]
    assert len(regraft.predict(str(run), [data["judged"]]).predictions) == 300
    other = fit(data["labelled"], val=data["judged"], backbone="raw", refit=False, out="o", **QUICK)
    against = regraft.compare([other.run, str(run)]).against[0]
    assert against["difference"] == taught.gain["value"]
    digests = learned_by(str(run)).digests
    for name in ("taught", "labelled"):
        assert np.isin(learned_by_items(data[name]), digests).all(), name
    assert artefact.load(run)[1]["record"]["teacher"]["run"] == data["teacher"]


def learned_by_items(path: str) -> np.ndarray:
    from regraft.core.row_store import RowStore
    from regraft.data.open import open_data
    from regraft.features.fingerprints import fingerprints

    return fingerprints(open_data(path).items, None, RowStore()).digests


def test_repeated_by_its_record_to_the_bit(taught, at: Path) -> None:
    done = CliRunner().invoke(app, ["fit", "--config", str(Path(taught.run) / "run.json"), "--out", "again", "--json"])
    assert done.exit_code == 0, done.output
    heads = [artefact.load(run)[0].head.linear.weight for run in (taught.run, "again")]
    assert torch.equal(*heads)


def test_a_network_is_trained_by_the_teacher(data: dict[str, str], at: Path) -> None:
    """The phases of a method with another loss; parts of it in the log; the student's own weights are saved."""
    found = distill(data["teacher"], "random:lenet", data["few"], data["labelled"], data["judged"], out="r",
                    temperature=3, label_weight=0.5, method="finetune", epochs=5, augment="none")  # fmt: skip
    told = found.metrics["distillation"]
    assert told["temperature"] == 3 and told["label_weight"] == 0.5 and found.method == "finetune"
    assert {"teacher", "labels"} <= set(found.choice["history"][-1]["parts"])
    assert set(found.metrics["controls"]) == {"linear-probe", "alone"}
    assert told["judged"]["student_less_labels_alone"]["ci95"][0] > 0
    model, manifest = artefact.load("r")
    assert manifest["network"]["provenance"]["adapted_by"] == "finetune" and model.network.name == "random:lenet"
    regraft.export_model("r", "torch", out="x.pt2")
    assert Path("x.pt2").is_file()


@pytest.mark.slow
def test_the_temperature_changes_what_is_learned(data: dict[str, str], at: Path) -> None:
    weights = []
    for t in (1, 8):
        distill(data["teacher"], "random:lenet", data["few"], temperature=t, out=f"r{t}", method="mlp-probe", epochs=1)
        weights.append(next(artefact.load(f"r{t}")[0].head.parameters()))
    assert not torch.allclose(*weights, atol=1e-3)


@pytest.mark.slow
def test_interrupted_and_resumed_to_the_bit(data: dict[str, str], at: Path, monkeypatch) -> None:
    told = {"into": "random:lenet", "unlabelled": data["few"], "data": data["labelled"], "judge": data["judged"],
            "method": "finetune", "epochs": 2, "augment": "none"}  # fmt: skip
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    distill(data["teacher"], out="whole", **told)
    step, count = loop.Run.one_step, iter(range(1000))

    def stops(self, *given):
        if next(count) == 7:
            raise KeyboardInterrupt
        return step(self, *given)

    monkeypatch.setattr(loop.Run, "one_step", stops)
    with pytest.raises(KeyboardInterrupt):
        distill(data["teacher"], out="r", **told)
    monkeypatch.setattr(loop.Run, "one_step", step)
    with pytest.raises(InputError, match="temperature was 2.0 and is 5"):
        distill(data["teacher"], out="r", resume=True, temperature=5, **told)
    distill(data["teacher"], out="r", resume=True, **told)
    one, other = (artefact.load(name)[0].network.digest() for name in ("r", "whole"))
    assert one == other
    assert distill(data["teacher"], out="r", resume=True, **told).run == "r"


# -- honesty -------------------------------------------------------------------------------------------------------


def test_judged_items_are_not_learned_from(data: dict[str, str], at: Path) -> None:
    """A pool that holds what is judged, and what is labelled, with other labels: neither counts as unlabelled."""
    pool = digits_in(at / "pool.npz", 300, 1300)
    found = distill(data["teacher"], "raw", pool, data["labelled"], data["judged"], out="r")
    told = found.metrics["distillation"]
    assert told["left_out"] == {"judged": 100, "labelled": 40, "unreadable": 0}
    assert told["items"]["unlabelled"] + told["items"]["held_out"] == 1000 - 140
    said = {p["kind"]: p["message"] for p in found.problems}
    assert said["unlabelled-judged"].startswith("100 unlabelled items are among the items to judge on")
    assert not np.isin(learned_by_items(data["judged"]), learned_by("r").digests).any()


def test_what_the_teacher_has_learned_from_judges_nobody(data: dict[str, str], at: Path) -> None:
    """Its own data, of which it learned all in the end: the fifth held out is known to it."""
    told = {"into": "raw", "unlabelled": data["few"]}
    found = distill(data["teacher"], data=data["taught"], out="r", **told)
    assert found.metrics["val"] is None and found.metrics["distillation"]["judged"] is None
    assert any("has learned from all items to judge on" in p["message"] for p in found.problems)
    kept = fit(data["taught"], backbone="regraft_tiny", refit=False, out="kept", **QUICK)
    found = distill(kept.run, data=data["taught"], out="r2", **told)
    assert found.metrics["distillation"]["judged"]["items"] == kept.items["val"]
    some = digits_in(at / "some.npz", 280, 400)
    found = distill(data["teacher"], judge=some, out="r3", **told)
    assert found.metrics["distillation"]["judged"]["items"] == 100, "20 of them are known to the teacher"


def test_the_part_test_of_unlabelled_data_is_left_alone(data: dict[str, str], at: Path) -> None:
    images = (load_digits().images * 15.9).astype(np.uint8)
    np.savez("parts.npz", train_images=images[400:600], train_labels=np.zeros(200, int), test_images=images[600:700],
             test_labels=np.zeros(100, int))  # fmt: skip
    found = distill(data["teacher"], "raw", "parts.npz", out="r")
    told = found.metrics["distillation"]["items"]
    assert told["labelled"] == 0 and told["unlabelled"] + told["held_out"] == 200


def test_without_labels_only_agreement_and_speed_are_told(data: dict[str, str], at: Path) -> None:
    words = ["distill", data["teacher"], "--into", "raw", "--unlabelled", data["few"], "--method", "linear-probe"]
    done = CliRunner().invoke(app, [*words, "--out", "r"])
    assert done.exit_code == 0, done.output
    assert "what either is worth is not known" in done.output and "Both agree on" in done.output
    assert "r: model/, report.html; " in done.output, "no answers of judged items are promised"
    found = json.loads(Path("r/run.json").read_text())["result"]
    assert found["metrics"]["val"] is None and found["metrics"]["distillation"]["judged"] is None
    assert found["metrics"]["distillation"]["label_weight"] is None and found["gain"] is None
    assert "how good this model is, is not known" in Path("r/report.html").read_text()
    done = CliRunner().invoke(app, [*words, "--out", "j", "--judge", data["judged"], "--json"])
    told = json.loads(done.stdout)["metrics"]["distillation"]
    assert "labels_alone" not in told["judged"] and told["judged"]["items"] == 300
    assert done.exit_code == 0 and told["agreement"] == found["metrics"]["distillation"]["agreement"]


@pytest.mark.slow
def test_a_fusion_on_texts_teaches_one_network(at: Path) -> None:
    teacher = fit("embedded:reviews", backbone="regraft_tiny_text+tfidf", out="t", **QUICK)
    texts = [f"a {w} film, number {i}" for i in range(20) for w in ("good", "bad", "dull")]
    Path("more.txt").write_text("\n".join(texts))
    found = distill(teacher.run, "regraft_tiny_text", "more.txt", out="r")
    told = found.metrics["distillation"]
    assert told["teacher"]["backbone"] == "regraft_tiny_text+tfidf" and told["agreement"]["items"] == 6
    assert regraft.load("r").predict(["a good film"]).shape == (1,)


@pytest.mark.slow
def test_loose_pictures_in_a_folder(at: Path) -> None:
    """No classes, one that is no picture, one that is judged under another name, one twice."""
    for name, count, seed in (("taught", 10, 1), ("judged", 8, 2), ("pool", 30, 3)):
        write_shapes(at / name, count, seed)
    teacher = fit("taught", backbone="regraft_tiny", out="t", **QUICK)
    loose = at / "loose"
    loose.mkdir()
    for i, picture in enumerate(sorted((at / "pool").rglob("*.png"))):
        shutil.copy(picture, loose / f"{i}.png")
    shutil.copy(next((at / "judged" / "disc").glob("*.png")), loose / "other-name.png")
    shutil.copy(loose / "0.png", loose / "again.png")
    (loose / "broken.png").write_bytes(b"no picture")
    found = distill(teacher.run, "random:lenet", "loose", judge="judged", out="r")
    told = found.metrics["distillation"]
    assert told["left_out"] == {"judged": 1, "labelled": 0, "unreadable": 1} and told["judged"]["items"] == 16
    assert told["items"]["unlabelled"] + told["items"]["held_out"] == 61 and told["items"]["held_out"] > 0
    assert regraft.load("r").predict([str(loose / "0.png")])[0] in ("disc", "square")


def test_columns_of_tables_of_texts(at: Path) -> None:
    """The teacher's own column is read of tables with and without labels, and the student knows it."""
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("aeioubdfgklmnprst"), 6)) for _ in range(300)]

    def text(mood: str) -> str:
        return " ".join([*rng.choice(words, 10), {"pos": "good", "neg": "bad"}[mood]])

    for name, n, head in (("taught", 40, "number,review,mood"), ("judged", 20, "number,review,mood"),
                          ("free", 60, "number,review")):  # fmt: skip
        rows = [f"{i},{text(mood)},{mood}" for i, mood in enumerate(["pos", "neg"] * (n // 2))]
        Path(f"{name}.csv").write_text("\n".join([head, *(r if name != "free" else r[:-4] for r in rows)]))
    teacher = fit("taught.csv", backbone="tfidf", text="review", label="mood", out="t", **QUICK)
    found = distill(teacher.run, "regraft_tiny_text", "free.csv", judge="judged.csv", out="r")
    told = found.metrics["distillation"]
    assert told["judged"]["items"] == 20 and told["items"]["unlabelled"] == 54
    assert artefact.load("r")[0].target_name == "mood"
    assert len(regraft.predict("r", ["free.csv"]).predictions) == 60


def test_of_unlabelled_data_every_item_of_its_part_is_answered(at: Path) -> None:
    """Rows with and without a label, parts of tables, frames and folders without any."""
    texts = [f"{'good' if i % 2 else 'bad'} film number {i} of {i * 7}" for i in range(60)]
    labels, parts = ["pos" if i % 2 else "neg" for i in range(60)], ["train" if i < 40 else "test" for i in range(60)]
    frame = pd.DataFrame({"text": texts, "label": labels, "split": parts})
    frame[["text", "label"]].to_csv("taught.csv", index=False)
    model = Teacher.load(fit("taught.csv", backbone="tfidf", out="t", **QUICK).run, "auto", "cpu")
    some = frame.assign(label=[y if i < 10 else None for i, y in enumerate(labels)])
    some.to_csv("some.csv", index=False)
    frame[["text", "split"]].to_csv("none.csv", index=False)
    for i, (text, part) in enumerate(zip(texts, parts, strict=True)):
        Path(part).mkdir(exist_ok=True)
        (Path(part) / f"{i}.txt").write_text(text)
    Path("folder").mkdir()
    shutil.move("train", "folder/train")
    shutil.move("test", "folder/test")
    plain = DataOptions()
    for data in ("some.csv", Path("some.csv"), some, "none.csv", frame[["text", "split"]], "folder"):
        found = model.unlabelled(data, plain)
        assert sorted(found.items.load(i) for i in range(len(found))) == sorted(texts[:40]), data
        assert (found.y == -1).all() and not any(p.kind == "missing-label" for p in found.problems)
    for data in ("some.csv#test", "none.csv#test", "folder#test"):
        found = model.unlabelled(data, plain)
        assert sorted(found.items.load(i) for i in range(len(found))) == sorted(texts[40:]), data
    with pytest.raises(DataError, match="has no part 'val'; its parts are: test, train|its parts are: train, test"):
        model.unlabelled("folder#val", plain)


def test_labelled_data_alone_teach_too(data: dict[str, str], at: Path) -> None:
    """However the same place is spelled, and where it is named once."""
    shutil.copy(data["labelled"], "own.npz")
    told = {"into": "raw", "method": "linear-probe", "judge": data["judged"], "outliers": False}
    found = [regraft.distill(data["teacher"], data="own.npz", unlabelled=same, out=f"r{i}", **told)
             for i, same in enumerate(("./own.npz", None))]  # fmt: skip
    for one in found:
        assert one.metrics["distillation"]["items"]["labelled"] == 40
        assert one.metrics["val"] == found[0].metrics["val"] and "labels_alone" in one.metrics["distillation"]["judged"]
    blind = distill(data["teacher"], "raw", "./own.npz", data="own.npz", method="linear-probe", out="b")
    assert blind.metrics["distillation"]["items"]["labelled"] == 0, "fit DATA --unlabelled DATA looks at no label"
    words = ["distill", data["teacher"], "--into", "raw", "--method", "linear-probe", "--unlabelled", "own.npz"]
    done = CliRunner().invoke(app, [*words, "--data", "own.npz", "--judge", data["judged"], "--trust", "--out", "c"])
    told = json.loads(Path("c/run.json").read_text())["result"]["metrics"]["distillation"]
    assert told["items"] == found[0].metrics["distillation"]["items"]
    assert done.exit_code == 0, done.output
    with pytest.raises(InputError, match="or labelled ones, data"):
        regraft.distill(data["teacher"], into="raw")


# -- bad input -----------------------------------------------------------------------------------------------------


def test_what_cannot_teach_or_be_taught_is_said(data: dict[str, str], at: Path) -> None:
    teacher, free = data["teacher"], data["free"]
    Path("n.csv").write_text("\n".join(["a,b,price", *(f"{i % 7},{i % 5},{i * 1.5}" for i in range(40))]))
    numbers = fit("n.csv", label="price", out="numbers", **QUICK).run
    Path("empty").mkdir()
    Path("texts.txt").write_text("a text\nanother one\n")
    photos = str(write_shapes(at / "photos", 4))
    cases = [
        ({"run": numbers}, "numbers is for numbers; a teacher tells one class an item"),
        ({"run": "nowhere"}, "no model at nowhere"),
        ({"into": "regraft_tiny"}, "regraft_tiny is the teacher's own network"),
        ({"into": "raw+regraft_tiny"}, "is the teacher's own network, or holds it"),
        ({"into": "regraft_tiny_text"}, "regraft_tiny_text takes a text an item"),
        ({"into": "auto"}, "--backbone auto beside --teacher"),
        ({"unlabelled": "empty"}, "empty"),
        ({"unlabelled": "texts.txt"}, "texts.txt"),
        ({"unlabelled": ["a.png"]}, "--unlabelled is a list; a path"),
        ({"unlabelled": "nothing.npz"}, "nothing at 'nothing.npz'"),
        ({"data": photos}, "has the classes disc, square, which the model has not"),
        ({"judge": "embedded:reviews"}, "holds text items, and the teacher|which the model has not"),
        ({"method": "contrastive"}, "contrastive does not learn from a teacher"),
        ({"method": "dann"}, "--method dann adapts to another domain"),
        ({"method": "linear-probe", "temperature": 2}, "--temperature is for methods that train a network"),
        ({"temperature": 0.5}, "--temperature is 0.5"),
        ({"label_weight": 0.5}, "--label-weight is for labels beside the teacher's answers"),
        ({"smoothing": 0.1}, "--smoothing 0.1 has no place beside --teacher"),
        ({"cv": 3}, "--cv 3: --teacher has no use for it"),
        ({"class_weight": "balanced"}, "--teacher has no use for it"),
    ]
    for given, wrong in cases:
        told = {"run": teacher, "into": "random:lenet", "unlabelled": free} | given
        with pytest.raises(InputError, match=wrong):
            regraft.distill(told.pop("run"), **told, out="bad")
        assert not list(at.glob("bad*")), given


def test_other_kinds_of_models_are_no_teachers(saved: Path, data: dict[str, str], at: Path) -> None:
    told = {"into": "raw", "unlabelled": data["free"], "method": "linear-probe"}
    for kind, wrong in (("boxes", "is a detector; a teacher tells one class an item"),
                        ("multilabel", "is for several classes an item; a teacher"),
                        ("tasks", "holds the tasks .*: name one, as"), ("classes", "a table's rows")):  # fmt: skip
        with pytest.raises(InputError, match=wrong):
            regraft.distill(str(saved / kind / "run"), **told)


def test_a_teacher_needs_what_it_answers(data: dict[str, str], at: Path) -> None:
    with pytest.raises(InputError, match="name the network that is to learn"):
        regraft.fit(data["labelled"], teacher=data["teacher"], unlabelled=data["free"])
    with pytest.raises(InputError, match="is for --teacher, and there is none"):
        regraft.fit(data["labelled"], unlabelled=data["free"])
    with pytest.raises(InputError, match="one task: name one DATA"):
        regraft.fit(data["labelled"], teacher=data["teacher"], unlabelled=data["free"], target=data["judged"])
