"""Modules that a person holds as networks: their own, and model objects of torchvision, timm and transformers."""

from __future__ import annotations

import copy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import Tensor, nn

import regraft
from regraft.backbones.modules.base import network_of
from regraft.core.errors import ArtefactError, InputError
from regraft.core.types import PreprocessSpec
from regraft.core.vision import torchvision


class Net(nn.Module):
    """(N, 3, 32, 32) -> (N, 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 16, 3, 2, 1)

    def forward(self, x: Tensor) -> Any:
        return self.ended(torch.relu(self.second(torch.relu(self.norm(self.first(x))))))

    def ended(self, x: Tensor) -> Any:
        return x.mean((2, 3))


class Largest(Net):
    """The same weights, other features."""

    def ended(self, x: Tensor) -> Any:
        return x.amax((2, 3))


def seeded(make: Any) -> Any:
    torch.manual_seed(3)
    return make()


@pytest.fixture(scope="module")
def run(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Net, Any, Path]:
    net = seeded(Net)
    out = tmp_path_factory.mktemp("own") / "run"
    return net, regraft.fit(str(shapes), backbone=net, spec=32, out=str(out)), out


def test_a_module_of_ones_own_is_fitted_judged_and_reported(run: tuple[Net, Any, Path]) -> None:
    net, result, out = run
    assert result.backbone.startswith("module:Net-") and net.training, "the module given stays as it is"
    assert result.metrics["val"]["accuracy"] > result.metrics["controls"]["majority"]["accuracy"]
    assert f"random:{result.backbone}" in result.metrics["controls"]
    assert result.backbone in (out / "report.html").read_text(encoding="utf-8")


def test_it_is_loaded_with_its_code_and_the_saved_weights(run: tuple[Net, Any, Path], shapes: Path) -> None:
    net, _, out = run
    pictures = sorted(map(str, shapes.rglob("*.png")))[::7]
    wanted = regraft.load(out, backbone=net).predict_proba(pictures)
    other = regraft.load(out, backbone=Net())  # drawn otherwise: what counts are the saved weights
    assert np.array_equal(other.predict_proba(pictures), wanted)
    module = other.to_torch()
    assert np.allclose(module.answer([_pixels(p) for p in pictures]).numpy(), wanted, atol=1e-5)


def test_without_its_code_it_is_refused_in_a_sentence(run: tuple[Net, Any, Path], shapes: Path) -> None:
    _, result, out = run
    for ask in (lambda: regraft.load(out), lambda: regraft.predict(str(out), str(shapes))):
        with pytest.raises(ArtefactError, match=rf"{result.backbone}.*regraft\.load\(\.\.\., backbone=module\)"):
            ask()
    with pytest.raises(ArtefactError, match="does not fit backbone=Linear.*fitted on a Net"):
        regraft.load(out, backbone=nn.Linear(3, 4))
    with pytest.raises(ArtefactError, match="backbone=Largest answers otherwise than the Net"):
        regraft.load(out, backbone=Largest())
    assert regraft.verify(str(out))["ok"]


def test_the_commands_of_python_take_it_too(run: tuple[Net, Any, Path], shapes: Path) -> None:
    net, _, out = run
    assert regraft.evaluate(str(out), str(shapes), backbone=net).metrics["accuracy"] > 0.8
    assert len(regraft.predict(str(out), str(shapes / "disc"), backbone=net).predictions) == 20
    found = regraft.explain(str(out), str(shapes / "disc" / "000.png"), backbone=net)
    assert found.pictures[0].method == "occlusion" and found.pictures[0].map.shape == (40, 40)


def test_a_model_of_another_network_takes_none(shapes: Path, tmp_path: Path) -> None:
    regraft.fit(str(shapes), backbone="regraft_tiny", controls="none", out=str(tmp_path / "r"))
    with pytest.raises(InputError, match="brings its own network, regraft_tiny: leave out backbone="):
        regraft.load(tmp_path / "r", backbone=Net())


def test_a_damaged_file_of_weights_is_refused(run: tuple[Net, Any, Path], tmp_path: Path) -> None:
    import shutil

    shutil.copytree(run[2], tmp_path / "run")
    weights = tmp_path / "run" / "model" / "backbone.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.unlink()
    weights.write_bytes(bytes(data))
    with pytest.raises(ArtefactError, match="backbone.safetensors does not match its digest"):
        regraft.load(tmp_path / "run", backbone=Net())


@pytest.mark.parametrize("method", ["finetune", "last-k"])
def test_it_trains(method: str, shapes: Path, tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(),
                        nn.AdaptiveAvgPool2d(1), nn.Flatten())  # fmt: skip
    some = {"blocks": 1} if method == "last-k" else {}
    before = copy.deepcopy(net.state_dict())
    result = regraft.fit(str(shapes), backbone=net, spec=32, method=method, epochs=1, controls="none",
                         out=str(tmp_path / "r"), **some)  # fmt: skip
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    model = regraft.load(tmp_path / "r", backbone=net)
    first, last = (v for k, v in model.model.network.body.state_dict().items() if k.endswith(".weight"))
    assert [name for name, _ in model.model.network.body.blocks] == ["0", "2"]
    assert not torch.equal(last, before["2.weight"]), "its last block has learned"
    assert torch.equal(first, before["0.weight"]) == (method == "last-k")
    said = model.predict(sorted(map(str, shapes.rglob("*.png"))))
    assert set(said) <= set(result.classes)


@pytest.mark.filterwarnings("ignore::regraft.core.errors.DataWarning")
def test_the_same_seed_gives_the_same_bits_and_clones_work(shapes: Path) -> None:
    pictures = sorted(map(str, shapes.rglob("*.png")))
    labels = [Path(p).parent.name for p in pictures]
    first = regraft.Classifier(backbone=seeded(Net), spec={"height": 32, "width": 32})
    again = clone(first)
    assert again.backbone is not first.backbone
    said = first.fit(pictures, labels).predict_proba(pictures)
    assert np.array_equal(again.fit(pictures, labels).predict_proba(pictures), said)
    assert first.score(pictures, labels) > 0.8
    rows = regraft.FeatureExtractor(backbone=first.backbone, spec=32).fit(pictures).transform(pictures)
    assert rows.shape == (len(pictures), 16) and rows.dtype == np.float32
    height = np.array([float(np.asarray(_pixels(p)).mean()) for p in pictures])
    assert regraft.Regressor(backbone=first.backbone, spec=32).fit(pictures, height).score(pictures, height) > 0.8


def test_modules_of_the_same_weights_and_other_code_share_no_rows(shapes: Path) -> None:
    pictures = sorted(map(str, shapes.rglob("*.png")))
    one, other = seeded(Net), seeded(Largest)
    other.__class__.__name__ = "Net"
    try:
        rows = [regraft.FeatureExtractor(backbone=n, spec=32).fit(pictures).transform(pictures) for n in (one, other)]
        assert network_of(one, 32).digest() != network_of(other, 32).digest()
    finally:
        Largest.__name__ = "Largest"
    assert not np.allclose(*rows)


def test_features_are_what_the_module_gives(shapes: Path) -> None:
    pictures = sorted(map(str, shapes.rglob("*.png")))[:4]
    net = seeded(Net).eval()
    spec = PreprocessSpec(height=40, width=40, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    rows = regraft.FeatureExtractor(backbone=net, spec=spec, engine="torch").fit(pictures).transform(pictures)
    x = torch.from_numpy(np.stack([_pixels(p) for p in pictures])).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (spec.mean, spec.std))
    with torch.no_grad():
        assert np.allclose(rows, net((x - mean) / std).numpy(), atol=1e-5)


def test_openvino_runs_it(shapes: Path, fresh_cache: Path) -> None:
    if find_spec("openvino") is None:
        pytest.skip("openvino is not installed")
    pictures, net = sorted(map(str, shapes.rglob("*.png")))[:5], seeded(Net)
    plain, fast = (regraft.FeatureExtractor(backbone=net, spec=32, engine=e).fit(pictures).transform(pictures)
                   for e in ("torch", "openvino"))  # fmt: skip
    assert np.allclose(plain, fast, atol=1e-4) and list(fresh_cache.rglob("openvino-*")), "it was converted"


class Drawn(Net):
    def ended(self, x: Tensor) -> Any:
        return x.mean((2, 3)) + torch.rand(1)


class Mixed(Net):
    def ended(self, x: Tensor) -> Any:
        return x.mean((2, 3)) - x.mean((0, 2, 3))


class Named(Net):
    def ended(self, x: Tensor) -> Any:
        return {"features": x.mean((2, 3))}


@pytest.mark.parametrize(
    ("module", "spec", "said"),
    [
        (nn.Conv2d(3, 4, 3), 8, r"a tensor \(2, 4, 6, 6\) of a batch \(2, 3, 8, 8\).*\(2, d\).*AdaptiveAvgPool2d"),
        (nn.Flatten(0), 8, r"gives a tensor \(384,\).*\(2, d\)"),
        (nn.Flatten(2), 8, r"gives a tensor \(2, 3, 64\).*the first token, or the mean"),
        (Named(), 8, "gives a dict.*return the one tensor"),
        (Drawn(), 8, "gives something else each time"),
        (Mixed(), 8, "other features beside others than alone"),
        (nn.Sequential(nn.Flatten(), nn.Linear(7, 2)), 8, "fails on a float32 batch.*mat1 and mat2"),
        (nn.LazyLinear(3), 8, "lazy parameters"),
        (nn.Flatten().double(), None, "needs spec=, how its pictures are prepared"),
        (Net(), 0, "height 0; wanted are pixels"),
        (Net(), {"size": 3}, "no field 'size'; there are modality, height"),
        (Net(), {"colour": "red"}, "the colour 'red'; it is one of rgb, bgr, grey"),
        (Net(), {"mean": (0.5,)}, "wanted are 3 numbers each"),
        (Net(), PreprocessSpec(modality="table", columns=4), "is for table items"),
        (Net(), "224", "spec= is '224'; wanted is a PreprocessSpec"),
        (nn.Linear, 8, "backbone is a type; wanted is a name or an nn.Module"),
    ],
)
def test_what_is_no_network_is_refused_in_a_sentence(module: Any, spec: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        network_of(module, spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"spec": 32}, "spec= says how the pictures of backbone=module"),
        ({"backbone": Net(), "spec": 32, "size": 64}, "its spec= tells the size"),
        ({"backbone": Net(), "spec": 32, "weights": "w.pt"}, "leave out one of the two"),
        ({"backbone": Net(), "spec": 32, "share": "features"}, "not for tasks|is for one data set"),
        ({"backbone": 7}, "backbone is a int; wanted is a name or an nn.Module"),
        ({"backbone": "module:Net-12345678"}, "is a module that was given in Python"),
    ],
)
def test_options_that_do_not_go_with_a_module(options: dict[str, Any], said: str, shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        regraft.fit(str(shapes), **options, out=str(tmp_path / "r"))
    assert not (tmp_path / "r").exists()


def test_who_takes_names_alone_says_so(shapes: Path, tmp_path: Path) -> None:
    picture, box = np.zeros((1, 64, 64, 3), np.uint8), [{"boxes": [[1, 1, 30, 30]], "labels": ["a"]}]
    for ask in (
        lambda: regraft.Detector(backbone=Net()).fit(picture, box),
        lambda: regraft.audit(str(shapes), backbone=Net(), out=str(tmp_path / "a")),
    ):
        with pytest.raises(InputError, match="backbone is a Net; a name is wanted here"):
            ask()


class Own(nn.Module):
    """A parameter of its own, which nobody else can draw."""

    def __init__(self) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) * self.by


def test_a_control_that_cannot_be_drawn_is_left_out_and_said(shapes: Path, tmp_path: Path) -> None:
    result = regraft.fit(str(shapes), backbone=Own(), spec=32, out=str(tmp_path / "r"))
    assert not [c for c in result.metrics["controls"] if c.startswith("random")]
    assert [
        p for p in result.problems if p["kind"] == "control-left-out" and "Own has no reset_parameters" in p["message"]
    ]


def test_torchvisions_own_models_are_built_again_without_their_head(shapes: Path, tmp_path: Path) -> None:
    net = seeded(lambda: torchvision.models.resnet18(num_classes=7)).eval()
    result = regraft.fit(str(shapes), backbone=net, spec={"height": 32, "width": 32}, controls="random",
                         out=str(tmp_path / "r"))  # fmt: skip
    assert result.backbone.startswith("module:resnet18-") and list(result.metrics["controls"]) == [
        f"random:{result.backbone}"
    ]
    pictures = sorted(map(str, shapes.rglob("*.png")))[:3]
    loaded = regraft.load(tmp_path / "r")  # by itself: no code of the user's is needed
    assert loaded.model.network.recipe["architecture"] == "resnet18"
    net.fc = nn.Identity()
    features = regraft.FeatureExtractor(backbone=net, spec={"height": 32, "width": 32}, engine="torch")
    x = torch.from_numpy(features.fit(pictures).transform(pictures))
    assert x.shape == (3, 512)
    assert np.allclose(loaded.model.probabilities(x.numpy()), loaded.predict_proba(pictures), atol=1e-5)


def test_a_changed_model_of_torchvision_is_a_module_of_ones_own() -> None:
    net = torchvision.models.resnet18()
    assert network_of(net).spec.resize == 256, "its default weights tell how pictures are prepared"
    net.fc = nn.Sequential(nn.Linear(512, 9), nn.ReLU())
    found = network_of(net, 64)
    assert found.recipe["library"] == "module" and found.width == 9, "a head of another kind belongs to the features"
    thin = torchvision.models.resnet50(replace_stride_with_dilation=[False, False, True])
    assert network_of(thin, 64).recipe["library"] == "module", "the same shapes, other answers"


def test_the_preset_of_torchvisions_weights() -> None:
    weights = torchvision.models.ResNet18_Weights.DEFAULT
    for given in (weights, weights.transforms()):
        spec = network_of(Net(), given).spec
        assert (spec.height, spec.resize, spec.mean) == (224, 256, (0.485, 0.456, 0.406))


def test_timms_models_state_their_preprocessing() -> None:
    timm = pytest.importorskip("timm")
    net = timm.create_model("resnet10t", pretrained=False)
    found = network_of(net)
    assert (found.recipe["library"], found.width, found.spec.interpolation) == ("timm", 512, "bicubic")
    assert network_of(net, timm.data.resolve_model_data_config(net)).spec == found.spec
    assert isinstance(net.get_classifier(), nn.Linear), "the model given keeps its head"
    other = timm.create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=2)
    changed = network_of(other, 32)
    assert (changed.recipe["library"], changed.width) == ("module", 192)


def test_transformers_models_on_pictures(shapes: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
                                    image_size=32, patch_size=8)  # fmt: skip
    net = transformers.ViTForImageClassification(config)
    processor = transformers.ViTImageProcessor(size={"height": 32, "width": 32})
    with pytest.raises(InputError, match="needs spec=, the image processor or the fast tokenizer"):
        network_of(net)
    result = regraft.fit(str(shapes), backbone=net, spec=processor, controls="random", out=str(tmp_path / "r"))
    assert result.backbone.startswith("module:vit-")
    model = regraft.load(tmp_path / "r")
    assert model.model.network.spec.mean == (0.5, 0.5, 0.5) and model.model.network.width == 32
    assert len(model.predict(sorted(map(str, shapes.rglob("*.png")))[:2])) == 2


@pytest.mark.filterwarnings("ignore::regraft.core.errors.DataWarning")
def test_transformers_models_on_texts(tmp_path: Path) -> None:
    transformers, tokenizers = pytest.importorskip("transformers"), pytest.importorskip("tokenizers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film", "story", "a", "the", "fine", "dull", "was"]
    plain = tokenizers.BertWordPieceTokenizer({w: i for i, w in enumerate(words)})
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=plain._tokenizer, model_max_length=64)
    config = transformers.BertConfig(vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                                     intermediate_size=32, max_position_embeddings=64)  # fmt: skip
    net = seeded(lambda: transformers.BertForSequenceClassification(config))
    texts = [
        f"the {w} was {k}" for w in ("film", "story", "a film", "a story") for k in ("good", "fine", "bad", "dull")
    ]
    labels = ["+" if t.endswith(("good", "fine")) else "-" for t in texts]
    model = regraft.Classifier(backbone=net, spec=fast, engine="torch").fit(texts, labels)
    assert model.score(texts, labels) == 1.0
    rows = regraft.FeatureExtractor(backbone=net, spec=plain, engine="torch").fit(texts).transform(texts[:1])
    with torch.no_grad():
        hidden = net.eval().bert(input_ids=torch.tensor([plain.encode(texts[0]).ids])).last_hidden_state
    assert np.allclose(rows[0], hidden[0].mean(0).numpy(), atol=2e-2 * np.abs(rows).max())
    model.save(tmp_path / "m")
    assert list(regraft.load(tmp_path / "m").predict(texts)) == labels
    with pytest.raises(InputError, match="on texts, models of transformers' are taken"):
        network_of(Net(), fast)


def _pixels(path: str) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture)
