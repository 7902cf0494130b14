"""Ridge regression as a network without a hidden layer."""

from __future__ import annotations

import numpy as np

from training.families.solvers.ridge import ridge_path
from training.families.solvers.systems import Systems
from training.families.solvers.task import Float64, Sentence, Solved, Task, choose

# From strong to weak, as the paths of lasso; of equal errors the stronger one is taken.
ALPHAS = np.logspace(5, -3, 33)


def solve(task: Task, *, standardised: bool = False) -> list[Solved]:
    """As scikit-learn's Ridge, ``alpha`` chosen by the folds where it is not set.

    Args:
        task: to do.
        standardised: see :func:`ridge_path`. Defaults to False.
    """
    alphas = ALPHAS if task.config.alpha is None else np.array([task.config.alpha])

    def path(systems: Systems) -> tuple[Float64, Sentence]:
        weights = ridge_path(systems, alphas, standardised=standardised)
        return weights, lambda step: f"{task.config.model} took alpha {alphas[step]:.6g}{task.of(len(alphas))}."

    return choose(task, path, n_steps=len(alphas))
