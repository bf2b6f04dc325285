"""Zip archives in place of folders, and CIFAR's pickles."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from regraft.core.errors import DataError
from regraft.data.formats.cifar import load_arrays
from regraft.data.open import open_data, open_items


def zipped(folder: Path, path: Path, **extra: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as z:
        for file in sorted(folder.rglob("*")):
            z.write(file, f"photos/{file.relative_to(folder)}")
        for name, data in extra.items():
            z.writestr(name, data)
    return path


def test_a_zip_reads_like_the_folder(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    folder, archive = open_data(str(shapes)), open_data(str(zipped(shapes, tmp_path / "a.zip")))
    assert archive.format == "image-folder" and "zip" in archive.evidence and archive.name == "a"
    assert [archive.items.name(i) for i in range(40)] == [folder.items.name(i) for i in range(40)]
    assert all(archive.items.digest(i) == folder.items.digest(i) for i in range(40))
    assert (archive.y == folder.y).all()
    assert len(open_items(str(tmp_path / "a.zip"))) == 40
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*"))
    assert files == ["a.zip", "temporary"], "nothing was unpacked, beside it or where temporary files go"


def test_names_that_lead_out_are_listed_and_left_out(shapes: Path, tmp_path: Path) -> None:
    path = zipped(shapes, tmp_path / "a.zip", **{"../evil.png": b"x", "/abs.png": b"x", "C:/x.png": b"x"})
    found = open_data(str(path))
    assert len(found) == 40
    assert [p.kind for p in found.problems] == ["unsafe-name"] * 3
    assert not (tmp_path.parent / "evil.png").exists()


def test_damaged_archives(tmp_path: Path, shapes: Path) -> None:
    (tmp_path / "no.zip").write_bytes(b"no zip")
    with pytest.raises(DataError, match="no whole zip archive"):
        open_data(str(tmp_path / "no.zip"))
    path = zipped(shapes, tmp_path / "a.zip")
    data = bytearray(path.read_bytes())
    data[400:600] = bytes(200)
    path.write_bytes(data)
    import regraft

    problems = regraft.inspect(str(path)).problems
    assert [p.kind for p in problems] == ["unreadable"]


def cifar(folder: Path, protocol: int = 2) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, n in (("data_batch_1", 6), ("data_batch_2", 4), ("test_batch", 4)):
        batch = {b"data": rng.integers(0, 255, (n, 3072), dtype=np.uint8), b"labels": [i % 2 for i in range(n)]}
        (folder / name).write_bytes(pickle.dumps(batch, protocol))
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": [b"cat", b"dog"]}, protocol))
    return folder


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_cifar_batches(tmp_path: Path, protocol: int) -> None:
    found = open_data(str(cifar(tmp_path / "c", protocol)))
    assert found.format == "cifar" and found.classes == ("cat", "dog")
    assert found.part_names == ["train", "test"] and len(found.part("train")) == 10
    picture = found.items.load(0)
    raw = pickle.loads((tmp_path / "c/data_batch_1").read_bytes())[b"data"][0]  # noqa: S301
    assert (picture[:, :, 0].ravel() == raw[:1024]).all(), "red comes first, row by row"


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps({b"data": Bomb()}),
        pickle.dumps({b"data": np.array([Bomb()], dtype=object)}),
        b"cos\nsystem\n(S'touch exploded'\ntR.",
        b'cbuiltins\neval\n(S\'open("exploded", "w")\'\ntR.',
        b"\x80\x04\x8c\x05numpy\x8c\x08testing\x93.",
        pickle.dumps([1])[:-3],
        b"",
    ],
)
def test_a_pickle_that_would_run_code_does_not(data: bytes, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="nothing in it was run"):
        load_arrays(data, "data_batch_1")
    assert not Path("exploded").exists()
    folder = cifar(tmp_path / "c")
    (folder / "data_batch_2").write_bytes(data)
    with pytest.raises(DataError, match="data_batch_2"):
        open_data(str(folder))
    assert not Path("exploded").exists()


def test_cifar_of_another_shape(tmp_path: Path) -> None:
    folder = cifar(tmp_path / "c")
    (folder / "test_batch").write_bytes(pickle.dumps({b"data": np.zeros((2, 5), np.uint8), b"labels": [0, 1]}))
    with pytest.raises(DataError, match=r"test_batch is no CIFAR batch"):
        open_data(str(folder))
    (folder / "batches.meta").write_bytes(pickle.dumps([1]))
    with pytest.raises(DataError):
        open_data(str(folder))
