"""Columns of a table have units of their own: none is lost for being small, wherever a table is learned from."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import BayesianRidge, LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import regraft
from regraft import Classifier, Regressor
from regraft.methods.probes.logistic import by_own_units, standard_scaling

UNITS = {"income": 30_000.0, "age": 15.0, "ratio": 0.1}


def people(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """What decides is the smallest column; classes and numbers."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, len(UNITS)))
    classes = (rng.random(n) < 1 / (1 + np.exp(-3 * z[:, -1]))).astype(int)
    frame = pd.DataFrame((z + 2) * list(UNITS.values()), columns=list(UNITS))
    return frame, classes, 3 * z[:, -1] + 0.5 * rng.normal(size=n)


@pytest.mark.parametrize("n", [30, 60, 200])
def test_as_good_as_standardising_and_scikit_learn(n: int) -> None:
    x, classes, numbers = people(n + 1000)
    theirs = make_pipeline(StandardScaler(), LogisticRegressionCV(Cs=10, cv=5)).fit(x[:n], classes[:n])
    wanted = theirs.score(x[n:], classes[n:])
    for form in (x, x.to_numpy()):
        ours = Classifier("raw").fit(form[:n], classes[:n])
        assert (ours.predict(form[n:]) == classes[n:]).mean() > wanted - 0.01
    theirs = make_pipeline(StandardScaler(), BayesianRidge()).fit(x[:n], numbers[:n])
    ours = Regressor("raw").fit(x[:n], numbers[:n])
    assert ours.score(x[n:], numbers[n:]) > theirs.score(x[n:], numbers[n:]) - 0.01


def test_coefficients_are_in_the_units_of_the_table(tmp_path) -> None:
    x, _, y = people(300)
    model = Regressor("raw").fit(x, y)
    assert model.coef_[-1] == pytest.approx(3 / UNITS["ratio"], rel=0.05)
    assert model.predict(x) == pytest.approx(x.to_numpy() @ model.coef_ + model.intercept_, rel=1e-6)
    x.assign(y=y).to_csv(tmp_path / "t.csv", index=False)
    result = regraft.fit(str(tmp_path / "t.csv"), label="y", controls="none", out=str(tmp_path / "r"))
    found = {c["name"]: c for c in result.choice["coefficients"]}
    low, high = found["ratio"]["ci95"]
    assert low < 3 / UNITS["ratio"] < high and abs(found["income"]["value"]) < 1e-4
    assert regraft.load(tmp_path / "r").predict(x) == pytest.approx(model.predict(x), abs=0.05)


@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_a_change_of_units_changes_no_answer(alpha: float) -> None:
    x, classes, numbers = people(60)
    other = x * [1e6, 1e-3, 1e-7] + [1e3, -5, 1]
    models = {"predict": (Regressor("raw", alpha=alpha), Regressor("raw")), "predict_proba": (Classifier("raw"),)}
    for ask, model, y in ((k, m, classes if "proba" in k else numbers) for k, some in models.items() for m in some):
        found = [getattr(model.fit(form, y), ask)(form) for form in (x, other)]
        assert found[1] == pytest.approx(found[0], abs=1e-5)


def test_ranking_and_controls_and_domains(tmp_path) -> None:
    x, classes, numbers = people(200)
    x.assign(y=classes).to_csv(tmp_path / "c.csv", index=False)
    x.assign(y=numbers).to_csv(tmp_path / "n.csv", index=False)
    of_classes = regraft.rank(str(tmp_path / "c.csv"), label="y", backbones="raw", scores="probe,knn")
    assert of_classes.ranking[0].scores["probe"] > 0.75 and of_classes.ranking[0].scores["knn"] > 0.7
    of_numbers = regraft.rank(str(tmp_path / "n.csv"), label="y", backbones="raw", task="regression", scores="probe")
    assert of_numbers.ranking[0].scores["probe"] > 0.9
    hidden = regraft.fit(str(tmp_path / "n.csv"), label="y", method="mlp-probe", epochs=1, out=str(tmp_path / "m"))
    assert hidden.metrics["controls"]["linear-probe"]["r2"] > 0.9
    there, of_there, _ = people(200, seed=1)
    there.assign(y=of_there).to_csv(tmp_path / "d.csv", index=False)
    for method in ("coral", "subspace-alignment", "self-training"):
        found = regraft.fit(str(tmp_path / "c.csv"), label="y", target=str(tmp_path / "d.csv"), method=method,
                            controls="none", out=str(tmp_path / method))  # fmt: skip
        assert found.metrics["target"]["accuracy"] > 0.75, method
        assert regraft.evaluate(str(tmp_path / method), str(tmp_path / "d.csv"), label="y").metrics["accuracy"] > 0.75
    shift = regraft.shift(str(tmp_path / "c.csv"), str(tmp_path / "d.csv"), label="y")
    assert shift.as_it_is["accuracy"] > 0.75 and shift.a_distance["value"] < 0.5


def test_columns_that_do_not_vary_and_huge_ones() -> None:
    rng = np.random.default_rng(0)
    x = np.column_stack([np.full(50, 1e9), 1e9 + rng.normal(size=50), 1e200 * rng.normal(size=50), np.full(50, 0.1)])
    for scaling in (by_own_units(x), standard_scaling(x)):
        z = scaling(x)
        assert np.isfinite(z).all() and np.abs(z[:, [0, 3]]).max() < 1e-6
        assert z[:, 1].std() == pytest.approx(z[:, 2].std(), rel=1e-6)
    assert (standard_scaling(x)(x) ** 2).sum(1).mean() == pytest.approx(1)
