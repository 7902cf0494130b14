"""The epochs of one fit: which of them each network keeps is decided by rows that it has not seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.errors import TruelineError
from training.fit.loops import Loop
from training.fit.loops.problem import Problem
from training.fit.repeats import joint
from training.objectives.base import Objective
from training.table.folds import Fold, left_out

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Progress = Callable[[int, int, float], None]
# Row numbers of one compiled call; more of them save nothing measurable.
_INDICES_A_CALL = 2_000_000


class DivergedError(TruelineError):
    """Training whose loss was not a number.

    Args:
        epoch: the 1-based one in which it happened.
    """

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        super().__init__(
            f"Expected a finite loss. Received: NaN in epoch {epoch}. "
            "Lower --set learning_rate, or look for extreme values in the table."
        )


class Epochs:
    """Runs epochs and keeps the best weights of each network.

    What is served is the mean of all networks, so an epoch is judged by the error that their mean would have, which a
    single network's error misses by far: networks that have learnt their rows by heart are bad alone and good together.
    Where the folds are cut several times, every row has several answers of networks that did not see it. Their errors
    alone and together give the part that averaging removes, and with it the error of as many networks as there are.

    Args:
        loop: takes the steps.
        problem: of the loop.
        objective: gives the error.
        folds: rows of each network, ``repeats`` times all folds.
        repeats: times that the folds cover the rows.
        epochs: at most.
        patience: epochs without a better error before stopping.
        steps, batch: of one epoch.
        seed: of the order of the rows.
        has_start: whether the weights before the first epoch are some that may be kept, as epoch 0. Defaults to False.

    Attributes:
        best_epochs: int (n_networks,), the 1-based epoch whose weights each network has in the end.
        history: ``train`` and ``validation`` error by epoch, means over the networks as they are judged;
            ``train_low``, ``train_high`` and so on: the least and the largest of a single network.
    """

    def __init__(
        self,
        loop: Loop,
        problem: Problem,
        objective: Objective,
        folds: Sequence[Fold],
        *,
        repeats: int,
        epochs: int,
        patience: int,
        steps: int,
        batch: int,
        seed: int,
        has_start: bool = False,
    ) -> None:
        self._has_start = has_start
        self._loop, self._problem, self._objective, self._folds = loop, problem, objective, folds
        self._repeats = repeats
        self._epochs, self._patience = epochs, patience
        self._steps, self._batch = steps, batch
        self._rng = np.random.default_rng(seed)
        n = len(folds)
        longest = max((len(fold.validation) for fold in folds), default=0)
        self._validation = np.stack([np.resize(f.validation, longest) for f in folds]).astype(np.int32)
        # Without folds all networks have the same rows, and what is judged is what is served.
        self._shared = all(fold.validation is folds[0].validation for fold in folds)
        self.best_epochs = np.zeros(n, np.int64)
        self._best = np.full(n, np.inf)
        self._kept: list[npt.NDArray[Any]] = []
        self.history: dict[str, list[float]] = {"train": [], "validation": []}
        self._alone: npt.NDArray[np.float64] = np.zeros(n)

    def to_the_end(self, progress: Progress | None, stop_at: int | None) -> None:
        """All epochs, or until none of the networks has become better for ``patience`` of them.

        Args:
            progress: called after each epoch with epoch, epochs and the validation error, as the objective shows it.
            stop_at: keep the weights of this epoch, whatever the validation rows say; 0: those before the first.

        Raises:
            DivergedError: the loss or the validation error was not a number.
        """
        if self._has_start and stop_at is None:
            errors = self._errors()
            if np.isfinite(errors).all():
                self._keep(0, errors)
        for epoch in range(1, (self._epochs if stop_at is None else stop_at) + 1):
            loss, error = self._epoch()
            if not np.isfinite(loss).all():
                raise DivergedError(epoch)
            self._record("train", error.mean(), error)
            if stop_at is None:
                errors = self._errors()
                if not np.isfinite(errors).all():
                    raise DivergedError(epoch)
                self._record("validation", errors.mean(), self._alone)
                self._keep(epoch, errors)
            if progress is not None:
                progress(epoch, self._epochs, self._objective.shown((self.history["validation"] or [math.nan])[-1]))
            if stop_at is None and epoch - self.best_epochs.max() >= self._patience:
                break
        if stop_at is None:
            self._loop.set_weights(self._kept)
        else:
            self.best_epochs[:] = stop_at
            self._loop.set_weights(self._loop.weights())

    def unseen(self) -> list[Float32]:
        """Each network's outputs for its validation rows, float32 (n_members, n_rows, n_outputs)."""
        if not self._validation.shape[1]:
            return []
        outputs = self._loop.outputs(self._validation)
        return [outputs[i, :, : len(fold.validation)] for i, fold in enumerate(self._folds)]

    def _record(self, name: str, mean: float, by_network: npt.NDArray[np.floating]) -> None:
        for key, value in ((name, mean), (f"{name}_low", by_network.min()), (f"{name}_high", by_network.max())):
            self.history.setdefault(key, []).append(float(value))

    def _epoch(self) -> Float32:
        size = self._steps * self._batch
        drawn = [self._rng.permutation(f.train)[:size].reshape(self._steps, self._batch) for f in self._folds]
        return np.asarray(self._taken(np.stack(drawn, axis=1).astype(np.int32)) / self._steps, np.float32)

    def _taken(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[Any]:
        """Take steps, (n_steps, n_networks, batch); the sums of loss and error over them, (2, n_networks)."""
        at_once = max(1, _INDICES_A_CALL // (len(self._folds) * self._batch))
        parts = [rows[start : start + at_once] for start in range(0, len(rows), at_once)]
        return np.asarray(np.sum([self._loop.run(part) * len(part) for part in parts], axis=0))

    def _errors(self) -> npt.NDArray[np.float64]:
        """What each network's epoch is judged by, (n_networks,).

        With several networks, rows that a network is measured by do not judge it: they would have chosen its weights.
        """
        outputs = self.unseen()
        n = len(self._folds)
        pairs = zip(self._folds, outputs, strict=True)
        alone: Float64 = np.array([self._score(fold.validation, found) for fold, found in pairs])
        self._alone = alone
        if n == 1 or not np.isfinite(alone).all():
            return alone
        if self._shared:
            return np.full(n, self._score(self._folds[0].validation, np.concatenate(outputs)), np.float64)
        sizes = np.array([len(fold.validation) for fold in self._folds], np.float64)
        others: Float64 = (alone @ sizes - alone * sizes) / (sizes.sum() - sizes)
        if self._repeats < 2:
            return np.asarray(others)
        together = self._together(outputs)
        if not self._objective.averages:
            return together
        # The error of a mean of m networks is c + v / m; two of them tell c and v.
        removed = (others - together) / (1.0 - 1.0 / self._repeats)
        judged: Float64 = together - removed * (1.0 / self._repeats - 1.0 / n)
        return judged

    def _together(self, outputs: list[Float32]) -> npt.NDArray[np.float64]:
        """For each network, the error of the repeats' joint answers to the rows that it saw."""
        rows = left_out(self._folds, self._repeats)
        answers = np.concatenate(joint(self._folds, self._repeats, outputs, len(self._problem.y)))
        scores = []
        for fold in self._folds:
            judging = np.setdiff1d(rows, fold.validation, assume_unique=True)
            scores.append(self._score(judging, answers[:, judging]))
        return np.array(scores)

    def _score(self, rows: npt.NDArray[np.int64], outputs: Float32) -> float:
        weight = self._problem.weight
        return self._objective.score(self._problem.y[rows], outputs, None if weight is None else weight[rows])

    def _keep(self, epoch: int, errors: npt.NDArray[np.float64]) -> None:
        better = errors < self._best
        if not better.any():
            return
        self._best[better] = errors[better]
        self.best_epochs[better] = epoch
        weights = self._loop.weights()
        if not self._kept:
            self._kept = weights
            return
        for kept, now in zip(self._kept, weights, strict=True):
            kept[better] = now[better]
