"""Elastic net as a network without a hidden layer: between lasso and ridge."""

from __future__ import annotations

import numpy as np

from training.families.linear import line
from training.families.solvers.elastic_net import Grid, alpha_grid, elastic_net_path
from training.families.solvers.systems import Systems
from training.families.solvers.task import Float64, Sentence, Solved, Task, choose

# As scikit-learn's documentation of ElasticNetCV advises: closer together where it is nearly a lasso.
RATIOS = (0.1, 0.5, 0.7, 0.9, 0.95, 0.99, 1.0)
# LassoCV's defaults: alphas, and the last of them as a share of the first.
N_ALPHAS, EPS = 100, 1e-3


def solve(task: Task) -> list[Solved]:
    """As scikit-learn's ElasticNet; ``alpha`` and ``l1_ratio`` chosen by the folds where they are not set."""
    return by_ratios(task, RATIOS if task.config.l1_ratio is None else (task.config.l1_ratio,))


def by_ratios(task: Task, shares: tuple[float, ...]) -> list[Solved]:
    """The best of the shares of the L1 norm and of the alphas of each."""
    ratios, alpha = np.array(shares), task.config.alpha
    n_alphas = N_ALPHAS if alpha is None else 1

    def path(systems: Systems) -> tuple[Float64, Sentence]:
        if alpha is None:
            grid = alpha_grid(systems, 0, ratios, N_ALPHAS, EPS)
        else:
            # Of the target in its unit, as scikit-learn's: divided by its deviation, the L1 norm's part changes.
            l1, l2 = alpha * ratios[:, None, None], alpha * (1 - ratios[:, None, None])
            grid = Grid(l1 / task.deviations, np.broadcast_to(l2, (len(ratios), 1, task.n_targets)))
        weights = elastic_net_path(systems, grid)

        def sentence(step: int) -> str:
            share, at = divmod(step, n_alphas)
            kept = int((weights[0, step] != 0).any(axis=1).sum())
            if task.config.model == "lasso":
                shown = ", ".join(f"{a:.6g}" for a in grid.l1[share, at] * task.deviations)
            elif alpha is None:
                # Not a number in the target's unit: there its L1 part would grow with the unit and its L2 part not.
                shown = ", ".join(f"{a:.6g}" for a in grid.l1[share, at] / ratios[share])
                shown += f" with l1_ratio {ratios[share]:g}, for a target of deviation 1"
            else:
                shown = f"{alpha:.6g} with l1_ratio {ratios[share]:g}"
            chosen = task.of(weights.shape[1])
            return (
                f"{task.config.model} took alpha {shown}{chosen}; {kept} of {systems.n_columns} columns have a weight."
            )

        return weights, sentence

    return choose(task, path, n_steps=n_alphas * len(ratios))


FAMILY = line(
    "elastic-net",
    "A line between that of lasso and that of ridge.",
    solve,
    rank=70,
    settings=("alpha", "l1_ratio"),
    line="elastic net",
    baseline="elastic_net",
    like="`ElasticNet(alpha, l1_ratio)`",
    chosen="100 `alpha` of each `l1_ratio` of 0.1, 0.5, 0.7, 0.9, 0.95, 0.99 and 1, as `ElasticNetCV` on a "
    "standardised target",
)
