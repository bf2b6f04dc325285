"""Trees of files: links, what tools wrote beside the data, what the folders mean, what is to be predicted of them."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import regraft
from regraft.core.errors import DataError, UnreadableItem
from regraft.core.types import Evidence
from regraft.data.formats import image_folder
from regraft.data.open import open_data
from regraft.data.trees import Directory, open_tree
from tests.conftest import write_shapes


def put(root: Path, *names: str, data: bytes = b"x") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".png":
            Image.fromarray(np.random.default_rng(len(str(name))).integers(0, 255, (9, 9), dtype=np.uint8)).save(path)
        else:
            path.write_bytes(data)


def zipped(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as z:
        for file in folder.rglob("*"):
            if file.is_file():
                z.write(file, file.relative_to(folder))
    return path


def kinds(path: Path) -> list[tuple[str, str]]:
    return [(p.kind, p.item) for p in open_data(str(path)).problems]


RUNS = {
    "runs/photos-1": {"run.json": b'{"status": "done", "settings": {}}', "log.jsonl": b"", "mistakes/1.png": b""},
    "fit.partial": {"run.json": b'{"status": "running", "settings": {}}', "pictures/1.png": b""},
    "mine/model": {"manifest.json": b'{"format": "regraft", "format_version": 1, "files": {}}'},
    "answers.csv.partial": {"about.json": b'{"model": {}, "inputs": []}', "chunk-00000000.jsonl": b"{}"},
    "drawn": {".regraft-output": b"", "1.png": b""},
    "runs/detect": {"train3/args.yaml": b"", "train3/weights/1.pt": b"", "train3/1.png": b"", "predict/7.png": b""},
    "yolo/exp": {"args.yaml": b"", "results.csv": b"", "confusion.png": b""},
    "yolov5/exp": {"opt.yaml": b"", "hyp.yaml": b"", "labels.png": b""},
    "logs/version_0": {"events.out.tfevents.1.host": b"", "shown/1.png": b""},
    "lightning_logs/version_0": {"hparams.yaml": b"", "metrics.csv": b"", "img/1.png": b""},
    "mlruns/0": {"meta.yaml": b"experiment_id: '0'\n", "abc/artifacts/1.png": b""},
    "wandb": {"run-20240101_101010-abcd1234/files/media/1.png": b"", "debug.log": b""},
    "checkpoints/checkpoint-500": {"trainer_state.json": b"{}", "shown.png": b""},
}  # fmt: skip


@pytest.mark.parametrize("where", RUNS)
def test_what_tools_wrote_is_no_data(where: str, tmp_path: Path) -> None:
    root = write_shapes(tmp_path / "photos", 3)
    for name, data in RUNS[where].items():
        put(root / where, name, data=data)
    for path in (root, zipped(root)):
        found = open_data(str(path))
        assert found.classes == ("disc", "square") and len(found) == 6
        assert kinds(path) == [("tool-output", where)], "said once, and no empty class is left of it"
        predicted, problems = image_folder.picture_files(path)  # type: ignore[misc]
        assert len(predicted) == 6 and [p.kind for p in problems] == ["tool-output"]


def test_a_class_that_is_called_like_a_tool_stays(tmp_path: Path) -> None:
    root = write_shapes(tmp_path / "d", 2)
    put(root, "runs/1.png", "wandb/1.png", "logs/1.png", "model/1.png", "train3/args/1.png", "weights/1.png")
    put(root, "logs/events.out.tfevents.1", "model/run.json", "model/manifest.json", data=b"[1]")
    found = open_data(str(root))
    assert found.classes == ("disc", "logs", "model", "runs", "square", "train3", "wandb", "weights")
    assert {p.kind for p in found.problems} == {"not-a-picture"}


def test_a_run_that_is_opened_itself_is_read(tmp_path: Path) -> None:
    put(tmp_path / "run", "run.json", data=b'{"status": "done", "settings": {}}')
    put(tmp_path / "run", "mistakes/1.png")
    assert Directory(tmp_path / "run").files() == ["mistakes/1.png", "run.json"]


def test_fitting_twice_in_the_folder_of_the_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_shapes(tmp_path / "photos", 8))
    for _ in range(2):
        regraft.fit(".", backbone="regraft_tiny", controls="none", outliers=False)
    assert regraft.inspect(".").classes == {"disc": 8, "square": 8}


def test_links_are_followed_and_circles_are_not(tmp_path: Path) -> None:
    pool, root = write_shapes(tmp_path / "pool", 3), tmp_path / "d"
    root.mkdir()
    (root / "round").symlink_to(pool / "disc")
    put(root, "square/own.png")
    (root / "square" / "linked.png").symlink_to(pool / "square" / "000.png")
    (root / "square" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (root / "square" / "self.png").symlink_to("self.png")
    (root / "square" / "up").symlink_to(root)
    (root / "square" / "side").symlink_to(root / "square")
    os.mkfifo(root / "square" / "pipe.png")
    found = open_data(str(root))
    assert found.class_counts() == {"round": 3, "square": 2}
    assert {(p.kind, p.item) for p in found.problems} == {
        ("dangling-link", "square/gone.png"), ("dangling-link", "square/self.png"), ("circular-link", "square/up"),
        ("circular-link", "square/side"), ("not-a-file", "square/pipe.png"),
    }  # fmt: skip
    (tmp_path / "to").symlink_to(root)
    assert len(open_data(str(tmp_path / "to"))) == 5


def test_links_that_lead_into_each_other_end(tmp_path: Path) -> None:
    for a in "abcdef":
        put(tmp_path, f"{a}/1.png")
        for b in "abcdef":
            if a != b:
                (tmp_path / a / b).symlink_to(tmp_path / b)
    found = open_data(str(tmp_path))
    assert found.classes == tuple("abcdef") and len(found) <= 6 * 51
    assert {p.kind for p in found.problems} == {"circular-link"}


def test_folders_that_cannot_be_listed_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_shapes(tmp_path / "d", 3)
    put(root, "locked/1.png")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = [p for p in open_data(str(root)).problems if p.kind == "unreadable"]
    assert [p.item for p in found] == ["locked"] and "Permission denied" in found[0].message
    with pytest.raises(DataError, match="cannot be listed: Permission denied"):
        Directory(root / "locked").files()


def test_what_desktops_hide_is_hidden(tmp_path: Path) -> None:
    root = write_shapes(tmp_path / "d", 2)
    put(root, "Thumbs.db", "disc/desktop.ini", "disc/.DS_Store", "disc/._000.png", "disc/.ipynb_checkpoints/000.png",
        "@eaDir/disc/1.png", "__MACOSX/disc/._1.png")  # fmt: skip
    for path in (root, zipped(root)):
        assert len(open_data(str(path))) == 4 and not open_data(str(path)).problems
        assert not image_folder.picture_files(path)[1]  # type: ignore[index]


@pytest.mark.parametrize(
    ("names", "parts", "classes"),
    [
        (["Train/a/1.png", "VALID/a/2.png", "test set/b/3.png"], {"train", "val", "test"}, ("a", "b")),
        (["train_images/a/1.png", "Test-Data/b/3.png"], {"train", "test"}, ("a", "b")),
        (["train/a/1.png", "train/b/2.png"], {"train"}, ("a", "b")),
        (["a/train/1.png", "a/test/2.png", "b/train/3.png", "b/test/4.png"], {"train", "test"}, ("a", "b")),
        (["wrapped/deep/a/1.png", "wrapped/deep/b/2.png", "README.md", "wrapped/LICENSE"], {""}, ("a", "b")),
        (["photos/a/1.png", "photos/b/2.png", "notes/read.md"], {""}, ("a", "b")),
        (["train/1.png", "trail/2.png"], {""}, ("trail", "train")),
    ],
)
def test_what_folders_mean(names: list[str], parts: set[str], classes: tuple[str, ...], tmp_path: Path) -> None:
    put(tmp_path / "d", *names)
    found = open_data(str(tmp_path / "d"))
    assert set(found.part_names) == parts and found.classes == classes
    assert len(found) + len(found.problems) == len(names), "items and problems are the files"
    evidence = image_folder.sniff(tmp_path / "d")
    assert isinstance(evidence, Evidence) and evidence.items == len(found)


def test_pictures_beside_the_parts_are_said(tmp_path: Path) -> None:
    put(tmp_path / "d", "train/a/1.png", "train/b/1.png", "unsorted/1.png", "unsorted/2.png", "test/1.png")
    found = open_data(str(tmp_path / "d"))
    assert found.part_names == ["train"] and len(found) == 2
    assert {(p.kind, p.item) for p in found.problems} == {("no-part", "test"), ("no-part", "unsorted")}
    assert any("2 files" in p.message for p in found.problems)


def test_every_picture_that_is_to_be_predicted_has_an_answer(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "notes.txt", "table.csv", "deep/b.heic", "c.CR2", "d.psd", "e.svg", "f.jxl", "g.nef")
    put(tmp_path, "h.eps", "i.dng", "in.zip")
    Image.new("RGB", (20, 20)).save(tmp_path / "j.avif")
    Image.new("RGB", (20, 20)).save(tmp_path / "k.jp2")
    items, problems = image_folder.picture_files(tmp_path)  # type: ignore[misc]
    names = [items.name(i) for i in range(len(items))]
    assert len(items) + len(problems) == 14
    assert {p.item for p in problems} == {"notes.txt", "table.csv", "in.zip"} and {p.kind for p in problems} == {
        "not-a-picture"
    }
    for i, name in enumerate(names):
        if name in ("a.png", "j.avif", "k.jp2"):
            assert items.load(i).ndim == 3
        else:
            with pytest.raises(UnreadableItem):
                items.load(i)


def test_predict_answers_for_every_file_of_a_folder(tmp_path: Path) -> None:
    root = write_shapes(tmp_path / "d", 6)
    run = regraft.fit(
        str(root), out=str(tmp_path / "run"), backbone="regraft_tiny", controls="none", outliers=False
    ).run
    put(tmp_path / "new", "a.png", "c.heic")
    Image.new("RGB", (40, 40)).save(tmp_path / "new" / "b.avif")
    rows = regraft.predict(run, [str(tmp_path / "new")]).predictions
    assert [Path(r["input"]).name for r in rows] == ["a.png", "b.avif", "c.heic"]
    assert ["error" in r for r in rows] == [False, False, True]


def test_missing_files_of_archives(tmp_path: Path) -> None:
    tree = open_tree(zipped(write_shapes(tmp_path / "d", 2)))
    assert tree is not None and not tree.exists("none.png") and tree.where("disc/000.png") is None
    with pytest.raises(UnreadableItem, match=r"holds no file none\.png"):
        tree.read("none.png")


def npz(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def test_medmnist(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 8), ("val", 4), ("test", 5)):
        arrays[f"{part}_images"] = rng.integers(0, 255, (n, 28, 28), dtype=np.uint8)
        arrays[f"{part}_labels"] = (np.arange(n) % 3)[:, None].astype(np.uint8)
    found = open_data(str(npz(tmp_path / "a.npz", **arrays)))
    assert found.classes == ("0", "1", "2") and found.y.tolist()[:4] == [0, 1, 2, 0]
    assert found.part_names == ["train", "val", "test"]
    several = {k: rng.integers(0, 2, (len(v), 14)) if k.endswith("labels") else v for k, v in arrays.items()}
    found = open_data(str(npz(tmp_path / "b.npz", **several)))
    assert found.target.task == "multilabel" and found.y.shape == (17, 14) and "14 labels" in found.evidence
    assert (found.y[:8] == several["train_labels"]).all()
    numbers = {k: rng.random(len(v)) if k.endswith("labels") else v for k, v in arrays.items()}
    found = open_data(str(npz(tmp_path / "c.npz", **numbers)))
    assert found.target.task == "regression" and np.allclose(found.y[:8], numbers["train_labels"])
    rows = {k: np.eye(3)[np.arange(len(v)) % 3] if k.endswith("labels") else v for k, v in arrays.items()}
    assert open_data(str(npz(tmp_path / "d.npz", **rows))).y.tolist()[:4] == [0, 1, 2, 0]
    assert image_folder.sniff(tmp_path / "a.npz") is None


def test_arrays_of_other_types(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    bytes_ = rng.integers(0, 256, (6, 9, 7, 3), dtype=np.uint8)
    labels = np.arange(6) % 2
    for name, array in (
        ("int", bytes_.astype(np.int64)), ("float", bytes_.astype(np.float32)), ("first", bytes_.transpose(0, 3, 1, 2)),
        ("short", bytes_.astype(np.uint16)),
    ):  # fmt: skip
        found = open_data(str(npz(tmp_path / f"{name}.npz", x_train=array, y_train=labels)))
        assert found.part_names == ["train"] and (found.items.load(2) == bytes_[2]).all(), name
        assert len(found.problems) == 1
    twelve = rng.integers(0, 4096, (6, 9, 7)).astype(np.uint16)
    found = open_data(str(npz(tmp_path / "twelve.npz", images=twelve, labels=labels)))
    assert (found.items.load(1) == np.round(twelve[1] * (255 / 4095))).all() and "12 bits" in found.problems[0].message
    yes = open_data(str(npz(tmp_path / "yes.npz", images=twelve > 2000, labels=labels)))
    assert set(np.unique(yes.items.load(0))) == {0, 255}
    clear = np.dstack([np.zeros((9, 7, 3), np.uint8), np.zeros((9, 7), np.uint8)])[None].repeat(6, 0)
    white = open_data(str(npz(tmp_path / "clear.npz", images=clear, labels=labels)))
    assert (white.items.load(0) == 255).all() and white.problems[0].kind == "transparency"
    for bad in (twelve.astype(np.int64) - 5000, twelve.astype(float), np.ones((6, 9, 7), np.int64)):
        with pytest.raises(DataError, match="pictures are uint8"):
            open_data(str(npz(tmp_path / "bad.npz", images=bad, labels=labels)))


def test_idx_of_other_types_and_names(tmp_path: Path) -> None:
    import struct

    def idx(name: str, array: np.ndarray, kind: int) -> None:
        head = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape)
        (tmp_path / name).write_bytes(head + array.tobytes())

    pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 4))
    for part in ("train", "test"):
        idx(f"emnist-letters-{part}-images-idx3-ubyte", pixels.astype(">f4"), 0x0D)
        idx(f"emnist-letters-{part}-labels-idx1-ubyte", (np.arange(6) % 3).astype(">i4"), 0x0C)
    found = open_data(str(tmp_path))
    assert sorted(found.part_names) == ["test", "train"] and found.classes == ("0", "1", "2")
    assert (found.part("train").items.load(1) == pixels[1]).all()
    assert json.dumps(found.evidence)
