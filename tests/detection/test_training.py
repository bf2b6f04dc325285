"""Detectors in the one loop: they learn, stored maps stand for frozen blocks, a resumed run ends with the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from regraft.core.boxes import Boxes
from regraft.core.errors import InputError
from regraft.core.row_store import RowStore
from regraft.data.items import PictureArray
from regraft.data.transforms.augment_boxes import BoxPolicy
from regraft.methods.base import Options
from regraft.methods.finetuning.detector import SUMMARIES, phases, step
from regraft.models.detectors.base import Batch
from regraft.models.detectors.letterbox import scaled_frames
from regraft.models.detectors.yolo import Yolo
from regraft.training import loop
from regraft.training.feeds.detection import FrameBatches, packed, stored_maps
from regraft.training.feeds.detection_views import View, plain
from regraft.training.loop import Settings, train

FRAME = (64, 64)
SETTINGS = Settings(batch=4, precision="float32")


def pictures(n: int = 12, seed: int = 0) -> tuple[PictureArray, list[Boxes]]:
    """A bright square (label 0) or a dark one (label 1) on grey; the last picture holds none."""
    rng = np.random.default_rng(seed)
    x, boxes = rng.integers(100, 140, (n, 64, 64, 3)).astype(np.uint8), []
    for i in range(n):
        left, top, side = (int(v) for v in (*rng.integers(2, 30, 2), rng.integers(16, 30)))
        if i == n - 1:
            boxes.append(Boxes.none())
            continue
        x[i, top : top + side, left : left + side] = 240 if i % 2 else 10
        boxes.append(Boxes(np.array([[left, top, left + side, top + side]]), np.array([1 - i % 2])))
    return PictureArray(x, "x"), boxes


def feed(n: int = 12, view: View = View()) -> FrameBatches:
    items, boxes = pictures(n)
    return FrameBatches(items, boxes, view, [FRAME], seed=0)


def bits(net: torch.nn.Module) -> bytes:
    return b"".join(v.numpy().tobytes() for v in net.state_dict().values())


def run(net: Yolo, data: object, folder: Path, method: str = "finetune", epochs: int = 2, **more: object) -> object:
    plan = phases(method, len(net.body.blocks), Options(epochs))
    return train(net, plan, data, np.zeros((len(data), 1)), SETTINGS, folder=folder, **more)  # type: ignore


def test_it_learns(tmp_path: Path) -> None:
    net = Yolo(("bright", "dark"), frame=FRAME)
    progress = run(net, feed(8, View(BoxPolicy("none"))), tmp_path, "scratch", 14)
    assert progress.history[-1]["loss"] < 0.92 * progress.history[0]["loss"]


@pytest.mark.parametrize("kill", [1, 4])
def test_killed_and_resumed_to_the_bit(kill: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    judged = lambda net: float(net.head.cls_preds[0].weight.detach().square().sum())
    whole, killed, again = (Yolo(("a", "b"), frame=FRAME) for _ in range(3))
    run(whole, feed(), tmp_path / "a", inner=judged)
    run(killed, feed(), tmp_path / "b", inner=judged, stop_after=kill)
    run(again, feed(), tmp_path / "b", inner=judged)
    assert bits(again) == bits(whole)


def test_head_only_on_stored_maps_is_head_only_on_frames(tmp_path: Path) -> None:
    """Up to the float16 of the store, in the losses on the way."""
    plain_view = View(BoxPolicy("none"))
    by_frames, by_maps = (Yolo(("a", "b"), frame=FRAME) for _ in range(2))
    one = run(by_frames, feed(view=plain_view), tmp_path / "a", "head-only")
    by_maps.first_trained_block = len(by_maps.body.blocks)
    stored = stored_maps(by_maps, by_maps.first_trained_block, feed(view=plain_view), 2, RowStore(tmp_path / "rows"))
    other = run(by_maps, stored, tmp_path / "b", "head-only")
    for a, b in zip(one.history, other.history, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-3)


def test_stored_maps_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, store = Yolo(("a",), frame=FRAME), RowStore(tmp_path)
    net.first_trained_block = 7
    first = stored_maps(net, 7, feed(6), 2, store)
    monkeypatch.setattr(net, "through", lambda maps, start=0, stop=None: [torch.zeros(len(maps[0]), 1)] * 3)
    again = stored_maps(net, 7, feed(6), 2, store)
    for number in (0, 1):
        for (a, _), (b, _) in zip(first.epoch(number, 4, 0), again.epoch(number, 4, 0), strict=True):
            assert all(torch.equal(m, n) for m, n in zip(a.maps, b.maps, strict=True)) and torch.equal(a.boxes, b.boxes)
    one, other = (next(first.epoch(number, 6, 0))[0] for number in (0, 1))
    assert not torch.equal(one.boxes.sum(0), other.boxes.sum(0))


def test_every_method_has_phases_and_others_are_refused() -> None:
    for method in SUMMARIES:
        plan = phases(method, 7, Options(8))
        assert sum(p.epochs for p in plan) == 8 and all(p.step is step for p in plan)
    assert [p.frozen for p in phases("lp-ft", 7, Options(8))] == [7, 0]
    assert [p.frozen for p in phases("last-k", 7, Options(8, last=2))] == [5]
    with pytest.raises(InputError, match="lora is not for detectors"):
        phases("lora", 7, Options(8))


def test_batches_are_cut_into_pieces() -> None:
    batch, _ = next(feed().epoch(0, 5, 0))
    parts = batch.tensor_split(2)
    assert [len(p) for p in parts] == [3, 2]
    assert torch.equal(torch.cat([p.maps[0] for p in parts]), batch.maps[0])
    assert torch.equal(torch.cat([p.boxes for p in parts]), batch.boxes)


def test_the_same_epoch_twice_is_the_same_and_can_be_entered_anywhere() -> None:
    whole = list(feed().epoch(3, 5, 0))
    later = list(feed().epoch(3, 5, 1))
    for (a, i), (b, j) in zip(whole[1:], later, strict=True):
        assert torch.equal(a.maps[0], b.maps[0]) and torch.equal(a.boxes, b.boxes) and (i == j).all()


@pytest.mark.parametrize("mosaics", [False, True])
def test_boxes_follow_the_picture(mosaics: bool) -> None:
    """What the box of a view holds is its square."""
    items, boxes = pictures(9, seed=1)
    data = FrameBatches(items, boxes, View(BoxPolicy("flip,scale"), 1, mosaics), [FRAME], seed=0)
    seen = 0
    for i in range(8):
        x, moved = data.one(0, i, FRAME)
        for (left, top, right, bottom), label in zip(moved.xyxy.round().astype(int), moved.labels, strict=True):
            inside = x[:, top + 2 : bottom - 2, left + 2 : right - 2].float()
            assert not inside.numel() or abs(float(inside.mean()) - (10 if label else 240)) < 25
            seen += 1
    assert seen >= 5


@pytest.mark.parametrize(("mosaics", "mixups"), [(True, False), (False, True), (True, True)])
def test_the_last_epochs_join_no_pictures(mosaics: bool, mixups: bool) -> None:
    """How many pictures a view is made of, by epoch."""
    items, boxes = pictures(40)
    view = View(BoxPolicy("none"), 3, mosaics, mixups)
    asked: list[int] = []

    def load(i: int) -> tuple[np.ndarray, Boxes]:
        asked.append(i)
        return items.load(i), boxes[i]

    taken = []
    for number in range(5):
        for i in range(40):
            view(number, i, 40, load, FRAME, np.random.default_rng([number, i]))
            assert asked[0] == i
            taken.append(len(asked))
            asked.clear()
    early, late = taken[:120], taken[120:]
    wanted = {(True, False): {1, 4}, (False, True): {1, 2}, (True, True): {1, 2, 4, 5, 8}}
    assert set(early) == wanted[mosaics, mixups] and set(late) == {1}
    assert 0.3 < np.mean(np.array(early) == 1) < 0.7 or (mosaics and mixups)


def test_frames_are_drawn_for_every_batch() -> None:
    items, boxes = pictures(12)
    frames = scaled_frames((64, 96))
    assert frames == [(32, 64), (64, 96), (96, 128)]
    data = FrameBatches(items, boxes, View(BoxPolicy("none")), frames, seed=0)
    seen = [batch.maps[0].shape[2:] for number in range(8) for batch, _ in data.epoch(number, 4, 0)]
    again = [batch.maps[0].shape[2:] for number in range(8) for batch, _ in data.epoch(number, 4, 0)]
    assert set(map(tuple, seen)) == set(frames) and seen == again


def test_plain_views_are_letterboxed() -> None:
    picture = np.full((30, 60, 3), 7, np.uint8)
    boxes = Boxes(np.array([[0, 0, 60, 30.0], [1, 1, 9, 9]]), np.array([0, 1]), np.array([False, True]))
    x, found = plain(picture, boxes, FRAME)
    assert x.shape == (3, 64, 64) and found.xyxy.tolist() == [[0, 0, 64, 32]]
    again, _ = View(BoxPolicy("none"))(0, 0, 1, lambda _: (picture, boxes), FRAME, np.random.default_rng(0))
    assert torch.equal(x, again)


def test_padding_of_boxes() -> None:
    boxes, labels = packed([Boxes.none(), Boxes(np.array([[1, 2, 3, 4.0]]), np.array([5]))])
    assert boxes.shape == (2, 1, 4) and labels.tolist() == [[-1], [5]]
    assert packed([Boxes.none()])[0].shape == (1, 0, 4)


def test_a_batch_without_any_box_has_a_loss() -> None:
    net = Yolo(("a",))
    empty = Batch([torch.zeros(2, 3, 64, 64, dtype=torch.uint8)], *packed([Boxes.none(), Boxes.none()]), FRAME)
    assert torch.isfinite(net(empty))
