"""Where weights are looked for, and that reading them is strict and runs nothing."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from regraft.backbones import catalog, weights
from regraft.core.errors import InputError, UnknownName, WeightsError


@pytest.fixture
def squeezenet(tmp_path: Path) -> dict[str, torch.Tensor]:
    from torchvision import models

    torch.manual_seed(0)
    return models.squeezenet1_1(weights=None).state_dict()


def test_the_embedded_network_needs_no_connection() -> None:
    network = catalog.load("regraft_tiny")
    assert network.width == 320 and network.provenance["weights"] == "v1"
    assert (catalog.EMBEDDED / "regraft_tiny.safetensors").stat().st_size < 2_000_000
    assert network.seen is not None and len(network.seen) > 65_000


def test_order_of_the_places(tmp_path: Path, monkeypatch, fresh_cache: Path, squeezenet) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second, fresh_cache / "weights"):
        folder.mkdir(parents=True)
        save_file(squeezenet, folder / "squeezenet1_1_imagenet.safetensors")
    rows = catalog.rows("squeezenet1_1")
    find = lambda: weights.find("squeezenet1_1", rows)[1].parent
    assert find() == fresh_cache / "weights"
    monkeypatch.setenv("REGRAFT_WEIGHTS", f"{first}:{second}")
    assert find() == first
    (first / "squeezenet1_1_imagenet.safetensors").unlink()
    assert find() == second


def test_explicit_file_wins_and_float16_becomes_float32(tmp_path: Path, squeezenet) -> None:
    path = tmp_path / "mine.safetensors"
    save_file({k: v.half() for k, v in squeezenet.items()}, path)
    network = catalog.load("squeezenet1_1", weights=path)
    assert network.provenance["file"] == "mine.safetensors"
    assert {p.dtype for p in network.body.parameters()} == {torch.float32}


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": {f"module.{k}": v for k, v in s.items()}}])
def test_plain_pytorch_files_are_read(tmp_path: Path, squeezenet, wrap) -> None:
    torch.save(wrap(squeezenet), tmp_path / "w.pth")
    assert catalog.load("squeezenet1_1", weights=tmp_path / "w.pth").width == 512


def test_a_file_with_another_number_of_classes(tmp_path: Path) -> None:
    from torchvision import models

    save_file(models.squeezenet1_1(num_classes=7).state_dict(), tmp_path / "w.safetensors")
    network = catalog.load("squeezenet1_1", weights=tmp_path / "w.safetensors")
    assert network.head is not None
    assert network.head(network.body(torch.zeros(1, 3, 64, 64))).shape == (1, 7)


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


def test_a_file_that_would_run_code_is_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"features.0.weight": Bomb()}, "evil.pth")
    Path("evil2.pth").write_bytes(pickle.dumps(Bomb()))
    for name in ("evil.pth", "evil2.pth"):
        with pytest.raises(WeightsError, match="run code|no whole"):
            catalog.load("squeezenet1_1", weights=name)
    assert not Path("exploded").exists()


def test_weights_of_another_architecture_are_named(tmp_path: Path, squeezenet) -> None:
    save_file(squeezenet, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"does not fit resnet18, it is of another architecture: it lacks bn1\.bias"):
        catalog.load("resnet18", weights=tmp_path / "w.safetensors")
    del squeezenet["features.0.bias"]
    save_file(squeezenet, tmp_path / "v.safetensors")
    with pytest.raises(WeightsError, match=r"lacks features\.0\.bias"):
        catalog.load("squeezenet1_1", weights=tmp_path / "v.safetensors")
    squeezenet["features.0.bias"] = torch.zeros(3)
    save_file(squeezenet, tmp_path / "u.safetensors")
    with pytest.raises(WeightsError, match=r"features\.0\.bias \(3,\) where \(64,\) is wanted"):
        catalog.load("squeezenet1_1", weights=tmp_path / "u.safetensors")


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x08\0\0\0\0\0\0\0{}"])
@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_damaged_files(tmp_path: Path, content: bytes, ending: str) -> None:
    (tmp_path / f"w{ending}").write_bytes(content)
    with pytest.raises(WeightsError):
        catalog.load("squeezenet1_1", weights=tmp_path / f"w{ending}")


def test_a_name_that_promises_another_digest(tmp_path: Path, squeezenet) -> None:
    path = tmp_path / "squeezenet1_1-b8a52dc0.pth"
    torch.save(squeezenet, path)
    with pytest.raises(WeightsError, match="promises the SHA-256 b8a52dc0"):
        catalog.load("squeezenet1_1", weights=path)


def test_no_weights_and_no_network(monkeypatch, fresh_cache: Path) -> None:
    def refuse(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(fresh_cache))
    with pytest.raises(WeightsError, match=r"put resnet18-\w+\.pth.*REGRAFT_WEIGHTS.*weights"):
        catalog.load("resnet18")
    assert not list(fresh_cache.rglob("*.pth"))


def test_a_broken_download_is_not_taken_for_whole(monkeypatch, fresh_cache: Path) -> None:
    def half(url, dst, hash_prefix=None, progress=True):
        Path(dst).write_bytes(b"half")
        raise RuntimeError("invalid hash value")

    monkeypatch.setattr(torch.hub, "download_url_to_file", half)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(fresh_cache))
    with pytest.raises(WeightsError, match="invalid hash"):
        catalog.load("resnet18")
    assert not list(fresh_cache.rglob("*.pth"))


def test_unknown_names() -> None:
    with pytest.raises(UnknownName, match="did you mean 'mobilenet_v2'"):
        catalog.load("mobilnet_v2")
    with pytest.raises(UnknownName, match="did you mean 'resnet18'"):
        catalog.load("random:resnet_18")
    with pytest.raises(UnknownName, match="block 'layer9'"):
        catalog.load("random:resnet18@layer9")
    with pytest.raises(InputError, match="shape from the data"):
        catalog.load("raw")


@pytest.mark.parametrize("name", ["vit_b_16", "regnet_y_16gf", "regnet_y_128gf", "resnet50"])
def test_a_plain_name_is_the_first_weights_ever_published(name: str) -> None:
    """SWAG's came later, want other sizes, and have a licence of their own."""
    rows = [r for r in catalog.rows(name) if f"{name}.pth" in r.files]
    published = [r.tag for r in catalog.rows(name)]
    first = "IMAGENET1K_V1" if "IMAGENET1K_V1" in published else min(published)
    assert [r.tag for r in rows] == [first]
    if name == "vit_b_16":
        assert (rows[0].spec.height, rows[0].spec.resize, rows[0].spec.interpolation) == (224, 256, "bilinear")
