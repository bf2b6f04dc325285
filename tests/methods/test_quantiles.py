"""Quantile regression: the least loss, found by other means too, and that it comes to rest."""

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from regraft.methods.probes import quantiles as module
from regraft.methods.probes.logistic import Linear
from regraft.methods.probes.quantiles import fit_quantiles


def some(n: int, d: int, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray, Linear]:
    """Rows, numbers, and the fit of their mean."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, d))
    y = x @ rng.normal(size=d) + noise * rng.normal(size=n)
    weight = np.linalg.solve(x.T @ x + 1e-6 * np.eye(d), x.T @ (y - y.mean()))
    return x, y, Linear(weight[:, None], np.array([y.mean()]))


def pinball(residual: np.ndarray, q: float) -> float:
    return float(np.maximum(q * residual, (q - 1) * residual).sum())


@pytest.mark.parametrize("q", [0.1, 0.5, 0.95])
def test_without_a_penalty_it_is_the_solution_of_the_linear_programme(q: float) -> None:
    x, y, start = some(120, 6)
    found = fit_quantiles(x, y, [q], 0.0, start)
    n, d = x.shape
    free = [*[(None, None)] * (d + 1), *[(0, None)] * (2 * n)]
    best = linprog([*np.zeros(d + 1), *np.full(n, q), *np.full(n, 1 - q)], bounds=free,
                   A_eq=np.hstack([x, np.ones((n, 1)), np.eye(n), -np.eye(n)]), b_eq=y)  # fmt: skip
    assert pinball(y - found(x)[:, 0], q) == pytest.approx(best.fun, rel=1e-3)
    assert abs((y <= found(x)[:, 0] + 1e-3).mean() - q) < 0.06


@pytest.mark.parametrize("alpha", [1.0, 30.0])
def test_with_a_penalty_nothing_near_is_better(alpha: float) -> None:
    x, y, start = some(80, 5)
    noise = ((y - start(x)[:, 0]) ** 2).mean() + alpha * (start.weight**2).sum() / len(y)
    unit = np.sqrt(2 / np.pi * noise)

    def loss(theta: np.ndarray) -> float:
        return pinball(y - x @ theta[:-1] - theta[-1], 0.8) + alpha / (4 * unit) * float(theta[:-1] @ theta[:-1])

    found = fit_quantiles(x, y, [0.8], alpha, start)
    ours = np.append(found.weight[:, 0], found.bias[0])
    best = minimize(loss, ours, method="Nelder-Mead", options={"maxiter": 20_000, "xatol": 1e-7, "fatol": 1e-9})
    assert loss(ours) <= best.fun * 1.001


def test_it_comes_to_rest_also_where_the_mean_is_all_but_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """There it stays near the mean: the penalty is weighed by the noise, not by residuals that vanish."""
    x, y, start = some(60, 60, noise=1e-3)
    stopped: list[str] = []
    found = fit_quantiles(x, y, [0.1, 0.9], 1e-5, start, stopped)
    assert not stopped
    assert np.abs(found(x) - y[:, None]).mean() < 0.02 * y.std()
    monkeypatch.setattr(module, "STEPS", 2)
    fit_quantiles(x, y, [0.1], 1e-5, start, stopped)
    assert stopped == ["the quantile 0.1 was still moving after 2 steps"]
