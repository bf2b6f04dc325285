"""Small tables: the probe beside StandardScaler with LogisticRegressionCV, the ridge beside StandardScaler with
BayesianRidge, by the same ten draws of a training part (80 %) and a test part.

Needs nothing but scikit-learn, whose tables these are; two with mixed units are generated. Some minutes on one core.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.linear_model import BayesianRidge, LogisticRegressionCV
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from common import write
from regraft import Classifier, Regressor

DRAWS = 10
UNITS = np.array([30_000.0, 15.0, 0.1, 1e6, 1e-3, 1.0])
Table = tuple[NDArray[Any], NDArray[Any]]


def mixed(numbers: bool, n: int = 150) -> Table:
    """Six columns of units from 1e-3 to 1e6, of which three tell something."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(n, len(UNITS)))
    signal = z @ [0.0, 1, 2, 0, 1, 0]
    y = signal + rng.normal(size=n)
    return (z + rng.normal(size=len(UNITS))) * UNITS, y if numbers else (y > 0).astype(int)


def of(load: Callable[..., Any], column: int | None = None) -> Callable[[], Table]:
    def table() -> Table:
        x, y = load(return_X_y=True)
        return np.asarray(x, float), np.asarray(y if column is None else y[:, column])

    return table


def friedman() -> Table:
    """scikit-learn's Friedman 2: four columns, from 0..1 to 40..560 pi."""
    return datasets.make_friedman2(n_samples=200, noise=125.0, random_state=0)


CLASSES: dict[str, Callable[[], Table]] = {
    "iris": of(datasets.load_iris), "wine": of(datasets.load_wine), "breast_cancer": of(datasets.load_breast_cancer),
    "digits (64 columns)": of(datasets.load_digits), "mixed units": lambda: mixed(False),
}  # fmt: skip
NUMBERS: dict[str, Callable[[], Table]] = {
    "diabetes": of(datasets.load_diabetes), "linnerud, waist": of(datasets.load_linnerud, 1),
    "friedman 2": friedman, "mixed units": lambda: mixed(True),
}  # fmt: skip


def scores(model: Any, table: Table, splits: Any) -> list[float]:
    x, y = table
    return [float(model.fit(x[a], y[a]).score(x[b], y[b])) for a, b in splits]


def compared(table: Table, ours: Any, theirs: Any, splitter: Any) -> dict[str, Any]:
    x, y = table
    splits = list(splitter.split(x, y))
    by_draw = {"regraft": scores(ours, table, splits), "scikit-learn": scores(theirs, table, splits)}
    gain = np.subtract(by_draw["regraft"], by_draw["scikit-learn"])
    return {"rows": len(x), "columns": x.shape[1], "by_draw": by_draw, "points": 100 * float(gain.mean()),
            "standard_error": 100 * float(gain.std(ddof=1) / np.sqrt(len(gain))),
            **{name: float(np.mean(v)) for name, v in by_draw.items()}}  # fmt: skip


def main() -> None:
    warnings.simplefilter("ignore", FutureWarning)  # of what will be called otherwise in scikit-learn
    begun = time.perf_counter()
    found: dict[str, Any] = {"accuracy": {}, "r2": {}}
    for name, table in CLASSES.items():
        logistic = make_pipeline(StandardScaler(), LogisticRegressionCV(Cs=10, cv=5, max_iter=2000))
        splitter = StratifiedShuffleSplit(DRAWS, test_size=0.2, random_state=0)
        found["accuracy"][name] = compared(table(), Classifier("raw"), logistic, splitter)
    for name, table in NUMBERS.items():
        ridge = make_pipeline(StandardScaler(), BayesianRidge())
        found["r2"][name] = compared(
            table(), Regressor("raw"), ridge, ShuffleSplit(DRAWS, test_size=0.2, random_state=0)
        )
    for metric, tables in found.items():
        for name, r in tables.items():
            print(f"{metric} {name}: {r['regraft']:.4f}, scikit-learn {r['scikit-learn']:.4f}, "
                  f"{r['points']:+.2f} points +- {r['standard_error']:.2f}")  # fmt: skip
    write("tables", {"seeds": "0 (the draws of scikit-learn's splitters)", "draws": DRAWS,
                     "seconds": round(time.perf_counter() - begun), **found})  # fmt: skip


if __name__ == "__main__":
    main()
