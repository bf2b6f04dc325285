"""Methods on the features of two domains: what they map, and that the head takes the target's features as they are."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from regraft.core.errors import InputError
from regraft.core.types import LabelSpec
from regraft.methods import METHODS
from regraft.methods.adaptation.mixture import mixture, normal_classes
from regraft.methods.adaptation.on_features import folded
from regraft.methods.adaptation.self_training import most_certain
from regraft.methods.probes.linear_probe import fit_features
from regraft.models.heads import logits_of

SPEC = LabelSpec("classification", ("a", "b", "c"))
ON_FEATURES = [name for name in METHODS if hasattr(METHODS.get(name), "fit_domains")]
LABEL_THEMSELVES = ("self-training", "mixture")


def two_domains(n: int = 150, width: int = 12):
    """Three heaps; in the target they are turned, stretched and moved, so that the source's borders are wrong there."""
    rng = np.random.default_rng(0)
    centres = np.zeros((3, width))
    centres[[0, 1, 2], [0, 1, 2]] = 6
    y = np.arange(n) % 3
    s, t = (centres[y] + rng.normal(size=(n, width)) for _ in range(2))
    angle = 0.6
    turn = np.eye(width)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    t = t @ turn * np.linspace(1.3, 0.7, width) + np.where(np.arange(width) == 0, 7.0, 1.0)
    return s.astype(np.float32), y, t.astype(np.float32)


def accuracy(head, rows, y) -> float:
    return float((logits_of(head, rows).argmax(1) == y).mean())


@pytest.mark.parametrize("name", ON_FEATURES)
def test_adapting_helps_where_the_shift_is_a_map(name: str) -> None:
    if name == "ot":
        pytest.importorskip("ot")
    s, y, t = two_domains()
    learn = partial(fit_features, target=SPEC)
    plain = learn(s, y)
    learn = lambda rows, labels, record=None: fit_features(rows, labels, SPEC, record=record or plain.record)
    method = METHODS.get(name)
    fitted, again = (method.fit_domains(s, y, t, learn, seed=0) for _ in range(2))
    assert fitted.head.linear.weight.dtype == torch.float32 and logits_of(fitted.head, t).shape == (150, 3)
    before = accuracy(plain.head, t, y)
    assert before < 0.8 and accuracy(fitted.head, t, y) > (before if name in LABEL_THEMSELVES else 0.95)
    assert (logits_of(fitted.head, t) == logits_of(again.head, t)).all(), "the same seed, the same bits"


def test_a_folded_head_says_the_same() -> None:
    s, y, _ = two_domains()
    axes = np.linalg.qr(np.random.default_rng(1).normal(size=(12, 4)))[0]
    mean = s.mean(0).astype(np.float64)
    inner = ((s - mean) @ axes).astype(np.float32)
    fitted = fit_features(inner, y, SPEC)
    assert np.allclose(logits_of(folded(fitted, mean, axes).head, s), logits_of(fitted.head, inner), atol=1e-3)


def test_self_training_takes_of_each_class() -> None:
    guesses, sure = np.array([0, 0, 0, 0, 1, 1]), np.array([0.9, 0.5, 0.8, 0.6, 0.4, 0.45])
    assert most_certain(guesses, sure, 0.5).tolist() == [0, 2, 5]
    assert most_certain(guesses, sure, 0.01).tolist() == [0, 5]


def test_a_mixture_finds_the_border_that_a_shift_has_moved() -> None:
    """Two normal classes of unlike sizes, both moved across the border: log odds by Bayes' rule, from no label."""
    rng = np.random.default_rng(0)
    y = (rng.random(20_000) < 0.25).astype(int)
    z = 5 + np.array([-2.0, 2.0])[y] + rng.normal(size=20_000)
    turn, shift = mixture(np.stack([-z / 2, z / 2], 1))
    odds = np.stack([-z / 2, z / 2], 1) @ turn.T + shift
    found = odds[:, 1] - odds[:, 0]
    assert np.allclose(np.polyfit(z, found, 1), [4, -20 + np.log(1 / 3)], rtol=0.05)
    assert ((found > 0) == y).mean() > 0.97 > 0.3 > ((z > 0) == y).mean()


def test_a_mixture_of_three_classes_keeps_their_order() -> None:
    s, y, _ = two_domains()
    head = fit_features(s, y, SPEC).head
    moved = s + np.linspace(1.5, 0, 12, dtype=np.float32)
    again = normal_classes(head, moved)
    assert accuracy(again, moved, y) > 0.97 and accuracy(again, moved, y) >= accuracy(head, moved, y)
    assert (logits_of(head, s) == logits_of(fit_features(s, y, SPEC).head, s)).all(), "the given head stays as it is"


def test_answers_all_alike_are_no_reason_to_fail() -> None:
    s, y, t = two_domains(30)
    learn = lambda rows, labels, record=None: fit_features(rows, labels, SPEC, record=record)
    head = METHODS.get("mixture").fit_domains(s, y, np.repeat(t[:1], 30, 0), learn).head
    assert np.isfinite(logits_of(head, t)).all()


def test_sparse_features() -> None:
    s, y, t = (csr_matrix(v) if v.ndim == 2 else v for v in two_domains(30))
    learn = lambda rows, labels, record=None: fit_features(rows, labels, SPEC, record=record)
    assert METHODS.get("self-training").fit_domains(s, y, t, learn).record["believed"] > 20
    assert logits_of(METHODS.get("mixture").fit_domains(s, y, t, learn).head, t).shape == (30, 3)
    for name in ("coral", "ot", "subspace-alignment"):
        with pytest.raises(InputError, match=f"--method {name} takes dense features"):
            METHODS.get(name).fit_domains(s, y, t, learn)
