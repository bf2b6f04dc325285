"""From pictures with boxes to a judged, saved detector, by the commands."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

import regraft
from regraft.backbones import catalog as networks
from regraft.cli.printing import print_fits
from regraft.core.boxes import Boxes
from regraft.core.errors import ArtefactError, DataError, InputError
from regraft.core.files import dump_json, write_json
from regraft.core.row_store import RowStore
from regraft.core.types import Hints, LabelSpec
from regraft.data.box_splits import split_boxes
from regraft.data.dataset import Dataset
from regraft.data.items import picture_array
from regraft.data.open import open_data
from regraft.data.writers.detections import record
from regraft.inference.box_answers import box_answers
from regraft.models.detectors import catalog
from regraft.training.detector import inner_pictures

OPTIONS = {"size": 64, "epochs": 1, "batch": 4, "method": "scratch"}


def write_coco(root: Path, n: int = 10, classes: tuple[str, ...] = ("bright", "dark")) -> Path:
    """Pictures of 64 x 48 with one square each, the first without any, in COCO's format."""
    rng = np.random.default_rng(0)
    root.mkdir(parents=True)
    images, boxes = [], []
    for i in range(n):
        x = rng.integers(100, 140, (48, 64, 3)).astype(np.uint8)
        left, top, side = (int(v) for v in (*rng.integers(2, 20, 2), rng.integers(14, 26)))
        if i:
            x[top : top + side, left : left + side] = 240 if i % 2 else 10
            boxes.append({"id": i, "image_id": i, "category_id": 1 + (i + 1) % 2, "bbox": [left, top, side, side],
                          "area": side * side, "iscrowd": 0})  # fmt: skip
        Image.fromarray(x).save(root / f"{i:02d}.png")
        images.append({"id": i, "file_name": f"{i:02d}.png", "width": 64, "height": 48})
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(classes)]
    write_json(root / "annotations.json", {"images": images, "annotations": boxes, "categories": categories})
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_coco(tmp_path_factory.mktemp("boxes") / "squares")


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "one"
    regraft.fit(str(data), out=str(out), **OPTIONS)
    return out


def test_a_fit_says_what_it_was(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    result = record["result"]
    assert record["settings"]["detector"] == "yolo" and record["settings"]["method"] == "scratch"
    assert result["task"] == "detection" and result["classes"] == ["bright", "dark"]
    assert {"map", "map50", "per_class"} <= set(result["metrics"]["val"])
    assert result["items"] == {"train": 8, "val": 2}
    assert result["choice"]["frame"] == [64, 64]
    assert result["choice"]["loop"]["batch"] == 4
    assert len(json.loads((run / "detections.json").read_text())["pictures"]) == 2
    assert "<html" in (run / "report.html").read_text()


def test_the_model_predicts_in_pixels(run: Path, data: Path) -> None:
    found = regraft.predict(str(run), [str(data / "01.png")])
    assert found.items == 1 and found.predictions[0]["input"].endswith("01.png")
    predictor = regraft.load(run)
    everything = predictor.predict([str(data / "01.png"), str(data / "02.png")], threshold=0.0)
    assert len(everything) == 2 and all(len(f) for f in everything)
    assert (everything[0].xyxy <= [64, 48, 64, 48]).all()
    predictor.threshold = 0.0
    whole, in_tiles = (list(box_answers(predictor, [str(data)], size)) for size in (None, 40))
    assert len(whole) == len(in_tiles) == 10 and [a.name for a in whole] == [a.name for a in in_tiles]
    row = record(whole[0], predictor.detector.classes)
    assert set(row["boxes"][0]) == {"label", "score", "xyxy"} and row["boxes"][0]["label"] in ("bright", "dark")


def test_boxes_as_files(run: Path, data: Path, tmp_path: Path) -> None:
    found = regraft.predict(str(run), [str(data)], out=str(tmp_path / "found"), form="coco")
    assert found.items == 10 and found.failed == 0 and not found.predictions
    assert len(json.loads((tmp_path / "found" / "images.json").read_text())["images"]) == 10
    wrong = [
        ({"form": "coco"}, "needs --out"),
        ({"sort_into": "x"}, "are not for detectors"),
        ({"overwrite": True}, "are not for detectors"),
        ({"engine": "tensors"}, "no engine 'tensors'"),
        ({"out": str(tmp_path / "found")}, "exists"),
        ({"form": "voc", "out": "x"}, "no format"),
    ]
    for options, message in wrong:
        with pytest.raises(InputError, match=message):
            regraft.predict(str(run), [str(data)], **options)


def test_videos_frame_by_frame(run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cv2 = pytest.importorskip("cv2", reason="OpenCV (regraft[video]) is not installed")
    clip = str(tmp_path / "clip.avi")
    video = cv2.VideoWriter(clip, cv2.VideoWriter.fourcc(*"MJPG"), 5, (64, 48))
    for i in range(11):
        video.write(np.asarray(Image.open(data / f"{i % 10:02d}.png"))[:, :, ::-1])
    video.release()
    found = regraft.predict(str(run), [clip, str(data / "01.png")])
    assert [r["input"] for r in found.predictions][:2] == [f"{clip}/clip-000000", f"{clip}/clip-000001"]
    assert len(found.predictions) == 12 and found.predictions[0]["width"] == 64
    regraft.predict(str(run), [clip], out=str(tmp_path / "drawn"), form="pictures")
    assert len(list((tmp_path / "drawn").glob("clip-*.jpg"))) == 11
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match="cannot be read as a video"):
        regraft.predict(str(run), [str(tmp_path / "broken.mp4")])
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(InputError, match="regraft\\[video\\]"):
        regraft.predict(str(run), [clip])


def test_a_picture_that_cannot_be_read_stands_in_the_answers(run: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    Image.new("L", (3, 9)).save(tmp_path / "grey.png")
    found = regraft.predict(str(run), [str(tmp_path)])
    assert found.items == 2 and found.failed == 1
    assert [("error" in r) for r in found.predictions] == [True, False]


def test_it_is_evaluated_verified_and_listed(run: Path, data: Path, tmp_path: Path) -> None:
    found = regraft.evaluate(str(run), str(data))
    assert found.items == 10 and {"map", "map50", "per_class"} <= set(found.metrics)
    assert regraft.verify(str(run))["task"] == "detection"
    assert regraft.runs(str(run.parent))[0]["map"] == pytest.approx(
        json.loads((run / "run.json").read_text())["result"]["metrics"]["val"]["map"]
    )
    other = write_coco(tmp_path / "other", 4, ("apple", "pear"))
    with pytest.raises(InputError, match="which the model has not"):
        regraft.evaluate(str(run), str(other))


def test_a_damaged_model_is_refused(run: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    weights = copy / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(ArtefactError, match="does not match its digest"):
        regraft.load(copy)


def test_another_run_of_the_same_settings_has_the_same_bits(run: Path, data: Path, tmp_path: Path) -> None:
    regraft.fit(str(data), out=str(tmp_path / "again"), **OPTIONS)
    one, two = (p / "model" / "model.safetensors" for p in (run, tmp_path / "again"))
    assert one.read_bytes() == two.read_bytes()


def test_a_fit_goes_on_from_another_run(run: Path, data: Path, tmp_path: Path) -> None:
    options = OPTIONS | {"method": "head-only"}
    result = regraft.fit(str(data), out=str(tmp_path / "more"), init=str(run), **options)
    kept = result.choice["origin"]["record"]["kept"]
    assert kept == {"bright": "bright", "dark": "dark"} and result.choice["stored_views"] == 4


@pytest.mark.parametrize("detector", ["ssd", "fasterrcnn"])
def test_other_detectors(detector: str, data: Path, tmp_path: Path) -> None:
    options = OPTIONS | {"method": "finetune", "backbone": "regraft_tiny"}
    result = regraft.fit(str(data), detector=detector, out=str(tmp_path / "run"), **options)
    assert result.detector == detector and result.backbone == "regraft_tiny"
    assert len(regraft.load(tmp_path / "run").predict([str(data / "01.png")], threshold=0.0)) == 1


def test_without_weights_it_starts_anew_and_says_so(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from regraft.backbones import weights
    from regraft.core.errors import WeightsError

    def nothing(name: str, row: object) -> Path:
        raise WeightsError(f"The weights of {name} are not on this machine.")

    monkeypatch.setattr(weights, "_download", nothing)
    options = OPTIONS | {"method": "finetune"}
    result = regraft.fit(str(data), out=str(tmp_path / "run"), **options)
    assert "no-pretrained-weights" in [p["kind"] for p in result.problems]


def test_the_gain_over_no_transfer(run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One command trains the control too; its figures are those of a run by ``--method scratch``."""
    options = OPTIONS | {"method": "finetune", "controls": "scratch", "init": str(run)}
    result = regraft.fit(str(data), out=str(tmp_path / "run"), **options)
    alone = json.loads((run / "run.json").read_text())["result"]["metrics"]["val"]
    assert result.metrics["controls"]["scratch"] == alone and result.gain["against"] == "scratch"
    assert result.gain["value"] == pytest.approx(result.metrics["val"]["map"] - alone["map"])
    assert "without transfer" in (tmp_path / "run" / "report.html").read_text()
    assert result.choice["phases"][0]["name"] == "finetune"
    print_fits(json.loads(dump_json(result)))
    assert "scratch (no transfer)" in capsys.readouterr().out
    options = OPTIONS | {"method": "finetune", "detector": "ssd", "backbone": "random:regraft_tiny"}
    nothing = regraft.fit(str(data), out=str(tmp_path / "other"), controls="scratch", **options)
    assert nothing.gain is None and "no-control" in [p["kind"] for p in nothing.problems]


def test_a_run_of_another_detector_is_taken_as_it_is(data: Path, tmp_path: Path) -> None:
    """``--init`` alone says which detector it is."""
    options = OPTIONS | {"detector": "ssd", "backbone": "random:regraft_tiny"}
    regraft.fit(str(data), out=str(tmp_path / "one"), **options)
    result = regraft.fit(str(data), out=str(tmp_path / "two"), init=str(tmp_path / "one"), size=64, epochs=1)
    assert result.detector == "ssd" and result.backbone == "regraft_tiny"
    with pytest.raises(InputError, match="do not fit"):
        regraft.fit(str(data), out=str(tmp_path / "three"), init=str(tmp_path / "one"), detector="yolo", size=64)


@pytest.mark.parametrize("options", [{"mix": "mosaic+mixup"}, {"multi_scale": True}, {"mix": "mixup"}])
def test_joined_pictures_and_many_scales(options: dict[str, object], run: Path, data: Path, tmp_path: Path) -> None:
    regraft.fit(str(data), out=str(tmp_path / "a"), **OPTIONS | options)
    regraft.fit(str(data), out=str(tmp_path / "b"), **OPTIONS | options)
    weights = [(p / "model" / "model.safetensors").read_bytes() for p in (run, tmp_path / "a", tmp_path / "b")]
    assert weights[0] != weights[1] and weights[1] == weights[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"method": "lora"}, "not for detectors"), ({"detector": "yolo-q"}, "no detector 'yolo-q'"),
     ({"smoothing": 0.1}, "--smoothing is not for detectors"),
     ({"controls": "raw"}, "--controls raw is not"), ({"lr": "auto"}, "--lr auto"), ({"size": 8}, "64 pix"),
     ({"backbone": "mobilenet_v2"}, "body of its own"), ({"augment": "flop"}, "no augmentation"),
     ({"epochs": 0}, "--epochs is 0"), ({"mix": "cutmix"}, "--mix cutmix"),
     ({"mix": "mosaic", "method": "head-only"}, "stored maps"), ({"controls": "scratch"}, "its own control"),
     ({"multi_scale": True, "method": "head-only"}, "stored maps")],
)  # fmt: skip
def test_what_cannot_be_meant(options: dict[str, object], message: str, data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        regraft.fit(str(data), out=str(tmp_path / "run"), **{"method": "scratch", **options})
    assert not (tmp_path / "run").exists() and not (tmp_path / "run.partial").exists()


def test_a_detector_takes_boxes_only(shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is for pictures with boxes"):
        regraft.fit(str(shapes), detector="yolo", out=str(tmp_path / "run"))


def test_pictures_with_many_classes_are_held_out_too() -> None:
    """Hardly two pictures hold the same classes: each set by itself would leave nothing to choose by."""
    rng = np.random.default_rng(0)
    labels = [rng.permutation(40)[:6] for _ in range(300)]
    truth = np.empty(300, object)
    truth[:] = [Boxes(np.tile([0.0, 0, 5, 5], (6, 1)), k, np.zeros(6, bool)) for k in labels]
    pictures = picture_array(np.zeros((300, 8, 8), np.uint8), "x")
    data = Dataset("x", pictures, {"boxes": LabelSpec("detection", tuple(f"c{i}" for i in range(40)))},
                   {"boxes": truth}, np.full(300, ""))  # fmt: skip
    learn, hold = inner_pictures(data, None, 0)
    assert 30 <= len(hold) <= 60 and not set(learn) & set(hold)


def test_the_body_that_was_found_is_written_down(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which one it is hangs on the weights that lie about: a resumed or repeated run must know."""
    name = "ssdlite320_mobilenet_v3_large"
    made = catalog.untrained("ssd", [f"c{i}" for i in range(90)], backbone=name)
    save_file({k: v.contiguous() for k, v in made.state_dict().items()}, tmp_path / f"{name}_coco.safetensors")
    monkeypatch.setenv("REGRAFT_WEIGHTS", str(tmp_path))
    options: dict = {"detector": "ssd", "method": "head-only", "epochs": 1, "batch": 4, "out": str(tmp_path / "r")}
    result = regraft.fit(str(data), **options)
    assert json.loads((tmp_path / "r/run.json").read_text())["settings"]["backbone"] == name == result.backbone
    assert regraft.fit(str(data), resume=True, **options).run == result.run
    monkeypatch.setenv("REGRAFT_WEIGHTS", "")
    assert regraft.fit(str(data), resume=True, **options).run == result.run


def test_a_network_of_classes_is_refused(data: Path) -> None:
    with pytest.raises(InputError, match="network= is not for boxes"):
        regraft.fit(str(data), network=networks.load("random:lenet"), **OPTIONS)


def test_copies_between_training_and_a_file_to_judge_on(tmp_path: Path, capsys) -> None:
    """A picture of training is there again: as it is, and re-encoded at another size. Both are named and left out."""
    rng = np.random.default_rng(1)

    def scene(folder: Path, n: int, first: int) -> tuple[list[dict], list[dict]]:
        folder.mkdir(parents=True)
        images, boxes = [], []
        for i in range(n):
            coarse = rng.integers(0, 255, (12, 16, 3)).astype(np.uint8)
            Image.fromarray(coarse).resize((160, 120), Image.Resampling.BICUBIC).save(folder / f"{first + i}.png")
            images.append({"id": i, "file_name": f"{first + i}.png", "width": 160, "height": 120})
            boxes.append({"id": i + 1, "image_id": i, "category_id": 1 + i % 2, "bbox": [10, 10, 60, 60], "area": 3600,
                          "iscrowd": 0})  # fmt: skip
        return images, boxes

    categories = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    for folder, n, first in ((tmp_path / "train", 8, 0), (tmp_path / "val", 4, 100)):
        images, boxes = scene(folder, n, first)
        if first:
            Image.open(tmp_path / "train/0.png").save(folder / "100.png")
            Image.open(tmp_path / "train/1.png").resize((128, 96)).save(folder / "101.png")
            images[1] |= {"width": 128, "height": 96}
        write_json(folder / "annotations.json", {"images": images, "annotations": boxes, "categories": categories})
    split = split_boxes(
        open_data(str(tmp_path / "train")), str(tmp_path / "val"), format=None, seed=0, store=RowStore()
    )
    assert split.copied is not None and split.copied.tolist() == [True, True, False, False]
    told = {p.item: p.kind for p in split.problems if "duplicate" in p.kind}
    assert told == {"100.png": "duplicate-across-parts", "101.png": "near-duplicate-across-parts"}
    result = regraft.fit(str(tmp_path / "train"), val=str(tmp_path / "val"), out=str(tmp_path / "r"), **OPTIONS)
    assert result.metrics["val_without_copies"]["items"] == 2 and "map" in result.metrics["val_without_copies"]
    assert "have a copy among the training pictures" in (tmp_path / "r/report.html").read_text()
    capsys.readouterr()
    print_fits(json.loads(dump_json(asdict(result))))
    assert "warning: Some judged pictures have a copy" in capsys.readouterr().out


def test_groups_of_pictures_are_not_torn_and_intervals_go_by_them(tmp_path: Path) -> None:
    data = write_coco(tmp_path / "squares", 40)
    out = tmp_path / "r"
    result = regraft.fit(str(data), out=str(out), group=r"^(\d)", **OPTIONS)
    judged = {p["input"][0] for p in json.loads((out / "detections.json").read_text())["pictures"]}
    assert len(judged) == 1 and result.items == {"train": 30, "val": 10}, "one of four tens is judged, whole"
    opened = open_data(str(data), hints=Hints(group=r"^(\d)"))
    split = split_boxes(opened, None, format=None, seed=0, store=RowStore())
    assert len(set(split.groups) | set(split.val_groups)) == 4
    assert not set(split.groups) & set(split.val_groups)
    whole = regraft.evaluate(str(out), str(data), group=r"^(\d)").metrics
    alone = regraft.evaluate(str(out), str(data)).metrics
    assert whole["map"] == alone["map"] and whole["map_ci95"] != alone["map_ci95"]
    with pytest.raises(DataError, match="matches none of the items' names"):
        regraft.fit(str(data), out=str(tmp_path / "n"), group="patient", **OPTIONS)
