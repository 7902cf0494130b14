"""Judges the epochs of networks, by rows that a network has not seen and that do not measure it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from training.fit.loops.problem import Table
from training.fit.population import Population
from training.fit.repeats import joint
from training.objectives.base import Objective
from training.table.folds import left_out

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


class Errors(NamedTuple):
    """Errors of one epoch.

    Attributes:
        own: float64 (n_networks,), each network's error on its own validation rows.
        judged: float64 (n_networks,), the errors that choose each network's epoch.
    """

    own: Float64
    judged: Float64


class Judge:
    """Judges the networks of a population, those of each trial together.

    Args:
        population: the networks; each trial has all folds of some repeats.
        objective: gives the error.
        table: rows as the loss takes them.
    """

    def __init__(self, population: Population, objective: Objective, table: Table) -> None:
        self._population, self._objective, self._table = population, objective, table
        self._trials = [
            (positions, _Trial(population.some(positions), objective, table)) for positions in population.trials
        ]

    def some(self, positions: Sequence[int]) -> Judge:
        """The judge of some of the networks."""
        return Judge(self._population.some(positions), self._objective, self._table)

    def errors(self, outputs: Sequence[Float32]) -> Errors:
        """Errors of all networks; in a trial with an error that is not a number, ``judged`` equals ``own``.

        Args:
            outputs: each network's outputs for its validation rows, (n_members, n_rows, n_outputs).
        """
        own, judged = np.zeros(len(outputs)), np.zeros(len(outputs))
        for positions, trial in self._trials:
            of_trial = trial.errors([outputs[i] for i in positions])
            own[list(positions)], judged[list(positions)] = of_trial
        return Errors(own, judged)


class _Trial:
    """Judges networks that will answer together.

    The mean of all networks is served, so the error of that mean judges an epoch. A single network's error says little
    about that error: networks that have learnt their rows by heart are bad alone and good together. With several
    repeats, several networks that have not seen a row answer it. The errors of each of them, and the error of their
    mean, show how much averaging removes. From this follows the error of the mean of all networks.
    """

    def __init__(self, population: Population, objective: Objective, table: Table) -> None:
        self._folds, self._repeats = population.folds, population.repeats
        self._objective, self._table = objective, table
        # Without folds all networks have the same validation rows: these judge the mean that is served.
        self._shared = all(fold.validation is self._folds[0].validation for fold in self._folds)

    def errors(self, outputs: Sequence[Float32]) -> Errors:
        """See :meth:`Judge.errors`."""
        pairs = zip(self._folds, outputs, strict=True)
        own: Float64 = np.array([self._score(fold.validation, answers) for fold, answers in pairs])
        if len(own) == 1 or not np.isfinite(own).all():
            return Errors(own, own)
        return Errors(own, self._judged(own, outputs))

    def _judged(self, own: Float64, outputs: Sequence[Float32]) -> Float64:
        """Errors that judge several networks. A network's own validation rows measure it, so they do not judge it."""
        n = len(own)
        if self._shared:
            return np.full(n, self._score(self._folds[0].validation, np.concatenate(outputs)), np.float64)
        sizes = np.array([len(fold.validation) for fold in self._folds], np.float64)
        others: Float64 = (own @ sizes - own * sizes) / (sizes.sum() - sizes)
        if self._repeats < 2:
            return others
        together = self._together(outputs)
        if not self._objective.averages:
            return together
        # The mean of m networks has an error of c + v / m. The errors for two values of m give c and v.
        removed = (others - together) / (1.0 - 1.0 / self._repeats)
        judged: Float64 = together - removed * (1.0 / self._repeats - 1.0 / n)
        return judged

    def _together(self, outputs: Sequence[Float32]) -> Float64:
        """For each network, the error of all repeats' joint answers to the rows that this network saw."""
        rows = left_out(self._folds, self._repeats)
        answers = np.concatenate(joint(self._folds, self._repeats, outputs, len(self._table.y)))
        scores = []
        for fold in self._folds:
            judging = np.setdiff1d(rows, fold.validation, assume_unique=True)
            scores.append(self._score(judging, answers[:, judging]))
        return np.array(scores)

    def _score(self, rows: npt.NDArray[np.int64], outputs: Float32) -> float:
        weight = self._table.weight
        return self._objective.score(self._table.y[rows], outputs, None if weight is None else weight[rows])
