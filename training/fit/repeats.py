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

# More subsets than of so many repeats are searched one repeat at a time.
_ALL_SUBSETS = 6


def choose_repeats(
    population: Population, outputs: Sequence[npt.NDArray[np.float32]], objective: Objective, table: Table
) -> tuple[int, ...]:
    """The repeats whose joint answers are best; repeats may differ in their settings, and some suit a table better.

    Args:
        population: the networks; its setting ``served_repeats`` is how many may be chosen.
        outputs: of each network for its validation rows, (n_members, n_rows, n_outputs).
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

    def error(chosen: tuple[int, ...]) -> float:
        together = np.concatenate([answers[cut][:, rows] for cut in chosen])
        return objective.score(y[rows], together, None if weight is None else weight[rows])

    if repeats <= _ALL_SUBSETS:
        subsets = [
            c
            for size in range(min(repeats, most or repeats), 0, -1)
            for c in itertools.combinations(range(repeats), size)
        ]
        # More networks come first: of equals they are taken.
        return min(subsets, key=error)
    chosen = tuple(range(repeats))
    while len(chosen) > 1:
        fewer = [tuple(c for c in chosen if c != left) for left in chosen]
        best = min(fewer, key=error)
        if error(best) >= error(chosen) and len(chosen) <= (most or repeats):
            break
        chosen = best
    return chosen


def joint(
    folds: Sequence[Fold], repeats: int, outputs: Sequence[npt.NDArray[np.float32]], n_rows: int
) -> npt.NDArray[np.float32]:
    """What each repeat answers to the rows that its folds leave out; 0 for other rows.

    Args:
        folds: of all networks, ``repeats`` times all folds.
        repeats: how many.
        outputs: of each network for its validation rows, (n_members, n_rows of its fold, n_outputs).
        n_rows: of the table.

    Returns:
        float32 (repeats, n_members, n_rows, n_outputs).
    """
    per_cut = len(folds) // repeats
    members, _, width = outputs[0].shape
    answers = np.zeros((repeats, members, n_rows, width), np.float32)
    for i, (fold, of_network) in enumerate(zip(folds, outputs, strict=True)):
        answers[i // per_cut][:, fold.validation] = of_network
    return answers
