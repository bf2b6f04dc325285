"""timm's networks, and transformers' networks on pictures: names, preprocessing, weights, artefacts. Random weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import regraft
from regraft.backbones import catalog
from regraft.backbones.weights import write_state
from regraft.core.errors import InputError, UnknownName, WeightsError

timm = pytest.importorskip("timm")
transformers = pytest.importorskip("transformers")


@pytest.fixture
def weights(tmp_path: Path, monkeypatch) -> Path:
    """A folder with weights of timm's test_vit and test_resnet for 7 classes."""
    folder = tmp_path / "weights"
    (folder / "timm").mkdir(parents=True)
    for name in ("test_vit", "test_resnet"):
        net = timm.create_model(name, num_classes=7)
        write_state(folder / "timm" / f"{name}.safetensors", net.state_dict())
    monkeypatch.setenv("REGRAFT_WEIGHTS", str(folder))
    return folder


@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
def test_timm_gives_timms_numbers(name: str, weights: Path) -> None:
    network = catalog.load(f"timm/{name}")
    net = timm.create_model(name, num_classes=7).eval()
    from safetensors.torch import load_file

    net.load_state_dict(load_file(weights / "timm" / f"{name}.safetensors"))
    x = torch.rand(2, 3, network.spec.height, network.spec.width, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = network.body.features(x)
        assert torch.equal(features, net.forward_head(net.forward_features(x), pre_logits=True))
        assert torch.equal(network.head(features), net(x))
    stated = timm.data.resolve_data_config({}, model=net)
    spec = network.spec
    assert (3, spec.height, spec.width) == stated["input_size"] and spec.mean == tuple(stated["mean"])
    assert spec.interpolation == stated["interpolation"] and spec.resize == int(spec.height / stated["crop_pct"])


def test_a_folder_states_its_own_preprocessing(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "timm" / "test_resnet"
    folder.mkdir(parents=True)
    write_state(folder / "model.safetensors", timm.create_model("test_resnet").state_dict())
    stated = {"mean": [0.1, 0.2, 0.3], "std": [1, 1, 1], "crop_pct": 0.5, "input_size": [3, 96, 96]}
    (folder / "config.json").write_text(json.dumps({"architecture": "test_resnet", "pretrained_cfg": stated}))
    monkeypatch.setenv("REGRAFT_WEIGHTS", str(tmp_path))
    spec = catalog.load("timm/test_resnet").spec
    assert (spec.height, spec.resize, spec.mean) == (96, 192, (0.1, 0.2, 0.3))
    (folder / "config.json").write_text("no JSON")
    with pytest.raises(WeightsError, match="config.json cannot be read"):
        catalog.load("timm/test_resnet")


def test_a_name_in_both_libraries_is_never_mistaken(tmp_path: Path, monkeypatch) -> None:
    ours, theirs = catalog.load("random:resnet18"), catalog.load("random:timm/resnet18")
    assert ours.recipe["library"] == "torchvision" and theirs.recipe["library"] == "timm"
    assert ours.digest() != theirs.digest()
    monkeypatch.setenv("REGRAFT_WEIGHTS", str(tmp_path))
    write_state(tmp_path / "resnet18.safetensors", {"x": torch.zeros(1)})
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **__: (_ for _ in ()).throw(OSError("offline")))
    with pytest.raises(WeightsError, match="put timm/resnet18.safetensors"):
        catalog.load("timm/resnet18")


def test_names_and_files_that_are_wrong(weights: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'timm/test_vit'"):
        catalog.load("timm/test_vitt")
    with pytest.raises(WeightsError, match="another architecture"):
        catalog.load("timm/test_vit", weights=weights / "timm" / "test_resnet.safetensors")
    with pytest.raises(WeightsError, match="no weights file"):
        catalog.load("timm/test_vit", weights=weights / "nothing.safetensors")


def test_a_fit_on_timm_can_be_used_again(shapes: Path, weights: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    picture = str(next(shapes.rglob("*.png")))
    result = regraft.fit(str(shapes), backbone="timm/test_resnet", size=32, controls="random", out="r")
    assert "random:timm/test_resnet" in result.metrics["controls"]
    monkeypatch.setenv("REGRAFT_WEIGHTS", "")
    loaded = regraft.load("r")
    assert loaded.model.network.recipe["library"] == "timm" and loaded.predict_proba([picture]).shape == (1, 2)


def picture_folder(folder: Path, kind: str) -> Path:
    small = {"vit": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
                     "image_size": 32, "patch_size": 8},
             "resnet": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"},
             "convnext": {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2}}  # fmt: skip
    config = transformers.AutoConfig.for_model(kind, **small[kind], num_labels=3)
    torch.manual_seed(3)
    model = transformers.AutoModelForImageClassification.from_config(config)
    model.save_pretrained(folder)
    prepares = {
        "size": {"height": 32, "width": 32},
        "image_mean": [0.4, 0.5, 0.6],
        "image_std": [0.2] * 3,
        "resample": 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(prepares))
    return folder


@pytest.mark.parametrize("kind", ["vit", "resnet", "convnext"])
def test_transformers_on_pictures(kind: str, shapes: Path, tmp_path: Path, monkeypatch) -> None:
    folder = picture_folder(tmp_path / "own" / "small", kind)
    monkeypatch.chdir(tmp_path)
    network = catalog.load(str(folder))
    assert network.spec.modality == "image" and network.spec.interpolation == "bicubic" and network.spec.mean[0] == 0.4
    whole = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        base = getattr(whole, whole.base_model_prefix)(pixel_values=x)
        wanted = base.last_hidden_state[:, 0] if kind == "vit" else base.pooler_output.flatten(1)
        np.testing.assert_allclose(network.body.features(x), wanted, atol=1e-5)
    monkeypatch.setenv("REGRAFT_WEIGHTS", str(tmp_path))
    assert catalog.load("hf/own/small").digest() == network.digest()
    result = regraft.fit(str(shapes), backbone="hf/own/small", controls="none", out="r")
    assert result.backbone == "hf/own/small"
    assert regraft.load("r").predict_proba([str(next(shapes.rglob("*.png")))]).shape == (1, 2)


def test_how_pictures_are_prepared(tmp_path: Path) -> None:
    from regraft.backbones.huggingface.image import spec_of

    where = tmp_path / "preprocessor_config.json"
    spec = spec_of({"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": 224, "resample": 3}, where)
    assert (spec.height, spec.resize, spec.interpolation) == (224, 256, "bicubic")
    spec = spec_of({"size": {"shortest_edge": 224}, "crop_pct": 0.875, "do_normalize": False}, where)
    assert (spec.height, spec.resize, spec.mean) == (224, 256, (0.0, 0.0, 0.0))
    assert spec_of({"size": 64}, where).resize is None
    with pytest.raises(InputError, match="wanted are height and width"):
        spec_of({"size": "large"}, where)
