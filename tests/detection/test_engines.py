"""Detectors by every engine: the boxes of PyTorch in float32, each picture by itself; what is chosen is remembered."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import regraft
from regraft.core import parallel
from regraft.core.boxes import Found, iou
from regraft.core.errors import DataError, InputError
from regraft.core.runtime import bf16_pays, show_progress
from regraft.data.items import PictureArray
from regraft.data.open import open_inputs
from regraft.features.engines import auto, graphs
from regraft.features.engines.base import ENGINES, missing
from regraft.features.engines.torch import TorchEngine
from regraft.models.detectors import apply, catalog
from regraft.models.detectors.apply import DetectorRunner
from regraft.models.detectors.base import Detector
from regraft.models.detectors.frozen import FrozenDetector
from tests.conftest import with_slow

FRAME = (64, 96)
KINDS = {"yolo": None, "ssd": "regraft_tiny", "fasterrcnn": "regraft_tiny"}
CONVERTED = ("openvino", "openvino-bf16", "onnxruntime")


def tiny(kind: str = "yolo") -> Detector:
    """An untrained detector whose normalisation and head say different things of different places."""
    net = catalog.untrained(kind, ("a", "b"), backbone=KINDS[kind] and f"random:{KINDS[kind]}", frame=FRAME)
    chance = torch.Generator().manual_seed(0)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.uniform_(-0.2, 0.2, generator=chance)
            m.running_var.uniform_(0.5, 2, generator=chance)
            nn.init.uniform_(m.weight, 0.5, 1.5, generator=chance)
    if kind == "yolo":
        for layer in (*net.head.cls_preds, *net.head.obj_preds):
            nn.init.normal_(layer.weight, std=0.3, generator=chance)
            nn.init.zeros_(layer.bias)
    return net.eval()


def pictures(n: int, height: int = 48, width: int = 72) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 255, (n, 4, 6, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((1, height // 4, width // 6, 1), np.uint8))


def items(n: int, *shape: int) -> PictureArray:
    return PictureArray(pictures(n, *shape), "x")


def skip_where_missing(name: str) -> None:
    if missing(ENGINES.get(name)) or (ENGINES.get(name).BF16 and not bf16_pays()):
        pytest.skip("not on this machine")


def alike(a: Found, b: Found, near: float) -> None:
    """The surest boxes of one are among those of the other, with nearly the same score."""
    for xyxy, score, label in zip(a.xyxy[:10], a.scores, a.labels, strict=False):
        same = (iou(xyxy[None], b.xyxy)[0] > 1 - 20 * near) & (b.labels == label) & (np.abs(b.scores - score) < near)
        assert same.any(), (xyxy, score)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", with_slow(CONVERTED[:1] + CONVERTED[2:], ("onnxruntime",)))
def test_every_engine_finds_the_boxes_of_torch(kind: str, name: str, fresh_cache: Path) -> None:
    """In float32 scores to 1e-3 and corners nearly so; the two-stage one by its maps, regions by PyTorch."""
    skip_where_missing(name)
    if name == "onnxruntime" and kind != "yolo":
        pytest.skip("one is enough for what is slow to convert")
    net = tiny(kind)
    plain, other = DetectorRunner(net, "torch"), DetectorRunner(net, name)
    assert (plain.engine, other.engine) == ("torch", name)
    data = items(11)
    for a, b in zip(plain.detections(data, 0.02), other.detections(data, 0.02), strict=True):
        assert len(a) > 0
        alike(a, b, 1e-3)


@pytest.mark.parametrize("name", ["torch-bf16", "openvino-bf16"])
def test_bfloat16_is_near_and_boxes_are_decoded_in_float32(name: str, fresh_cache: Path) -> None:
    skip_where_missing(name)
    net = tiny()
    data = [p.pixels for p in DetectorRunner(net, "torch").framed(items(8))]
    engines = [DetectorRunner(net, n)._of(FRAME) for n in ("torch", name)]
    a, b = (e.run(np.stack(data))["raw"] for e in engines)
    assert a.dtype == b.dtype == np.float32 and a.shape == b.shape and auto.least_cosine(a, b) > 0.99


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_by_itself(kind: str) -> None:
    """Its neighbours change nothing, to the bit in one shape; a single one runs alone."""
    runner, data = DetectorRunner(tiny(kind), "torch"), items(8)
    together = runner.detections(data, 0.02)
    swapped = runner.detections(data.take(np.arange(8)[::-1]), 0.02)[::-1]
    for a, b in zip(together, swapped, strict=True):
        assert np.array_equal(a.xyxy, b.xyxy) and np.array_equal(a.scores, b.scores)
    alike(runner.detections(data.take(np.array([3])), 0.02)[0], together[3], 1e-3)


def test_a_single_picture_costs_a_single_picture(monkeypatch: pytest.MonkeyPatch, fresh_cache: Path) -> None:
    sizes, run = [], TorchEngine.run
    monkeypatch.setattr(TorchEngine, "run", lambda self, data: sizes.append(len(data)) or run(self, data))
    monkeypatch.setattr(graphs.ConvertedEngine, "_convert", lambda self: pytest.fail("a conversion"))
    net = tiny()
    with monkeypatch.context() as patch:
        patch.setattr(parallel, "ThreadPoolExecutor", lambda *_: pytest.fail("a thread for a few pictures"))
        DetectorRunner(net).detections(items(1))
    DetectorRunner(net).detections(items(9))
    DetectorRunner(net).detections(items(35))
    assert sizes == [1, 8, 1, 8, 8, 8, 8, 8] and not (fresh_cache / "engines").exists()


def test_pictures_that_stand_and_one_that_cannot_be_read(tmp_path: Path) -> None:
    """Two frames in turns: every answer is at the place of its picture, and in its pixels."""
    for i in range(40):
        shape = (48, 72) if i % 3 else (72, 48)
        Image.fromarray(pictures(1, *shape)[0] // (1 + i % 2)).save(tmp_path / f"{i:02}.png")
    (tmp_path / "07.png").write_bytes(b"no picture")
    runner = DetectorRunner(tiny(), "torch")
    found = [one for some in runner.stream(open_inputs(str(tmp_path)).items, 0.02) for one in some.items()]
    assert [i for i, _ in found] == list(range(40)) and [a.name for _, a in found] == [f"{i:02}.png" for i in range(40)]
    assert [bool(a.error) for _, a in found] == [i == 7 for i in range(40)]
    for i, a in found:
        assert i == 7 or ((a.height, a.width) == ((48, 72) if i % 3 else (72, 48)) and len(a.found))
        assert (a.found.xyxy <= [a.width, a.height] * 2).all()
    assert len(runner._engines) == 2
    with pytest.raises(DataError, match=r"07\.png cannot be used"):
        runner.detections(open_inputs(str(tmp_path)).items)


class Failing(graphs.ConvertedEngine):
    LIBRARY = NAME = "failing"
    NEEDS, INSTALL = (), ""

    def convert(self, program):
        raise RuntimeError("no such operation: aten::odd")

    write = read = ready = None  # type: ignore[assignment]


Failing.__abstractmethods__ = frozenset()


def test_what_cannot_be_converted_runs_by_torch(
    monkeypatch: pytest.MonkeyPatch, fresh_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(ENGINES._entries, "failing", f"{__name__}:Failing")
    show_progress(True)
    try:
        runner = DetectorRunner(tiny("fasterrcnn"), "failing")
        assert len(runner.detections(items(2))) == 2 and runner.engine == "torch"
    finally:
        show_progress(False)
    said = capsys.readouterr().err
    assert said.count("failing cannot run fasterrcnn at 96 x 64 (no such operation: aten::odd); torch runs it") == 1


class Counting(TorchEngine):
    def describe(self):
        return {**super().describe(), "engine": "counting"}


def test_many_pictures_choose_and_the_choice_is_remembered(monkeypatch: pytest.MonkeyPatch, fresh_cache: Path) -> None:
    monkeypatch.setitem(ENGINES._entries, "counting", f"{__name__}:Counting")
    monkeypatch.setattr(auto, "candidates", lambda network, device, count, longer=1.0:
                        ["torch", "counting"] if count >= 40 else ["torch"])  # fmt: skip
    timed = auto._timed
    monkeypatch.setattr(
        auto, "_timed", lambda engine, data: (timed(engine, data)[0], 1.0 + isinstance(engine, Counting))
    )

    def engine_for(n: int, *shape: int) -> str:
        runner = DetectorRunner(tiny())
        runner.detections(items(n, *shape))
        return runner.engine

    assert engine_for(10) == "torch" and not list(fresh_cache.rglob("choice-*"))
    assert engine_for(40) == "counting" and engine_for(1) == "counting"
    record = json.loads(next(fresh_cache.glob("engines/*/choice-*.json")).read_text())
    assert record["network"] == "yolo at 96 x 64" and record["tried"]["counting"]["cosine"] > 0.999
    assert engine_for(10, 72, 48) == "torch", "in another frame it is another network"


def test_little_work_of_a_detector_stays_on_torch(fresh_cache: Path) -> None:
    net = FrozenDetector(catalog.untrained("yolo", ("a",), frame=(416, 416)), (416, 416))
    assert "torch-bf16" not in auto.candidates(net, "cpu", 10**6), "its last maps are rounded"
    assert auto.candidates(net, "cpu", 127) == ["torch"] and 0.003 < auto.nominal_seconds(net) < 0.1
    assert (
        net.digest() != FrozenDetector(catalog.untrained("yolo", ("a",), frame=(416, 416), seed=1), (416, 416)).digest()
    )


@pytest.mark.slow
def test_commands_take_an_engine(tmp_path: Path, fresh_cache: Path) -> None:
    from tests.commands.test_detect import OPTIONS, write_coco

    skip_where_missing("openvino")
    data = str(write_coco(tmp_path / "data"))
    run = regraft.fit(data, out=str(tmp_path / "run"), engine="openvino", **OPTIONS)
    assert run.engine == "openvino"
    found = [regraft.predict(run.run, [data], engine=e).predictions for e in ("auto", "torch", "openvino")]
    assert found[0] == found[1] and [r["input"] for r in found[1]] == [r["input"] for r in found[2]]
    a, b = (regraft.evaluate(run.run, data, engine=e).metrics for e in ("torch", "openvino"))
    assert a["map"] == pytest.approx(b["map"], abs=0.003)
    with pytest.raises(InputError, match="no engine 'tensors'"):
        regraft.fit(data, out=str(tmp_path / "no"), engine="tensors", **OPTIONS)
    assert not (tmp_path / "no").exists()


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are made only some ahead of those that are answered."""
    made, first = [], None
    brought = apply.brought
    monkeypatch.setattr(apply, "brought", lambda *how: made.append(1) or brought(*how))
    for one in DetectorRunner(tiny(), "torch").stream(items(200)):
        first = first or len(made)
        assert len(one) in (8, apply.CHUNK)
    assert first is not None and first < 100 and len(made) == 200
