"""Every engine gives PyTorch's rows in float32, whatever the neighbours; which one runs is chosen and remembered."""

import json
import os
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import regraft
from regraft.backbones import catalog
from regraft.backbones.base import Body, Pretrained
from regraft.core import parallel
from regraft.core.errors import InputError
from regraft.core.runtime import bf16_pays, interrupts_wait, show_progress
from regraft.data.items import PictureArray
from regraft.data.open import open_data
from regraft.features import labelled
from regraft.features.engines import auto, base, graphs
from regraft.features.engines.base import ENGINES, SHAPES, Unconvertible, batch_for, make_engine, missing, require
from regraft.features.engines.openvino import OpenVino, converted
from regraft.features.engines.openvino_int8 import calibrated
from regraft.features.engines.torch import TorchEngine
from regraft.features.runner import Runner
from regraft.options.network import INT8

FAMILIES = ("regraft_tiny", "mobilenet_v2", "resnet18", "squeezenet1_1")
PAIRS = [(family, engine) for family in FAMILIES for engine in ENGINES
         if engine not in ("onnxruntime", INT8) or family in ("regraft_tiny", "squeezenet1_1")]  # fmt: skip
"""More families and engines in tests/conformance/test_backbones.py, slowly."""


def small(name: str = "regraft_tiny") -> Pretrained:
    return catalog.load(name) if name == "regraft_tiny" else catalog.fed(catalog.load(f"random:{name}"), 40)


def pictures(n: int, side: int = 40, seed: int = 0) -> np.ndarray:
    """Pictures that look unlike: no noise of one mean."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (n, 5, 5, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((1, side // 5, side // 5, 1), np.uint8))


def items(n: int) -> PictureArray:
    return PictureArray(pictures(n), "x")


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]):
    """What is said on stderr so far."""
    show_progress(True)
    yield lambda: capsys.readouterr().err
    show_progress(False)


@pytest.mark.parametrize(("family", "name"), PAIRS)
def test_engines_agree(family: str, name: str) -> None:
    """With PyTorch in float32, between batches of any shape, and to the bit whatever the neighbours."""
    if missing(ENGINES.get(name)) or (ENGINES.get(name).BF16 and not bf16_pays()):
        pytest.skip("not on this machine")
    network = small(family)
    side = network.spec.height
    data = pictures(40, 40)[:32, :side, :side]
    if name == INT8:
        if not graphs.version("nncf"):
            pytest.skip("nncf is not installed (extra int8)")
        network = calibrated(network, PictureArray(data, "x"))
    engine, plain = make_engine(network, name), TorchEngine(network).run(data)["pooled"]
    assert engine.describe()["engine"] == name and json.dumps(engine.describe())
    rows = engine.run(data)["pooled"]
    assert rows.shape == (32, network.width) and rows.dtype == np.float32
    least, near = (0.999, 2e-2) if ENGINES.get(name).BF16 else (0.99 if name == INT8 else 0.999999, 1e-5)
    assert auto.least_cosine(rows, plain) >= least
    for shape in SHAPES:
        beside = np.zeros_like(data[:shape])
        beside[-1] = data[3]
        alone, place = engine.run(beside)["pooled"][-1], engine.run(data[3 : 3 + min(shape, 29)])["pooled"][0]
        assert np.abs(alone - rows[3]).max() <= near * np.abs(rows).max()
        if shape in (1, 8):
            assert (alone == place).all(), "equal to the bit in one shape"


def test_few_items_come_in_small_batches() -> None:
    assert [batch_for(n, 32) for n in (0, 1, 2, 8, 9, 32, 33)] == [1, 1, 8, 8, 32, 32, 32]
    assert [batch_for(n, 256) for n in (1, 9, 33, 1000)] == [1, 32, 256, 256] and batch_for(9, 16) == 16


def test_a_single_picture_costs_a_single_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, run = [], TorchEngine.run
    monkeypatch.setattr(TorchEngine, "run", lambda self, data: sizes.append(len(data)) or run(self, data))
    runner = Runner(small())
    for n in (1, 5, 20, 300):
        with monkeypatch.context() as patch:
            if n < 8:
                patch.setattr(parallel, "ThreadPoolExecutor", lambda *_: pytest.fail("a thread for a few items"))
            rows_of(runner, n)
    assert sizes == [1, 8, 32, 256, 256]


def rows_of(runner: Runner, n: int) -> None:
    assert sum(len(found.rows) for found in runner.stream(items(n), "x")) == n


def test_an_engine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, shapes: Path, tmp_path: Path) -> None:
    monkeypatch.setattr(base, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs openvino: pip install openvino, or leave --engine at auto"):
        make_engine(small(), "openvino")
    with pytest.raises(InputError, match=r"needs onnxruntime and onnxscript: pip install 'regraft\[onnx\]'"):
        regraft.fit(str(shapes), engine="onnxruntime", out=str(tmp_path / "r"))
    assert not (tmp_path / "r").exists()
    assert auto.candidates(small("resnet18"), "cpu", 10**6) in (["torch"], ["torch", "torch-bf16"])


def test_engines_of_another_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "find_spec", lambda name: True)
    with pytest.raises(InputError, match="runs on the CPU and --device is cuda"):
        require("openvino", "cuda")
    monkeypatch.setattr(base, "bf16_pays", lambda device: False)
    with pytest.raises(InputError, match="gains nothing by bfloat16; take --engine openvino"):
        require("openvino-bf16")


class Failing(graphs.ConvertedEngine):
    LIBRARY = NAME = "failing"
    NEEDS, INSTALL = (), ""

    def convert(self, program):
        raise RuntimeError("no such operation:\n  aten::odd")

    write = read = ready = None  # type: ignore[assignment]


Failing.__abstractmethods__ = frozenset()


def test_a_network_that_cannot_be_converted(monkeypatch: pytest.MonkeyPatch, fresh_cache: Path, told) -> None:
    monkeypatch.setitem(ENGINES._entries, "failing", f"{__name__}:Failing")
    engine = make_engine(small(), "failing")
    assert isinstance(engine, TorchEngine)
    assert "failing cannot run regraft_tiny (no such operation: aten::odd); torch runs it" in told()
    data = [pictures(8, 40)[:, :32, :32]] * 2
    engine, found = auto.fastest(small(), "cpu", ["torch", "failing"], data)
    assert isinstance(engine, TorchEngine) and "aten::odd" in found["tried"]["failing"]["left_out"]


class Counting(TorchEngine):
    made = 0

    def __init__(self, network, device="cpu"):
        super().__init__(network, device)
        Counting.made += 1

    def describe(self):
        return {**super().describe(), "engine": "counting"}


class Wrong(TorchEngine):
    def run(self, data):
        return {"pooled": -super().run(data)["pooled"]}


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch, fresh_cache: Path) -> None:
    """64 items are many, and two more engines to try: one always faster, one wrong."""
    monkeypatch.setitem(ENGINES._entries, "counting", f"{__name__}:Counting")
    monkeypatch.setitem(ENGINES._entries, "wrong", f"{__name__}:Wrong")
    monkeypatch.setattr(auto, "candidates", lambda network, device, count, longer=1.0:
                        ["torch", "counting", "wrong"] if count >= 64 else ["torch"])  # fmt: skip
    timed = auto._timed
    speeds = {TorchEngine: 1.0, Counting: 2.0, Wrong: 3.0}
    monkeypatch.setattr(auto, "_timed", lambda engine, data: (timed(engine, data)[0], speeds[type(engine)]))
    Counting.made = 0


def engine_for(count: int, network: Pretrained | None = None) -> str:
    runner = Runner(network or small())
    next(iter(runner.stream(items(count), "x")))
    return runner.engine


def test_many_items_choose_and_the_choice_is_remembered(many: None, fresh_cache: Path, told) -> None:
    assert engine_for(10) == "torch" and not list(fresh_cache.rglob("choice-*"))
    assert engine_for(64) == "counting" and Counting.made == 1
    assert "regraft_tiny runs on counting: 2.0 times as fast as torch in float32, cosine to it at least 1." in told()
    record = json.loads(next(fresh_cache.glob("engines/*/choice-*.json")).read_text())
    assert record["tried"]["wrong"]["left_out"] == "a cosine of -1.0000 to float32"
    assert engine_for(1) == engine_for(1000) == "counting" and "runs on" not in told(), "as remembered"
    shutil.rmtree(fresh_cache / "rows", ignore_errors=True)
    assert engine_for(3) == "counting", "rows may go"
    assert engine_for(10, small("squeezenet1_1")) == "torch", "another network"


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"engine": "gone", "tried": {"gone": {}}}', b"\xff\0"])
def test_a_choice_that_cannot_be_read_is_made_again(many: None, fresh_cache: Path, damage: bytes) -> None:
    assert engine_for(64) == "counting"
    file = next(fresh_cache.glob("engines/*/choice-*.json"))
    file.write_bytes(damage)
    assert engine_for(10) == "torch" and engine_for(64) == "counting"
    assert json.loads(file.read_text())["engine"] == "counting"


def test_a_cache_that_cannot_be_written(many: None, fresh_cache: Path, told) -> None:
    (fresh_cache).mkdir()
    (fresh_cache / "engines").write_text("a file where a folder is wanted")
    assert engine_for(64) == "counting" and "the choice of the engine is not remembered" in told()


def test_a_fit_keeps_to_one_engine(many: None, shapes: Path, tmp_path: Path) -> None:
    """Training items decide; the few judged ones, and the model in a process of its own, follow."""
    with np.load(_npz(tmp_path)) as data:
        assert len(data["images"]) == 90
    found = regraft.fit(str(tmp_path / "x.npz"), controls="none", out=str(tmp_path / "r"))
    assert found.engine == "counting"
    assert regraft.load(tmp_path / "r").predict([pictures(1)[0]]).shape == (1,)


def _npz(folder: Path) -> Path:
    y = np.arange(90) % 2
    x = (pictures(90) // 2 + 100 * y[:, None, None, None]).astype(np.uint8)
    np.savez(folder / "x.npz", images=x, labels=y, class_names=np.array(["dark", "light"]))
    return folder / "x.npz"


def test_little_work_stays_on_torch(fresh_cache: Path) -> None:
    tiny, net = small(), catalog.load("random:mobilenet_v2")
    assert auto.candidates(tiny, "cpu", 1500) == ["torch"] and auto.candidates(net, "cpu", 127) == ["torch"]
    likely = auto.candidates(net, "cpu", 400)
    assert (
        likely[0] == "torch" and likely[1:] == [n for n in auto.LIKELY if n in auto.candidates(net, "cpu", 10**5)][:1]
    )
    assert 0.01 < auto.nominal_seconds(net) < 0.05 and auto.nominal_seconds(tiny) < 0.002
    runner = Runner(tiny)
    assert next(iter(runner.stream(items(300), "x"))).rows.shape == (256, 320)
    assert runner.engine == "torch" and not (fresh_cache / "engines").exists()


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_the_graph_is_remembered(name: str, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch, told) -> None:
    if missing(ENGINES.get(name)):
        pytest.skip("not on this machine")
    network, data = catalog.load("random:lenet"), pictures(8)[:, :28, :28]
    data = data[..., : 1 if network.spec.colour == "grey" else 3]
    first = make_engine(network, name).run(data)["pooled"]
    kept = next(fresh_cache.glob("engines/*/*/graph.json")).parent
    with monkeypatch.context() as patch:
        patch.setattr(graphs.ConvertedEngine, "_convert", lambda self: pytest.fail("converted again"))
        assert (make_engine(network, name).run(data)["pooled"] == first).all()
    largest = max(kept.iterdir(), key=lambda f: f.stat().st_size)
    whole = largest.read_bytes()
    largest.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    assert (make_engine(network, name).run(data)["pooled"] == first).all()
    assert "is damaged; the network is converted again" in told() and len(largest.read_bytes()) == len(whole)
    record, again = (kept / "graph.json").read_text(), make_engine(network, name)
    for broken in ("[]", "{}", record.replace(largest.name, "gone")):
        (kept / "graph.json").write_text(broken)
        assert not again.kept.is_there()
    shutil.rmtree(fresh_cache)
    fresh_cache.write_text("a file")
    assert (make_engine(network, name).run(data)["pooled"] == first).all() and "is not remembered" in told()


class Deciding(torch.nn.Module):
    """Its pass depends on the picture, so that a recorded one would be wrong for others."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x if x.mean() > 0 else -x)


def test_a_graph_is_recorded_where_every_picture_goes_the_same_way(fresh_cache: Path) -> None:
    if missing(ENGINES.get("openvino")):
        pytest.skip("openvino is not on this machine")
    network, data = small("squeezenet1_1"), pictures(5)
    plain, ways = TorchEngine(network).run(data)["pooled"], list[str]()

    class Watched(OpenVino):
        def by_trace(self):
            ways.append("trace")
            return super().by_trace()

        def by_export(self):
            ways.append("export")
            return super().by_export()

    assert auto.least_cosine(Watched(network).run(data)["pooled"], plain) > 0.99999 and ways == ["trace"]
    (name, first), *rest = network.body.blocks
    network.body = Body([(name, Deciding(first)), *rest], network.body.pool).freeze().eval()
    network.provenance.pop("digest", None)
    ways.clear()
    with pytest.raises(Unconvertible):
        Watched(network)
    assert ways == ["trace", "export"], "what was recorded of one picture is never taken for others"


def test_openvino_sends_no_telemetry(fresh_cache: Path) -> None:
    """Its telemetry is sent unless a person opted out: it is never imported."""
    if missing(ENGINES.get("openvino")):
        pytest.skip("not on this machine")
    make_engine(catalog.load("random:lenet"), "openvino")
    assert "openvino" in sys.modules and "openvino_telemetry" not in sys.modules


def test_what_is_remembered_has_an_end(fresh_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i, name in enumerate("abc"):
        folder = graphs.remembered() / name
        folder.mkdir(parents=True)
        (folder / "x").write_bytes(bytes(1000))
        os.utime(folder, (i, i))
    monkeypatch.setattr(graphs, "MOST_BYTES", 2500)
    graphs.forget(graphs.remembered() / "a")
    assert sorted(f.name for f in graphs.remembered().iterdir()) == ["a", "c"]


def test_rows_of_zeros_and_of_no_numbers() -> None:
    zeros, ones = np.zeros((1, 3), np.float32), np.ones((1, 3), np.float32)
    assert auto.least_cosine(zeros, zeros) == 1 and auto.least_cosine(ones, zeros) == 0
    assert auto.least_cosine(np.full((1, 3), np.nan, np.float32), ones) == -1
    assert issubclass(Unconvertible, regraft.core.errors.RegraftError)


def test_a_network_that_a_fit_has_trained_is_not_tried_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its training and its judged items must not be run by engines of their own, nor each fit convert a network."""
    data, asked = open_data("embedded:digits"), []
    monkeypatch.setattr(labelled, "Runner", lambda *how: asked.append(how[1]) or Runner(*how))
    for engine in ("auto", "torch"):
        labelled.fresh_rows(catalog.load("regraft_tiny"), data, np.arange(3), engine, "cpu")
    assert asked == ["torch", "torch"]


def test_ctrl_c_is_heard_where_what_it_waits_for_fails() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), interrupts_wait():
            signal.raise_signal(signal.SIGINT)
            raise RuntimeError("conversion has failed")
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("worker", [False, True])
def test_ctrl_c_while_a_library_calls_back_is_not_taken_for_its_fault(worker: bool, monkeypatch) -> None:
    """The library turns whatever its calls to Python raise into an error of its own, and goes on another way."""

    def convert_model(program: str) -> str:
        try:
            signal.raise_signal(signal.SIGINT)
        except BaseException as error:
            raise RuntimeError("conversion has failed") from error
        done.append(program)
        return "graph"

    done: list[str] = []
    monkeypatch.setitem(sys.modules, "openvino", SimpleNamespace(convert_model=convert_model))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if worker:  # outside the main thread nothing is heard
            monkeypatch.setattr(signal, "raise_signal", lambda number: None)
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(converted, "program").result() == "graph"
        else:
            with pytest.raises(KeyboardInterrupt):
                converted("program")
        assert done == ["program"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
