"""The epochs of one fit: which of them each network keeps is decided by rows that it has not seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from artifact.errors import TruelineError
from training.fit.judging import Judge
from training.fit.loops import Loop
from training.fit.loops.problem import Steps
from training.fit.population import Population

Float32 = npt.NDArray[np.float32]
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


class Limits(NamedTuple):
    """How long a run may be.

    Attributes:
        epochs: at most.
        patience: epochs without a better error before stopping.
        steps: of each network.
    """

    epochs: int
    patience: int
    steps: Steps


class Epochs:
    """Runs epochs and keeps the best weights of each network.

    Args:
        loop: takes the steps.
        judge: gives the errors by which an epoch is chosen.
        population: the networks of the loop.
        limits: how long the run may be.
        has_start: whether the weights before the first epoch are some that may be kept, as epoch 0. Defaults to False.

    Attributes:
        best_epochs: int (n_networks,), the 1-based epoch whose weights each network has in the end.
        history: ``train`` and ``validation`` error by epoch, means over the networks as they are judged;
            ``train_low``, ``train_high`` and so on: the least and the largest of a single network.
    """

    def __init__(
        self, loop: Loop, judge: Judge, population: Population, limits: Limits, *, has_start: bool = False
    ) -> None:
        self._has_start = has_start
        self._loop, self._judge, self._limits, self._folds = loop, judge, limits, population.folds
        self._rng = np.random.default_rng(population.config.seed)
        n = len(population)
        longest = max((len(fold.validation) for fold in self._folds), default=0)
        self._validation = np.stack([np.resize(f.validation, longest) for f in self._folds]).astype(np.int32)
        self.best_epochs = np.zeros(n, np.int64)
        self._best = np.full(n, np.inf)
        self._best_weights: list[npt.NDArray[Any]] = []
        self.history: dict[str, list[float]] = {"train": [], "validation": []}

    def to_the_end(self, progress: Progress | None, stop_at: int | None) -> None:
        """All epochs, or until none of the networks has become better for ``patience`` of them.

        Args:
            progress: called after each epoch with epoch, epochs and the mean of the errors that judge it.
            stop_at: keep the weights of this epoch, whatever the validation rows say; 0: those before the first.

        Raises:
            DivergedError: the loss or the validation error was not a number.
        """
        if self._has_start and stop_at is None:
            errors = self._judge.errors(self.unseen()).judged
            if np.isfinite(errors).all():
                self._keep(0, errors)
        for epoch in range(1, (self._limits.epochs if stop_at is None else stop_at) + 1):
            loss, error = self._epoch()
            if not np.isfinite(loss).all():
                raise DivergedError(epoch)
            self._record("train", error.mean(), error)
            if stop_at is None:
                alone, judged = self._judge.errors(self.unseen())
                if not np.isfinite(judged).all():
                    raise DivergedError(epoch)
                self._record("validation", judged.mean(), alone)
                self._keep(epoch, judged)
            if progress is not None:
                progress(epoch, self._limits.epochs, (self.history["validation"] or [math.nan])[-1])
            if stop_at is None and epoch - self.best_epochs.max() >= self._limits.patience:
                break
        if stop_at is None:
            self._loop.set_weights(self._best_weights)
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
        batch, steps, _ = self._limits.steps
        drawn = [self._rng.permutation(f.train)[: steps * batch].reshape(steps, batch) for f in self._folds]
        return np.asarray(self._taken(np.stack(drawn, axis=1).astype(np.int32)) / steps, np.float32)

    def _taken(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[Any]:
        """Take steps, (n_steps, n_networks, batch); the sums of loss and error over them, (2, n_networks)."""
        at_once = max(1, _INDICES_A_CALL // (len(self._folds) * self._limits.steps.batch))
        parts = [rows[start : start + at_once] for start in range(0, len(rows), at_once)]
        return np.asarray(np.sum([self._loop.run(part) * len(part) for part in parts], axis=0))

    def _keep(self, epoch: int, errors: npt.NDArray[np.float64]) -> None:
        better = errors < self._best
        if not better.any():
            return
        self._best[better] = errors[better]
        self.best_epochs[better] = epoch
        weights = self._loop.weights()
        if not self._best_weights:
            self._best_weights = weights
            return
        for best, now in zip(self._best_weights, weights, strict=True):
            best[better] = now[better]
