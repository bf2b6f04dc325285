"""Detectors leave the tool: frame, doubles and pixels of the picture are in the graph."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.ops import batched_nms

import regraft
from regraft.core.errors import InputError
from regraft.export.boxes import BoxGraph, Framed, exportable, without_doubles
from regraft.export.paired import paired
from regraft.export.proof import proof
from regraft.inference.detector import BoxPredictor
from regraft.models.detectors import catalog
from regraft.models.detectors.letterbox import brought
from tests.conftest import with_slow
from tests.export.test_pictures import alone


def pictures(*sizes: tuple[int, int]) -> list[np.ndarray]:
    rng, found = np.random.default_rng(0), []
    for height, width in sizes:
        coarse = Image.fromarray(rng.integers(0, 256, (6, 7, 3), dtype=np.uint8))
        found.append(np.asarray(coarse.resize((width, height), Image.Resampling.NEAREST)))
    return found


@pytest.mark.parametrize("stretch", [False, True])
def test_pictures_come_into_the_frame_as_outside(stretch: bool) -> None:
    framed = Framed((64, 96), stretch)
    for picture in pictures((50, 70), (64, 96), (200, 120), (1, 1), (3, 200), (97, 31), (51, 49)):
        wanted, ratios = brought(picture, (64, 96), stretch)
        found, scale = framed(torch.from_numpy(picture))
        off = np.abs(found[0].permute(1, 2, 0).numpy() - wanted)
        assert off.max() <= 1 and (off > 0).mean() < 0.01 and np.allclose(scale, ratios, rtol=1e-5)


def test_a_letterbox_fills_the_side_that_limits() -> None:
    """49 / 49 * 49 and its like fall short of a whole number where they are worked out in fractions."""
    for side in range(1, 400):
        made, _ = brought(np.full((side, side, 3), 7, np.uint8), (416, 416), False)
        assert (made == 7).all(), side


@pytest.mark.parametrize("crowd", [0, 1, 60, 400])
def test_doubles_go_as_torchvision_lets_them_go(crowd: int) -> None:
    rng = np.random.default_rng(crowd)
    corner, side = rng.random((crowd, 2)) * 60, 5 + rng.random((crowd, 2)) * 40
    boxes = torch.from_numpy(np.hstack([corner, corner + side]).astype(np.float32))
    labels, scores = torch.from_numpy(rng.integers(0, 2, crowd)), torch.linspace(1, 0, crowd)
    kept = torch.zeros(crowd, dtype=torch.bool)
    kept[batched_nms(boxes, scores, labels, 0.5)] = True
    assert torch.equal(without_doubles(boxes, labels, 0.5), kept)
    assert crowd < 2 or 0 < int(kept.sum()) < crowd


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    with zipfile.ZipFile(Path(__file__).parents[1] / "golden" / "runs-0.1.zip") as z:
        z.extractall(folder)
    return folder / "boxes" / "run"


@pytest.mark.parametrize("to", with_slow(("onnx", "openvino"), ("openvino",)))
def test_boxes_are_answered_alike_outside(run: Path, to: str, tmp_path: Path, fresh_cache: Path) -> None:
    files = []
    for i, picture in enumerate(pictures((64, 90), (120, 50), (33, 33))):
        files.append(str(tmp_path / f"{i}.png"))
        Image.fromarray(picture).save(files[-1])
    found = regraft.export_model(str(run), to, out=str(tmp_path / "out"), data=str(tmp_path))
    assert found.proof.items == 3
    (tmp_path / "bad.png").write_bytes(b"none")
    theirs = regraft.predict(str(run), files, engine="torch").predictions
    ours = alone(tmp_path / "out", *files, str(tmp_path / "bad.png"))
    assert "error" in ours[3]
    for a, b in zip(ours, theirs, strict=False):
        assert (a["width"], a["height"], len(a["boxes"])) == (b["width"], b["height"], len(b["boxes"]))
        for one, other in zip(a["boxes"], b["boxes"], strict=True):
            assert one["label"] == other["label"] and one["score"] == pytest.approx(other["score"], abs=1e-3)
            assert one["xyxy"] == pytest.approx(other["xyxy"], abs=0.1)


def made(kind: str, **how: Any) -> BoxPredictor:
    """An untrained detector that finds some twenty boxes on its first picture."""
    detector = catalog.untrained(kind, ["a", "b"], **how).eval()
    torch.manual_seed(0)
    for name, parameter in detector.named_parameters():
        if name.startswith("head") and parameter.ndim == 4:
            torch.nn.init.normal_(parameter, 0, 0.5)
        elif name.startswith("head") and "preds" in name:
            torch.nn.init.zeros_(parameter)
    told = {"target": {"name": "boxes", "decision": {}}, "files": {}, "created": ""}
    predictor = BoxPredictor(detector, told, engine="torch", device="cpu")
    scores = predictor.detector.detections(pictures((90, 120)), floor=0.001)[0].scores
    predictor.threshold = float(scores[min(20, len(scores) // 2)]) - 1e-4
    return predictor


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "how"), [("ssd", {"backbone": "small"}), ("yolo", {})])
def test_a_graph_chooses_the_frame_and_answers_as_its_detector(kind: str, how: dict[str, Any]) -> None:
    predictor = made(kind, frame=(96, 128), **how)
    items = predictor.items(pictures((90, 120), (120, 90), (40, 41), (200, 260), (1, 1)))
    subject = exportable(predictor, kind)

    def run(given: dict[str, Any]) -> dict[str, Any]:
        with torch.no_grad():
            said = subject.module(torch.from_numpy(given["picture"]))
        return {p.name: one.numpy() for p, one in zip(subject.outputs, said, strict=True)}

    assert any(len(wanted["scores"]) > 5 for _, wanted in subject.feeds(items))
    found = proof(run, subject, items, "made up")
    assert found.items == 5 and found.holds, found
    assert isinstance(subject.module, BoxGraph)
    del subject.module.ways[1]  # without the other frame, standing pictures are answered otherwise
    assert not proof(run, subject, items, "made up").holds


def test_regions_that_the_picture_decides_are_refused() -> None:
    with pytest.raises(InputError, match=r"x cannot be exported: the regions of fasterrcnn"):
        exportable(made("fasterrcnn", frame=(96, 96), backbone="small"), "x")


def test_boxes_of_two_answers_are_paired_whatever_their_order() -> None:
    wanted = {"boxes": np.array([[0, 0, 9, 9], [20, 20, 30, 30], [50, 50, 60, 60.0]]),
              "scores": np.array([0.9, 0.8999, 0.5004]), "labels": np.array([0, 0, 1])}  # fmt: skip
    said = {k: v[[1, 0]] for k, v in wanted.items()}
    ours, theirs = paired(said, wanted, 0.5, 1e-3)
    assert np.array_equal(ours["boxes"], theirs["boxes"]) and len(ours["scores"]) == 2
    ours, theirs = paired(said, wanted, 0.4, 1e-3)
    assert len(ours["scores"]) == 2 and len(theirs["scores"]) == 3, "a box that is missing is told of"
