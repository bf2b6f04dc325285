"""Weights whose licence is not stated, or narrow, are taken on a person's word alone."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import regraft
from regraft.backbones import catalog, licences
from regraft.backbones.licences import reservation, trusting
from regraft.backbones.weights import write_state
from regraft.cli import app
from regraft.core.errors import InputError
from tests.backbones.tiny_text import write_model

README = "---\nlanguage: en\nlicense: {}\ntags:\n- x\n---\n# A model\n\nlicense: mit\n"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_cache: Path) -> Path:
    """The snapshot of ``acme/net`` as the library of the hub lays it down."""
    folder = write_model(tmp_path / "snapshots" / "net")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(folder))
    return folder


def test_an_unstated_licence_needs_a_word(hub: Path) -> None:
    message = r"^hf/acme/net \(https://huggingface.co/acme/net\) states no licence: .* --trust takes it \(trust=True in"
    with pytest.raises(InputError, match=message) as error:
        catalog.load("hf/acme/net")
    assert "\n" not in str(error.value)
    with trusting(True):
        told = catalog.load("hf/acme/net[plain]@layer.0").provenance
    assert (told["licence"], told["trusted"]) == ("not known", "states no licence")
    assert told["origin"].endswith("/acme/net") and told["weights"] == "as published"
    with pytest.raises(InputError, match="states no licence"):
        catalog.load("hf/acme/net")
    assert catalog.load("random:hf/acme/net").provenance["weights"] == "random", "there is nothing to license"


@pytest.mark.parametrize(
    ("licence", "taken"),
    [("mit", True), ("apache-2.0", True), ("\n- bsd-3-clause", True), ("'cc-by-4.0'", True), ("cc-by-nc-4.0", False),
     ("other", False), ("unknown", False), ("", False)],
)  # fmt: skip
def test_a_stated_licence_decides(hub: Path, licence: str, taken: bool) -> None:
    (hub / "README.md").write_text(README.format(licence))
    if taken:
        told = catalog.load("hf/acme/net").provenance
        assert told["licence"] == licence.strip("\n- '") and "trusted" not in told
    else:
        with pytest.raises(InputError, match="--trust"):
            catalog.load("hf/acme/net")


def test_a_readme_without_a_head_states_nothing(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# A model\nlicense: mit\n---\n---\n")
    assert licences.stated(tmp_path) is None is licences.stated(tmp_path / "nowhere")


def test_files_of_the_users_own_need_nobodys_word(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert catalog.load(str(hub)).provenance["licence"] == "not known"
    shutil.copytree(hub, tmp_path / "mine/acme/net")
    monkeypatch.setenv("REGRAFT_WEIGHTS", str(tmp_path / "mine"))
    assert catalog.load("hf/acme/net").provenance["weights"] == "a folder of the user's"
    path = tmp_path / "tiny.safetensors"
    write_state(path, catalog.build(catalog.recipe_of(catalog.rows("lenet")[0]), initialise=True).state_dict())
    assert catalog.load("lenet", weights=path).provenance["licence"] == "not known"


def test_timms_weights_by_what_they_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_cache: Path) -> None:
    timm = pytest.importorskip("timm")
    path = tmp_path / "model.safetensors"
    write_state(path, timm.create_model("test_resnet").state_dict())
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **__: str(path))
    stated = {"licence": "apache-2.0"}
    plain = timm.models.get_pretrained_cfg("test_resnet").to_dict
    monkeypatch.setattr("timm.models._pretrained.PretrainedCfg.to_dict",
                        lambda self, **_: {**plain(), "license": stated["licence"]})  # fmt: skip
    name = "timm/test_resnet.r160_in1k"
    assert catalog.load(name).provenance["licence"] == "apache-2.0"
    stated["licence"] = "cc-by-nc-4.0"
    with pytest.raises(InputError, match="timm/test_resnet.*is under cc-by-nc-4.0, which does not allow every use"):
        catalog.load(name)
    stated["licence"] = None
    with pytest.raises(InputError, match="timm/test_resnet.*states no licence"):
        catalog.load(name)
    (tmp_path / "timm").mkdir()
    shutil.copy(path, tmp_path / "timm/test_resnet.r160_in1k.safetensors")
    monkeypatch.setenv("REGRAFT_WEIGHTS", str(tmp_path))
    assert catalog.load(name).provenance["licence"] == "not known", "a file of the user's own"


def test_nothing_changes_for_the_catalog() -> None:
    for name in catalog.names()[1:]:
        for row in catalog.rows(name):
            assert reservation({"weights": row.tag, "licence": row.licence, "origin": "https://x"}) is None, row
    assert catalog.load("regraft_tiny").provenance["licence"] == "Apache-2.0"


def test_a_fit_records_that_it_was_trusted(hub: Path, tmp_path: Path) -> None:
    rows = [f"{'good' if i % 2 else 'bad'} film {i},{i % 2}" for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["said,label", *rows]))
    asked = ["fit", str(tmp_path / "t.csv"), "--backbone", "hf/acme/net", "--controls", "none"]
    refused = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "no")])
    assert isinstance(refused.exception, InputError | SystemExit) and not (tmp_path / "no").exists()
    done = CliRunner().invoke(app, [*asked, "--trust", "--json", "--out", str(tmp_path / "yes")])
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "yes/run.json").read_text())["settings"]["trust"] is True
    manifest = json.loads((tmp_path / "yes/model/manifest.json").read_text())
    assert "states no licence" in json.dumps(manifest)
    assert regraft.load(tmp_path / "yes").predict(["good film"]).shape == (1,), "the model is there: nothing is asked"
    texts, labels = ["good", "bad"] * 6, [0, 1] * 6
    with pytest.raises(InputError, match="trust=True in Python"):
        regraft.Classifier("hf/acme/net").fit(texts, labels)
    assert regraft.Classifier("hf/acme/net", trust=True).fit(texts, labels).predict(["good"]).shape == (1,)
    assert regraft.FeatureExtractor("hf/acme/net", trust=True).fit_transform(texts).shape == (12, 32)
    asked = ["rank", str(tmp_path / "t.csv"), "--json", "--scores", "probe", "--backbones"]
    left = CliRunner().invoke(app, [*asked, "regraft_tiny_text,hf/acme/net"])
    assert [one["backbone"] for one in json.loads(left.stdout)["left_out"]] == ["hf/acme/net"]
    ranked = CliRunner().invoke(app, [*asked, "hf/acme/net", "--trust"])
    assert json.loads(ranked.stdout)["choice"] == "hf/acme/net"
