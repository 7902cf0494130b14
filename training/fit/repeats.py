"""Chooses which repeats of the networks are served together, by rows that they have not seen."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from training.fit.loops.problem import Table
from training.fit.population import Population
from training.objectives.base import Objective
from training.table.folds import Fold, left_out

# All subsets of up to this many repeats are compared; of more repeats, one at a time is dropped.
_ALL_SUBSETS = 6


def choose_repeats(
    population: Population, outputs: Sequence[npt.NDArray[np.float32]], objective: Objective, table: Table
) -> tuple[int, ...]:
    """Choose the repeats whose joint answers are best. Repeats may differ in settings, and some suit a table better.

    Args:
        population: the networks; its setting ``served_repeats`` is how many may be chosen.
        outputs: each network's outputs for its validation rows, (n_members, n_rows, n_outputs).
        objective: gives the error.
        table: rows as the loss takes them.

    Returns:
        Ascending numbers of the chosen repeats, at least one.
    """
    folds, repeats, most = population.folds, population.repeats, population.config.served_repeats
    if repeats == 1:
        return (0,)
    y, weight = table.y, table.weight
    rows = left_out(folds, repeats)
    answers = joint(folds, repeats, outputs, len(y))

    def error(subset: tuple[int, ...]) -> float:
        together = np.concatenate([answers[cut][:, rows] for cut in subset])
        return objective.score(y[rows], together, None if weight is None else weight[rows])

    if repeats <= _ALL_SUBSETS:
        subsets = [
            c
            for size in range(min(repeats, most or repeats), 0, -1)
            for c in itertools.combinations(range(repeats), size)
        ]
        # Larger subsets come first, so that of equal errors the larger one is taken.
        return min(subsets, key=error)
    subset = tuple(range(repeats))
    while len(subset) > 1:
        fewer = [tuple(c for c in subset if c != dropped) for dropped in subset]
        best = min(fewer, key=error)
        if error(best) >= error(subset) and len(subset) <= (most or repeats):
            break
        subset = best
    return subset


def joint(
    folds: Sequence[Fold], repeats: int, outputs: Sequence[npt.NDArray[np.float32]], n_rows: int
) -> npt.NDArray[np.float32]:
    """Each repeat's answers to the rows that its folds leave out; 0 for other rows.

    Args:
        folds: the fold of each network, ``repeats`` times all folds.
        repeats: number of repeats.
        outputs: each network's outputs for its validation rows, (n_members, n_rows of its fold, n_outputs).
        n_rows: rows of the table.

    Returns:
        float32 (repeats, n_members, n_rows, n_outputs).
    """
    per_cut = len(folds) // repeats
    members, _, width = outputs[0].shape
    answers = np.zeros((repeats, members, n_rows, width), np.float32)
    for i, (fold, of_network) in enumerate(zip(folds, outputs, strict=True)):
        answers[i // per_cut][:, fold.validation] = of_network
    return answers
