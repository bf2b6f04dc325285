"""Maps and measures against the recorded reference numbers, and on data whose shift is known."""

from pathlib import Path

import numpy as np
import pytest

from regraft.methods.adaptation.losses import alignment as A
from regraft.metrics.domain_shift import class_distances, mmd, proxy_a_distance
from regraft.metrics.validators import spread


@pytest.fixture
def arrays(shared: Path):
    return dict(np.load(shared / "reference/adaptation.npz").items())


def test_coral(arrays) -> None:
    s, t = arrays["align_xs"], arrays["align_xt"]
    wanted = arrays["coral_align_matrix_plus_identity_formula"]
    assert np.allclose(A.coral_matrix(s, t), wanted, rtol=1e-8, atol=1e-10)
    assert np.allclose(
        A.coral_matrix(s, t, 0.0), arrays["coral_align_matrix_unbiased_cov_formula"], rtol=1e-8, atol=1e-9
    )
    moved = (s - s.mean(0)) @ A.coral_matrix(s, t, 0.0)
    assert np.allclose(A.covariance(moved), A.covariance(t)), "the source has the target's colours"


def test_coral_of_features_that_do_not_vary() -> None:
    rng = np.random.default_rng(0)
    s, t = rng.normal(size=(30, 4)), rng.normal(size=(20, 4))
    s[:, 1] = t[:, 2] = 0.5
    assert np.isfinite(A.coral_matrix(s, t)).all() and np.isfinite(A.coral_matrix(s, t, 0.0)).all()


def test_subspace_alignment(arrays) -> None:
    s, t = arrays["align_xs"], arrays["align_xt"]
    on_source, on_target = A.subspace_alignment(s, t, 3)
    assert on_source.shape == on_target.shape == (6, 3)
    a, b = (s - s.mean(0))[:8] @ on_source, (t - t.mean(0))[:8] @ on_target
    assert np.allclose(a @ a.T, arrays["sa_source_gram"], rtol=1e-8, atol=1e-9)
    assert np.allclose(a @ b.T, arrays["sa_cross_gram"], rtol=1e-8, atol=1e-9)
    assert np.allclose(b @ b.T, arrays["sa_target_gram"], rtol=1e-8, atol=1e-9)
    matrix = A.principal_axes(s, 3).T @ on_target
    assert np.allclose(abs(matrix), arrays["sa_M_abs"], rtol=1e-8, atol=1e-9)


def test_transport_keeps_classes_together() -> None:
    pytest.importorskip("ot")
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    s = rng.normal(size=(40, 3)) + 6 * np.eye(3)[y]
    t = rng.normal(size=(60, 3)) + 6 * np.eye(3)[np.arange(60) % 2] + [0, 0, 4]
    plan = A.transport_plan(s, y, t, entropy=0.05, groups=0.1)
    assert plan.shape == (40, 60) and plan.sum(1) == pytest.approx(np.full(40, 1 / 40), rel=1e-3)
    assert plan[np.ix_(y == 0, np.arange(60) % 2 == 1)].sum() < 0.01
    moved = A.carried(s, s, plan @ t / plan.sum(1, keepdims=True))
    for c in (0, 1):
        assert np.linalg.norm(moved[y == c].mean(0) - t[np.arange(60) % 2 == c].mean(0)) < 0.7
    assert np.allclose(A.carried(np.array([[0.1, 0.0]]), np.eye(2), np.eye(2) + 5), [[5.1, 5.0]]), "the nearest leads"
    wide = np.eye(30)
    assert np.allclose(A.carried(wide, wide, wide + 1), wide + 1)


def test_class_regularised_coupling_of_the_reference(arrays) -> None:
    ot = pytest.importorskip("ot")
    a, b = np.full(5, 0.2), np.full(4, 0.25)
    found = ot.da.sinkhorn_lpl1_mm(a, np.array([0, 0, 1, 1, 2]), b, arrays["ot_cost"], 1.0, eta=0.1)
    assert np.allclose(found, arrays["ot_lpl1_coupling_uniform"], atol=1e-4)


def test_measures_of_shift() -> None:
    rng = np.random.default_rng(0)
    x, alike = rng.normal(size=(500, 5)), rng.normal(size=(400, 5))
    apart = alike + 4 * np.eye(5)[0]
    assert proxy_a_distance(x, alike)["value"] < 0.25 and proxy_a_distance(x, apart)["value"] > 1.8
    assert abs(mmd(x, alike)) < 0.005 < 0.05 < mmd(x, apart)
    y = np.arange(400) % 2
    near = class_distances(x[:400], y, alike, y, 3)
    far = class_distances(x[:400], y, apart, y, 3)
    assert near[2] is None and near[0] < 0.2 and 1.2 < far[0] < 2.5


def test_a_sample_of_rows_is_always_the_same() -> None:
    x = np.arange(100)[:, None]
    assert (spread(x, 10) == spread(x, 10)).all() and len(np.unique(spread(x, 10))) == 10
    assert spread(x, 200) is not None and len(spread(x, 200)) == 100
