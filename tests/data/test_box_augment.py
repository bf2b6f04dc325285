"""Boxes stay on what they frame, whatever is done to the picture."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from regraft.core.boxes import Boxes, Found
from regraft.core.errors import UnknownName
from regraft.data.image.drawing import draw_boxes, draw_found
from regraft.data.transforms.augment_boxes import (
    BOX_POLICIES,
    STEPS,
    BoxPolicy,
    colour,
    joined,
    mixup,
    mosaic,
    resized,
    visible,
)

Rng = np.random.default_rng


def scene(seed: int = 0, height: int = 90, width: int = 120) -> tuple[np.ndarray, Boxes]:
    """A black picture with one bright rectangle, and its box."""
    rng = Rng(seed)
    picture = np.zeros((height, width, 3), np.uint8)
    left, top = rng.integers(25, 60), rng.integers(20, 45)
    wide, high = rng.integers(15, 35, 2)
    picture[top : top + high, left : left + wide] = 255
    return picture, Boxes([[left, top, left + wide, top + high]], [2])


def bright(picture: np.ndarray) -> list[int]:
    y, x = np.nonzero(picture.min(2) > 185)
    return [x.min(), y.min(), x.max() + 1, y.max() + 1]


@pytest.mark.parametrize("name", ["flip", "scale", "crop", "shift", "flip,scale,scale"])
def test_the_box_follows_its_object(name: str) -> None:
    moved = 0
    for seed in range(12):
        picture, boxes = scene(seed)
        changed, found = BoxPolicy(name, least=0.1)(picture, boxes, Rng(seed))
        assert changed.shape == picture.shape and changed.dtype == np.uint8
        if len(found):
            assert found.xyxy[0] == pytest.approx(bright(changed), abs=1.6)
            assert found.labels.tolist() == [2]
            moved += not np.allclose(found.xyxy, boxes.xyxy)
    assert moved >= 4


@pytest.mark.parametrize("name", ["rotate", "shear"])
def test_turned_boxes_hold_the_whole_object(name: str) -> None:
    for seed in range(6):
        picture, boxes = scene(seed)
        changed, found = BoxPolicy(name)(picture, boxes, Rng(seed))
        seen = np.array(bright(changed))
        assert (found.xyxy[0, :2] <= seen[:2] + 2).all() and (found.xyxy[0, 2:] >= seen[2:] - 2).all()


@pytest.mark.parametrize("name", [*BOX_POLICIES, *STEPS])
def test_every_policy_with_boxes_and_without(name: str) -> None:
    picture, boxes = scene()
    for there in (boxes, Boxes.none()):
        one, two = (BoxPolicy(name)(picture, there, Rng(5)) for _ in range(2))
        assert (one[0] == two[0]).all() and one[1] == two[1]
        assert one[0].shape == picture.shape and len(one[1]) <= len(there)
        assert (one[1].xyxy >= 0).all() and (one[1].xyxy <= [120, 90, 120, 90]).all()
    assert picture.sum() == scene()[0].sum()


def test_chance_is_the_same_with_boxes_and_without() -> None:
    picture, boxes = scene()
    for name in ("rand,brightness", "crop,brightness"):
        assert (BoxPolicy(name)(picture, boxes, Rng(3))[0] == BoxPolicy(name)(picture, Boxes.none(), Rng(3))[0]).all()


def test_one_pixel_and_grey_pictures() -> None:
    picture = np.full((1, 1, 3), 9, np.uint8)
    for name in ("light", "standard"):
        changed, found = BoxPolicy(name)(picture, Boxes([[0, 0, 1, 1]], [0]), Rng(0))
        assert changed.shape == (1, 1, 3) and len(found) <= 1
    grey = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, 2)
    changed, _ = colour()(grey, Boxes.none(), Rng(0))
    assert np.ptp(changed.astype(int), axis=2).max() <= 1


def test_mirrored_classes_are_left_alone() -> None:
    picture, boxes = scene()
    for seed in range(4):
        assert BoxPolicy("light", flips=False).steps == BOX_POLICIES["light"][1:]
        kept = BoxPolicy("none", flips=False)(picture, boxes, Rng(seed))[1]
        assert kept == boxes
    with pytest.raises(UnknownName, match="scale"):
        BoxPolicy("scael")(picture, boxes, Rng(0))


def test_what_is_hardly_seen_is_dropped() -> None:
    boxes = Boxes([[-60, 0, 30, 10], [-20, 0, 30, 10], [50, 50, 50.5, 60], [99, 0, 140, 9], [200, 0, 210, 9]], range(5))
    found = visible(boxes, 100, 80)
    assert found.labels.tolist() == [0, 1, 2] and found.xyxy[0].tolist() == [0, 0, 30, 10]
    assert visible(boxes, 100, 80, least=0.4).labels.tolist() == [1, 2]


def test_mosaic_of_four() -> None:
    parts = [scene(seed) for seed in range(4)]
    parts = [(p // 255 * 250, replace(b, labels=np.array([i]))) for i, (p, b) in enumerate(parts)]
    whole = 0
    for seed in range(6):
        canvas, found = mosaic(parts, 200, 160, Rng(seed))
        assert canvas.shape == (160, 200, 3) and (found.xyxy <= [200, 160, 200, 160]).all() and (found.xyxy >= 0).all()
        for x0, y0, x1, y1 in found.xyxy.round().astype(int).tolist():
            inside = canvas[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1]
            assert not inside.size or (inside > 180).mean() > 0.9
        assert found.labels.tolist() == sorted(set(found.labels.tolist()))
        whole += len(found)
    assert whole >= 12
    again = mosaic(parts, 200, 160, Rng(5))
    assert (again[0] == canvas).all() and again[1] == found


def test_mixup_blends_both() -> None:
    one, two = scene(0), scene(1)
    x, boxes = mixup(one, two)
    assert np.abs(x.astype(float) - (one[0].astype(float) + two[0]) / 2).max() <= 0.5
    assert boxes == joined([one[1], two[1]]) and len(boxes) == len(one[1]) + len(two[1])


def test_drawing() -> None:
    picture, boxes = scene()
    drawn = np.asarray(draw_boxes(picture, boxes, ["a", "b", "c"]))
    left, top, right, bottom = boxes.xyxy[0].astype(int)
    assert (drawn[top + 5, left] == drawn[bottom - 1, right - 1]).all() and drawn[top + 5, left].tolist() != [255] * 3
    assert (np.asarray(draw_boxes(picture[:, :, 0], Boxes.none(), ["a"])) == picture).all()
    found = Found([[10, 10, 30, 30], [12, 10, 30, 30]], [0.2, 0.9], [0, 1])
    named = np.asarray(draw_found(picture, found, ["a", "b"]))
    assert (named != np.asarray(draw_found(picture, found, ["a", "b"], names=False))).any(), "with names and scores"
    assert (np.asarray(draw_found(picture, found, ["a", "b"], names=False))[20, 29] == [0x3C, 0xB4, 0x4B]).all()


def test_resizing_is_that_of_pillow() -> None:
    picture = Rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    ours = resized(picture, 37, 25).astype(int)
    theirs = np.asarray(Image.fromarray(picture).resize((37, 25), Image.Resampling.BILINEAR)).astype(int)
    assert abs(ours - theirs).max() <= 1
