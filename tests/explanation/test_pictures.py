"""Maps over pictures: against closed forms, by where the object is, and by what randomised weights make of them."""

from __future__ import annotations

import copy
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr
from torch import nn
from typer.testing import CliRunner

import regraft
from regraft.backbones.base import Body, Pretrained, SpatialMean
from regraft.backbones.blocks import vit
from regraft.cli import app
from regraft.core.boxes import Found
from regraft.core.errors import InputError, UnknownName
from regraft.core.types import LabelSpec, PreprocessSpec
from regraft.core.vision import torchvision
from regraft.data.items import picture_array
from regraft.explanation import attribution
from regraft.explanation.boxes import explained_boxes
from regraft.explanation.pictures import MapMaker, laid_over, place
from regraft.features.fusion import fuse
from regraft.inference.load import load
from regraft.inference.predictor import Predictor
from regraft.models.heads import LinearHead
from regraft.models.model import Model
from tests.conftest import shape, write_shapes


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network that was trained to tell discs from squares."""
    at = tmp_path_factory.mktemp("explained")
    data = str(write_shapes(at / "shapes", 40))
    regraft.fit(data, backbone="regraft_tiny", method="lp-ft", epochs=4, out=str(at / "run"), controls="majority")
    return str(at / "run")


def pasted(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture of a shape, and where in it the shape is."""
    picture = np.asarray(shape("square" if seed % 2 else "disc", np.random.default_rng(1000 + seed)))
    return picture, picture.max(2) > 100


def test_grad_cam_in_closed_form() -> None:
    """Behind the mean over places a linear head weighs each channel alike everywhere: the gradient is w / (h w)."""
    torch.manual_seed(0)
    body = Body([("a", nn.Conv2d(3, 6, 3, stride=2)), ("b", nn.Conv2d(6, 5, 3))], SpatialMean())
    weight, x = torch.randn(5), torch.randn(1, 3, 21, 17)
    parts = attribution.halves(body, x)
    assert parts is not None
    found = attribution.grad_cam(parts, lambda f: f[0] @ weight, x)
    maps = body(x)[0].detach()
    expected = torch.relu((weight[:, None, None] * maps).sum(0)) / maps[0].numel()
    assert found == pytest.approx(expected.numpy(), abs=1e-6) and found.max() > 0 and found.shape == (8, 6)


def test_the_last_map_is_found_before_layers_without_places() -> None:
    hidden = nn.Sequential(nn.Flatten(), nn.Linear(4 * 25, 7), nn.ReLU())
    parts = attribution.halves(Body([("a", nn.Conv2d(3, 4, 4)), ("h", hidden)], nn.Identity()), torch.zeros(1, 3, 8, 8))
    assert parts is not None and parts.before(torch.zeros(1, 3, 8, 8)).shape == (1, 4, 5, 5)
    assert parts.after(torch.zeros(1, 4, 5, 5)).shape == (1, 7)
    assert attribution.halves(Body([("h", nn.Flatten())], nn.Identity()), torch.zeros(1, 3, 8, 8)) is None


def small_vit(seed: int = 0) -> Body:
    torch.manual_seed(seed)
    net = torchvision.models.VisionTransformer(image_size=32, patch_size=8, num_layers=3, num_heads=2, hidden_dim=16,
                                               mlp_dim=32)  # fmt: skip
    for block in net.encoder.layers:
        nn.init.normal_(block.self_attention.in_proj_weight, std=0.5)
    blocks, pool, _ = vit(net)
    return Body(blocks, pool).eval()


def by_hand(body: Body, x: torch.Tensor) -> np.ndarray:
    """Attention rollout from the weights of queries and keys."""
    names, reached = dict(body.blocks), torch.eye(17)
    hidden = names["tokens"](x)
    for _, block in body.blocks[1:-1]:
        layer, normed = block.self_attention, block.ln_1(hidden)[0]
        q, k = ((normed @ w.T + b).reshape(17, 2, 8).transpose(0, 1) for w, b in
                zip(layer.in_proj_weight.split(16)[:2], layer.in_proj_bias.split(16)[:2], strict=True))  # fmt: skip
        attends = (q @ k.transpose(1, 2) / 8**0.5).softmax(-1).mean(0)
        reached = (0.5 * attends + 0.5 * torch.eye(17)) @ reached
        hidden = block(hidden)
    return reached[0, 1:].reshape(4, 4).detach().numpy()


def test_rollout_by_hand() -> None:
    body, x = small_vit(), torch.randn(1, 3, 32, 32)
    before = body.features(x)
    found = attribution.rollout(body, x)
    assert found == pytest.approx(by_hand(body, x), abs=1e-6) and np.ptp(found) > 0.001
    assert torch.equal(body.features(x), before), "nothing is left on the network"


def test_rollout_of_timm_and_its_maps() -> None:
    """A transformer of timm attends as it does when its attention is fused; its Swin has maps in channels last."""
    timm = pytest.importorskip("timm", reason="timm is an extra")
    from regraft.backbones.timm_models import body_of

    torch.manual_seed(0)
    net = timm.create_model("vit_tiny_patch16_224", img_size=64, num_classes=0)
    body, x = body_of(net).eval(), torch.randn(1, 3, 64, 64)
    found = attribution.rollout(body, x)
    assert found.shape == (4, 4) and 0 < found.sum() < 1 and attribution.halves(body, x) is None
    assert all(m.fused_attn for m in attribution.attention_layers(body)), "as it was"
    wide = body_of(timm.create_model("resnet10t", num_classes=0)).eval()
    parts = attribution.halves(wide, x)
    assert parts is not None and torch.allclose(parts.after(parts.before(x)), wide.features(x), atol=1e-5)
    swin = body_of(timm.create_model("swin_tiny_patch4_window7_224", img_size=64, window_size=2, num_classes=0)).eval()
    parts = attribution.halves(swin, x)
    assert parts is not None and parts.before(x).shape == (1, 768, 2, 2)
    assert torch.allclose(parts.after(parts.before(x)), swin.features(x), atol=1e-5)


def test_a_transformer_is_explained_by_its_attention() -> None:
    """And two networks side by side, which share no map, by what is made grey."""
    spec = PreprocessSpec(height=32, width=32)
    networks = [Pretrained(f"vit{i}", small_vit(i), None, spec, {"width": 16, "architecture": "v"}) for i in range(2)]

    def maker(network: Pretrained) -> MapMaker:
        head = LinearHead(network.width, 2)
        model = Model(network, head, "y", LabelSpec("classification", ("a", "b")))
        return MapMaker(Predictor(model, {"record": {}}, engine="torch"))

    alone, both = maker(networks[0]), maker(fuse(networks))
    assert (alone.method, both.method) == ("rollout", "occlusion")
    picture, _ = pasted(0)
    found = alone(picture, 0)
    assert np.array_equal(found, alone(picture, 1)) and found.shape == (40, 40)
    assert found.max() == 1 and 0 <= found.min() < 0.01
    assert not np.array_equal(both(picture, 0), both(picture, 1))
    with pytest.raises(InputError, match="grad-cam needs maps of places, and vit0 has none; take rollout or occlusion"):
        MapMaker(alone.predictor, "grad-cam")


def test_windows_cover_every_pixel_and_occlusion_finds_the_one_that_counts() -> None:
    for height, width in ((7, 40), (64, 48), (1, 1)):
        boxes = attribution.windows(height, width)
        assert (attribution.occlusion(np.ones(len(boxes)), boxes, height, width) == 1).all()
    boxes = attribution.windows(60, 40)
    change = np.array([float(t <= 30 < b and left <= 10 < right) for t, left, b, right in boxes])
    found = attribution.occlusion(change, boxes, 60, 40)
    assert found[30, 10] == found.max() == 1 and found[50, 35] == 0


def test_a_map_lies_where_the_network_looks() -> None:
    """The middle that is cut out of a wide picture, stretched over none of the rest."""
    spec = PreprocessSpec(height=224, width=224, resize=256)
    assert place(spec, 256, 512) == (16, 144, 240, 368) and place(PreprocessSpec(), 30, 50) == (0, 0, 30, 50)
    whole = laid_over(np.ones((7, 7)), spec, 256, 512)
    assert whole.shape == (256, 512) and whole[16:240, 144:368].min() == pytest.approx(1) and whole.sum() == 224 * 224
    low = PreprocessSpec(height=224, width=224, resize=200)  # more is cut out than is there
    assert laid_over(np.ones((7, 7)), low, 200, 200) == pytest.approx(np.ones((200, 200)))


def pointed(maker: MapMaker, n: int) -> float:
    """The pointing game (Zhang et al. 2018): the share of maps whose maximum lies on the object."""
    hits = []
    for seed in range(n):
        picture, where = pasted(seed)
        found = maker(picture, seed % 2)
        hits.append(where[np.unravel_index(found.argmax(), found.shape)])
    return float(np.mean(hits))


def randomised(maker: MapMaker, seed: int) -> MapMaker:
    """The same with weights that have learned nothing."""
    predictor = copy.deepcopy(maker.predictor)
    generator = torch.Generator().manual_seed(seed)
    for p in [*predictor.model.network.body.parameters(), *predictor.model.head.parameters()]:
        with torch.no_grad():
            p.copy_(torch.randn(p.shape, generator=generator) * p.std(unbiased=False))
    return MapMaker(predictor, maker.method)


def test_maps_point_at_the_object(run: str) -> None:
    chance = float(np.mean([pasted(seed)[1].mean() for seed in range(30)]))
    for method, n in (("grad-cam", 30), ("occlusion", 8)):
        assert pointed(MapMaker(load(run, engine="torch"), method), n) > 2.5 * chance, method


def test_randomised_weights_change_the_map(run: str) -> None:
    """Adebayo et al. 2018 (https://arxiv.org/abs/1810.03292): a map that stays tells of the picture alone."""
    maker = MapMaker(load(run, engine="torch"), "grad-cam")
    alike = []
    for seed in range(12):
        picture, _ = pasted(seed)
        own, other = maker(picture, seed % 2), randomised(maker, seed)(picture, seed % 2)
        assert not np.array_equal(own, other)
        alike.append(spearmanr(own.ravel(), other.ravel()).statistic if np.ptp(other) and np.ptp(own) else 0.0)
    again = MapMaker(load(run, engine="torch"), "grad-cam")
    assert np.array_equal(again(pasted(0)[0], 0), maker(pasted(0)[0], 0)), "the same weights, the same map"
    assert abs(float(np.mean(alike))) < 0.5
    x = torch.randn(1, 3, 32, 32)
    rollouts = [attribution.rollout(small_vit(seed), x).ravel() for seed in range(8)]
    assert max(spearmanr(rollouts[0], r).statistic for r in rollouts[1:]) < 0.9


def test_another_class_another_map(run: str) -> None:
    maker, (picture, _) = MapMaker(load(run, engine="torch")), pasted(3)
    assert maker.method == "grad-cam" and not np.array_equal(maker(picture, 0), maker(picture, 1))
    grey = MapMaker(load(run, engine="torch"), "occlusion")
    assert grey(picture, 0) == pytest.approx(-grey(picture, 1), abs=1e-6), "of two classes one's gain"


def test_a_folder_becomes_a_page(run: str, tmp_path: Path) -> None:
    write_shapes(tmp_path / "new", 2, seed=9)
    page = tmp_path / "why.html"
    found = regraft.explain(run, str(tmp_path / "new"), out=str(page))
    assert [p.label for p in found.pictures] == ["disc", "disc", "square", "square"] and not found.notes
    assert all(p.map.min() >= 0 and p.map.max() == 1 and p.map.shape == (40, 40) for p in found.pictures)
    assert all([n["label"] for n in p.neighbours] == [p.label] * 4 for p in found.pictures)
    alike = [n["similarity"] for n in found.pictures[0].neighbours]
    assert alike == sorted(alike, reverse=True) and alike[0] <= 1
    text = page.read_text()
    assert not re.findall(r"https?://|<script|<link|@import|url\((?!#)", text) and text.count("<img") == 24
    shown = CliRunner().invoke(app, ["explain", run, str(tmp_path / "new/disc/000.png"), "--label", "square"])
    assert shown.exit_code == 0 and "nearest in training" in shown.stdout, shown.output
    record = json.loads(CliRunner().invoke(app, ["explain", run, str(tmp_path / "new/disc/000.png"), "--json"]).stdout)
    assert record["pictures"][0]["method"] == "grad-cam" and len(record["pictures"][0]["map"]) == 32


def test_a_training_picture_is_not_its_own_neighbour(run: str) -> None:
    own = Path(run).parent / "shapes/disc/003.png"
    found = regraft.explain(run, str(own))
    assert len(found.pictures[0].neighbours) == 4
    assert not any(n["input"].endswith("disc/003.png") for n in found.pictures[0].neighbours)


def test_without_the_training_data_there_are_no_neighbours(run: str, tmp_path: Path) -> None:
    moved = shutil.copytree(run, tmp_path / "run")
    manifest = json.loads((moved / "model/manifest.json").read_text())
    manifest["record"]["settings"]["data"] = str(tmp_path / "gone")
    (moved / "model/manifest.json").write_text(json.dumps(manifest))
    picture, _ = pasted(0)
    found = regraft.explain(str(moved), [Image.fromarray(picture)])
    assert found.pictures[0].neighbours == [] and "gone, which it has learned from, is not there" in found.notes[0]


def test_numbers_and_raw_pixels(tmp_path: Path) -> None:
    """A number is explained too; pixels themselves have no map, so a window is made grey."""
    write_shapes(tmp_path / "p", 20)
    rows = [f"p/{k}/{i:03d}.png,{i + 100 * (k == 'disc')}" for k in ("disc", "square") for i in range(20)]
    (tmp_path / "t.csv").write_text("\n".join(["file,y", *rows]) + "\n")
    run = regraft.fit(str(tmp_path / "t.csv"), label="y", task="regression", backbone="raw", controls="none",
                      out=str(tmp_path / "r")).run  # fmt: skip
    [found] = regraft.explain(run, str(tmp_path / "p/disc/000.png")).pictures
    assert (found.method, found.probability, found.explained) == ("occlusion", None, "y")
    assert np.abs(found.map).max() == 1 and found.map.min() < 0 and len(found.neighbours) == 4
    with pytest.raises(InputError, match="needs maps of places, and raw has none; take occlusion"):
        regraft.explain(run, str(tmp_path / "p/disc/000.png"), method="grad-cam")


def test_what_cannot_be_explained(run: str, tmp_path: Path) -> None:
    picture = str(Path(run).parent / "shapes/disc/003.png")
    with pytest.raises(InputError, match="rollout needs attention among all patches, and regraft_tiny has none"):
        regraft.explain(run, picture, method="rollout")
    with pytest.raises(UnknownName, match="did you mean 'grad-cam'"):
        regraft.explain(run, picture, method="gradcam")
    with pytest.raises(UnknownName, match="There is no class 'disk'"):
        regraft.explain(run, picture, label="disk")
    with pytest.raises(InputError, match="--box 2 is for detectors"):
        regraft.explain(run, picture, box=2)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"broken.png cannot be used"):
        regraft.explain(run, str(tmp_path / "broken.png"))


def test_one_box_of_a_detector() -> None:
    """A detector that goes by the brightest place: there its score falls, elsewhere it does not."""

    def detections(pictures: list[np.ndarray], floor: float) -> list[Found]:
        found = []
        for p in pictures:
            bright = float(p[40:60, 70:90].mean()) / 255
            found.append(Found(np.array([[70, 40, 90, 60], [0, 0, 9, 9]]), [bright, 0.3], [1, 0]))
        return found

    detector = SimpleNamespace(detections=detections, classes=("cell", "ring"))
    predictor = SimpleNamespace(detector=detector, threshold=0.2)
    picture = np.zeros((100, 120, 3), np.uint8)
    picture[40:60, 70:90] = 255

    items = picture_array(picture[None], "X")
    [found] = explained_boxes(predictor, items, 1)  # type: ignore[arg-type]
    assert (found.label, found.probability, found.box) == ("ring", 1.0, [70, 40, 90, 60])
    top, left = np.unravel_index(found.map.argmax(), found.map.shape)
    assert 35 <= top < 65 and 60 <= left < 100 and found.map[:20, :40].max() == 0
    with pytest.raises(InputError, match="no box 3 to explain; boxes that are sure enough to be shown: 2"):
        list(explained_boxes(predictor, items, 3))  # type: ignore[arg-type]


def test_the_report_shows_what_mistakes_go_by(tmp_path: Path) -> None:
    """Labels that are wrong make mistakes that are sure; of a cross-validation nobody keeps the models."""
    write_shapes(tmp_path / "train", 12)
    write_shapes(tmp_path / "val", 4, seed=1)
    (tmp_path / "val/disc/003.png").rename(tmp_path / "val/square/wrong.png")
    found = regraft.fit(str(tmp_path / "train"), val=str(tmp_path / "val"), backbone="regraft_tiny", controls="none",
                        out=str(tmp_path / "r"))  # fmt: skip
    shown = json.loads((tmp_path / "r/mistakes/mistakes.json").read_text())
    assert [m["why"] for m in shown if m["input"] == "square/wrong.png"] == ["00-why.jpg"]
    plain, why = (np.asarray(Image.open(tmp_path / f"r/mistakes/00{end}.jpg"), int) for end in ("", "-why"))
    assert plain.shape == why.shape and (why[..., 0] - why[..., 2]).max() > 60, "red where it looks"
    assert "what the answer to square/wrong.png goes by" in Path(found.run, "report.html").read_text()
