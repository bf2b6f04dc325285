"""Losses and validators against the recorded reference numbers; gradients against finite differences."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from regraft.methods.adaptation import adda
from regraft.methods.adaptation.losses import adversarial as A
from regraft.methods.adaptation.losses import discrepancy as D
from regraft.methods.adaptation.losses import self_training as S
from regraft.metrics import validators as V

ONCE = {"rel": 1e-9}


@pytest.fixture
def recorded(shared: Path):
    arrays = dict(np.load(shared / "reference/adaptation.npz").items())
    return arrays, json.loads((shared / "reference/adaptation.json").read_text())


@pytest.fixture
def tensors(recorded):
    return {k: torch.from_numpy(v) for k, v in recorded[0].items() if k[:2] in ("f_", "lo", "cd")}


def test_deep_coral(recorded, tensors) -> None:
    fs, ft, figures = tensors["f_s"], tensors["f_t"], recorded[1]
    assert D.deep_coral(fs, ft).item() == pytest.approx(figures["coral_loss_4d2"], **ONCE)
    assert D.deep_coral(fs[:20], ft).item() == pytest.approx(figures["coral_loss_4d2_unequal_20_36"], **ONCE)
    assert D.deep_coral(fs, fs).item() == 0


def test_kernel_discrepancies(recorded, tensors) -> None:
    fs, ft, figures = tensors["f_s"].requires_grad_(True), tensors["f_t"], recorded[1]
    both = D.squared_distances(torch.cat([fs, ft]))
    assert both.mean().item() == pytest.approx(figures["mean_sq_distance_all_pairs_incl_diag"], **ONCE)
    loss = D.multi_kernel_mmd(fs, ft)
    assert loss.item() == pytest.approx(figures["mkmmd_unbiased_formula"], **ONCE)
    assert loss.item() + 2 / 35 == pytest.approx(figures["mkmmd_tllib_dan_quadratic"], **ONCE)
    assert D.multi_kernel_mmd(fs, ft, (1.0,)).item() + 2 / 35 == pytest.approx(
        figures["mmd_tllib_one_kernel_alpha1"], **ONCE
    )
    loss.backward()
    assert fs.grad.norm().item() == pytest.approx(figures["grad_mkmmd_tllib_wrt_f_s_norm"], rel=1e-7)
    p = [tensors[k].softmax(1) for k in ("logits_s", "logits_t")]
    joint = D.joint_mmd((fs, p[0]), (ft, p[1]))
    assert joint.item() == pytest.approx(figures["jmmd_unbiased_formula"], **ONCE)


def test_kernel_discrepancies_of_odd_sizes() -> None:
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    kernel = D.gaussian_kernels(x)
    wanted = (sum(kernel[i, j] for i in range(2) for j in range(2) if i != j) / 2
              + sum(kernel[i, j] for i in range(2, 7) for j in range(2, 7) if i != j) / 20
              - 2 * sum(kernel[i, j] for i in range(2) for j in range(2, 7)) / 10)  # fmt: skip
    assert D.multi_kernel_mmd(x[:2], x[2:]).item() == pytest.approx(wanted.item(), rel=1e-12)
    assert torch.isfinite(D.multi_kernel_mmd(x[:1], x[1:]))
    assert D.multi_kernel_mmd(x[:2] * 0, x[2:4] * 0).item() == pytest.approx(0.0), "features that do not vary"


def test_reversed_gradients(recorded) -> None:
    steps, wanted = recorded[1]["grl_steps"], recorded[1]["grl_coeff_alpha10_N1000"]
    assert [A.rising(i / 1000) for i in steps] == pytest.approx(wanted, **ONCE)
    assert [A.rising(i / 1000, 1.0) for i in steps] == pytest.approx(
        recorded[1]["grl_coeff_tllib_alpha1_N1000"], **ONCE
    )
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = A.reverse(x, 0.3)
    assert torch.equal(y, x)
    y.square().sum().backward()
    assert torch.allclose(x.grad, -0.3 * 2 * x)


def test_conditional_discriminator(recorded, tensors) -> None:
    arrays, figures = recorded
    features = torch.cat([tensors["f_s"], tensors["f_t"]])
    logits = torch.cat([tensors["logits_s"], tensors["logits_t"]])
    joined = A.multilinear_map(logits.softmax(1), features)
    assert np.allclose(joined[:4], arrays["cdan_multilinear_map_first4"], atol=1e-9)
    assert joined.sum().item() == pytest.approx(figures["cdan_multilinear_map_sum"], **ONCE)
    weights = A.certainty_weights(logits)
    published = arrays["cdan_entropy_weights_tllib"]  # with 1e-5 inside the logarithm
    assert np.allclose(weights / weights.sum() * 72, published, rtol=1e-4)
    exact = weights[36:] / weights[36:].sum()
    assert np.allclose(exact, arrays["entropy_weights_pta_sum_normalised"], rtol=1e-8)
    told = (joined @ tensors["cdan_disc_weight"]).flatten()
    plain = A.domain_loss(told[:36], told[36:]).item()
    assert plain == pytest.approx(figures["cdan_loss_tllib_entropy_False"], rel=1e-6)
    weighted = A.domain_loss(told[:36], told[36:], weights).item()
    assert weighted == pytest.approx(figures["cdan_loss_tllib_entropy_True"], rel=1e-5)


def test_a_random_map_keeps_inner_products_on_average() -> None:
    g = torch.Generator().manual_seed(0)
    p, f = torch.rand(2, 5, generator=g), torch.rand(2, 8, generator=g)
    r = [torch.randn(d, 100_000, generator=g) for d in (5, 8)]
    joined = A.random_map(p, f, *r)
    exact = A.multilinear_map(p, f)
    assert (joined[0] @ joined[1]).item() == pytest.approx((exact[0] @ exact[1]).item(), rel=0.05)


def test_answers_on_the_target(recorded, tensors) -> None:
    t, other, figures = tensors["logits_t"], tensors["logits_t_adv"], recorded[1]
    assert A.entropy(t).mean().item() == pytest.approx(figures["entropy_mean_exact"], **ONCE)
    assert S.diversity(t.softmax(1)).item() == pytest.approx(figures["diversity_entropy_exact"], **ONCE)
    assert S.information_maximisation(t).item() == pytest.approx(figures["im_loss_exact"], **ONCE)
    for temperature in (1.0, 2.5):
        wanted = figures[f"mcc_formula_T{temperature}"]
        assert S.class_confusion(t, temperature).item() == pytest.approx(wanted, **ONCE)
    assert S.disagreement(t, other).item() == pytest.approx(figures["mcd_discrepancy_tllib"], **ONCE)
    s, second = tensors["logits_s"], tensors["logits_s_adv"]
    for margin in (1.0, 4.0):
        wanted = figures[f"mdd_tllib_margin{margin}"]
        assert S.margin_disparity(s, second, t, other, margin).item() == pytest.approx(wanted, **ONCE)


def test_the_discriminator_of_adda_learns_the_domains_and_the_features_the_other_way() -> None:
    """Each gets the gradient of its own loss alone."""
    torch.manual_seed(0)
    learner = SimpleNamespace(features=nn.Linear(4, 3))
    learner.extra = nn.ModuleList([Frozen(nn.Linear(4, 3)), A.Discriminator(3, 8)])
    x = SimpleNamespace(source=torch.randn(5, 4), target=torch.randn(6, 4), device=torch.device("cpu"))
    adda.step(learner, x, torch.zeros(5, 2), None)["loss"].backward()
    judge = learner.extra[1]
    told = A.domain_loss(judge(learner.extra[0].features(x.source)), judge(learner.features(x.target)))
    of_judge = torch.autograd.grad(told, list(judge.parameters()))
    fooled = nn.functional.softplus(-judge(learner.features(x.target))).mean()
    of_features = torch.autograd.grad(fooled, list(learner.features.parameters()))
    assert all(torch.allclose(p.grad, g) for p, g in zip(judge.parameters(), of_judge, strict=True))
    assert all(torch.allclose(p.grad, g) for p, g in zip(learner.features.parameters(), of_features, strict=True))
    assert all(p.grad is None for p in learner.extra[0].parameters())


class Frozen(nn.Module):
    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features


LOSSES = {
    "deep-coral": lambda a, b: D.deep_coral(a, b), "mmd": lambda a, b: D.multi_kernel_mmd(a, b.detach()),
    "mdd": lambda a, b: S.margin_disparity(a.detach(), a, b.detach(), b, 4.0),
    "im": lambda a, b: S.information_maximisation(a), "disagreement": S.disagreement,
    "domain": lambda a, b: A.domain_loss(a.sum(1), b.sum(1)),
    "map": lambda a, b: A.multilinear_map(a.softmax(1), b).sum(),
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSES)
def test_gradients(name: str) -> None:
    g = torch.Generator().manual_seed(1)
    a, b = (torch.randn(6, 3, generator=g, dtype=torch.float64, requires_grad=True) for _ in range(2))
    if name == "mmd":  # the bandwidth is held fixed: the numeric slope holds it so too
        both = torch.cat([a, b]).detach()
        mean = D.squared_distances(both).mean()
        fixed = lambda x: D.kernel_discrepancy(
            sum(torch.exp(-D.squared_distances(torch.cat([x, b.detach()])) / (2 * w * mean)) for w in D.BANDWIDTHS), 6
        )
        assert torch.autograd.gradcheck(fixed, (a,))
        ours, theirs = (torch.autograd.grad(f, a)[0] for f in (D.multi_kernel_mmd(a, b.detach()), fixed(a)))
        assert torch.allclose(ours, theirs)
    else:
        assert torch.autograd.gradcheck(LOSSES[name], (a, b))


def test_class_confusion_learns_to_tell_apart() -> None:
    logits = torch.randn(12, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    optimiser = torch.optim.SGD([logits], lr=30.0)
    before = S.class_confusion(logits).item()
    for _ in range(200):
        optimiser.zero_grad()
        S.class_confusion(logits).backward()
        optimiser.step()
    assert S.class_confusion(logits).item() < 0.5 * before


def test_centroid_labels_mend_wrong_answers() -> None:
    """Three heaps; the model is wrong on a third of one, its centroids are not."""
    rng = np.random.default_rng(0)
    truth = np.arange(90) % 3
    features = torch.from_numpy(5 * np.eye(3)[truth] + 0.3 * rng.normal(size=(90, 3)))
    logits = torch.from_numpy(2.0 * np.eye(4)[truth])
    wrong = np.flatnonzero(truth == 0)[:10]
    logits[wrong] = torch.from_numpy(np.eye(4)[np.ones(10, int)])
    labels = S.centroid_labels(features, logits)
    assert (labels.numpy() == truth).all() and 3 not in labels, "a class that nobody is given to gets nobody"


def test_a_teacher_follows() -> None:
    teacher, student = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    with torch.no_grad():
        student.weight.fill_(3.0)
        student.num_batches_tracked.fill_(7)
    S.follow(teacher, student, 0.75)
    assert teacher.weight.tolist() == [1.5, 1.5] and int(teacher.num_batches_tracked) == 7
    sure, unsure = torch.tensor([[9.0, 0.0]]), torch.tensor([[0.1, 0.0]])
    logits = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    loss = S.confident_cross_entropy(logits, torch.cat([sure, unsure]), 0.9)
    assert loss.item() == pytest.approx(nn.functional.cross_entropy(logits[:1], torch.tensor([0])).item() / 2)


def test_validators(recorded) -> None:
    arrays, figures = recorded
    t = arrays["logits_t"]
    assert V.certainty(t) == pytest.approx(figures["val_entropy_score_pta"], **ONCE)
    assert V.information(t) == pytest.approx(figures["val_im_score_pta"], rel=1e-8)
    assert V.nuclear_norm(t) == pytest.approx(figures["val_bnm_score_pta"], rel=1e-8)
    p = V.probabilities(t)
    for temperature in (0.05, 0.5):
        wanted = figures[f"val_snd_pta_T{temperature}"]
        assert V.soft_neighbourhood_density(p, temperature) == pytest.approx(wanted, rel=1e-8)
    features = V.soft_neighbourhood_density(arrays["f_t"])
    assert features == pytest.approx(figures["val_snd_pta_features_T0.05"], rel=1e-8)
    w, e = arrays["dev_weights"].ravel(), arrays["dev_errors"].ravel()
    assert V.weighted_risk(w, e) == pytest.approx(figures["val_dev_risk_norm_None"], **ONCE)
    for key in ("f_s", "f_t", "align_xs"):
        assert V.rank_me(arrays[key]) == pytest.approx(figures[f"val_rankme_{key}"], rel=1e-6)


def test_a_density_ratio_finds_what_is_like_the_target() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(400, 2)), rng.normal(size=(300, 2)) + np.array([1.5, 0])
    ratio = V.density_ratio(source, target, np.array([[-1.0, 0.0], [2.5, 0.0]]))
    assert ratio[0] < 0.3 and ratio[1] > 3
    assert V.density_ratio(source, source, source).mean() == pytest.approx(1.0, abs=0.05)


def test_the_better_model_scores_higher() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(300) % 3
    good = 6 * np.eye(3)[y] + rng.normal(size=(300, 3))
    bad = 0.5 * np.eye(3)[y] + rng.normal(size=(300, 3))
    x = rng.normal(size=(300, 4))
    scores = [V.judged(V.Seen(z, x, z, x, y, x)) for z in (good, bad)]
    assert {n for n in scores[0] if scores[0][n] > scores[1][n]} >= {
        "source-risk",
        "entropy",
        "im",
        "bnm",
        "snd",
        "dev",
    }


def test_answers_that_collapsed_are_never_preferred() -> None:
    rng = np.random.default_rng(0)
    sure = 8 * np.eye(4)[rng.integers(4, size=200)] + 0.1 * rng.normal(size=(200, 4))
    doubtful, alike = sure / 6, np.tile([2.0, 0.0, 0.0, 0.0], (200, 1)) + 0.01 * rng.normal(size=(200, 4))
    density = [V.soft_neighbourhood_density(V.probabilities(z)) for z in (sure, doubtful, alike)]
    assert density[2] > max(density[:2]), "the density alone cannot see that all answers are alike"
    before = V.information(doubtful)
    scores = [V.preference(z, before) for z in (sure, doubtful, alike)]
    assert scores[:2] == density[:2] and scores[2] < 0 < min(density)
    assert V.collapsed(0.49, 1.0) and not V.collapsed(0.5, 1.0)
    partly = alike + np.where(np.arange(200) < 40, 3.0, 0.0)[:, None] * np.eye(4)[1]
    usual = V.information(sure)
    assert V.preference(alike, usual) < V.preference(partly, usual) < 0, "of two that collapsed the one that tells more"
    assert V.information(np.tile([2.0, 0, 0, 0], (7, 1))) == 0
