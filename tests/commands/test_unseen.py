"""Items that a model has learned from: recognised whatever way they come again, told of, and left out on demand."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import regraft
from regraft.cli.printing import print_evaluation, print_predictions
from regraft.core.errors import DataError, DataWarning, InputError
from regraft.core.files import sha256
from regraft.core.row_store import RowStore
from regraft.data.audit.duplicates import NEAR, picture_signatures, resembling
from regraft.data.audit.facts import THUMB, Facts
from regraft.data.items import Texts
from regraft.data.open import open_data
from regraft.data.text.texts import text_prints
from regraft.features.fingerprints import fingerprints
from regraft.models.artefact.read import learned_by
from regraft.pipelines.fit import fit
from tests.commands.test_detect import write_coco
from tests.conftest import shape
from tests.data.test_numeric_tables import houses, written
from tests.test_box_estimator import squares

QUICK = {"controls": "none", "outliers": False}


@pytest.fixture
def at(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pictures(root: Path, count: int, seed: int) -> Path:
    """Of 96 pixels, so that near copies are looked for."""
    rng = np.random.default_rng(seed)
    for kind in ("disc", "square"):
        (root / kind).mkdir(parents=True)
        for i in range(count):
            shape(kind, rng, 96).save(root / kind / f"{seed}-{i}.png")
    return root


def digits(n: int, first: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    found = load_digits(n_class=classes)
    return (found.images[first : first + n] * 15.9).astype(np.uint8), found.target[first : first + n]


def saved(name: str, n: int, first: int, classes: int = 3) -> str:
    x, y = digits(n, first, classes)
    np.savez(name, images=x, labels=y)
    return name


def known_of(data: str, model: str) -> int:
    """How many of the pictures the model has learned from."""
    items = open_data(data).items
    return learned_by(model).among(items, fingerprints(items, None, RowStore())).counts()["exact"]


def test_pictures_are_counted_told_of_and_left_out(at: Path, capsys) -> None:
    train = pictures(at / "photos", 10, seed=0)
    run = fit(train, backbone="regraft_tiny", engine="torch", out="run", **QUICK).run
    assert regraft.evaluate(run, train).learned == {"exact": 20, "near": 0}, "also those that the refit took"
    other = pictures(at / "others", 4, seed=1)
    plain = regraft.evaluate(run, other, unseen=True)
    assert plain.learned == {"exact": 0, "near": 0} and plain.items == 8
    for i in range(3):
        shutil.copy(train / f"disc/0-{i}.png", other / f"disc/again-{i}.png")
    Image.open(train / "square/0-7.png").convert("RGB").save(other / "square/small.jpg", quality=60)
    found = regraft.evaluate(run, other)
    assert found.items == 12 and found.learned == {"exact": 3, "near": 1} and not found.unseen
    said = [p for p in found.problems if p.kind == "learned-from"]
    assert [p.item for p in said] == ["disc/again-0.png and 3 more"]
    assert said[0].message == (
        "3 of 12 items are among those that the model learned from, 1 more is a near copy: the figures are too good; "
        "--unseen leaves them out"
    )
    print_evaluation(found)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"warning: {said[0].message} (disc/again-0.png and 3 more)" and "accuracy" in lines[2]
    assert sum("among those" in line for line in lines) == 1
    left = regraft.evaluate(run, other, unseen=True)
    assert left.items == 8 and left.learned == found.learned and left.unseen and left.metrics == plain.metrics
    with pytest.raises(DataError, match="learned from every item of photos, or from near copies"):
        regraft.evaluate(run, train, unseen=True)


def test_what_was_only_judged_on_is_unseen(at: Path) -> None:
    data = saved("d.npz", 60, 0)
    result = fit(data, backbone="raw", out="run", refit=False, **QUICK)
    found = regraft.evaluate("run", data, unseen=True)
    assert found.learned == {"exact": result.items["train"], "near": 0} and found.items == result.items["val"]


def test_a_model_that_does_not_know(at: Path) -> None:
    data = saved("d.npz", 60, 0)
    fit(data, backbone="raw", out="run", **QUICK)
    manifest = Path("run/model/manifest.json")
    entry = json.loads(manifest.read_text())
    assert entry["files"].pop("learned.safetensors") == sha256(Path("run/model/learned.safetensors"))
    Path("run/model/learned.safetensors").unlink()
    manifest.write_text(json.dumps(entry))
    found = regraft.evaluate("run", data)
    assert found.learned is None and not found.problems
    with pytest.raises(InputError, match="does not know what it learned from .*: fit it again, or judge it"):
        regraft.evaluate("run", data, unseen=True)
    fit(saved("e.npz", 40, 60), init="run", out="later", **QUICK)
    assert learned_by("later") is None, "nor do those that began with it"


@pytest.mark.parametrize("alike", [0.7, 0.97])
def test_signatures_tell_what_correlations_of_thumbnails_do(alike: float) -> None:
    rng = np.random.default_rng(0)
    thumbs = rng.normal(size=(2, 40, THUMB * THUMB))
    other = alike * thumbs[0] + np.sqrt(1 - alike**2) * thumbs[1]
    ours, theirs = (picture_signatures(facts_of((t * 25 + 128).round().clip(0, 255))) for t in (thumbs[0], other))
    assert resembling(ours, theirs, "image").tolist() == [alike > NEAR] * 40
    assert not resembling(ours, theirs[:0], "image").any()
    small = facts_of(np.full((2, THUMB * THUMB), 7.0), side=64)
    assert not picture_signatures(small).any() and not picture_signatures(facts_of(small.thumbs)).any(), "nor flat ones"


def facts_of(thumbs: np.ndarray, side: int = 65) -> Facts:
    n = len(thumbs)
    info = np.tile(np.array([side, side, 0, 0, 1, 0], np.int32), (n, 1))
    return Facts(np.arange(n), np.arange(n, dtype=np.uint64), thumbs.astype(np.uint8), info)


def test_texts_as_they_are_compared(at: Path) -> None:
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefgh"), 6)) for _ in range(400)]
    texts = [" ".join(rng.choice(words, 30)) for _ in range(40)]
    frame = pd.DataFrame({"text": texts, "label": ["yes", "no"] * 20})
    frame.to_csv("t.csv", index=False)
    fit("t.csv", backbone="tfidf", out="run", **QUICK)
    new = [" ".join(rng.choice(words, 30)) for _ in range(3)]
    again = [texts[0].replace(" ", "  ").upper(), texts[1], texts[2] + " more"]
    found = regraft.evaluate("run", pd.DataFrame({"text": [*new, *again], "label": ["yes", "no"] * 3}))
    assert found.learned == {"exact": 2, "near": 1}
    assert regraft.evaluate("run", pd.DataFrame({"text": new, "label": ["yes", "no", "no"]})).learned == {
        "exact": 0, "near": 0
    }  # fmt: skip


def test_hashes_that_models_keep_stay_as_they_are() -> None:
    _, digests, signatures = text_prints(Texts(["a text of some length, and no more", "short"], "X"))
    assert signatures[0, :6].tolist() == [244, 54, 170, 123, 13, 214] and not signatures[1].any()
    assert digests.tolist() == [6843813357412327121, 15101359320313389336]


def test_rows_are_known_by_what_the_model_reads_of_them(at: Path) -> None:
    frame = houses(50)
    frame.insert(0, "id", np.arange(50) * 7 + 3)
    fit(written(at, frame), label="price", out="run", **QUICK)
    some = frame.head(6).copy()
    for same in (
        some,
        some[["price", "district", "rooms", "area", "id"]],
        some.assign(id=1, price=0.5),
        some.assign(area=[f"{v:.3f}" for v in some.area], rooms=some.rooms.astype(float)),
        some.assign(area=some.area + 1e-13),
    ):
        for data in (same, written(at, same, "same.csv")):
            assert regraft.evaluate("run", data, label="price").learned == {"exact": 6, "near": 0}
    other = some.assign(area=some.area + 0.01, district=some.district)
    assert regraft.evaluate("run", other).learned == {"exact": 0, "near": 0}
    new = houses(90).tail(40).reset_index(drop=True).assign(who=list("abcdefgh") * 5)
    both = pd.concat([new, some.assign(who="z")])
    found = regraft.evaluate("run", both, unseen=True, group="who")
    assert found.items == 40 and found.learned == {"exact": 6, "near": 0}
    assert found.metrics == regraft.evaluate("run", new, group="who").metrics


def test_estimators_save_it_and_say_it(at: Path) -> None:
    frame = houses(40)
    x, y = frame[["area", "rooms"]], frame["price"]
    for given in (x, x.to_numpy()):
        model = regraft.Regressor("raw").fit(given, y)
        model.save("m")
        assert regraft.evaluate("m", frame[["area", "rooms", "price"]], label="price").learned == {
            "exact": 40,
            "near": 0,
        }
        with pytest.warns(DataWarning, match="40 of 40 rows hold the values"):
            assert model.score(given, y) == pytest.approx(1, abs=0.1)
        shutil.rmtree("m")
    with pytest.warns(DataWarning, match="id holds ids"):
        model = regraft.Regressor("raw").fit(x.assign(id=np.arange(40) + 7), y)
    with pytest.warns(DataWarning, match="1 of 2 rows holds the values"):
        model.score(x.assign(id=5, rooms=[9] + [8] * 38 + [int(x.rooms[39])]).tail(2), y.tail(2))
    model = regraft.Regressor("raw").fit(x[:30], y[:30])
    assert model.score(x[30:], y[30:]) > 0.9, "nothing to say, or it would be an error"
    seen, labels = digits(60, 0)
    classifier = regraft.Classifier("raw").fit(seen, labels)
    with pytest.warns(DataWarning, match=r"X\[0\] and 1 more: 2 of 2 items are among those"):
        classifier.score(seen[:2], labels[:2])


def test_both_domains_of_an_adaptation(at: Path) -> None:
    source, target = saved("s.npz", 80, 0), saved("t.npz", 60, 80)
    fit(source, target=target, method="coral", backbone="raw", out="run", controls="none")
    for model, known in (("run", 60), ("run/source-only", 0)):
        assert (known_of(source, model), known_of(target, model)) == (80, known)


BOTH = [24, 24]
JOINT = {"method": "joint", "epochs": 1}, {"run": BOTH, "run/domains/a": BOTH}
PARAMETERS = (
    {"share": "parameters", "epochs": 1, "outliers": False},
    {"run#a": BOTH, "run#b": BOTH, "run/tasks/a": BOTH},
)
FEATURES = {"share": "features", "backbone": "raw"}, {"run#a": [30, 0], "run#b": [0, 30], "run/tasks/a": [30, 0]}


@pytest.mark.parametrize(("options", "known"), [JOINT, PARAMETERS, FEATURES])
def test_several_data_are_known_to_what_learned_from_them(options, known: dict[str, list[int]], at: Path) -> None:
    data = [saved("a.npz", 30, 0, 2), saved("b.npz", 30, 30, 2)]
    fit(data, out="run", controls="none", **options)
    for model, counts in known.items():
        assert [known_of(one, model) for one in data] == counts


def test_what_training_began_with_is_known_too(at: Path) -> None:
    first, second = saved("a.npz", 40, 0), saved("b.npz", 40, 40)
    fit(first, out="first", **QUICK)
    fit(second, init="first", out="second", **QUICK)
    assert (known_of(first, "second"), known_of(second, "second")) == (40, 40)


def test_pictures_with_boxes(at: Path) -> None:
    data = write_coco(at / "squares", 10)
    fit(str(data), out="run", controls="none", size=64, epochs=1, batch=4, method="scratch")
    found = regraft.evaluate("run", str(data))
    assert found.learned == {"exact": 8, "near": 0}
    assert "8 of 10 items" in next(p.message for p in found.problems if p.kind == "learned-from")
    left = regraft.evaluate("run", str(data), unseen=True)
    assert left.items == 2 and left.unseen
    x, y = squares(6)
    one = regraft.Detector(method="scratch", size=64, epochs=1, batch=4).fit(x[:4], y[:4])
    with pytest.warns(DataWarning, match="4 of 6 items .*: they are left out"):
        figures = one.evaluate(x, y, unseen=True)
    assert figures == one.evaluate(x[4:], y[4:])
    with pytest.raises(DataError, match="nothing but pictures that fit has learned from"), pytest.warns(DataWarning):
        one.evaluate(x[:4], y[:4], unseen=True)
    one.save("m")
    assert len(learned_by("m").digests) == 4


def test_adapting_to_the_items_that_are_left(at: Path, monkeypatch) -> None:
    adapted = []
    monkeypatch.setattr("regraft.inference.evaluation.adapting",
                        lambda p, items, how, **_: adapted.append(len(items[0])) or p)  # fmt: skip
    data = saved("d.npz", 60, 0)
    fit(data, backbone="raw", out="run", refit=False, **QUICK)
    assert regraft.evaluate("run", data, unseen=True, adapt="tent").items == 12 and adapted == [12]


def test_oddities_of_a_table_are_told_where_it_is_answered(at: Path, capsys) -> None:
    frame = houses(60)
    frame.insert(0, "id", np.arange(60) * 7 + 3)
    fit(written(at, frame), label="price", out="run", **QUICK)
    new = frame.tail(5).astype(object).reset_index(drop=True)
    new.loc[1, ["area", "rooms", "district"]] = None
    new.loc[[2, 3], "district"], new.loc[4, "district"] = "moon", "mars"
    path = written(at, new, "new.csv")
    found, judged = regraft.predict("run", [path]), regraft.evaluate("run", path)
    for result in (found, judged):
        told = {p.kind: (p.item, p.message) for p in result.problems if p.kind != "missing-values"}
        assert told["empty-row"][0] == "row 3"
        item, text = told["unknown-category"]
        assert item == "district" and "(moon in 2 rows, mars in 1 row)" in text
        assert told["left-out"] == ("id", "was left out in training (an id): it is not read")
    assert [r["empty"] for r in found.predictions] == [False, True, False, False, False]
    gaps = [p.item for p in judged.problems if p.kind == "missing-values"]
    assert gaps == ["area", "rooms", "district"], "each once"
    regraft.predict("run", [path], out="answers.csv")
    assert pd.read_csv("answers.csv")["empty"].tolist() == [False, True, False, False, False]
    print_predictions(found)
    out, err = capsys.readouterr()
    assert "empty-row: row 3" in err and "empty-row" not in out
    with pytest.warns(DataWarning, match="row 1 holds no value"):
        regraft.load("run").predict(new)
