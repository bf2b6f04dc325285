"""Faults that a review found, each held by a test: what is not ours stays, what is damaged or odd is said."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import regraft
from regraft.backbones import catalog
from regraft.core.errors import ArtefactError, DataError, InputError, UnknownName
from regraft.core.row_store import RowStore
from regraft.core.types import Hints, LabelSpec
from regraft.data.formats.cifar_pickle import load_arrays
from regraft.data.inputs import as_items
from regraft.data.open import open_data, open_items
from regraft.data.splits import make_split
from regraft.methods.probes.linear_probe import fit_features, stratified_folds
from regraft.metrics.intervals import paired_gain
from tests.conftest import write_shapes


@pytest.fixture(scope="module")
def model(shapes: Path, tmp_path_factory) -> str:
    out = tmp_path_factory.mktemp("m") / "r"
    regraft.fit(str(shapes), out=str(out), controls="none")
    return str(out)


def test_sorting_never_deletes_a_picture(model: str, tmp_path: Path) -> None:
    folder = write_shapes(tmp_path / "p", 3, seed=1)
    regraft.predict(model, [str(folder / "disc")], sort_into=str(folder))
    regraft.predict(model, [str(folder / "square")], sort_into=str(folder))
    assert len(list((folder / "disc").glob("00?.png"))) >= 3 and len(list((folder / "square").glob("00?.png"))) >= 3
    for name in ("a", "b"):
        write_shapes(tmp_path / name, 2, seed=ord(name), classes=("disc",))
    regraft.predict(model, [str(tmp_path / "a/disc"), str(tmp_path / "b/disc")], sort_into=str(tmp_path / "s"))
    assert len([p for p in (tmp_path / "s").rglob("*") if p.is_file()]) == 4, "equal names do not overwrite"


def test_folders_that_are_not_ours_are_never_replaced(shapes: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("years")
    with pytest.raises(ArtefactError, match="is no run folder"):
        regraft.fit(str(shapes), out="mine", overwrite=True)
    with pytest.raises(ArtefactError, match="is no run folder"):
        regraft.demo(out="mine", seeds=1)
    estimator = regraft.Classifier("raw").fit(np.eye(4), [0, 1, 0, 1])
    with pytest.raises(ArtefactError, match="is no model"):
        estimator.save("mine")
    assert Path("mine/thesis.txt").read_text() == "years"
    Path("p.csv.partial").mkdir()
    Path("p.csv.partial/mine.txt").write_text("years")
    regraft.fit(str(shapes), out="r", controls="none")
    with pytest.raises(ArtefactError, match="not of a prediction"):
        regraft.predict("r", [str(shapes)], out="p.csv", overwrite=True)
    assert Path("p.csv.partial/mine.txt").exists()
    with pytest.raises(InputError, match="no name"):
        regraft.fit(str(shapes), out=".")


def test_width_is_asked_where_the_body_is() -> None:
    network = catalog.load("random:regraft_tiny")
    network.body.to("meta")
    assert network.width == 320


def test_pictures_with_one_channel_and_a_mistake(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "d.npz", images=rng.integers(0, 255, (60, 8, 8, 1), dtype=np.uint8), labels=rng.integers(0, 2, 60)
    )
    assert regraft.fit(str(tmp_path / "d.npz"), out=str(tmp_path / "r"), controls="none").items["val"] == 60


def test_damaged_pictures_are_told_and_never_crash(tmp_path: Path) -> None:
    from regraft.core.errors import UnreadableItem
    from regraft.data.image.decoding import decode

    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.effect_noise((40, 30), 60).convert("RGB").save(tmp_path / "a.jpg", exif=exif)
    Image.effect_noise((40, 30), 60).save(tmp_path / "a.tif")
    for name in ("a.jpg", "a.tif"):
        whole = np.frombuffer((tmp_path / name).read_bytes(), np.uint8)
        for _ in range(300):
            data = whole.copy()
            data[rng.integers(0, min(len(data), 300), 4)] = rng.integers(0, 256, 4)
            try:
                assert decode(data.tobytes()).ndim == 3
            except UnreadableItem:
                continue


def test_good_shards_stay_when_files_run_out(tmp_path: Path, monkeypatch) -> None:
    table = RowStore(tmp_path).table({"network": "x"})
    for i in range(3):
        table.append([bytes([i] * 16)], {"pooled": np.full((1, 2), i)})
    assert table.rows([bytes([2] * 16), bytes([0] * 16)]).tolist() == [[2, 2], [0, 0]]

    def none_left(path: Path, expected: str) -> bool:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("regraft.core.row_table._matches", none_left)
        assert len(RowStore(tmp_path).table({"network": "x"})) == 0
    assert len(RowStore(tmp_path).table({"network": "x"})) == 3


def test_names_that_are_no_text_and_labels_that_look_like_formulas(tmp_path: Path) -> None:
    folder = write_shapes(tmp_path / "d", 6, classes=("$5_^$", "_ground_"))
    source = folder / "_ground_" / "000.png"
    os.rename(source, os.fsencode(folder / "_ground_") + b"/caf\xe9.png")
    result = regraft.fit(str(folder), out=str(tmp_path / "r"), controls="none")
    assert result.classes == ("$5_^$", "_ground_") and (tmp_path / "r/report.html").exists()


def table(path: Path, head: str, rows: list[str]) -> str:
    path.write_text("\n".join([head, *rows]) + "\n")
    return str(path)


def test_val_is_read_as_training_is(shapes: Path) -> None:
    files = [p.relative_to(shapes).as_posix() for p in sorted(shapes.rglob("*.png"))]
    train = table(shapes / "tr.csv", "f,l", [f"{f},{['a', 'b', 'a|b'][i % 3]}" for i, f in enumerate(files)])
    val = table(shapes / "va.csv", "f,l", [f"{f},{'ab'[i % 2]}" for i, f in enumerate(files[:12])])
    try:
        split = make_split(train, val)
        assert split.val is not None and split.val.target.task == "multilabel" and split.val.y.shape == (12, 2)
    finally:
        Path(train).unlink()
        Path(val).unlink()


def test_no_choice_inside_training_tears_a_group() -> None:
    """40 groups of 10 nearly equal rows with labels by coin: nothing can be learned of new groups."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    x = (rng.normal(size=(40, 20))[groups] + 0.01 * rng.normal(size=(400, 20))).astype(np.float32)
    y = rng.integers(0, 2, 40)[groups]
    target = LabelSpec("classification", ("a", "b"))
    fold = stratified_folds(y, 5, rng, groups)
    assert all(len(set(fold[groups == g])) == 1 for g in range(40)) and len(set(fold)) == 5
    honest, naive = fit_features(x, y, target, groups=groups), fit_features(x, y, target)
    accuracy = [(f.logits.argmax(1) == y[f.rows]).mean() for f in (honest, naive) if f.logits is not None]
    assert accuracy[0] < 0.75 < 0.95 < accuracy[1]


def test_three_lucky_items_do_not_make_an_interval_of_nothing() -> None:
    low, high = paired_gain(np.ones(3), np.zeros(3))["ci95"]
    assert low < 0.4 and high <= 1
    # Agresti and Min 2005, the usual form by hand: b = 5, c = 1, n = 20
    b, c, n = 5.5, 1.5, 22
    half = 1.959963984540054 * np.sqrt(b + c - (b - c) ** 2 / n) / n
    found = paired_gain(np.array([1.0] * 5 + [0.0] + [1.0] * 14), np.array([0.0] * 5 + [1.0] + [1.0] * 14))
    assert found["ci95"] == pytest.approx([(b - c) / n - half, (b - c) / n + half])


def test_class_names_do_not_depend_on_chance(tmp_path: Path, own_shapes: Path) -> None:
    files = [p.relative_to(own_shapes).as_posix() for p in sorted(own_shapes.rglob("*.png"))]
    path = table(own_shapes / "t.csv", "f,l", [f"{f},{['1', '01', '1.0', '2'][i % 4]}" for i, f in enumerate(files)])
    assert open_data(path).classes == ("01", "1", "1.0", "2")
    pictures = np.zeros((4, 3, 3), np.uint8)
    np.savez(tmp_path / "b.npz", images=pictures, labels=np.array([b"cat", b"dog", b"cat", b"dog"]))
    assert open_data(str(tmp_path / "b.npz")).classes == ("cat", "dog")
    np.savez(tmp_path / "c.npz", images=pictures, labels=[0, 1, 2, 0], class_names=["a", "b", "a"])
    with pytest.raises(DataError, match="same name twice"):
        open_data(str(tmp_path / "c.npz"))
    np.savez(tmp_path / "k.npz", trainimages=pictures)
    with pytest.raises(DataError, match="<part>_images"):
        open_data(str(tmp_path / "k.npz"))


def test_tables_lose_no_row_in_silence(own_shapes: Path) -> None:
    files = [p.relative_to(own_shapes).as_posix() for p in sorted(own_shapes.rglob("*.png"))]
    rows = [f"{f},{'ab'[i % 2]},{['train', 'val', ''][i % 3]}" for i, f in enumerate(files)]
    found = open_data(table(own_shapes / "t.csv", "f,l,part", rows))
    assert [p.kind for p in found.problems].count("missing-part") == 5 and len(found) == 11
    torn = open_data(table(own_shapes / "q.csv", "f,l", [f'{files[0]},"a', f"{files[1]},b"]))
    assert len(torn) == 1 and [(p.kind, p.item) for p in torn.problems] == [("bad-row", "row 2")]
    assert "not closed" in torn.problems[0].message
    with pytest.raises(DataError, match="two columns of the same name"):
        open_data(table(own_shapes / "d.csv", "f,l,l", [f"{files[0]},a,b"]))
    (own_shapes / "r.csv").write_bytes(b"f,l\r" + "\r".join(f"{f},{'ab'[i % 2]}" for i, f in enumerate(files)).encode())
    assert len(open_data(str(own_shapes / "r.csv"))) == 16
    (own_shapes / "u.jsonl").write_text(
        "\n".join(f'{{"f": "{f}", "l": "a\u2028{i % 2}"}}' for i, f in enumerate(files))
    )
    assert len(open_data(str(own_shapes / "u.jsonl"))) == 16


def test_predicting_a_table_answers_every_row(model: str, own_shapes: Path) -> None:
    files = [p.relative_to(own_shapes).as_posix() for p in sorted(own_shapes.rglob("*.png"))][:3]
    path = table(own_shapes / "t.csv", "f,l", [f"{files[0]},a", f"{files[1]},", "gone.png,b"])
    rows = regraft.predict(model, [path]).predictions
    assert [("label" in r) for r in rows] == [True, True, False] and len(open_items(path)) == 3


def test_resuming_without_a_name_finds_the_interrupted_run(shapes: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no interrupted run"):
        regraft.fit(str(shapes), resume=True)

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("regraft.pipelines.stages.evaluate.run_controls", stop)
        with pytest.raises(KeyboardInterrupt):
            regraft.fit(str(shapes))
    assert regraft.fit(str(shapes), resume=True).run.endswith("-1")


def test_a_pickle_cannot_point_where_it_likes() -> None:
    class Pointer:
        def __reduce__(self):
            return (np.ndarray, ((1,), np.dtype("O"), b"\x01" * 8))

    with pytest.raises(DataError, match="nothing in it was run"):
        load_arrays(pickle.dumps({b"data": Pointer()}), "x")
    array = np.arange(12, dtype=">i4").reshape(3, 4).T
    for protocol in (2, 4, 5):
        assert (load_arrays(pickle.dumps([array, b"x"], protocol), "x")[0] == array).all()


def test_options_without_effect_are_refused(shapes: Path) -> None:
    for options, words in (
        ({"method": "linear-probe", "patience": 2}, "no use for it"),
        ({"blocks": 2, "method": "lp-ft"}, "last-k"),
        ({"backbone": "raw", "weights": "x.pth"}, "takes no weights"), ({"task": "multilabel"}, "one class an item"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            regraft.fit(str(shapes), **options)
    with pytest.raises(UnknownName, match="did you mean 'majority'"):
        regraft.fit(str(shapes), controls="majorty")
    with pytest.raises(InputError, match=r"regraft\.fit trains"):
        regraft.Classifier(method="lp-ft").fit(np.eye(4), [0, 1, 0, 1])


def test_parts_and_small_tables_can_be_inspected(tmp_path: Path, own_shapes: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (4, 9, 9), dtype=np.uint8)
    np.savez(tmp_path / "d.npz", test_images=pictures, test_labels=[0, 1, 0, 1])
    assert regraft.inspect(f"{tmp_path}/d.npz#test").items == 4
    files = [p.relative_to(own_shapes).as_posix() for p in sorted(own_shapes.rglob("*.png"))][:3]
    path = table(own_shapes / "t.csv", "f,kind", [f"{f},k{i}" for i, f in enumerate(files)])
    assert len(open_data(path, hints=Hints(label="kind")).classes) == 3


def test_one_picture_is_not_taken_for_many(model: str) -> None:
    picture = Image.new("RGB", (30, 20))
    assert len(regraft.load(model).predict(picture)) == 1
    with pytest.raises(DataError, match="A list of pictures is wanted"):
        as_items(np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(DataError, match=r"X\[1\] holds a value that is missing"):
        as_items(np.array([[1.0, 2.0], [np.nan, 1.0]]))


def test_a_foreign_run_json_does_not_stop_the_listing(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x/run.json").write_text("{}")
    assert regraft.runs(str(tmp_path)) == []
