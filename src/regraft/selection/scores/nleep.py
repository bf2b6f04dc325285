"""NLEEP: LEEP with the components of a Gaussian mixture of the features in place of source classes.

Li et al. 2021 (https://arxiv.org/abs/2011.11200): principal components of 80 % of the variance, then five a class.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.core.runtime import say
from regraft.selection.scores.base import CLASSES, Given, NotApplicable
from regraft.selection.scores.leep import leep

SUMMARY = "LEEP on a Gaussian mixture of the features (NLEEP, Li et al. 2021)"
TASKS = CLASSES
VARIANCE, A_CLASS, MOST, MOST_COMPONENTS = 0.8, 5, 3000, 100


def posterior(x: NDArray[Any], components: int, *, seed: int = 0) -> NDArray[np.float64]:
    """Features (n, d) -> (n, components) probabilities of the components of a mixture with full covariances."""
    from sklearn.decomposition import PCA
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    places = PCA(VARIANCE, svd_solver="full", random_state=seed).fit_transform(np.asarray(x, np.float64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture = GaussianMixture(components, reg_covar=1e-6 * float(places.var(0).mean()), random_state=seed)
        found: NDArray[np.float64] = mixture.fit(places).predict_proba(places)
    if not mixture.converged_:
        say(f"nleep: the mixture of {components} had not settled after {mixture.n_iter_} steps")
    return found


def score(given: Given) -> float:
    """On at most 3,000 items, drawn once."""
    components = A_CLASS * len(np.unique(given.y))
    if components > min(MOST_COMPONENTS, len(given.y) // 3):
        raise NotApplicable(f"a mixture of {components} components needs {3 * components} items and is slow above "
                            f"{MOST_COMPONENTS}")  # fmt: skip
    chosen = np.arange(len(given.x))
    if len(chosen) > MOST:
        chosen = np.sort(np.random.default_rng(given.seed).permutation(len(chosen))[:MOST])
    return leep(posterior(given.x[chosen], components, seed=given.seed), given.y[chosen])
