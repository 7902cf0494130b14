"""Stepwise regression: each step of the selection scores all candidate features side by side."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from artifact.errors import DataError
from artifact.facts import Selection, Step
from training.families.linear import line
from training.families.solvers.systems import Systems
from training.families.solvers.task import Network, Solved, Task

Float64 = npt.NDArray[np.float64]
# Numbers in the largest array of one batched solve.
_AT_ONCE = 4_000_000
# Backward selection starts with all columns, and its first step solves once for each feature that it may take away.
MOST_BACKWARD = 250


def solve(task: Task) -> list[Solved]:
    """Add features while the score gets better, or take features away while it gets no worse.

    The weights are those of least squares on the features that are left.

    A feature is all its columns: a number and its missing flag, a datetime's parts, a category's codes.

    Raises:
        DataError: there are too many columns to start with all of them.
    """
    if task.config.direction == "backward" and len(task.groups) > MOST_BACKWARD:
        raise DataError(
            f"Expected at most {MOST_BACKWARD} columns for direction='backward'. Received: {len(task.groups)}. "
            "Take --set direction=forward."
        )
    block_sets = [n.blocks for n in task.networks] + [s.train for n in task.networks for s in n.splits]
    systems = Systems(task.triangles, list(dict.fromkeys(block_sets)), task.n_targets)
    return [_Selection(task, systems, network).solved(named=not i) for i, network in enumerate(task.networks)]


class _Selection:
    """The features of one network."""

    def __init__(self, task: Task, systems: Systems, network: Network) -> None:
        self._task, self._systems, self._network = task, systems, network
        self._number = {tuple(blocks): i for i, blocks in enumerate(systems.block_sets)}
        self._all = list(range(int(task.groups.max()) + 1))

    def solved(self, *, named: bool) -> Solved:
        forward = self._task.config.direction == "forward"
        selected: list[int] = [] if forward else self._all
        path, score = [selected], float(self.scores([selected])[0])
        while candidates := self._candidates(selected, forward=forward):
            scores = self.scores(candidates)
            best = int(scores.argmin())
            # If two scores are equal, the one with fewer features wins.
            if not (scores[best] < score or (not forward and scores[best] <= score)):
                break
            selected, score = candidates[best], float(scores[best])
            path.append(selected)
        i = self._number[self._network.blocks]
        columns = np.flatnonzero(np.isin(self._task.groups, selected))
        weights = np.zeros((self._systems.n_columns, self._task.n_targets))
        weights[columns] = self._systems.least_squares(i, columns)
        mean = self._systems.mean_y[i] - self._systems.mean_x[i] @ weights
        errors = (self._errors(path, [(i, b) for b in self._network.blocks]), self._judged(path))
        return Solved(weights, mean, len(path), errors, self._selection(path) if named else None)

    def scores(self, sets: Sequence[Sequence[int]]) -> Float64:
        """Scores of sets of features, float64 (n_sets,); lower is better."""
        criterion = self._task.config.criterion
        if criterion == "validation":
            return self._judged(sets)
        i = self._number[self._network.blocks]
        n, t = float(self._systems.n[i, 0, 0]), self._task.n_targets
        residual = np.maximum(self._residual(i, sets), np.finfo(float).tiny)
        informative = np.diagonal(self._systems.gram[i]) > 0
        n_weights = np.array([int((np.isin(self._task.groups, s) & informative).sum()) for s in sets])
        price = 2.0 if criterion == "aic" else float(np.log(n))
        return np.asarray(n * np.log(residual / n).sum(axis=1) + price * t * n_weights)

    def _candidates(self, selected: list[int], *, forward: bool) -> list[list[int]]:
        if forward:
            return [sorted([*selected, g]) for g in self._all if g not in selected]
        return [[k for k in selected if k != g] for g in selected]

    def _judged(self, sets: Sequence[Sequence[int]]) -> Float64:
        return self._errors(sets, [(self._number[s.train], s.judge) for s in self._network.splits])

    def _errors(self, sets: Sequence[Sequence[int]], pairs: list[tuple[int, int]]) -> Float64:
        """Mean over systems and blocks of the squared error on the block's rows: (n_sets,)."""
        errors = np.zeros(len(sets))
        for chunk in self._chunks(sets):
            columns, used = self._columns([sets[s] for s in chunk])
            for i, block in pairs:
                weights = self._weights(i, columns, used)
                mean_x = np.where(used, self._systems.mean_x[i][columns], 0.0)
                intercepts = self._systems.mean_y[i] - np.einsum("sq,sqt->st", mean_x, weights)
                errors[chunk] += self._systems.error(block, weights, intercepts, columns) / len(pairs)
        return errors

    def _residual(self, i: int, sets: Sequence[Sequence[int]]) -> Float64:
        """Squared error on the rows that were fitted, float64 (n_sets, n_targets)."""
        residual = np.zeros((len(sets), self._task.n_targets))
        for chunk in self._chunks(sets):
            columns, used = self._columns([sets[s] for s in chunk])
            explained = self._weights(i, columns, used) * self._systems.moment[i][columns]
            residual[chunk] = self._systems.total[i] - np.where(used[:, :, None], explained, 0.0).sum(axis=1)
        return residual

    def _weights(self, i: int, columns: npt.NDArray[np.intp], used: npt.NDArray[np.bool_]) -> Float64:
        """Least squares of system ``i`` on each set of columns, in one batched solve: (n_sets, width, n_targets)."""
        gram = self._systems.gram[i]
        sub = gram[columns[:, :, None], columns[:, None, :]]
        sub = np.where(used[:, :, None] & used[:, None, :], sub, 0.0)
        # With this penalty, collinear columns share their weight. It changes weights by less than a float32 rounds.
        ridge = 1e-10 * max(float(np.diagonal(gram).max()), np.finfo(float).tiny)
        sub[:, np.arange(sub.shape[1]), np.arange(sub.shape[1])] += np.where(used, ridge, 1.0)
        right = np.where(used[:, :, None], self._systems.moment[i][columns], 0.0)
        return np.asarray(np.linalg.solve(sub, right))

    def _columns(self, sets: Sequence[Sequence[int]]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """Columns of each set, filled up to one width, and which of them are real: (n_sets, width) each."""
        of = [np.flatnonzero(np.isin(self._task.groups, s)) for s in sets]
        width = max(1, *(len(c) for c in of))
        columns = np.stack([np.pad(c, (0, width - len(c))) for c in of])
        return columns, np.stack([np.arange(width) < len(c) for c in of])

    def _chunks(self, sets: Sequence[Sequence[int]]) -> list[npt.NDArray[np.intp]]:
        width = max(1, *(int(np.isin(self._task.groups, s).sum()) for s in sets))
        size = max(1, _AT_ONCE // (width * width))
        return [np.arange(at, min(at + size, len(sets))) for at in range(0, len(sets), size)]

    def _selection(self, path: list[list[int]]) -> Selection:
        """The features that each step added or took away, and those that are left."""
        config, names = self._task.config, self._task.names
        first, *scores = map(float, self.scores(path))
        steps = [
            Step(feature=names[next(iter(set(a) ^ set(b)))], added=len(b) > len(a), score=score)
            for (a, b), score in zip(itertools.pairwise(path), scores, strict=True)
        ]
        return Selection(
            direction=config.direction,
            criterion=config.criterion,
            kept=tuple(names[g] for g in path[-1]),
            features=len(names),
            score=first,
            steps=tuple(steps),
        )


FAMILY = line(
    "stepwise",
    "A line on features that are added (or taken away) one at a time; each step scores its candidates side by side.",
    solve,
    rank=90,
    settings=("direction", "criterion"),
    line="stepwise regression",
    like="`LinearRegression` on the features that are left",
    chosen="the features, by `criterion`: the folds' error, AIC or BIC",
)
