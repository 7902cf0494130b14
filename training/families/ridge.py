"""Ridge regression as a network without a hidden layer."""

from __future__ import annotations

import numpy as np

from artifact.facts import Penalty
from training.families.linear import line
from training.families.solvers.systems import Systems
from training.families.solvers.task import Choice, Float64, Solved, Task, choose

# They go from strong to weak, as for lasso: if several alphas have equal errors, the strongest is taken.
ALPHAS = np.logspace(5, -3, 33)


def solve(task: Task, *, standardised: bool = False) -> list[Solved]:
    """Solve as scikit-learn's Ridge; the folds choose ``alpha`` where it is not set.

    Args:
        task: the networks to solve for.
        standardised: see :func:`ridge_path`. Defaults to False.
    """
    alphas = ALPHAS if task.config.alpha is None else np.array([task.config.alpha])

    def path(systems: Systems) -> tuple[Float64, Choice]:
        def choice(step: int) -> Penalty:
            return Penalty(family=task.family, alpha=(float(alphas[step]),), tried=len(alphas))

        return ridge_path(systems, alphas, standardised=standardised), choice

    return choose(task, path, n_steps=len(alphas))


def ridge_path(systems: Systems, alphas: Float64, *, standardised: bool = False) -> Float64:
    """Minimise ``|y - Xw|^2 + alpha |w|^2`` for each system and alpha.

    Args:
        systems: side by side.
        alphas: float64 (n_alphas,), at least 0.
        standardised: penalise the weights of columns that are divided by their deviations. Defaults to False.

    Returns:
        Weights, float64 (n_systems, n_alphas, n_columns, n_targets).
    """
    scale = systems.deviation if standardised else np.ones_like(systems.deviation)
    gram = systems.gram / (scale[:, :, None] * scale[:, None, :])
    moment = systems.moment / scale[:, :, None]
    values, vectors = np.linalg.eigh(gram)
    # (n_systems, n_alphas, n_columns): a direction in which nothing varies gets no weight.
    shifted = np.maximum(values, 0.0)[:, None, :] + alphas[None, :, None]
    least = 1e-13 * values[:, -1:, None]
    inverse = np.where(shifted > least, 1.0 / np.where(shifted > least, shifted, 1.0), 0.0)
    turned = np.matmul(vectors.transpose(0, 2, 1), moment)
    weights = np.matmul(vectors[:, None], inverse[..., None] * turned[:, None])
    return np.asarray(weights / scale[:, None, :, None])


FAMILY = line(
    "ridge",
    "A line whose weights are held small.",
    solve,
    rank=50,
    settings=("alpha",),
    line="ridge regression",
    baseline="ridge",
    like="`Ridge(alpha)`",
    chosen="`alpha`, out of 33 values from 1e5 to 1e-3, as `RidgeCV` with these folds",
)
