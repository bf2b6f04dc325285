"""MixUp and CutMix against figures worked by hand."""

import json

import numpy as np
import pytest
import torch

from regraft.training.losses import cross_entropy
from regraft.training.mixing import cut_box, cutmix, mix, mixup


@pytest.fixture
def recorded(shared):
    return json.loads((shared / "reference/training.json").read_text())


def test_mixup(recorded) -> None:
    r = recorded["mixup"]
    targets = torch.eye(r["classes"], dtype=torch.float64)[torch.tensor(r["labels"])]
    x = torch.tensor(r["x"], dtype=torch.float64)
    mixed, soft = mixup(x, targets, torch.tensor(r["permutation"]), r["lambda"])
    assert np.allclose(mixed, r["x_mixed"], atol=1e-12) and np.allclose(soft, r["targets"], atol=1e-12)
    loss = cross_entropy(torch.tensor(r["logits"], dtype=torch.float64), soft)
    assert loss.item() == pytest.approx(r["soft_cross_entropy_mean"], rel=1e-9)


def test_label_smoothing(recorded) -> None:
    logits = torch.tensor(recorded["calibration"]["logits"][:6], dtype=torch.float64)
    hot = torch.eye(10, dtype=torch.float64)[torch.tensor(recorded["calibration"]["labels"][:6])]
    for smoothing, key in ((0.1, "label_smoothing_0.1_torch"), (0.0, "cross_entropy_torch")):
        assert cross_entropy(logits, hot, smoothing).item() == pytest.approx(recorded["losses"][key], rel=1e-9)


def test_cutmix_boxes(recorded) -> None:
    for case in recorded["cutmix"]["cases"]:
        box = cut_box(case["H"], case["W"], case["lambda_drawn"], tuple(case["centre_yx"]))
        assert list(box) == case["box_y0_y1_x0_x1"]
        x = torch.stack([torch.zeros(1, case["H"], case["W"]), torch.ones(1, case["H"], case["W"])])
        _, soft = cutmix(x, torch.eye(2), torch.tensor([1, 0]), case["lambda_drawn"], tuple(case["centre_yx"]))
        assert soft[0, 0].item() == pytest.approx(case["lambda_corrected"], rel=1e-6)


def test_targets_follow_the_pixels() -> None:
    x = torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8)])
    for kind in ("mixup", "cutmix"):
        mixed, soft = mix(kind, x, torch.eye(2), np.random.default_rng(3))
        assert mixed.mean((1, 2, 3)).tolist() == pytest.approx(soft[:, 1].tolist(), abs=1e-6)
    assert mix("none", x, torch.eye(2), np.random.default_rng(0))[0] is x
