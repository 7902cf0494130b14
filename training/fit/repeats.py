"""Chooses which repeats of the networks are served together, by rows that they have not seen."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from training.objectives.base import Objective
from training.table.folds import Fold, left_out

# More subsets than of so many repeats are searched one repeat at a time.
_ALL_SUBSETS = 6


def choose_repeats(
    folds: Sequence[Fold],
    repeats: int,
    outputs: Sequence[npt.NDArray[np.float32]],
    y: npt.NDArray[np.float32],
    objective: Objective,
    weight: npt.NDArray[np.float32] | None = None,
    most: int | None = None,
) -> tuple[int, ...]:
    """The repeats whose joint answers are best; repeats may differ in their settings, and some suit a table better.

    Args:
        folds: of all networks, ``repeats`` times all folds.
        repeats: how many.
        outputs: of each network for its validation rows, (n_members, n_rows, n_outputs).
        y: float32 (n_samples, n_targets), as the loss takes them.
        objective: gives the error.
        weight: float32 (n_samples,) of each row. Defaults to None.
        most: repeats that may be chosen. Defaults to all.

    Returns:
        Ascending numbers of the chosen repeats, at least one.
    """
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
    for i, (fold, found) in enumerate(zip(folds, outputs, strict=True)):
        answers[i // per_cut][:, fold.validation] = found
    return answers


def networks_of(chosen: Sequence[int], n_networks: int, repeats: int) -> npt.NDArray[np.int64]:
    """Numbers of the networks of some repeats."""
    per_cut = n_networks // repeats
    return np.concatenate([np.arange(cut * per_cut, (cut + 1) * per_cut) for cut in chosen])
