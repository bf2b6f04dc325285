"""YOLOX against the released network: names, outputs, decoded boxes, losses and assignments."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from regraft.models.detectors import simota
from regraft.models.detectors.base import Batch
from regraft.models.detectors.catalog import load
from regraft.models.detectors.coco_classes import COCO, same, singular
from regraft.models.detectors.letterbox import frame_for, letterbox
from regraft.models.detectors.yolo import Yolo

RECORDED = {"loss": "loss_total", "iou": "loss_iou_times5", "objectness": "loss_obj", "classes": "loss_cls",
            "l1": "loss_l1"}  # fmt: skip


@pytest.fixture
def reference(shared: Path) -> tuple[dict[str, Any], Any]:
    folder = shared / "reference"
    return json.loads((folder / "yolox.json").read_text()), np.load(folder / "yolox.npz")


@pytest.fixture
def nano(shared: Path) -> Yolo:
    found = load("yolo", weights=shared / "weights" / "yolox_nano_coco.safetensors")
    assert isinstance(found, Yolo)
    return found


def test_names_and_shapes_are_those_of_the_released_weights(reference: Any) -> None:
    state = Yolo().state_dict()
    assert {k: list(v.shape) for k, v in state.items() if "tracked" not in k} == reference[0]["state_dict_keys"]


@pytest.mark.parametrize(("size", "millions"), [("tiny", 5.06), ("s", 8.97)])
def test_other_sizes_have_as_many_parameters_as_the_paper_says(size: str, millions: float) -> None:
    assert sum(p.numel() for p in Yolo(size=size).parameters()) / 1e6 == pytest.approx(millions, abs=0.03)


def test_raw_and_decoded_outputs(nano: Yolo, reference: Any) -> None:
    numbers = reference[1]
    frames = torch.from_numpy(numbers["letterboxed_input_uint8"])[None].flip(1)
    with torch.inference_mode():
        raw = nano.raw(frames)
    rows = torch.cat([raw[..., :4], raw[..., 4:].sigmoid()], -1)[0, ::50].numpy()
    assert np.allclose(rows, numbers["raw_head_rows_float32"], rtol=1e-4, atol=1e-4)
    boxes = simota.decode(raw[..., :4], simota.grid(416, 416))[0, ::50].numpy()
    assert np.allclose(boxes, numbers["decoded_rows_float32"][:, :4], rtol=1e-4, atol=1e-3)


def test_boxes_from_the_recorded_frame(nano: Yolo, reference: Any) -> None:
    record, numbers = reference
    wanted = record["pictures"][str(numbers["raw_head_picture"])]
    frames = torch.from_numpy(numbers["letterboxed_input_uint8"])[None].flip(1)
    nano.overlap = 0.45
    with torch.inference_mode():
        found = nano.found(nano.through([frames]), (416, 416), 0.25)[0]
    assert np.allclose(found.xyxy.numpy() / wanted["letterbox_ratio"], wanted["boxes_xyxy"], atol=1e-2)
    assert np.allclose(found.scores.numpy(), wanted["scores"], atol=1e-4)
    assert found.labels.tolist() == wanted["classes"]
    assert [COCO[i] for i in found.labels] == wanted["class_names"]


def test_boxes_from_pictures(nano: Yolo, reference: Any, shared: Path) -> None:
    """Another decoder and another bilinear filter: a pixel may differ by 1, so a box may move a little."""
    nano.overlap = 0.45
    with zipfile.ZipFile(shared / "data" / "imagenet_samples.zip") as archive:
        for name in ("569_garbage_truck", "849_teapot"):
            wanted = reference[0]["pictures"][name]
            member = next(m for m in archive.namelist() if name in m)
            picture = np.asarray(Image.open(io.BytesIO(archive.read(member))).convert("RGB"))
            found = nano.detections([picture], floor=0.3)[0]
            sure = np.array(wanted["scores"]) >= 0.35
            assert np.allclose(found.xyxy[: sure.sum()], np.array(wanted["boxes_xyxy"])[sure], atol=1.0)
            assert np.allclose(found.scores[: sure.sum()], np.array(wanted["scores"])[sure], atol=0.01)


@pytest.mark.parametrize(("name", "side"), [("real", 224), ("random", 96)])
def test_losses_and_assignments(reference: Any, name: str, side: int) -> None:
    record, numbers = reference
    raw, rows = (torch.from_numpy(numbers[f"loss_{name}_{what}"]) for what in ("head_logits", "labels"))
    labels = torch.where(rows.abs().sum(2) > 0, rows[..., 0].long(), -1)
    at, boxes = simota.grid(side, side), rows[..., 1:]
    found = simota.losses(raw, boxes, labels, at, l1=True)
    for ours, theirs in RECORDED.items():
        assert float(found[ours]) == pytest.approx(record[f"loss_{name}"][theirs], rel=1e-5), ours
    guessed = simota.decode(raw[..., :4], at)
    for i, wanted in ((int(i), w) for i, w in record[f"loss_{name}"]["assignments"].items()):
        there = labels[i] >= 0
        got = simota.assign(boxes[i, there], labels[i, there], guessed[i], raw[i, :, 4], raw[i, :, 5:], at)
        assert got.places.tolist() == wanted["anchor_indices"]
        assert got.boxes.tolist() == wanted["gt_indices"]
        assert np.allclose(got.ious, wanted["ious"], atol=1e-6)


def test_losses_without_any_box(reference: Any) -> None:
    record, numbers = reference
    raw = torch.from_numpy(numbers["loss_random_head_logits"])
    found = simota.losses(raw, torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.long), simota.grid(96, 96), l1=True)
    for ours, theirs in RECORDED.items():
        assert float(found[ours]) == pytest.approx(record["loss_random_no_gt"][theirs], rel=1e-5)


def test_iou_loss(reference: Any) -> None:
    toy = reference[0]["iou_loss_toy"]
    a, b = torch.tensor(toy["pred_cxcywh"]), torch.tensor(toy["target_cxcywh"])
    assert np.allclose(simota.iou_loss(a, b), toy["iou"], atol=1e-6)


def test_a_box_outside_every_reach_is_left_out() -> None:
    at = simota.grid(64, 64)
    far = torch.tensor([[500.0, 500.0, 10.0, 10.0]])
    guess = simota.decode(torch.zeros(len(at.strides), 4), at)
    logits = torch.zeros(len(at.strides), 3)
    assert len(simota.assign(far, torch.tensor([1]), guess, logits[:, 0], logits[:, 1:], at).places) == 0


def test_ten_thousand_boxes_in_a_picture() -> None:
    rng = np.random.default_rng(0)
    centres = rng.uniform(20, 200, (10_000, 2))
    boxes = torch.from_numpy(np.concatenate([centres - 5, centres + 5], 1)).float()[None]
    batch = Batch([torch.zeros(1, 3, 224, 224, dtype=torch.uint8)], boxes, torch.zeros(1, 10_000).long(), (224, 224))
    assert torch.isfinite(Yolo(("cell",)).losses(batch)["loss"])


def test_frozen_is_frozen_and_its_statistics_too() -> None:
    net = Yolo(("a", "b"))
    net.body.freeze(len(net.body.blocks))
    net.train()
    before = {k: v.clone() for k, v in net.backbone.state_dict().items()}
    boxes = torch.tensor([[[8.0, 8, 40, 40]], [[4.0, 4, 30, 50]]])
    frames = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8)
    batch = Batch([frames], boxes, torch.zeros(2, 1).long(), (64, 64))
    net.losses(batch)["loss"].backward()
    assert all(torch.equal(v, before[k]) for k, v in net.backbone.state_dict().items())
    assert all(p.grad is None for p in net.backbone.parameters())
    assert all(p.grad is not None for p in net.head.parameters())
    net.body.freeze(3)
    assert [p.requires_grad for _, b in net.body.blocks for p in list(b.parameters())[:1]] == [False] * 3 + [True] * 4


def test_blocks_and_head_hold_every_parameter_once() -> None:
    net = Yolo()
    parts = [p for module in (*(b for _, b in net.body.blocks), net.head) for p in module.parameters()]
    assert len(parts) == len(set(parts)) == len(list(net.parameters()))


def test_maps_behind_a_border_go_on_to_the_same_output() -> None:
    net = Yolo(("a",)).eval()
    frames = torch.randint(0, 255, (2, 3, 64, 96), dtype=torch.uint8)
    with torch.inference_mode():
        whole = net.head(net.through([frames]))
        for first_trained_block in range(8):
            assert torch.equal(
                net.head(net.through(net.through([frames], 0, first_trained_block), first_trained_block)), whole
            )


def test_new_classes_keep_the_rows_of_the_same_name(nano: Yolo) -> None:
    old = [layer.weight.clone() for layer in nano.head.cls_preds]
    record = nano.with_classes(("Dogs", "widget", "PERSON"))
    assert record == {"kept": {"Dogs": "dog", "PERSON": "person"}, "new": ["widget"], "dropped": 78}
    for layer, before in zip(nano.head.cls_preds, old, strict=True):
        assert torch.equal(layer.weight[[0, 2]], before[[COCO.index("dog"), 0]])
    assert nano.classes == ("Dogs", "widget", "PERSON")


def test_one_name_in_many_forms() -> None:
    assert singular("Traffic_Lights") == singular("traffic light") == "traffic light"
    for many, one in (("buses", "bus"), ("Boxes", "box"), ("berries", "berry"), ("people", "person")):
        assert singular(many) == singular(one)
    assert same(("cats", "RBC"), COCO) == {0: COCO.index("cat")}


def test_letterbox_and_frames() -> None:
    picture = np.full((40, 80, 3), 200, np.uint8)
    frame, ratio = letterbox(picture, (64, 64))
    assert ratio == 0.8
    assert frame.shape == (64, 64, 3) and (frame[:32] == 200).all() and (frame[32:] == 114).all()
    assert frame_for([(480, 640)], 416) == (320, 416)
    assert frame_for([(480, 640), (640, 480)], 416) == (416, 416)
    assert frame_for([(1, 1)], 64) == (64, 64)


def test_pictures_of_any_shape() -> None:
    net = Yolo(("a",), frame=(32, 64))
    shapes = [(30, 60), (60, 30), (1, 1), (1, 300), (500, 2)]
    pictures = [np.zeros((*s, 3), np.uint8) for s in shapes] + [np.zeros((20, 40), np.uint8)]
    for found, picture in zip(net.detections(pictures, floor=0.0), pictures, strict=True):
        height, width = picture.shape[:2]
        assert len(found) and (found.xyxy >= 0).all() and (found.xyxy <= [width, height, width, height]).all()
