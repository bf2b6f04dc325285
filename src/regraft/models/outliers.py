"""Which inputs are unlike the training data: Gaussians on the features, and the distance to the nearest neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from torch import Tensor

from regraft.core.arrays import subsample

MOST_ROWS, MOST_AXES, BANK = 5000, 256, 1000
LEAST_ROWS, WIDEST, NEIGHBOURS, LEVEL = 20, 8192, 5, 0.99
PREFIX = "familiar."


class Gaussian(NamedTuple):
    """Means (k, d) with one covariance: ``variances`` (r,) along ``axes`` (d, r), and ``rest`` > 0 along all others."""

    means: NDArray[Any]
    axes: NDArray[Any]
    variances: NDArray[Any]
    rest: float

    @classmethod
    def of(cls, x: NDArray[Any], labels: NDArray[Any], *, shrinkage: float | None = None) -> Gaussian:
        """Of rows (n, d) with class indices (n,): the covariance within classes, divided by n.

        ``shrinkage``, 0..1, draws it towards a multiple of the identity, by default as far as `shrinkage_of` says. At
        most 256 axes are kept, those of most variance.
        """
        x = np.asarray(x, np.float64)
        kinds, member = np.unique(labels, return_inverse=True)
        means = np.stack([x[member == k].mean(0) for k in range(len(kinds))])
        centred = x - means[member]
        n, d = x.shape
        if min(n, d) > 2 * MOST_AXES:
            from sklearn.utils.extmath import randomized_svd

            _, s, right = randomized_svd(centred, MOST_AXES, n_iter=3, random_state=0)
        else:
            s, right = _axes(centred)
        variances, total = s**2 / n, float((centred**2).sum()) / n
        left = d - len(s)
        rest = max(total - float(variances.sum()), 0.0) / left if left else 0.0
        share = shrinkage_of(centred) if shrinkage is None else shrinkage
        least = max(1e-9 * total / d, 1e-30)
        variances = np.maximum((1 - share) * variances + share * total / d, least)
        return cls(means, right.T, variances, max((1 - share) * rest + share * total / d, least))

    def squares(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """(n, k) squared Mahalanobis distances of rows (n, d) to the means."""
        x = np.asarray(x, np.float64)
        origin = self.means.mean(0)
        flat, centres = (x - origin) @ self.axes, (self.means - origin) @ self.axes
        inverse = 1 / np.sqrt(self.variances)
        within: NDArray[np.float64] = cdist(flat * inverse, centres * inverse, "sqeuclidean")
        if self.axes.shape[1] == x.shape[1]:
            return within
        outside = np.maximum(cdist(x, self.means, "sqeuclidean") - cdist(flat, centres, "sqeuclidean"), 0)
        return within + outside / self.rest


def shrinkage_of(centred: NDArray[Any]) -> float:
    """How far the covariance of centred rows (n, d) is best drawn towards a multiple of the identity, 0..1: Ledoit and
    Wolf 2004 (https://doi.org/10.1016/S0047-259X(03)00096-4), lemma 3.2 on.
    """
    n, d = centred.shape
    squares = centred**2
    trace = float(squares.sum()) / n
    products = centred @ centred.T if n < d else centred.T @ centred
    norm = float((products**2).sum()) / n**2
    apart = (norm - trace**2 / d) / d
    noise = min((float((squares.sum(1) ** 2).sum()) / n - norm) / (d * n), apart)
    return noise / apart if d > 1 and noise > 0 else 0.0


def _axes(centred: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """All singular values of rows (n, d) that are not 0, and their axes, by the smaller of the two products."""
    n, d = centred.shape
    if n >= d:
        squares, vectors = np.linalg.eigh(centred.T @ centred)
        return np.sqrt(np.maximum(squares, 0)), vectors.T
    squares, vectors = np.linalg.eigh(centred @ centred.T)
    keep = squares > 1e-10 * max(squares[-1], 1e-300)
    s = np.sqrt(squares[keep])
    return s, (vectors[:, keep] / s).T @ centred


@dataclass(frozen=True)
class OutlierDetector:
    """What the features of the training rows look like; scores rise with how unlike them an input is.

    ``mahalanobis``: the least squared distance to a class (Lee et al. 2018, https://arxiv.org/abs/1807.03888, equation
    2); ``relative``: that less the squared distance to a Gaussian of all rows (Ren et al. 2021,
    https://arxiv.org/abs/2106.09022), for what is near to the classes and none of them; not where there are none, and
    not where rows are no more than features: rows learned from would have the highest of all.
    ``knn``: the distance to the fifth nearest of up to 1,000 training rows, all of length 1 (Sun et al. 2022,
    https://arxiv.org/abs/2204.06507), or for tables as they are, each column by its spread. ``thresholds`` are passed
    together by ``expected`` of rows like those of training: 0.01, or 1 / (n + 1) where n are too few for that.
    """

    centre: NDArray[Any]
    scale: NDArray[Any]
    classes: Gaussian
    everything: Gaussian | None
    bank: NDArray[Any]
    unit_length: bool
    thresholds: dict[str, float]
    expected: float

    @classmethod
    def fitted(
        cls,
        rows: NDArray[Any],
        labels: NDArray[Any] | None,
        fold: NDArray[np.int64],
        *,
        per_feature_scaling: bool = False,
    ) -> OutlierDetector:
        """Of features (n, d), class indices (n,) (None where there are no classes), and fold numbers (n,): the rows of
        a fold are scored by what the others look like, which sets the thresholds.
        """
        if len(rows) > MOST_ROWS:
            some = subsample(len(rows), MOST_ROWS)
            rows, fold, labels = rows[some], fold[some], None if labels is None else labels[some]
        # decided once: folds of unequal size must agree on which scores there are
        relative = labels is not None and len(rows) - int(np.bincount(fold).max()) > rows.shape[1]
        held: dict[str, list[NDArray[Any]]] = {}
        for f in range(int(fold.max()) + 1 if len(rows) <= 1000 else 1):
            learn = fold != f
            part = cls._of(rows[learn], None if labels is None else labels[learn], per_feature_scaling, relative)
            for name, values in part.scores(rows[~learn]).items():
                held.setdefault(name, []).append(values)
        together = np.stack([np.concatenate(v) for v in held.values()])
        middle, spread = together.mean(1, keepdims=True), together.std(1, keepdims=True)
        spread = np.where(spread > 0, spread, 1.0)
        worst = np.sort(((together - middle) / spread).max(0))  # the scores on one scale, and the worst of each row
        rank = min(math.ceil((len(worst) + 1) * LEVEL), len(worst))
        limits = (middle + worst[rank - 1] * spread)[:, 0].tolist()
        thresholds, expected = dict(zip(held, limits, strict=True)), 1 - rank / (len(worst) + 1)
        return replace(cls._of(rows, labels, per_feature_scaling, relative), thresholds=thresholds, expected=expected)

    @classmethod
    def _of(
        cls, rows: NDArray[Any], labels: NDArray[Any] | None, per_feature_scaling: bool, relative: bool
    ) -> OutlierDetector:
        """Without thresholds yet."""
        rows = np.asarray(rows, np.float64)
        centre = rows.mean(0)
        spread = rows.std(0) if per_feature_scaling else np.full(rows.shape[1], rows.std())
        scale = np.where(spread > 0, spread, 1.0)
        x, alike = (rows - centre) / scale, np.zeros(len(rows), np.int64)
        classes = Gaussian.of(x, alike if labels is None else labels)
        everything = Gaussian.of(x, alike) if relative else None
        some = subsample(len(rows), BANK)
        bank = _lengths(rows[some]) if not per_feature_scaling else x[some]
        return cls(centre, scale, classes, everything, bank.astype(np.float32), not per_feature_scaling, {}, 0.0)

    def scores(self, rows: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
        """Each score (n,) of features (n, d), to the precision of float32: the last bits of the products hang on how
        many rows are looked at together.
        """
        rows = np.asarray(rows, np.float64)
        x = (rows - self.centre) / self.scale
        found = {"mahalanobis": self.classes.squares(x).min(1)}
        if self.everything is not None:
            found["relative"] = found["mahalanobis"] - self.everything.squares(x)[:, 0]
        apart = self._to_bank(_lengths(rows) if self.unit_length else x)
        k = min(NEIGHBOURS, len(self.bank)) - 1
        found["knn"] = np.sqrt(np.partition(apart, k, axis=1)[:, k])
        return {name: score.astype(np.float32).astype(np.float64) for name, score in found.items()}

    def _to_bank(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, m) squared Euclidean distances of rows (n, d) to those of the bank."""
        bank, squares = self._bank
        apart: NDArray[np.float64] = np.maximum((x**2).sum(1)[:, None] + squares[None] - 2 * x @ bank.T, 0)
        return apart

    @cached_property
    def _bank(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The bank (m, d) and its rows' squared lengths (m,): a single input costs no copy of it."""
        bank = self.bank.astype(np.float64)
        return bank, (bank**2).sum(1)

    def unlike(self, scores: dict[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """(n,) which inputs are unlike the training data: above its threshold in any score."""
        flags: NDArray[np.bool_] = np.any([scores[name] > t for name, t in self.thresholds.items()], axis=0)
        return flags

    def tensors(self) -> dict[str, Tensor]:
        """All arrays by name, for the artefact."""
        arrays = {"centre": self.centre, "scale": self.scale, "bank": self.bank}
        for name, g in (("classes", self.classes), ("everything", self.everything)):
            if g is not None:
                rest = np.array([g.rest])
                arrays |= {f"{name}.{k}": v for k, v in g._asdict().items() if k != "rest"} | {f"{name}.rest": rest}
        return {PREFIX + k: torch.from_numpy(np.ascontiguousarray(v, np.float32)) for k, v in arrays.items()}

    def record(self) -> dict[str, Any]:
        """All else."""
        return {"unit_length": self.unit_length, "thresholds": self.thresholds, "expected": self.expected}

    @classmethod
    def read(cls, record: dict[str, Any], state: dict[str, Tensor]) -> OutlierDetector:
        """From `tensors` and `record`."""
        arrays = {k.removeprefix(PREFIX): v.double().numpy() for k, v in state.items() if k.startswith(PREFIX)}

        def gaussian(name: str) -> Gaussian:
            means, axes, variances, rest = (arrays[f"{name}.{k}"] for k in Gaussian._fields)
            return Gaussian(means, axes, variances, float(rest[0]))

        everything = gaussian("everything") if "everything.rest" in arrays else None
        bank = arrays["bank"].astype(np.float32)
        return cls(arrays["centre"], arrays["scale"], gaussian("classes"), everything, bank, record["unit_length"],
                   record["thresholds"], record["expected"])  # fmt: skip


def _lengths(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Rows at length 1."""
    rows = np.asarray(rows, np.float64)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1.0)
