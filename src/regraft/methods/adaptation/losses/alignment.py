"""Maps between the features of two domains in closed form, float64: (n, D) source, (m, D) target."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from regraft.core.errors import InputError

Array = NDArray[Any]
LANDMARKS = 2000


def power(covariance: Array, exponent: float) -> Array:
    """A symmetric matrix to a power; eigenvalues below 1e-10 of the largest count as that."""
    values, vectors = eigh(covariance)
    values = np.maximum(values, 1e-10 * max(float(values[-1]), 1e-300))
    powered: Array = (vectors * values**exponent) @ vectors.T
    return powered


def covariance(x: Array) -> Array:
    """(n, D) -> (D, D), divided by n - 1 (by 1 where there is one row)."""
    centred = np.asarray(x, np.float64) - x.mean(0)
    matrix: Array = centred.T @ centred / max(len(x) - 1, 1)
    return matrix


def coral_matrix(source: Array, target: Array, ridge: float = 1.0) -> Array:
    """``(Cs + ridge I)^-1/2 (Ct + ridge I)^1/2`` (D, D): whitens the source and gives it the target's colours.

    Sun, Feng and Saenko 2016 (https://arxiv.org/abs/1511.05547), algorithm 1 (``ridge`` 1).
    """
    eye = ridge * np.eye(source.shape[1])
    matrix: Array = power(covariance(source) + eye, -0.5) @ power(covariance(target) + eye, 0.5)
    return matrix


def principal_axes(x: Array, components: int) -> Array:
    """(D, components): the directions in which x (n, D) varies most."""
    c = covariance(x)
    d = len(c)
    return eigh(c, subset_by_index=(d - components, d - 1))[1][:, ::-1]


def subspace_alignment(source: Array, target: Array, components: int) -> tuple[Array, Array]:
    """``(Ps M, Pt)``, both (D, components): what centred source and target rows are multiplied by.

    ``M = Ps' Pt`` turns the source's axes to the target's. Fernando et al. 2013
    (https://doi.org/10.1109/ICCV.2013.368), equation 3.
    """
    axes_s, axes_t = principal_axes(source, components), principal_axes(target, components)
    return axes_s @ (axes_s.T @ axes_t), axes_t


def transport_plan(source: Array, labels: Array, target: Array, *, entropy: float, groups: float) -> Array:
    """A coupling (n, m) of uniform weights that carries the source onto the target at the least cost.

    Costs are squared distances over their largest, with ``entropy`` (> 0) regularisation, and ``groups`` (>= 0) that
    lets each target row receive from one class. Courty et al. 2017 (https://arxiv.org/abs/1507.00504), equation 18
    (lp-l1), by the package POT. Raises ``InputError`` where that is not installed.
    """
    try:
        import ot
    except ImportError as error:
        raise InputError("--method ot needs the package POT: pip install 'regraft[adapt]'.") from error
    cost = ot.dist(source, target)
    cost = cost / max(float(cost.max()), 1e-300)
    a, b = (np.full(len(x), 1 / len(x)) for x in (source, target))
    with warnings.catch_warnings():  # a plan that is nearly one will do: its rows are brought to a sum of 1 in use
        warnings.simplefilter("ignore")
        plan: Array = ot.da.sinkhorn_lpl1_mm(a, labels, b, cost, entropy, eta=groups)
    if not np.isfinite(plan).all() or not (plan.sum(1) > 0).all():
        raise InputError(f"Optimal transport gave no plan at an entropy of {entropy:g}: the features differ too much.")
    return plan


def carried(rows: Array, landmarks: Array, images: Array) -> Array:
    """Rows (n, D) moved as the nearest of the ``landmarks`` (l, D) moves to its ``images`` (l, D).

    Ferradans et al. 2014 (https://arxiv.org/abs/1307.5551): the map outside the landmarks.
    """
    from scipy.spatial import cKDTree
    from scipy.spatial.distance import cdist

    if landmarks.shape[1] > 20:  # a tree does not help in many dimensions
        nearest = np.concatenate(
            [cdist(rows[i : i + 512], landmarks, "sqeuclidean").argmin(1) for i in range(0, len(rows), 512)]
        )
    else:
        nearest = cKDTree(landmarks).query(rows)[1]
    moved: Array = rows + (images - landmarks)[nearest]
    return moved
