"""Fit with a target: its labels report and do nothing else; bad targets are refused with the reason."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import regraft
from regraft.core.errors import InputError
from regraft.data.open import open_data
from regraft.data.splits import make_split
from regraft.methods import METHODS
from regraft.metrics.validators import probabilities, soft_neighbourhood_density
from regraft.pipelines.stages.open_target import learn_from, open_target
from regraft.training.adaptation import TargetValidator
from regraft.training.validation import validation_split

QUICK = {"backbone": "raw", "method": "coral", "controls": "majority"}


def digits(
    path: Path, n: int, seed: int, *, change=lambda x: x, names=None, part: str = "", labels: bool = True
) -> Path:
    """Three of scikit-learn's digits, changed, as an archive."""
    from sklearn.datasets import load_digits

    bunch = load_digits(n_class=3)
    chosen = np.random.default_rng(seed).permutation(len(bunch.target))[:n]
    images = change(bunch.images[chosen] / 16).clip(0, 1)
    y = bunch.target[chosen] if names is None else np.array(names)[bunch.target[chosen]]
    prefix = f"{part}_" if part else ""
    np.savez(path, **{f"{prefix}images": (images * 255).astype(np.uint8), f"{prefix}labels": y})
    return path


def darker(x: np.ndarray) -> np.ndarray:
    return 0.55 * x + 0.4 * np.linspace(0, 1, 8)


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("d")
    return (str(digits(folder / "source.npz", 200, 0)), str(digits(folder / "target.npz", 150, 1, change=darker)))


@pytest.mark.parametrize("name", ["coral", "subspace-alignment", "ot", "self-training"])
def test_from_two_domains_to_a_model(name: str, pair, tmp_path: Path) -> None:
    if name == "ot":
        pytest.importorskip("ot")
    source, target = pair
    out = tmp_path / "r"
    result = regraft.fit(source, target=target, out=str(out), **{**QUICK, "method": name})
    metrics = result.metrics
    assert set(metrics["controls"]) == {"source-only", "majority"} and result.gain["against"] == "source-only"
    won = metrics["target"]["accuracy"] - metrics["controls"]["source-only"]["accuracy"]
    assert result.gain["value"] == pytest.approx(won) and result.gain["ci95"][0] <= won <= result.gain["ci95"][1]
    assert metrics["chosen_by"] and set(metrics["validators"]) >= {"snd", "dev", "im", "source-risk"}
    assert result.items == {"train": 160, "val": 40, "target": 150, "target_judged": 150}
    assert any(p["kind"] == "same-judged" for p in result.problems)
    rows = list(csv.DictReader(open(out / "predictions.csv")))
    assert len(rows) == 150 and np.mean([r["label"] == r["predicted"] for r in rows]) == metrics["target"]["accuracy"]
    judged = regraft.evaluate(str(out), target)
    assert judged.metrics["accuracy"] > 0.9 or name == "ot"
    plain = regraft.evaluate(str(out / "source-only"), target)
    assert plain.metrics["accuracy"] == pytest.approx(metrics["controls"]["source-only"]["accuracy"], abs=0.1)
    assert regraft.load(out).predict(target).shape == (150,)
    page = (out / "report.html").read_text()
    assert "source-only" in page and "target.npz" in page


def test_labels_of_the_target_change_nothing(pair, tmp_path: Path) -> None:
    source, target = pair
    arrays = dict(np.load(target))
    np.savez(tmp_path / "target.npz", images=arrays["images"], labels=np.roll(arrays["labels"], 1))
    for name in ("coral", "self-training"):
        runs = [regraft.fit(source, target=t, out=str(tmp_path / f"{name}{i}"), **{**QUICK, "method": name})
                for i, t in enumerate((target, str(tmp_path / "target.npz")))]  # fmt: skip
        a, b = (Path(r.run, "model/model.safetensors").read_bytes() for r in runs)
        assert a == b and runs[0].metrics["target"] != runs[1].metrics["target"]


@pytest.mark.parametrize("options", [{"method": "coral"}, {"backbone": "random:lenet", "method": "dann", "epochs": 1}])
def test_some_labels_of_the_target_are_learned_from(options, pair, tmp_path: Path) -> None:
    """They are not judged, and source-only learns from them too."""
    source, target = pair
    result = regraft.fit(source, target=target, target_labels=7, out=str(tmp_path / "r"), **{**QUICK, **options})
    assert result.items == {"train": 167, "val": 40, "target": 143, "target_judged": 143}
    said = next(p["message"] for p in result.problems if p["kind"] == "target-labels")
    assert (
        "7 of its items" in said
        and "each 22 times" in said
        and sorted(re.findall(r"\d (\d)[,)]", said)) == ["2", "2", "3"]
    )
    assert len(list(csv.DictReader(open(tmp_path / "r" / "predictions.csv")))) == 143


def test_copies_of_labelled_items_stay_on_one_side(pair, tmp_path: Path) -> None:
    split = make_split(pair[0], seed=0)
    goal = open_target(pair[1], split.train, split.val, labels=7)
    learn_from(split, goal.labelled)
    assert split.train.items.name(159) != split.train.items.name(160) == goal.labelled.items.name(0)
    digests = [split.train.items.digest(i) for i in range(len(split.train))]
    assert len(set(digests[160:])) == 7 and not set(digests[:160]) & set(digests[160:])
    assert not set(digests[160:]) & {goal.judged.items.digest(i) for i in range(len(goal.judged))}
    inside, hold = validation_split(split.train.y, split.groups, 0)
    assert len(hold) and not {digests[i] for i in inside} & {digests[i] for i in hold}
    double = digits(tmp_path / "double.npz", 80, 1, change=darker)
    both = {k: np.concatenate([v, v]) for k, v in np.load(double).items()}
    np.savez(double, **both)
    again = open_target(str(double), split.train, labels=10)
    taken = {again.labelled.items.digest(i) for i in range(10)}
    assert not taken & {again.judged.items.digest(i) for i in range(len(again.judged))} and len(again.judged) < 150
    assert any("copies of labelled items" in p.message for p in again.problems)
    for bad, message in ((150, "some must be left"), (9000, "some must be left")):
        with pytest.raises(InputError, match=message):
            open_target(pair[1], split.train, labels=bad)


def test_a_part_test_is_judged_and_not_learned_from(pair, tmp_path: Path) -> None:
    source, target = pair
    arrays = dict(np.load(target))
    parts = {"train_images": arrays["images"][:100], "train_labels": arrays["labels"][:100],
             "test_images": arrays["images"][100:], "test_labels": arrays["labels"][100:]}  # fmt: skip
    np.savez(tmp_path / "t.npz", **parts)
    result = regraft.fit(source, target=str(tmp_path / "t.npz"), out=str(tmp_path / "r"), **QUICK)
    assert result.items["target"] == 100 and result.items["target_judged"] == 50
    assert not any(p["kind"] == "same-judged" for p in result.problems)


def test_a_target_without_labels(pair, tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "new").mkdir()
    for i, picture in enumerate(np.load(pair[1])["images"][:60]):
        Image.fromarray(picture).save(tmp_path / "new" / f"{i:02d}.png")
    (tmp_path / "new" / "broken.png").write_bytes(b"no picture")
    result = regraft.fit(
        pair[0], target=str(tmp_path / "new"), out=str(tmp_path / "r"), **{**QUICK, "backbone": "regraft_tiny"}
    )
    assert result.metrics["target"] is None and result.gain is None and result.items["target"] == 60
    assert any(p["kind"] == "unreadable" and "broken" in p["item"] for p in result.problems)
    assert "has no labels" in (tmp_path / "r/report.html").read_text()


def test_classes_that_differ(pair, tmp_path: Path) -> None:
    source = open_data(pair[0])
    words = str(digits(tmp_path / "words.npz", 90, 2, names=["nought", "one", "two"], change=darker))
    with pytest.raises(InputError, match="with none in common"):
        open_target(words, source)
    renamed = open_target(words, source, mapping="nought=0,one=1,two=2")
    assert renamed.judged is not None and len(renamed.judged) == 90 and not renamed.problems
    assert (renamed.learn.y == -1).all(), "no label goes on from here"
    some = open_target(words, source, mapping="one=1")
    assert [p.kind for p in some.problems] == ["partial", "open-set"]
    assert some.unknown is not None and len(some.judged) + len(some.unknown) == 90
    with pytest.raises(InputError, match="no class 'three'"):
        open_target(words, source, mapping="three=3")
    with pytest.raises(InputError, match="is no pair"):
        open_target(words, source, mapping="one")
    result = regraft.fit(pair[0], target=words, mapping="one=1", out=str(tmp_path / "r"), **QUICK)
    assert result.metrics["open_set"]["items"] == len(some.unknown)


def test_targets_that_are_refused_or_said(pair, tmp_path: Path) -> None:
    source = open_data(pair[0])
    np.savez(tmp_path / "none.npz", images=np.zeros((0, 8, 8), np.uint8), labels=np.zeros(0, int))
    with pytest.raises(InputError, match="holds no items"):
        open_target(str(tmp_path / "none.npz"), source)
    with pytest.raises(InputError, match="There is nothing at"):
        open_target(str(tmp_path / "nowhere"), source)
    with pytest.raises(InputError, match="both must be of one kind"):
        open_target("embedded:reviews", source)
    assert [p.kind for p in open_target(pair[0], source).problems] == ["same-domain"]
    result = regraft.fit(pair[0], target=pair[0], out=str(tmp_path / "r"), **QUICK)
    assert "nothing to adapt to" in (tmp_path / "r/report.html").read_text()
    assert result.metrics["target"]["accuracy"] > 0.9


def test_auto_takes_what_the_validator_prefers(pair, tmp_path: Path) -> None:
    result = regraft.fit(pair[0], target=pair[1], out=str(tmp_path / "r"), **{**QUICK, "method": "auto"})
    scores = result.choice["scores"]
    assert set(scores) == {"source-only", "coral", "subspace-alignment", "self-training"}
    assert result.choice["taken"] == max(scores, key=scores.get) and "snd" in result.metrics["chosen_by"]
    alone = regraft.fit(pair[0], target=pair[1], out=str(tmp_path / "a"), **{**QUICK, "method": result.choice["taken"]})
    assert alone.metrics["target"] == result.metrics["target"]


def test_auto_takes_no_method_whose_answers_collapsed(pair, tmp_path: Path, monkeypatch) -> None:
    coral = METHODS.get("coral")
    good = coral.fit_domains

    def alike(*args, **more):
        fitted = good(*args, **more)
        with torch.no_grad():
            fitted.head.linear.weight.mul_(1e-9)
        return fitted

    monkeypatch.setattr(coral, "fit_domains", alike)
    result = regraft.fit(pair[0], target=pair[1], out=str(tmp_path / "r"), **{**QUICK, "method": "auto"})
    assert result.choice["scores"]["coral"] < 0 and result.choice["taken"] != "coral"
    monkeypatch.setattr(
        "regraft.pipelines.stages.domain_report.preference",
        lambda z, _: soft_neighbourhood_density(probabilities(z)),
    )
    plain = regraft.fit(pair[0], target=pair[1], out=str(tmp_path / "p"), **{**QUICK, "method": "auto"})
    assert plain.choice["taken"] == "coral", "the density alone takes what has collapsed"


def test_auto_leaves_source_only_where_the_shift_has_collapsed_it(tmp_path: Path) -> None:
    source = str(digits(tmp_path / "s.npz", 200, 0))
    target = str(digits(tmp_path / "t.npz", 200, 1, change=lambda x: 0.1 * x))
    result = regraft.fit(source, target=target, out=str(tmp_path / "r"), **{**QUICK, "method": "auto"})
    assert result.choice["scores"]["source-only"] < 0 and result.choice["taken"] == "coral"
    assert result.metrics["target"]["accuracy"] > result.metrics["controls"]["source-only"]["accuracy"] + 0.3


def test_no_epoch_whose_answers_collapsed_is_chosen() -> None:
    class Feed:
        def __len__(self) -> int:
            return 200

        def epoch(self, *_: int) -> list:
            return [(8 * torch.eye(4)[torch.arange(200) % 4], np.arange(200))]

    source_only, alike = torch.nn.Identity(), torch.nn.Linear(4, 4)
    with torch.no_grad():
        alike.weight.mul_(1e-3)
        alike.bias.copy_(torch.tensor([2.0, 0, 0, 0]))
    judge = TargetValidator(Feed(), Feed(), 4, "cpu", source_only)
    assert judge.loss(source_only) < 0 < judge.loss(alike)


def test_what_does_not_go_together(pair) -> None:
    source, target = pair
    with pytest.raises(InputError, match="name it with --target"):
        regraft.fit(source, method="coral")
    with pytest.raises(InputError, match="linear-probe does not adapt; methods that do are"):
        regraft.fit(source, target=target, method="linear-probe")
    with pytest.raises(InputError, match="--accuracy 0.9: --target has no use for it"):
        regraft.fit(source, target=target, method="coral", accuracy=0.9)
    with pytest.raises(InputError, match="there is none"):
        regraft.fit(source, mapping="a=b")
    with pytest.raises(InputError, match="--epochs is for methods that train"):
        regraft.fit(source, target=target, method="coral", epochs=3)


def test_a_worse_model_is_said_to_look_worse(pair, tmp_path: Path, monkeypatch) -> None:
    coral = METHODS.get("coral")
    good = coral.fit_domains
    for share, words in ((0.3, "looks worse than source-only"), (1.0, "look collapsed")):
        wrong = lambda y, share=share: np.where(np.arange(len(y)) < share * len(y), np.roll(y, 1), y)
        mixed = lambda s, y, t, learn, seed=0, wrong=wrong: good(s, wrong(y), t, learn, seed=seed)
        monkeypatch.setattr(coral, "fit_domains", mixed)
        result = regraft.fit(pair[0], target=pair[1], out=str(tmp_path / "r"), overwrite=True, **QUICK)
        assert [words in p["message"] for p in result.problems if p["kind"] == "looks-worse"] == [True]
        assert words in (tmp_path / "r/report.html").read_text()
    saved = json.loads((tmp_path / "r/source-only/manifest.json").read_text())
    assert saved["record"]["method"] == "source-only"
