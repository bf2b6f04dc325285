"""Tiles cover the picture; what stands at their edges is found once."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regraft.core.boxes import Found
from regraft.core.errors import InputError, UnknownName
from regraft.data.image.tiling import Tile, merged, suppressed, tiles
from regraft.data.writers.detections import Answer, record, write_found


@pytest.mark.parametrize(("shape", "count"), [((40, 50), 1), ((64, 65), 2), ((200, 130), 12), ((3, 20_000), 391)])
def test_tiles_cover_the_picture(shape: tuple[int, int], count: int) -> None:
    picture = np.arange(shape[0] * shape[1]).reshape(*shape, 1).astype(np.uint8)
    found = tiles(picture, 64, 0.2)
    seen = np.zeros(shape, bool)
    for tile in found:
        high, wide = tile.picture.shape[:2]
        assert high <= 64 and wide <= 64
        assert (tile.picture == picture[tile.top : tile.top + high, tile.left : tile.left + wide]).all()
        seen[tile.top : tile.top + high, tile.left : tile.left + wide] = True
    assert seen.all() and len(found) == count
    for y in {t.top for t in found}:
        row = sorted(t.left for t in found if t.top == y)
        assert all(b - a <= 64 * 0.8 + 1 for a, b in itertools.pairwise(row))


def test_sizes_that_cannot_be() -> None:
    for size, overlap in ((8, 0.2), (64, 0.95), (64, -0.1)):
        with pytest.raises(InputError, match="at least 32"):
            tiles(np.zeros((100, 100, 3), np.uint8), size, overlap)


def found_in(tile: Tile, objects: list[tuple[float, float, float, float]], score: float) -> Found:
    """A perfect detector: it sees of each object what lies in its tile."""
    high, wide = tile.picture.shape[:2]
    seen = np.array(objects) - np.tile([tile.left, tile.top], 2)
    seen = np.clip(seen, 0, [wide, high, wide, high])
    seen = seen[(seen[:, 2:] - seen[:, :2]).min(1) > 3]
    return Found(seen, np.full(len(seen), score), np.zeros(len(seen)))


def test_objects_at_the_edges_are_found_once() -> None:
    picture = np.zeros((300, 400, 3), np.uint8)
    rng = np.random.default_rng(0)
    objects = [(x, y, x + 18, y + 18) for x in range(5, 380, 37) for y in range(5, 280, 37)]
    parts = tiles(picture, 128, 0.25)
    # the cut ones may be surer than the whole ones
    found = [found_in(t, objects, float(s)) for t, s in zip(parts, rng.uniform(0.3, 0.9, len(parts)), strict=True)]
    whole = merged(parts, found, 400, 300)
    assert sum(map(len, found)) > len(objects) + 20
    assert sorted(map(tuple, whole.xyxy.tolist())) == sorted(map(tuple, np.array(objects, float).tolist()))
    assert (np.diff(whole.scores) <= 0).all()
    assert len(merged(parts, [Found.none()] * len(parts), 400, 300)) == 0


def test_suppression_is_by_class_and_equals_torchvision() -> None:
    import torch
    from torchvision.ops import batched_nms

    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 60, (200, 2))
    xyxy = np.concatenate([corner, corner + rng.uniform(5, 40, (200, 2))], 1)
    found = Found(xyxy, rng.random(200), rng.integers(0, 3, 200))
    theirs = batched_nms(*(torch.from_numpy(v) for v in (found.xyxy, found.scores, found.labels)), 0.4)
    assert suppressed(found.xyxy, found.labels, 0.4).tolist() == sorted(theirs.tolist())


@pytest.fixture
def answers() -> list[Answer]:
    found = Found([[10, 20, 40.123, 60], [0, 0, 5, 5]], [0.9, 0.4], [1, 0])
    picture = np.zeros((80, 100, 3), np.uint8)
    return [Answer("x/a.jpg", 100, 80, found, picture), Answer("y/a.png", 100, 80, Found.none(), picture),
            Answer("gone.jpg", 0, 0, Found.none(), error="it is empty")]  # fmt: skip


def test_each_form(answers: list[Answer], tmp_path: Path) -> None:
    for form in ("json", "coco", "yolo", "pictures"):
        write_found(iter(answers), ["cat", "dog"], tmp_path / form, form)
    plain = json.loads((tmp_path / "json" / "predictions.json").read_text())
    assert plain["predictions"][0] == record(answers[0], ["cat", "dog"]) == {
        "input": "x/a.jpg", "width": 100, "height": 80,
        "boxes": [{"label": "dog", "score": 0.9, "xyxy": [10, 20, 40.12, 60]},
                  {"label": "cat", "score": 0.4, "xyxy": [0, 0, 5, 5]}],
    }  # fmt: skip
    assert plain["predictions"][1]["boxes"] == [] and plain["predictions"][2]["error"] == "it is empty"
    results = json.loads((tmp_path / "coco" / "results.json").read_text())
    assert results[0] == {"image_id": 1, "category_id": 2, "bbox": [10, 20, 30.12, 40], "score": 0.9}
    assert json.loads((tmp_path / "coco" / "images.json").read_text())["images"][1]["file_name"] == "y/a.png"
    lines = (tmp_path / "yolo" / "x" / "a.txt").read_text().splitlines()
    assert [float(v) for v in lines[0].split()] == pytest.approx([1, 0.250615, 0.5, 0.30123, 0.5, 0.9])
    assert (tmp_path / "yolo" / "y" / "a.txt").read_text() == ""
    assert len(list((tmp_path / "yolo").rglob("*.txt"))) == 3
    assert json.loads((tmp_path / "yolo" / "errors.json").read_text()) == [plain["predictions"][2]]
    assert len(list((tmp_path / "pictures").rglob("*.jpg"))) == 2
    assert np.asarray(Image.open(tmp_path / "pictures" / "x" / "a.jpg")).max() > 100
    with pytest.raises(UnknownName, match="xml"):
        write_found([], [], tmp_path / "x", "xml")


def test_a_stream_that_breaks_leaves_nothing(answers: list[Answer], tmp_path: Path) -> None:
    def broken():
        yield answers[0]
        raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        write_found(broken(), ["cat", "dog"], tmp_path / "out", "yolo")
    assert list(tmp_path.iterdir()) == []
