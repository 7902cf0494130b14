"""Lasso and elastic net: coordinate descent on systems, ratios and targets side by side, alpha after alpha."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from training.families.solvers.systems import Systems

Float64 = npt.NDArray[np.float64]
# Sweeps stop when every step of a standardised weight is smaller than this, in target deviations.
_TOLERANCE = 1e-9
_SWEEPS, _ROUNDS = 8, 200
# With more multiplications than this, sweeps are faster than solving.
_MOST_WORK = 4e9


class Grid(NamedTuple):
    """Penalties to try: every ratio with every alpha, the alphas from strong to weak.

    Attributes:
        l1: penalty on the L1 norm, float64 (n_ratios, n_alphas, n_targets).
        l2: penalty on half the squared norm, of the same shape.
    """

    l1: Float64
    l2: Float64


def alpha_grid(systems: Systems, i: int, ratios: Float64, n_alphas: int, eps: float) -> Grid:
    """Alphas as in LassoCV: from the least one at which every weight of system ``i`` is 0, down to ``eps`` times it."""
    most = np.abs(systems.moment[i]).max(axis=0, initial=0.0) / systems.n[i, 0, 0]
    top = np.maximum(most, np.finfo(float).tiny) / ratios[:, None]
    alphas = top[:, None, :] * np.logspace(0.0, np.log10(eps), n_alphas)[None, :, None]
    return Grid(alphas * ratios[:, None, None], alphas * (1 - ratios[:, None, None]))


def elastic_net_path(systems: Systems, grid: Grid) -> Float64:
    """Minimise ``|y - Xw|^2 / 2n + l1 |w|_1 + l2 |w|^2 / 2`` for every penalty.

    Returns:
        Weights, float64 (n_systems, n_ratios * n_alphas, n_columns, n_targets), ratio by ratio.
    """
    P, t, p = len(systems), systems.n_targets, systems.n_columns
    L, A, _ = grid.l1.shape
    descent = _Descent(systems, L)
    weights = np.zeros((P, L, A, p, t))
    for a in range(A):
        descent.to(*(np.broadcast_to(penalty[None, :, a], (P, L, t)).reshape(-1) for penalty in grid))
        weights[:, :, a] = descent.weights.reshape(P, L, t, p).transpose(0, 1, 3, 2)
    return weights.reshape(P, -1, p, t)


class _Descent:
    """Weights (n_problems, n_columns) and their gradient; a problem is one system with one ratio and one target."""

    def __init__(self, systems: Systems, n_ratios: int) -> None:
        P, t, p = len(systems), systems.n_targets, systems.n_columns
        self._H = systems.gram / systems.n
        self._of = np.repeat(np.arange(P), n_ratios * t)
        moment = np.repeat((systems.moment / systems.n).transpose(0, 2, 1)[:, None], n_ratios, axis=1)
        self._c = moment.reshape(-1, p)
        self._curvature = np.diagonal(self._H, axis1=1, axis2=2)[self._of]
        self.weights = np.zeros_like(self._c)
        self._gradient = self._c.copy()

    def to(self, l1: Float64, l2: Float64) -> None:
        """Move to the minimum at penalties (n_problems,), starting from the present weights."""
        for _ in range(_ROUNDS):
            columns = self._moving(l1)
            for _ in range(_SWEEPS):
                step = max((self._update(j, l1, l2) for j in columns), default=0.0)
                if step < _TOLERANCE:
                    break
            if step < _TOLERANCE and not np.setdiff1d(self._moving(l1), columns).size:
                return
            if self._solve(l1, l2):
                return

    def _moving(self, l1: Float64) -> npt.NDArray[np.intp]:
        """Columns whose weight is not 0, or would not stay 0, in some problem."""
        pulled = (np.abs(self._gradient) > l1[:, None] * (1 + 1e-12)) & (self._curvature > 0)
        return np.flatnonzero(((self.weights != 0) | pulled).any(axis=0))

    def _update(self, j: int, l1: Float64, l2: Float64) -> float:
        """The best weight of column ``j`` given the others; returns the largest step."""
        curvature = self._curvature[:, j]
        old = self.weights[:, j].copy()
        pull = self._gradient[:, j] + curvature * old
        bottom = np.where(curvature > 0, curvature + l2, 1.0)
        new = np.where(curvature > 0, np.sign(pull) * np.maximum(np.abs(pull) - l1, 0.0) / bottom, 0.0)
        step = new - old
        if step.any():
            self.weights[:, j] = new
            self._gradient -= self._H[self._of, j] * step[:, None]
        return float((np.abs(step) * np.sqrt(curvature)).max())

    def _solve(self, l1: Float64, l2: Float64) -> bool:
        """Solve at once for the weights that are not 0, if their signs stay; return whether all problems are solved.

        A problem takes its solution only if this is its minimum.
        """
        columns = np.flatnonzero((self.weights != 0).any(axis=0))
        if not columns.size:
            return True
        if len(self.weights) * columns.size**3 > _MOST_WORK:
            return False
        active = self.weights[:, columns] != 0
        H = self._H[self._of[:, None, None], columns[:, None], columns]
        H = np.where(active[:, :, None] & active[:, None, :], H, 0.0)
        diagonal = np.where(active, l2[:, None] + 1e-12 * self._curvature.max(axis=1)[:, None], 1.0)
        H[:, np.arange(len(columns)), np.arange(len(columns))] += diagonal
        signs = np.sign(self.weights[:, columns])
        right = np.where(active, self._c[:, columns] - l1[:, None] * signs, 0.0)
        solution = np.linalg.solve(H, right[:, :, None])[:, :, 0]
        weights = np.zeros_like(self.weights)
        weights[:, columns] = np.where(active, solution, 0.0)
        products = np.matmul(weights.reshape(len(self._H), -1, weights.shape[1]), self._H)
        gradient = self._c - products.reshape(weights.shape)
        stays = (np.sign(weights[:, columns]) == signs).all(axis=1)
        idle = (weights != 0) | (np.abs(gradient) <= l1[:, None] + 1e-10)
        minimum = stays & idle.all(axis=1)
        self.weights[minimum], self._gradient[minimum] = weights[minimum], gradient[minimum]
        return bool(minimum.all())
