"""Faster R-CNN and SSD: torchvision's own networks give torchvision's own answers, and any body can carry a head."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import get_model

from regraft.core.boxes import Boxes, iou
from regraft.core.errors import InputError, UnknownName, WeightsError
from regraft.models.artefact import detector as artefact
from regraft.models.artefact.manifest import MANIFEST
from regraft.models.detectors import backbone_maps as trunks
from regraft.models.detectors import catalog
from regraft.models.detectors.base import Batch, Detector
from regraft.models.detectors.coco_classes import COCO
from regraft.training.feeds.detection_views import plain
from tests.conftest import with_slow

FRAME = (128, 192)
TWO = ("ssd", "fasterrcnn")


def batch(frame: tuple[int, int] = FRAME) -> Batch:
    """Two boxes, one, and none."""
    chance = torch.Generator().manual_seed(0)
    x = torch.randint(0, 255, (3, 3, *frame), dtype=torch.uint8, generator=chance)
    boxes = torch.tensor([[[8.0, 8, 60, 70], [80, 20, 120, 100]]]).repeat(3, 1, 1)
    return Batch([x], boxes, torch.tensor([[0, 1], [1, -1], [-1, -1]]), frame)


def on_tiny(kind: str, body: str = "regraft_tiny+small") -> Detector:
    return catalog.load(kind, backbone=body.split("+")[0], classes=("a", "b"), frame=(64, 64))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("fasterrcnn", "fasterrcnn_mobilenet_v3_large_320_fpn"),
        pytest.param("ssd", "ssd300_vgg16", marks=pytest.mark.slow),
        ("ssd", "ssdlite320_mobilenet_v3_large"),
    ],
)
def test_torchvisions_own_answers(kind: str, name: str) -> None:
    ours = catalog.untrained(kind, ("a", "b", "c"), backbone=name, frame=FRAME)
    theirs: Any = get_model(name, weights=None, weights_backbone=None, num_classes=4)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    frame = ours.frame
    settings = theirs.roi_heads if kind == "fasterrcnn" else theirs
    settings.score_thresh, settings.detections_per_img = 0.1, 100
    ours.overlap = settings.nms_thresh
    theirs.transform.min_size, theirs.transform.max_size = (frame[0],), frame[1]
    picture = batch(frame).maps[0][:1]
    with torch.inference_mode():
        wanted = theirs.eval()([picture[0].float() / 255])[0]
        found = ours.eval().found(ours.through([picture]), frame, 0.1)[0]
    assert len(wanted["scores"]) == len(found.scores) > 0
    assert torch.allclose(found.scores, wanted["scores"], atol=1e-5)
    alike = (found.labels[:, None] + 1 == wanted["labels"]) & ((found.scores[:, None] - wanted["scores"]).abs() < 1e-5)
    same = alike & ((found.xyxy[:, None] - wanted["boxes"]).abs().amax(2) < 1e-2)
    assert same.any(1).all() and same.any(0).all(), "in any order where scores are equal"


@pytest.mark.parametrize("kind", TWO)
@pytest.mark.parametrize("body", ["regraft_tiny", "random:mobilenet_v2"])
def test_any_body_carries_a_head(kind: str, body: str) -> None:
    net = catalog.load(kind, backbone=body, classes=("a", "b"), frame=(64, 64)).train()
    net.body.freeze(0)
    torch.manual_seed(0)
    net(batch((64, 64))).backward()
    assert all(p.grad is not None for p in net.head.parameters())
    parts = [p for m in (*(b for _, b in net.body.blocks), net.head) for p in m.parameters()]
    assert len(parts) == len(set(parts)) == len(list(net.parameters()))
    shapes = [(30, 60), (1, 1), (64, 64)]
    for found, (h, w) in zip(net.detections([np.zeros((*s, 3), np.uint8) for s in shapes]), shapes, strict=True):
        assert (found.labels >= 0).all() and (found.labels < 2).all()
        assert (found.xyxy >= 0).all() and (found.xyxy <= [w, h, w, h]).all()


@pytest.mark.parametrize("kind", TWO)
def test_it_learns(kind: str) -> None:
    net = on_tiny(kind).train()
    net.body.freeze(0)
    optimiser, losses = torch.optim.AdamW(net.parameters(), 2e-3), []
    for step in range(12):
        torch.manual_seed(step)
        loss = net(batch((64, 64)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("kind", TWO)
def test_new_classes_keep_the_rows_of_the_same_name(kind: str) -> None:
    """The background's too."""
    net = catalog.load(kind, backbone="regraft_tiny", classes=("cat", "dog", "cow"), frame=(64, 64)).eval()
    before, after = net, net.copy()
    assert after.with_classes(("Cows", "widget"))["kept"] == {"Cows": "cow"}
    assert after.classes == ("Cows", "widget")
    old, new = (_rows(n) for n in (before, after))
    assert torch.equal(new[:, 0], old[:, 0]) and torch.equal(new[:, 1], old[:, 3])
    assert not new[:, 2].any()


def _rows(net: Any) -> torch.Tensor:
    """(anchors, classes and background, inputs) of the last layer."""
    if net.kind == "fasterrcnn":
        return net.roi_heads.box_predictor.cls_score.weight[None]
    head = net.head.classification_head
    weight = head.module_list[0][-1].weight
    return weight.view(-1, head.num_columns, weight.shape[1])


@pytest.mark.parametrize("kind", TWO)
def test_side_by_side_the_first_stays_as_it_is(kind: str) -> None:
    net = catalog.load(kind, backbone="random:mobilenet_v2+small", classes=("a", "b"), frame=(64, 64)).train()
    assert net.kept == 1 and net.body.blocks[0][0] == "kept"
    net.body.freeze(net.kept)
    kept: Any = net.backbone["body"].kept
    before = {k: v.clone() for k, v in kept.state_dict().items()}
    torch.manual_seed(0)
    net(batch((64, 64))).backward()
    assert all(torch.equal(v, before[k]) for k, v in kept.state_dict().items())
    assert all(p.grad is None for p in kept.parameters())
    assert all(p.grad is not None for p in net.backbone["body"].small.parameters())
    assert all(p.grad is not None for p in net.backbone["body"].fusion.parameters())
    frames = batch((64, 64)).maps
    with torch.inference_mode():
        net.eval()
        behind = net.through(net.through(frames, 0, 1), 1)
        assert all(torch.equal(a, b) for a, b in zip(behind, net.through(frames), strict=True))


def test_a_copy_shares_nothing() -> None:
    for kind in TWO:
        net = on_tiny(kind)
        other = net.copy()
        with torch.no_grad():
            for p in other.parameters():
                p.zero_()
        assert any(p.any() for p in net.head.parameters())
        assert not any(p.any() for p in other.head.parameters())


def test_whole_networks_at_hand_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "ssdlite320_mobilenet_v3_large"
    made = get_model(name, weights=None, weights_backbone=None, num_classes=91)
    save_file({k: v.contiguous() for k, v in made.state_dict().items()}, tmp_path / f"{name}_coco.safetensors")
    monkeypatch.setenv("REGRAFT_WEIGHTS", str(tmp_path))
    net = catalog.load("ssd")
    assert net.recipe == {"kind": "ssd", "torchvision": name} and len(net.classes) == 90
    assert net.with_classes(("person", "blob"))["kept"] == {"person": "person"}


def test_bodies_and_names_that_will_not_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no feature maps"):
        trunks.load("random:vit_b_16")
    with pytest.raises(InputError, match="body of its own"):
        catalog.load("yolo", backbone="mobilenet_v2")
    with pytest.raises(UnknownName, match="did you mean 'fasterrcnn'"):
        catalog.check("fastercnn", None)
    with pytest.raises(UnknownName, match="mobilenet_v2"):
        catalog.check("ssd", "mobilnet_v2")
    (tmp_path / "yolov8n.pt").write_bytes(b"no tensors")
    with pytest.raises(WeightsError, match="Ultralytics"):
        catalog.load("yolo", weights=tmp_path / "yolov8n.pt")


@pytest.mark.parametrize("name", ["ssd300_vgg16", "ssdlite320_mobilenet_v3_large"])
@pytest.mark.parametrize("shape", with_slow(((90, 240), (200, 70)), ((200, 70),)))
def test_pictures_come_to_ssd_as_its_weights_have_learned_them(name: str, shape: tuple[int, int]) -> None:
    """Stretched to its square: by torchvision's own transform, from the picture to boxes in its pixels."""
    ours = catalog.untrained("ssd", ("a", "b", "c"), backbone=name).eval()
    theirs: Any = get_model(name, weights=None, weights_backbone=None, num_classes=4).eval()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    theirs.score_thresh, theirs.detections_per_img, theirs.nms_thresh = 0.1, 100, 2.0
    ours.overlap = 2.0  # nothing goes as a double: rounding to bytes would decide which
    coarse = np.random.default_rng(0).integers(0, 255, (shape[0] // 10, shape[1] // 10, 3))
    picture = np.kron(coarse, np.ones((10, 10, 1))).astype(np.uint8)
    with torch.inference_mode():
        wanted = theirs([torch.from_numpy(picture).permute(2, 0, 1).float() / 255])[0]
    found = ours.detections([picture], floor=0.1)[0]
    assert len(found) == len(wanted["scores"]) > 0
    assert found.scores == pytest.approx(wanted["scores"].numpy(), abs=5e-3)
    overlap = iou(found.xyxy[:20], wanted["boxes"].double().numpy()).max(1)
    assert (overlap > 0.97).mean() > 0.7, "all but some at the cut after 100; letterboxed, boxes lie elsewhere"


def test_stretched_boxes_are_learned_from_and_the_artefact_remembers(tmp_path: Path) -> None:
    boxes = Boxes([[20, 10, 120, 50]], [0])
    x, there = plain(np.zeros((100, 200, 3), np.uint8), boxes, (320, 320), stretch=True)
    assert x.shape == (3, 320, 320) and there.xyxy.tolist() == [[32, 32, 192, 160]]
    _, boxed = plain(np.zeros((100, 200, 3), np.uint8), boxes, (320, 320))
    assert boxed.xyxy.tolist() == [[32, 16, 192, 80]]
    net = catalog.untrained("ssd", ("a",), backbone="ssdlite320_mobilenet_v3_large")
    artefact.save(net, tmp_path / "m", decision={"threshold": 0.3}, metrics={}, record={}, learned=None)
    assert artefact.load(tmp_path / "m")[0].stretches
    manifest = tmp_path / "m" / MANIFEST
    before = json.loads(manifest.read_text())
    del before["network"]["spec"]["stretch"]  # as models of before this were: letterboxed when they learned
    manifest.write_text(json.dumps(before))
    assert not artefact.load(tmp_path / "m")[0].stretches


def test_only_released_weights_are_called_cocos(tmp_path: Path) -> None:
    net = catalog.untrained("yolo", COCO)
    named = {"yolox_nano_coco.safetensors": "COCO (yolox_nano_coco", "mine.safetensors": "a file of the user's"}
    for name, what in named.items():
        save_file({k: v.contiguous() for k, v in net.state_dict().items()}, tmp_path / name)
        origin = catalog.load("yolo", weights=tmp_path / name).origin.weights
        assert origin.startswith(what) and name in origin
    fresh = catalog.for_classes("yolo", ("person", "blob"), [(64, 64)], weights=tmp_path / "mine.safetensors")
    assert fresh.classes == ("person", "blob") and fresh.origin.record["kept"] == {"person": "person"}
