"""Networks trained on two domains: each method from pictures to a model, and resumed to the bit."""

from pathlib import Path

import numpy as np
import pytest
import torch

import regraft
from regraft.core.errors import InputError, TrainingError
from regraft.methods import METHODS
from regraft.methods.base import Options
from tests.commands.test_target import darker, digits
from tests.conftest import with_slow

TRAINED = [name for name in METHODS if hasattr(METHODS.get(name), "plan_domains")]
QUICK = {"backbone": "random:lenet", "controls": "none", "batch": 32, "epochs": 1, "augment": "none"}


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("d")
    return (str(digits(folder / "source.npz", 200, 0)), str(digits(folder / "target.npz", 70, 1, change=darker)))


@pytest.fixture(scope="module")
def source_run(pair, tmp_path_factory) -> str:
    out = str(tmp_path_factory.mktemp("r") / "s")
    return regraft.fit(pair[0], out=out, **{**QUICK, "method": "scratch", "epochs": 8}).run


RECORDED = ("adabn", "dann", "mcd", "shot", "pseudo-label")
"""Those of tests/golden."""


@pytest.mark.parametrize("name", with_slow(TRAINED, RECORDED))
def test_from_a_source_model_to_one_for_the_target(name: str, pair, source_run: str, tmp_path: Path) -> None:
    made = METHODS.get(name).plan_domains(3, Options(4))
    assert METHODS.get(name).SUMMARY and all(p.epochs == 4 and p.frozen == 0 for p in made.phases)
    options = {**QUICK, "backbone": None, "init": source_run, "method": name}
    if not made.phases:
        options |= {"batch": None, "epochs": None}
    result = regraft.fit(pair[0], target=pair[1], out=str(tmp_path / "r"), **options)
    metrics = result.metrics
    assert metrics["controls"]["source-only"]["accuracy"] > 0.3 and metrics["target"]["accuracy"] > 0.3
    assert "snd" in metrics["validators"] and (not made.phases or "inner" in result.choice["history"][0])
    judged = regraft.evaluate(str(tmp_path / "r"), pair[1])
    assert judged.metrics["accuracy"] == pytest.approx(metrics["target"]["accuracy"], abs=1e-9), (
        "the saved is the judged"
    )
    plain = regraft.evaluate(str(tmp_path / "r/source-only"), pair[1])
    assert plain.metrics["accuracy"] == pytest.approx(metrics["controls"]["source-only"]["accuracy"], abs=1e-9)


@pytest.mark.parametrize(
    ("method", "option"), [("shot", {"smoothing": 0.1}), ("adda", {"class_weight": "balanced"}),
                           ("adabn", {"lr": 1e-3}), ("adabn", {"batch": 8}), ("dann", {"focal": 2.0})],
)  # fmt: skip
def test_options_without_effect_are_refused(method: str, option, pair, source_run: str, tmp_path: Path) -> None:
    told = {"target": pair[1], "init": source_run, "method": method, "controls": "none", "out": str(tmp_path / "r")}
    with pytest.raises(InputError, match="--" + next(iter(option)).replace("_", "-")):
        regraft.fit(pair[0], **told, **option)


@pytest.mark.slow
def test_one_rate_for_a_network_from_scratch(pair, source_run: str, tmp_path: Path) -> None:
    """Blocks that no pretraining has seen learn alike, whether the source's model is trained here or taken."""
    options = {**QUICK, "method": "dann", "target": pair[1]}
    here = regraft.fit(pair[0], out=str(tmp_path / "h"), **options)
    taken = regraft.fit(pair[0], out=str(tmp_path / "t"), **options | {"backbone": None, "init": source_run})
    pretrained = regraft.fit(pair[0], out=str(tmp_path / "p"), **options | {"backbone": "regraft_tiny"})
    decays = [r.choice["phases"][0]["layer_decay"] for r in (here, taken, pretrained)]
    assert decays[0] == decays[1] == 1.0 and decays[2] < 1.0


def test_the_source_is_trained_first(pair, tmp_path: Path) -> None:
    result = regraft.fit(pair[0], target=pair[1], method="adabn", out=str(tmp_path / "r"), **{**QUICK, "epochs": 8})
    assert result.choice["source"]["phases"][0]["name"] == "source" and not result.choice["phases"]
    assert result.metrics["val"]["accuracy"] > 0.8


@pytest.mark.slow
def test_resumed_to_the_bit(pair, source_run: str, tmp_path: Path, monkeypatch) -> None:
    from regraft.training import loop

    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    for name in ("shot", "pseudo-label"):
        options = {**QUICK, "backbone": None, "init": source_run, "method": name, "target": pair[1], "epochs": 3}
        regraft.fit(pair[0], out=str(tmp_path / f"{name}-w"), **options)
        step, calls = loop.Run.one_step, []

        def killed(self, *args, step=step, calls=calls):
            calls.append(1)
            if len(calls) == 5:
                raise KeyboardInterrupt
            return step(self, *args)

        with monkeypatch.context() as patch:
            patch.setattr(loop.Run, "one_step", killed)
            with pytest.raises(KeyboardInterrupt):
                regraft.fit(pair[0], out=str(tmp_path / f"{name}-r"), **options)
        regraft.fit(pair[0], out=str(tmp_path / f"{name}-r"), resume=True, **options)
        a, b = ((tmp_path / f"{name}-{k}/model/model.safetensors").read_bytes() for k in "wr")
        assert a == b, name


def test_labels_of_the_target_change_nothing(pair, source_run: str, tmp_path: Path) -> None:
    arrays = dict(np.load(pair[1]))
    np.savez(tmp_path / "target.npz", images=arrays["images"], labels=np.roll(arrays["labels"], 1))
    options = {**QUICK, "backbone": None, "init": source_run, "method": "shot"}
    runs = [regraft.fit(pair[0], target=t, out=str(tmp_path / str(i)), **options).run
            for i, t in enumerate((pair[1], str(tmp_path / "target.npz")))]  # fmt: skip
    a, b = (Path(r, "model/model.safetensors").read_bytes() for r in runs)
    assert a == b


def test_a_discriminator_that_is_no_number(pair, source_run: str, tmp_path: Path, monkeypatch) -> None:
    dann = METHODS.get("dann")
    monkeypatch.setattr(dann, "domain_loss", lambda s, t: s.sum() * torch.nan)
    options = {**QUICK, "backbone": None, "init": source_run, "method": "dann"}
    with pytest.raises(TrainingError, match="no longer a number"):
        regraft.fit(pair[0], target=pair[1], out=str(tmp_path / "r"), **options)


def test_what_training_on_two_domains_refuses(pair, tmp_path: Path) -> None:
    options = {**QUICK, "method": "dann", "target": pair[1], "out": str(tmp_path / "r")}
    with pytest.raises(InputError, match="trains in one"):
        regraft.fit(pair[0], **options, processes=2)
    with pytest.raises(InputError, match="keeps pictures as they are"):
        regraft.fit(pair[0], **options, mix="mixup")
    with pytest.raises(InputError, match="the backbone is raw"):
        regraft.fit(pair[0], **{**options, "backbone": "raw"})


def test_a_source_model_without_what_the_method_needs(pair, source_run: str, tmp_path: Path) -> None:
    options = {**QUICK, "backbone": None, "method": "shot", "init": source_run, "out": str(tmp_path / "r")}
    words = str(digits(tmp_path / "words.npz", 60, 2, names=["0", "1", "two"]))
    with pytest.raises(InputError, match="needs the source's model whole"):
        regraft.fit(words, target=words, **options)
    made = regraft.fit(pair[0], method="mlp-probe", epochs=1, controls="none", out=str(tmp_path / "mlp"))
    with pytest.raises(InputError, match="no linear head for all of 0, 1, 2"):
        regraft.fit(pair[0], target=pair[1], **{**options, "init": made.run})
    plain = {**QUICK, "backbone": "random:squeezenet1_0", "size": 32, "method": "adabn", "out": str(tmp_path / "n")}
    with pytest.raises(InputError, match="has no batch normalisation"):
        regraft.fit(pair[0], target=pair[1], **plain)


def test_lenet_has_no_weights() -> None:
    from regraft.backbones import catalog

    with pytest.raises(InputError, match="random:lenet"):
        catalog.load("lenet")
    assert catalog.load("random:lenet").width == 256
