"""Elastic net as a network without a hidden layer: between lasso and ridge."""

from __future__ import annotations

import numpy as np

from artifact.facts import Penalty
from training.families.linear import line
from training.families.solvers.elastic_net import Grid, alpha_grid, elastic_net_path
from training.families.solvers.systems import Systems
from training.families.solvers.task import Choice, Float64, Solved, Task, choose

# Most ratios are near 1, the ratio of lasso, as scikit-learn's documentation of ElasticNetCV advises.
RATIOS = (0.1, 0.5, 0.7, 0.9, 0.95, 0.99, 1.0)
# LassoCV's defaults: the number of alphas, and the last alpha as a share of the first.
N_ALPHAS, EPS = 100, 1e-3


def solve(task: Task) -> list[Solved]:
    """Solve as scikit-learn's ElasticNet; the folds choose ``alpha`` and ``l1_ratio`` where they are not set."""
    return by_ratios(task, RATIOS if task.config.l1_ratio is None else (task.config.l1_ratio,))


def by_ratios(task: Task, shares: tuple[float, ...]) -> list[Solved]:
    """Solve for each share of the L1 norm and each alpha, and take the best."""
    ratios, alpha = np.array(shares), task.config.alpha
    n_alphas = N_ALPHAS if alpha is None else 1

    def path(systems: Systems) -> tuple[Float64, Choice]:
        if alpha is None:
            grid = alpha_grid(systems, 0, ratios, N_ALPHAS, EPS)
        else:
            # As in scikit-learn, alpha is for the target in its own unit. Here targets have deviation 1, so the L1 part
            # is converted.
            l1, l2 = alpha * ratios[:, None, None], alpha * (1 - ratios[:, None, None])
            grid = Grid(l1 / task.deviations, np.broadcast_to(l2, (len(ratios), 1, task.n_targets)))
        weights = elastic_net_path(systems, grid)

        def choice(step: int) -> Penalty:
            share, at = divmod(step, n_alphas)
            fact = Penalty(
                family=task.family,
                alpha=tuple(map(float, grid.l1[share, at] * task.deviations)),
                tried=weights.shape[1],
                weighted=int((weights[0, step] != 0).any(axis=1).sum()),
                columns=systems.n_columns,
            )
            if task.family == "lasso":
                return fact
            ratio = float(ratios[share])
            if alpha is not None:
                return fact.model_copy(update={"alpha": (alpha,), "l1_ratio": ratio})
            # This alpha is for a target of deviation 1. No alpha in the target's own unit is the same penalty: the unit
            # changes the L1 part, but not the L2 part.
            of_deviations = tuple(map(float, grid.l1[share, at] / ratio))
            return fact.model_copy(update={"alpha": of_deviations, "l1_ratio": ratio, "standardised": True})

        return weights, choice

    return choose(task, path, n_steps=n_alphas * len(ratios))


FAMILY = line(
    "elastic-net",
    "A line between the lines of lasso and ridge.",
    solve,
    rank=70,
    settings=("alpha", "l1_ratio"),
    line="elastic net",
    baseline="elastic_net",
    like="`ElasticNet(alpha, l1_ratio)`",
    chosen="`l1_ratio`, out of 0.1, 0.5, 0.7, 0.9, 0.95, 0.99 and 1, with `alpha`, out of 100 values for each "
    "`l1_ratio`; as `ElasticNetCV` on a standardised target",
)
