"""The probe's strength by cross-validation on many rows: regraft's solver against scikit-learn's LogisticRegressionCV.

Synthetic features that look like a network's (correlated columns whose spectrum falls as 1 / rank, cut off below 0),
standardised, in float32; 9 strengths by 5 folds, the same for both, then a fit on all rows at the best of them. Both
use all cores: scikit-learn as ``n_jobs=2`` processes, at its default tolerance, with as many iterations as it needs. In
turns, five times; the ratio is that of each turn, its median is what counts. Log losses are out of fold at every
strength, and on rows of which neither has seen any.

    python benchmarks/bench_probe.py [ROWS] [COLUMNS] [CLASSES] [TURNS]

50,000 x 1,280 x 10 and 5 turns by default, 2 GB; scikit-learn takes many minutes a turn. Other sizes write nothing:
5000 256 10 1 takes a minute.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import sklearn
import torch
from sklearn.linear_model import LogisticRegressionCV
from threadpoolctl import threadpool_limits

from common import write
from regraft.core.types import LabelSpec
from regraft.data.folds import stratified_folds
from regraft.methods.probes.linear_probe import STRENGTHS, fit_features, threads
from regraft.methods.probes.logistic import cross_entropy
from regraft.methods.probes.many_path import along_path, on_all
from regraft.methods.probes.many_rows import ManyRows

FOLDS, UNSEEN, SIGNAL, FULL = 5, 10_000, 0.5, (50_000, 1280, 10, 5)


class Found(NamedTuple):
    """Log losses out of fold by strength, the best strength, the loss on unseen rows, and what both solvers minimise:
    log loss and penalty of the fit on all rows, a row.
    """

    path: list[float]
    strength: float
    unseen: float
    objective: float


def features(n: int, d: int, k: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, d) float32 and classes (n,)."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    rank = np.arange(1, d + 1, dtype=np.float32)
    middle = SIGNAL * rng.standard_normal((k, d), dtype=np.float32) * rank**-0.25
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0].astype(np.float32)
    x = np.empty((n, d), np.float32)
    for i in range(0, n, 5000):
        part = slice(i, min(i + 5000, n))
        z = rng.standard_normal((part.stop - i, d), dtype=np.float32) + middle[y[part]]
        x[part] = np.maximum(z * rank**-0.5 @ turn + 0.05, 0)
    return x, y


def main(n: int, d: int, k: int, turns: int) -> None:
    x, y = features(n + UNSEEN, d, k)
    x -= x[:n].mean(0)
    x /= x[:n].std(0)
    x, y, unseen, answers = x[:n], y[:n], x[n:], y[n:]
    hot, fold = np.eye(k)[y], stratified_folds(y, FOLDS, np.random.default_rng(0))

    def objective(weight: np.ndarray, bias: np.ndarray, strength: float) -> float:
        return cross_entropy(x @ weight + bias, hot) + strength * d / 2 * float((weight**2).sum()) / n

    def ours() -> Found:
        with threadpool_limits(1):
            path = along_path(ManyRows(x, hot, "softmax", None, fold, threads()), {"scaling": "standard"}, [d])
            losses = [cross_entropy(path(s), hot) for s in STRENGTHS]
            del path
            best = STRENGTHS[int(np.argmin(losses))]
            stopped: list[str] = []
            rows = ManyRows(x, hot, "softmax", None, None, threads())
            scaling, linear = on_all(rows, {"scaling": "standard"}, [d], best, stopped)
        assert not stopped
        weight = linear.weight / scaling.scale[:, None]
        return Found(losses, best, cross_entropy(linear(scaling(unseen)), np.eye(k)[answers]),
                     objective(weight, linear.bias - scaling.mean @ weight, best))  # fmt: skip

    def theirs() -> Found:
        # rows of mean square 1 are standardised ones over the root of d, so the same penalty is d times as much
        folds = [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(FOLDS)]
        model = LogisticRegressionCV(Cs=[1 / (s * d) for s in STRENGTHS], cv=folds, scoring="neg_log_loss",
                                     max_iter=1000, n_jobs=2)  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            model.fit(x, y)
        iterations.append(int(np.sum(model.n_iter_)))
        losses = (-np.mean(next(iter(model.scores_.values())), 0)).ravel().tolist()
        best = STRENGTHS[int(np.argmin(losses))]
        logits = unseen @ model.coef_.T + model.intercept_
        return Found(losses, best, cross_entropy(logits.astype(np.float64), np.eye(k)[answers]),
                     objective(model.coef_.T.astype(np.float64), model.intercept_, best))  # fmt: skip

    iterations: list[int] = []
    ways: dict[str, Callable[[], Found]] = {"scikit_learn": theirs, "regraft": ours}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, Found] = {}
    load = []
    for turn in range(turns):
        load.append(os.getloadavg()[0])
        for name, way in ways.items():
            start = time.perf_counter()
            found[name] = way()
            seconds[name].append(time.perf_counter() - start)
            print(f"turn {turn + 1}, {name}: {seconds[name][-1]:.1f} s", found[name], flush=True)
    start = time.perf_counter()
    spec = LabelSpec("classification", tuple(f"c{i}" for i in range(k)))
    probe = fit_features(x, y, spec)
    whole = time.perf_counter() - start
    of_unseen = probe.head(torch.from_numpy(unseen)).numpy()
    figures: dict[str, Any] = {
        "rows": n, "columns": d, "classes": k, "strengths": list(STRENGTHS), "folds": FOLDS,
        "turns": turns, "threads": threads(), "load": load, "scikit_learn": sklearn.__version__,
        "scikit_learn_iterations": iterations[-1],
        "seconds": seconds,
        "seconds_median": {name: statistics.median(s) for name, s in seconds.items()},
        "times_faster": statistics.median(
            a / b for a, b in zip(seconds["scikit_learn"], seconds["regraft"], strict=True)
        ),
        "log_loss_by_strength": {name: f.path for name, f in found.items()},
        "strength": {name: f.strength for name, f in found.items()},
        "log_loss_unseen": {name: f.unseen for name, f in found.items()},
        "minimised": {name: f.objective for name, f in found.items()},
        "whole_probe": {"seconds": whole, "log_loss": probe.record["log_loss"], "tried": len(probe.record["tried"]),
                        "log_loss_unseen": cross_entropy(of_unseen.astype(np.float64), np.eye(k)[answers])},
    }  # fmt: skip
    told = (
        "seconds_median",
        "times_faster",
        "log_loss_by_strength",
        "log_loss_unseen",
        "minimised",
        "whole_probe",
        "load",
    )
    for key in told:
        print(f"{key}: {figures[key]}")
    if (n, d, k) == FULL[:3]:
        write("probe", figures)


if __name__ == "__main__":
    main(*map(int, [*sys.argv[1:], *FULL[len(sys.argv) - 1 :]]))
