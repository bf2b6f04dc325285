"""Each format on a small fixture of its own, and what it says of input that is wrong."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regraft.core.errors import DataError, UnknownName
from regraft.data.open import open_data, open_items


def save(path: Path, **arrays) -> Path:
    np.savez(path, **arrays)
    return path


def idx(path: Path, array: np.ndarray, zipped: bool) -> None:
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape)
    data = head + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(data) if zipped else data)


@pytest.fixture
def digits_idx(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for part, n, zipped in (("train", 6, True), ("t10k", 4, False)):
        end = ".gz" if zipped else ""
        idx(tmp_path / f"{part}-images-idx3-ubyte{end}", rng.integers(0, 255, (n, 5, 7)), zipped)
        idx(tmp_path / f"{part}-labels-idx1-ubyte{end}", np.arange(n) % 3, zipped)
    return tmp_path


def test_image_folder_with_parts(tmp_path: Path) -> None:
    for part, kind in (("train", "b"), ("train", "a"), ("val", "a"), ("val", "b")):
        (tmp_path / "wrapped" / part / kind / "deep").mkdir(parents=True)
        Image.new("RGB", (9, 8)).save(tmp_path / "wrapped" / part / kind / "deep" / "x.png")
    data = open_data(str(tmp_path))
    assert data.format == "image-folder" and "train" in data.evidence
    assert data.classes == ("a", "b") and data.part_names == ["train", "val"]
    assert data.items.name(0) == "train/a/deep/x.png"
    assert data.items.load(0).shape == (8, 9, 3)
    assert len(open_data(f"{tmp_path}#val")) == 2


def test_image_folder_lists_what_it_leaves_out(shapes, own_shapes: Path) -> None:
    (own_shapes / "disc" / "notes.txt").write_text("hello")
    (own_shapes / "empty").mkdir()
    Image.new("RGB", (4, 4)).save(own_shapes / "loose.png")
    data = open_data(str(own_shapes))
    assert {(p.kind, p.item) for p in data.problems} == {
        ("not-a-picture", "disc/notes.txt"), ("empty-class", "empty"), ("no-class", "loose.png")
    }  # fmt: skip
    assert data.classes == ("disc", "square") and len(data) == 16


def test_npz(tmp_path: Path) -> None:
    path = save(
        tmp_path / "d.npz", train_images=np.zeros((4, 6, 5, 3), np.uint8), train_labels=[0, 1, 0, 1],
        test_images=np.ones((2, 6, 5, 3), np.uint8), test_labels=[1, 0], class_names=["cat", "dog"],
    )  # fmt: skip
    data = open_data(str(path))
    assert data.classes == ("cat", "dog") and data.part_names == ["train", "test"]
    test = open_data(f"{path}#test")
    assert test.y.tolist() == [1, 0] and test.items.load(0).max() == 1
    assert test.items.name(1) == "test_images[1]"


def test_npz_of_floats_and_named_labels(tmp_path: Path) -> None:
    path = save(tmp_path / "d.npz", images=np.full((2, 4, 4), 0.5), labels=np.array(["x", "a"]))
    data = open_data(str(path))
    assert data.classes == ("a", "x") and data.y.tolist() == [1, 0]
    assert data.items.load(0)[0, 0] == 128


def test_idx_plain_and_gzipped(digits_idx: Path) -> None:
    data = open_data(str(digits_idx))
    assert data.format == "idx" and len(data) == 10
    assert sorted(data.part_names) == ["test", "train"]
    assert data.items.load(0).shape == (5, 7)
    alone = open_data(str(digits_idx / "t10k-images-idx3-ubyte"))
    assert len(alone) == 4 and alone.part_names == ["test"]


def test_embedded_digits() -> None:
    data = open_data("embedded:digits")
    assert len(data) == 1797 and data.items.load(0).shape == (8, 8)
    assert data.items.load(0).max() == 239, "15 of 16 grey levels"


def test_items_without_labels(shapes: Path) -> None:
    assert len(open_items(str(shapes))) == 40
    assert len(open_items(str(shapes / "disc" / "000.png"))) == 1


def test_equal_pictures_have_equal_digests(tmp_path: Path) -> None:
    images = np.zeros((3, 4, 4), np.uint8)
    images[2] = 1
    items = open_data(str(save(tmp_path / "d.npz", images=images, labels=[0, 1, 0]))).items
    assert items.digest(0) == items.digest(1) != items.digest(2)


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


def test_object_arrays_are_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = save(tmp_path / "d.npz", images=np.array([Bomb(), Bomb()], dtype=object), labels=[0, 1])
    with pytest.raises(DataError, match="never unpickles"):
        open_data(str(path))
    assert not Path("exploded").exists()


def bad_cases(tmp: Path) -> dict[str, tuple[str, str]]:
    pictures = np.zeros((4, 5, 5), np.uint8)
    (tmp / "empty").mkdir()
    (tmp / "mixed").mkdir()
    (tmp / "mixed" / "readme.txt").write_text("x")
    (tmp / "x.docx").write_text("x")
    (tmp / "cut.npz").write_bytes(b"PK\x03\x04 and then nothing")
    save(tmp / "lengths.npz", images=pictures, labels=[0, 1])
    save(tmp / "nothing.npz", a=[1])
    save(tmp / "no_labels.npz", images=pictures)
    save(tmp / "wide.npz", images=np.full((2, 3, 3), 300.0), labels=[0, 1])
    save(tmp / "signed.npz", images=np.zeros((2, 3, 3), int), labels=[0, 1])
    save(tmp / "flat.npz", images=np.zeros((2, 9), np.uint8), labels=[0, 1])
    save(tmp / "nan.npz", images=np.full((2, 3, 3), np.nan), labels=[0, 1])
    save(tmp / "beyond.npz", images=pictures, labels=[0, 1, 2, 9], class_names=["a", "b"])
    save(tmp / "part.npz", images=pictures, labels=[0.5, 1, np.nan, 0])
    for name, cut in (("short", 10), ("head", 1000)):
        (tmp / name).mkdir()
        idx(tmp / name / "train-images-idx3-ubyte", pictures, False)
        idx(tmp / name / "train-labels-idx1-ubyte", np.zeros(4), False)
        whole = (tmp / name / "train-images-idx3-ubyte").read_bytes()
        (tmp / name / "train-images-idx3-ubyte").write_bytes(whole[: len(whole) - cut] if cut < 50 else b"\1\2\3")
    (tmp / "alone").mkdir()
    idx(tmp / "alone" / "train-images-idx3-ubyte", pictures, False)
    (tmp / "zip.gz").mkdir()
    idx(tmp / "zip.gz" / "train-labels-idx1-ubyte", np.zeros(4), False)
    (tmp / "zip.gz" / "train-images-idx3-ubyte.gz").write_bytes(b"no gzip")
    return {
        "nowhere": ("nothing at", ""), "empty": ("is empty", ""), "mixed": ("no class folders", ""),
        "x.docx": ("of no known format", ""), "cut.npz": ("no whole NumPy archive", ""),
        "lengths.npz": ("each picture takes one label", ""), "nothing.npz": ("<part>_images", ""),
        "no_labels.npz": ("without labels", ""), "wide.npz": ("floats in 0..1", ""),
        "signed.npz": ("are uint8", ""), "flat.npz": ("has the shape", ""), "nan.npz": ("floats in 0..1", ""),
        "beyond.npz": ("class_names", ""), "part.npz": ("that are no numbers", ""), "short": ("cut off", ""),
        "head": ("no IDX file", ""), "alone": ("no labels beside it", ""), "zip.gz": ("cannot be read", ""),
    }  # fmt: skip


def test_every_bad_input_gets_one_clear_sentence(tmp_path: Path) -> None:
    for name, (words, _) in bad_cases(tmp_path).items():
        with pytest.raises(DataError, match=words) as caught:
            open_data(str(tmp_path / name))
        message = str(caught.value)
        assert name.split(".")[0] in message, f"{name}: the message does not say where: {message}"
        assert "\n" not in message


def test_wrong_part_and_wrong_format(shapes: Path) -> None:
    with pytest.raises(DataError, match="no part 'test'"):
        open_data(f"{shapes}#test")
    with pytest.raises(DataError, match="not of the format"):
        open_data(str(shapes), format="npz")
    with pytest.raises(UnknownName, match="did you mean 'npz'"):
        open_data(str(shapes), format="npzz")
    with pytest.raises(UnknownName, match="did you mean 'digits'"):
        open_data("embedded:digit")
