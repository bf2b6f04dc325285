"""A fit decodes each picture once, and nothing of it shows in what it gives."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import regraft
from regraft.core.parallel import TOGETHER, in_order
from regraft.data.image import decoding
from tests.conftest import shape, with_slow


def photos(root: Path, count: int, seed: int = 0, side: int = 90) -> Path:
    rng = np.random.default_rng(seed)
    for kind in ("disc", "square"):
        (root / kind).mkdir(parents=True)
        for i in range(count):
            shape(kind, rng, side).save(root / kind / f"{i:03d}.jpg")
    return root


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[bytes]:
    """How often each file was decoded, by its bytes."""
    counts: Counter[bytes] = Counter()
    before = decoding._examined

    def counted(image: Image.Image, data: bytes = b"") -> Any:
        counts[data] += 1
        return before(image, data)

    monkeypatch.setattr(decoding, "_examined", counted)
    # what a person is shown is read again
    monkeypatch.setattr("regraft.pipelines.evidence.predictions._write_mistakes", lambda *_: None)
    return counts


def kept(run: str) -> dict[str, Any]:
    record = json.loads((Path(run) / "run.json").read_text())["result"]
    return {k: v for k, v in record.items() if k not in ("run", "seconds")}


CASES: dict[str, dict[str, Any]] = {
    "folds": {}, "val": {"val": "judged"}, "three folds": {"cv": 3},
    "two networks": {"backbone": "regraft_tiny+random:regraft_tiny"}, "raw": {"backbone": "raw"},
}  # fmt: skip


DEAR = ("three folds", "two networks")


@pytest.mark.parametrize("case", with_slow(CASES, DEAR))
def test_each_picture_is_decoded_once(
    case: str, tmp_path: Path, fresh_cache: Path, decoded: Counter[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    photos(Path("photos"), 15)
    photos(Path("judged"), 40, 1)
    (tmp_path / "photos/disc/000.jpg").write_bytes((tmp_path / "photos/disc/001.jpg").read_bytes())
    (tmp_path / "photos/disc/bad.jpg").write_bytes((tmp_path / "photos/disc/002.jpg").read_bytes()[:-900])
    options = {"backbone": "regraft_tiny", "controls": "majority,raw,random", **CASES[case]}
    once = regraft.fit("photos", out="once", **options)
    files = {p.read_bytes() for p in Path("photos").rglob("*.jpg")}
    good = files - {(tmp_path / "photos/disc/bad.jpg").read_bytes()}
    assert files <= set(decoded) and {decoded[f] for f in good} == {1}, "one of two copies too"
    assert max(decoded.values()) <= 2, "what cannot be read is tried by the audit too"
    decoded.clear()
    assert regraft.fit("photos", out="again", **options).cached and not decoded.keys() & good
    monkeypatch.setattr("regraft.pipelines.scenarios.single.one_pass", lambda *_: 0)
    monkeypatch.setenv("REGRAFT_CACHE", str(tmp_path / "another"))
    regraft.fit("photos", out="step by step", **options)
    assert kept("once") == kept("step by step")
    assert max(decoded[f] for f in good) > 1
    for file in ("model/model.safetensors", "predictions.csv"):
        assert (Path("once") / file).read_bytes() == (Path("step by step") / file).read_bytes()
    rows = [{f.relative_to(c / "rows").parts[0] for f in (c / "rows").glob("*/recipe.json")}
            for c in (fresh_cache, tmp_path / "another")]  # fmt: skip
    assert rows[0] == rows[1], "the same tables and no more"
    assert once.problems


def test_results_of_threads_keep_their_order() -> None:
    taken: list[int] = []
    for i, x in enumerate(in_order(lambda x: (taken.append(x), x)[1], range(1000), 20)):
        assert i == x
        assert len(taken) <= i + 1 + 20 + 2 * TOGETHER, "and few are made ahead"
    assert [*in_order(str, [], 4)] == []
    with pytest.raises(ZeroDivisionError):
        [*in_order(lambda x: 1 // x, [1, 0, 1], 4)]


MEASURED = """
import io, resource, sys, hashlib
import numpy as np
from PIL import Image
from regraft.core.row_store import RowStore
from regraft.data.items import PictureFiles
from regraft.data.memory import Memory
from regraft.features.network import network_for
from regraft.features.one_pass import one_pass
from regraft.features.runner import Runner

class Made(Memory):
    def read(self, name):
        rng = np.random.default_rng(int(name))
        picture = Image.fromarray(rng.integers(0, 255, (14, 14, 3), dtype=np.uint8)).resize((128, 128))
        file = io.BytesIO()
        picture.save(file, "JPEG")
        return file.getvalue()

n = int(sys.argv[1])
items = PictureFiles(Made({}), [str(i) for i in range(n)])
networks = [network_for(items, name) for name in ("regraft_tiny", "raw", "random:regraft_tiny")]
for network in networks:
    network.spec = type(network.spec)(**{**network.spec.to_json(), "height": 32, "width": 32})
pairs = [pair for network in networks for pair in Runner(network).engines(items)]
assert one_pass(items, np.arange(n), pairs, RowStore()) == 3 * n
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_pictures(fresh_cache: Path) -> None:
    def megabytes(n: int) -> int:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "REGRAFT_CACHE": str(fresh_cache / str(n))}
        done = subprocess.run([sys.executable, "-c", MEASURED, str(n)], env=environment, stdout=subprocess.PIPE)
        return int(done.stdout)

    assert megabytes(4000) - megabytes(1000) < 40
