"""Ridge regression: its evidence, and what its intervals and quantiles hold on numbers it has not seen."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

import regraft
from regraft import Regressor
from regraft.core.errors import InputError
from regraft.methods.probes.ridge import Spectrum, fit_regression
from regraft.tasks.uncertainty import uncertainty


def data(n: int, d: int, seed: int, heavy: bool = False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    noise = rng.standard_t(3, size=n) if heavy else rng.normal(size=n)
    return x, x @ rng.normal(size=d) / np.sqrt(d) + noise


@pytest.mark.parametrize(("n", "d"), [(30, 5), (20, 60)])
@pytest.mark.parametrize("alpha", [0.01, 1.0])
def test_evidence_is_the_density_of_what_the_mean_leaves(n: int, d: int, alpha: float) -> None:
    """n numbers whose mean is free are n - 1: their density in any n - 1 directions that the mean has no part in."""
    x, y = data(n, d, 0)
    x, y = x - x.mean(0), y - y.mean()
    spectrum = Spectrum.of(x, y)
    contrasts = np.linalg.qr(np.column_stack([np.ones(n), np.eye(n)[:, 1:]]))[0][:, 1:]
    noise = spectrum.noise(alpha)
    cov = noise * contrasts.T @ (np.eye(n) + x @ x.T / alpha) @ contrasts
    density = multivariate_normal(np.zeros(n - 1), cov).logpdf(contrasts.T @ y)
    assert spectrum.evidence(alpha) * (n - 1) == pytest.approx(density, rel=1e-9)


def test_evidence_does_not_grow_without_end_where_columns_are_many() -> None:
    x, y = data(40, 100, 0)
    spectrum = Spectrum.of(x - x.mean(0), y - y.mean())
    values = [spectrum.evidence(a) for a in (1e-6, 1e-12, 1e-20)]
    assert np.ptp(values) < 1e-6
    at_the_end = [fit_regression(*data(40, 100, s)).record["alpha"] < 1e-5 for s in range(12)]
    assert sum(at_the_end) <= 2, "of 12 draws; all of them where the mean is not counted"


def test_intervals_of_cv_plus_by_hand() -> None:
    """Barber et al. 2021, equation 11, with loops: the ends of what each left-out row says of a new one."""
    x, y = data(24, 3, 1)
    new = data(7, 3, 2)[0]
    fitted = fit_regression(x, y)
    folds = fitted.folds
    values = fitted.head(torch.from_numpy(new)).double().numpy()[:, 0]
    off = np.abs(y - fitted.logits[:, 0])
    heads = [(new[:, :] - folds.centre) @ folds.weight[:, k] + folds.bias[k] for k in range(len(folds.bias))]
    assert len(heads) == 10 and sorted(folds.missed) == pytest.approx(sorted(off))
    for level in (0.8, 0.9):
        ends = folds.ends(new, level, values)
        rank = int(np.ceil(25 * level))
        for row in range(7):
            low = sorted(heads[k][row] - r for k, r in zip(folds.fold, folds.missed, strict=True))[24 - rank]
            high = sorted(heads[k][row] + r for k, r in zip(folds.fold, folds.missed, strict=True))[rank - 1]
            assert ends[row] == pytest.approx([min(low, values[row]), max(high, values[row])])
    assert (folds.ends(new[3:4], 0.9, values[3:4]) == folds.ends(new, 0.9, values)[3:4]).all(), "to the bit"


@pytest.mark.parametrize(
    ("n", "d", "alpha", "heavy"),
    [(20, 5, None, False), (30, 25, None, True), (30, 28, 0.0, False), (40, 30, 0.0, False)],
)
def test_intervals_hold_what_they_promise(n: int, d: int, alpha: float | None, heavy: bool) -> None:
    inside = []
    for seed in range(40):
        x, y = data(n + 100, d, seed, heavy)
        low, high = Regressor("raw", alpha=alpha).fit(x[:n], y[:n]).predict_interval(x[n:], 0.9).T
        inside.append(((low <= y[n:]) & (y[n:] <= high)).mean())
    assert np.mean(inside) > 0.88, "one radius by five folds holds 0.87, and 0.59 of least squares"


def test_intervals_of_new_groups() -> None:
    """A group's numbers are moved together: what holds 0.9 of new groups is wider than what holds 0.9 of items."""
    by_group, by_item = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(62), 5)
        x = rng.normal(size=(310, 2))
        y = x[:, 0] + 2 * rng.normal(size=62)[groups] + 0.3 * rng.normal(size=310)
        fitted = fit_regression(x[:60], y[:60], groups=groups[:60])
        values = fitted.head(torch.from_numpy(x[60:])).double().numpy()[:, 0]
        low, high = fitted.folds.ends(x[60:], 0.9, values).T
        by_group.append(((low <= y[60:]) & (y[60:] <= high)).mean())
        radius = uncertainty(fitted.logits, y[:60], level=0.9)["interval"]["radius"]
        by_item.append((np.abs(y[60:] - values) <= radius).mean())
    assert np.mean(by_group) > 0.88 > np.mean(by_item)
    assert not fit_regression(x[:40], y[:40], groups=groups[:40]).folds.carries(0.9), "8 groups are too few"


def test_quantiles_hold_what_they_promise() -> None:
    below = []
    for seed in range(15):
        x, y = data(160, 10, seed)
        below.append((y[60:, None] <= Regressor("raw", quantiles=(0.1, 0.9)).fit(x[:60], y[:60]).predict_quantiles(
            x[60:])).mean(0))  # fmt: skip
    low, high = np.mean(below, 0)
    assert low < 0.12 and high > 0.88, "without what was not learned from: 0.17 and 0.83"


def test_what_few_items_cannot_carry_is_refused(tmp_path) -> None:
    x, y = data(15, 2, 0)
    model = Regressor("raw").fit(x, y)
    assert model.predict_interval(x, 0.9).shape == (15, 2)
    with pytest.raises(InputError, match="15 items are too few for an interval of 0.95: 19 or more carry one"):
        model.predict_interval(x, 0.95)
    with pytest.raises(InputError, match="level is 1"):
        model.predict_interval(x, 1.0)
    with pytest.raises(InputError, match="5 items are too few for an interval of 0.9: 9 or more"):
        Regressor("raw").fit(x[:5], y[:5]).predict_interval(x, 0.9)
    with pytest.raises(InputError, match="15 items are too few for the quantile 0.05: 19 or more"):
        Regressor("raw", quantiles=(0.05, 0.5)).fit(x, y)


def test_a_saved_model_finds_the_same_intervals(tmp_path) -> None:
    import pandas as pd

    x, y = data(90, 3, 0)
    frame = pd.DataFrame(x, columns=list("abc")).assign(y=y)
    frame.to_csv(tmp_path / "t.csv", index=False)
    result = regraft.fit(str(tmp_path / "t.csv"), label="y", interval=0.8, quantiles="0.2,0.8", controls="none",
                         refit=False, out=str(tmp_path / "r"))  # fmt: skip
    kept = pd.read_csv(tmp_path / "r/predictions.csv")
    judged = frame.iloc[[int(name.removeprefix("row ")) - 2 for name in kept["input"]]]
    judged.drop(columns="y").to_csv(tmp_path / "new.csv", index=False)
    found = pd.DataFrame(regraft.predict(result.run, [str(tmp_path / "new.csv")]).predictions)
    for name in ("low", "high"):
        assert found[name].to_numpy() == pytest.approx(kept[name].to_numpy(), rel=1e-8)
    assert [q["0.2"] for q in found["quantiles"]] == pytest.approx(kept["q:0.2"].to_numpy(), rel=1e-8)
    inside = ((kept["low"] <= kept["label"]) & (kept["label"] <= kept["high"])).mean()
    assert result.metrics["val"]["interval"]["coverage"] == pytest.approx(inside)
    assert np.ptp(kept["high"] - kept["low"]) > 1e-3, "an interval of its own for each"
