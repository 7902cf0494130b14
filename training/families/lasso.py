"""Lasso as a network without a hidden layer: features that do not help get a weight of 0."""

from __future__ import annotations

from training.families.elastic_net import by_ratios
from training.families.linear import line
from training.families.solvers.task import Solved, Task


def solve(task: Task) -> list[Solved]:
    """Solve as scikit-learn's Lasso; the folds choose ``alpha``, as in LassoCV, where it is not set."""
    return by_ratios(task, (1.0,))


FAMILY = line(
    "lasso",
    "A line on the features that help.",
    solve,
    rank=60,
    settings=("alpha",),
    line="lasso",
    baseline="lasso",
    like="`Lasso(alpha)`",
    chosen="`alpha`, out of 100 values, as `LassoCV`",
)
