"""The engine in int8: calibrated on training pictures, proven there, carried by the model, the same on every CPU."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import regraft
from regraft.backbones import catalog
from regraft.backbones.base import Body, Pretrained, SpatialMean
from regraft.core.errors import InputError
from regraft.core.runtime import show_progress
from regraft.core.types import PreprocessSpec
from regraft.data.items import PictureArray
from regraft.features.engines import openvino_int8 as int8
from regraft.features.engines.auto import least_cosine
from regraft.features.engines.base import make_engine
from regraft.features.engines.torch import TorchEngine
from regraft.features.extract import recipe
from regraft.features.fusion import parts_of
from regraft.models import artefact
from regraft.options.network import INT8

pytestmark = pytest.mark.skipif(find_spec("nncf") is None, reason="nncf is not installed (extra int8)")

COUNT = 90


def pictures(seed: int = 0, n: int = COUNT) -> np.ndarray:
    """Coarse noise, in every second one blue is stronger."""
    coarse = np.random.default_rng(seed).integers(0, 120, (n, 8, 8, 3), dtype=np.uint8)
    coarse[1::2, ..., 2] += 100
    return np.kron(coarse, np.ones((1, 4, 4, 1), np.uint8))


def items(seed: int = 0, n: int = COUNT) -> PictureArray:
    return PictureArray(pictures(seed, n), "x")


def written(folder: Path, y: np.ndarray | None = None, n: int = COUNT) -> str:
    y = np.arange(n) % 2 if y is None else y
    np.savez(folder / "x.npz", images=pictures(n=n), labels=y)
    return str(folder / "x.npz")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fit in int8 of pictures whose blue decides."""
    folder = tmp_path_factory.mktemp("int8")
    found = regraft.fit(written(folder), engine=INT8, controls="random", out=str(folder / "r"))
    assert found.engine == INT8 and found.metrics["val"]["accuracy"] == 1
    return folder / "r"


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]):
    show_progress(True)
    yield lambda: capsys.readouterr().err
    show_progress(False)


def test_rows_belong_to_their_calibration(fresh_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, data = catalog.load("regraft_tiny"), pictures()[:8]
    one, other = int8.calibrated(network, items(0)), int8.calibrated(network, items(1))
    assert not network.int8 and int8.carries(one) and one.digest() == network.digest()
    assert recipe(one, make_engine(one, INT8)) != recipe(other, make_engine(other, INT8))
    rows = make_engine(one, INT8).run(data)["pooled"]
    assert (rows != make_engine(other, INT8).run(data)["pooled"]).any()
    assert 0.95 < least_cosine(rows, TorchEngine(network).run(data)["pooled"]) < 0.999999
    monkeypatch.setattr(int8, "_quantised", lambda *_: pytest.fail("calibrated again"))
    again = int8.calibrated(network, items(0))
    assert make_engine(again, INT8).describe() == make_engine(one, INT8).describe()
    assert (make_engine(again, INT8).run(data)["pooled"] == rows).all()


def test_calibrated_anew_the_rows_are_the_same(fresh_cache: Path, told) -> None:
    """To the bit, also where the remembered graph is damaged, or nothing can be remembered."""
    network, data = catalog.load("regraft_tiny"), pictures()[:8]
    first = make_engine(int8.calibrated(network, items()), INT8).run(data)["pooled"]
    graph = next(fresh_cache.glob(f"engines/*/{INT8}-*/{int8.WEIGHTS}"))
    whole = graph.read_bytes()
    graph.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    assert (make_engine(int8.calibrated(network, items()), INT8).run(data)["pooled"] == first).all()
    assert "is damaged; the network is converted again" in told() and graph.read_bytes() == whole


def test_the_model_carries_its_graph(run: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch, told) -> None:
    """With an empty cache, and without NNCF, what is predicted is what the fit would say; other engines are near."""
    monkeypatch.setattr(int8, "version", lambda name: "" if name == "nncf" else "1")
    model = regraft.load(run)
    assert model.runner.engine == INT8 and not fresh_cache.exists()
    data = list(pictures(3, 20))
    said = model.predict_proba(data)
    assert (said == regraft.load(run, engine=INT8).predict_proba(data)).all()
    plain = regraft.load(run, engine="torch").predict_proba(data)
    assert (said != plain).any() and (said.argmax(1) == plain.argmax(1)).all()
    monkeypatch.setattr(int8, "missing", lambda engine: ["openvino"])
    assert regraft.load(run).runner.engine == "torch"
    assert "not to be had here (openvino is not installed): its figures are not of this engine" in told()


def test_what_is_carried_may_be_wrong(run: Path) -> None:
    """A record that is none carries nothing; a graph that is none is told of."""
    network = regraft.load(run).model.network
    whole = dict(network.int8)
    for broken in (b"", b"[]", b'{"network": 1}', whole[int8.RECORD].replace(b'"network": "', b'"network": "0')):
        network.int8[int8.RECORD] = broken
        assert not int8.carries(network)
    for lost in whole:
        network.int8 = {name: data for name, data in whole.items() if name != lost}
        assert not int8.carries(network)
    network.int8 = {**whole, int8.GRAPH: b"<net/>"}
    with pytest.raises(
        InputError, match="graph in int8 that regraft_tiny carries cannot be read.*take --engine openvi"
    ):
        make_engine(network, INT8).run(pictures()[:1])


def test_a_fit_in_int8_is_told_and_repeated(run: Path, tmp_path: Path, told) -> None:
    proof = regraft.load(run).model.network.provenance["int8"]
    assert proof["items"] == 90 and proof["openvino"] == proof[INT8] == 1 and 0.9 < proof["cosine"] < 1
    again = regraft.fit(written(tmp_path), engine=INT8, controls="random", out=str(tmp_path / "r"))
    assert again.cached and (tmp_path / "r/predictions.csv").read_bytes() == (run / "predictions.csv").read_bytes()
    assert "regraft_tiny runs in int8: the probe's accuracy on 90 training items" in told()


def test_a_later_fit_does_not_take_the_graph_over(run: Path, tmp_path: Path) -> None:
    found = regraft.fit(written(tmp_path), init=str(run), controls="none", out=str(tmp_path / "r"))
    assert found.engine == "torch" and not (tmp_path / "r/model/int8").exists()
    network = regraft.load(run).model.network
    regraft.fit(written(tmp_path), network=network, controls="none", out=str(tmp_path / "s"))
    assert not (tmp_path / "s/model/int8").exists() and int8.carries(network), "what was given stays as it is"


def blind() -> Pretrained:
    """Blue in one channel, beside a thousand times as large a red: eight bits for both leave nothing of it."""
    first, second = nn.Conv2d(3, 2, 1, bias=False), nn.Conv2d(2, 2, 1, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[5e3, 0, 0], [0, 0, 1.0]]).view(2, 3, 1, 1))
        second.weight.copy_(torch.tensor([[1e-3, 0], [0, 1.0]]).view(2, 2, 1, 1))
    body = Body([("first", nn.Sequential(first, nn.ReLU())), ("second", second)], SpatialMean()).eval()
    spec = PreprocessSpec(height=32, width=32, resize=32, mean=(0, 0, 0), std=(1, 1, 1))
    return Pretrained("blind", body, None, spec, {"library": "regraft", "architecture": "blind"})


def test_refused_where_the_probe_loses(tmp_path: Path) -> None:
    said = (r"openvino-int8 is refused for blind: the probe's accuracy on 90 training items, cross-validated, is "
            r"0\.\d+ with rows in int8 and 1\.0000 in float32 .* take --engine auto")  # fmt: skip
    with pytest.raises(InputError, match=said):
        regraft.fit(written(tmp_path), network=blind(), engine=INT8, controls="none", out=str(tmp_path / "r"))
    assert not (tmp_path / "r").exists()
    found = regraft.fit(written(tmp_path), network=blind(), engine="torch", controls="none", out=str(tmp_path / "s"))
    assert found.metrics["val"]["accuracy"] == 1


def test_numbers_are_proven_by_r2(tmp_path: Path) -> None:
    blue = pictures()[..., 2].mean((1, 2)) + np.random.default_rng(0).normal(0, 5, COUNT)
    with pytest.raises(InputError, match=r"refused for blind: the probe's R2 on 90 training items"):
        regraft.fit(written(tmp_path, blue), network=blind(), engine=INT8, controls="none", out=str(tmp_path / "r"))
    found = regraft.fit(written(tmp_path, blue), engine=INT8, controls="none", out=str(tmp_path / "s"))
    proof = regraft.load(tmp_path / "s").model.network.provenance["int8"]
    assert found.task == "regression" and proof["figure"] == "R2" and proof["one_item"] == 0
    assert proof[INT8] >= proof["openvino"] - 0.005


def test_too_few_to_prove_anything(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot prove that the probe loses nothing by it.*take --engine auto"):
        regraft.fit(written(tmp_path, n=4), engine=INT8, controls="none", out=str(tmp_path / "r"))
    assert not (tmp_path / "r").exists()


@pytest.mark.slow
def test_networks_side_by_side(tmp_path: Path) -> None:
    data = written(tmp_path)
    regraft.fit(data, backbone="regraft_tiny+random:lenet", engine=INT8, controls="none", out=str(tmp_path / "r"))
    model, _ = artefact.load(tmp_path / "r")
    assert all(map(int8.carries, parts_of(model.network))) and regraft.load(tmp_path / "r").runner.engine == INT8


def test_without_nncf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "version", lambda name: "")
    with pytest.raises(InputError, match=r"needs nncf to calibrate: pip install 'regraft\[int8\]', or leave --engine"):
        regraft.fit(written(tmp_path), engine=INT8, out=str(tmp_path / "r"))
    assert not (tmp_path / "r").exists()


def test_what_it_is_not_for(tmp_path: Path) -> None:
    data = written(tmp_path)
    for more in ({"method": "lp-ft"}, {"method": "auto"}, {"target": data}, {"share": "features"}):
        with pytest.raises(InputError, match="openvino-int8 is for a method on features, such as linear-probe, of one"):
            regraft.fit(data, engine=INT8, out=str(tmp_path / "r"), **more)
    with pytest.raises(InputError, match="regraft_tiny was not calibrated; 'regraft fit DATA --engine openvino-int8'"):
        make_engine(catalog.load("regraft_tiny"), INT8)
    with pytest.raises(InputError, match="was not calibrated"):
        regraft.FeatureExtractor(engine=INT8).fit_transform(pictures()[:3])
    rows = np.random.default_rng(0).normal(size=(40, 3))
    lines = ["a,b,c,label", *(f"{a},{b},{c},{'up' if a > 0 else 'down'}" for a, b, c in rows)]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    found = regraft.fit(str(tmp_path / "rows.csv"), engine=INT8, controls="none", out=str(tmp_path / "r"))
    assert found.engine == "none", "as of any engine for pictures"


ALONE = """
import socket, sys
def refuse(*_, **__): raise SystemExit("the network was used")
socket.socket.connect = socket.getaddrinfo = refuse
import numpy as np
import regraft
{}
assert "openvino_telemetry" not in sys.modules
"""


def alone(code: str, home: Path, **environment: str) -> str:
    """What a process of its own prints, from which no network is reached."""
    told = {**os.environ, "HOME": str(home), "MPLCONFIGDIR": str(home.parent / "mpl"), **environment}
    done = subprocess.run([sys.executable, "-c", ALONE.format(code)], env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_no_telemetry_nothing_in_the_home_folder_and_no_bars(tmp_path: Path, fresh_cache: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    code = f"regraft.fit({written(tmp_path)!r}, engine={INT8!r}, controls='none', out={str(tmp_path / 'r')!r})\n"
    said = alone(code + "assert 'nncf' in sys.modules", home, REGRAFT_CACHE=str(fresh_cache))
    assert not said and not list(home.iterdir())


@pytest.mark.slow
def test_a_cpu_without_units_for_int8_gives_the_same_rows(run: Path, tmp_path: Path) -> None:
    """What the sums of products overflow in on such a CPU holds them, as weights take seven bits."""
    flags = Path("/proc/cpuinfo")
    if not flags.exists() or "avx512_vnni" not in flags.read_text():
        pytest.skip("this CPU has no VNNI to do without")
    found = []
    for isa in ("DEFAULT", "AVX2"):
        out = tmp_path / f"{isa}.npy"
        code = (f"model, data = regraft.load({str(run)!r}), np.load({str(run.parent / 'x.npz')!r})['images'][:32]\n"
                "[(_, engine)] = model.runner.engines(model.items(list(data)))\n"
                f"np.save({str(out)!r}, engine.run(data)['pooled'])")  # fmt: skip
        alone(code, tmp_path, ONEDNN_MAX_CPU_ISA=isa)
        found.append(np.load(out))
    assert least_cosine(*found) > 0.99999


@pytest.mark.slow
def test_ants_and_bees(shared: Path, tmp_path: Path) -> None:
    """Of the 153 of the part val within one of the 146 that float32 has right (measured: 147)."""
    weights = shared / "weights/mobilenet_v2_imagenet.safetensors"
    found = regraft.fit(str(shared / "data/hymenoptera.zip"), weights=str(weights), engine=INT8, controls="none",
                        out=str(tmp_path / "r"))  # fmt: skip
    assert found.engine == INT8 and abs(round(153 * found.metrics["val"]["accuracy"]) - 146) <= 1
