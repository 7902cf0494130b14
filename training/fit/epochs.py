"""The epochs of one fit: each network keeps the weights of its best epoch, which unseen rows choose."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from artifact.errors import TruelineError
from training.fit.judging import Errors, Judge
from training.fit.loops import Loop, reopened
from training.fit.loops.problem import Steps
from training.fit.population import Population
from training.table.split import Indices

Float32 = npt.NDArray[np.float32]
Progress = Callable[[int, int, float], None]
# Called after each judged epoch but the last, with the epoch's number and each network's error on its own validation
# rows, float64 (n_networks,), NaN where a network was dropped before or has diverged. Returns which networks go on,
# bool (n_networks,).
Review = Callable[[int, npt.NDArray[np.float64]], npt.NDArray[np.bool_]]
# Row numbers in one compiled call; more of them save no measurable time.
_INDICES_A_CALL = 2_000_000


class DivergedError(TruelineError):
    """The loss of a training was not a number.

    Args:
        epoch: number of the epoch in which it happened, from 1.
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
        epochs: the most epochs.
        patience: epochs without a better error before stopping.
        steps: the steps of each network.
    """

    epochs: int
    patience: int
    steps: Steps


class Epochs:
    """Runs epochs and keeps the best weights of each network.

    A review may drop networks after an epoch while the others go on. Dropped networks still take steps, whose results
    are not used, until half of the loop's networks are dropped. Then the others go on in a loop of their own. So a run
    is compiled again at most as often as its networks can be halved.

    Args:
        loop: takes the steps.
        judge: gives the errors by which an epoch is chosen.
        population: the networks of the loop.
        limits: how long the run may be.
        has_start: whether the weights before the first epoch may be kept, as epoch 0. Defaults to False.

    Attributes:
        best_epochs: int64 (n_networks,), number, from 1, of the epoch whose weights each network has in the end.
        networks: int64 (n_going,), numbers of the networks that go on, ascending.
        history: errors by epoch. ``train`` is the mean over the networks that go on, ``validation`` the mean of the
            errors that judge them; ``train_low``, ``train_high`` and so on are the least and the largest of a single
            network.
    """

    def __init__(
        self, loop: Loop, judge: Judge, population: Population, limits: Limits, *, has_start: bool = False
    ) -> None:
        self._has_start = has_start
        self._loop, self._judge, self._limits, self._population = loop, judge, limits, population
        self._rng = np.random.default_rng(population.config.seed)
        n, folds = len(population), population.folds
        longest = max((len(fold.validation) for fold in folds), default=0)
        self._validation = np.stack([np.resize(f.validation, longest) for f in folds]).astype(np.int32)
        self.best_epochs = np.zeros(n, np.int64)
        self._best = np.full(n, np.inf)
        self._best_weights: list[npt.NDArray[Any]] = []
        self.history: dict[str, list[float]] = {"train": [], "validation": []}
        # The loop may still hold networks that were dropped.
        self.networks = self._in_loop = np.arange(n)

    def to_the_end(self, progress: Progress | None, stop_at: int | None, review: Review | None = None) -> None:
        """Run all epochs, or stop when no network has become better for ``patience`` epochs.

        Args:
            progress: called after each epoch with epoch, epochs and the mean of the errors that judge it.
            stop_at: keep the weights of this epoch and ignore validation errors; 0: those before the first.
            review: see :data:`Review`; it is called only where epochs are judged. Defaults to None.

        Raises:
            DivergedError: the loss or the validation error of a network that goes on was not a number.
            ValueError: the review drops all networks, or some of those that answer together.
        """
        if self._has_start and stop_at is None:
            errors = self._judge.errors(self.unseen()).judged
            if np.isfinite(errors).all():
                self._keep(0, errors)
        for epoch in range(1, (self._limits.epochs if stop_at is None else stop_at) + 1):
            self._one(epoch, None if stop_at is not None else review, judged=stop_at is None)
            if progress is not None:
                progress(epoch, self._limits.epochs, (self.history["validation"] or [math.nan])[-1])
            if stop_at is None and epoch - self.best_epochs[self.networks].max() >= self._limits.patience:
                break
        if stop_at is None:
            self._loop.set_weights([best[self._in_loop] for best in self._best_weights])
        else:
            self.best_epochs[:] = stop_at
            self._loop.set_weights(self._loop.weights())

    def unseen(self) -> list[Float32]:
        """Outputs of each network that goes on for its validation rows, float32 (n_members, n_rows, n_outputs)."""
        if not self._validation.shape[1]:
            return []
        outputs, folds = self._loop.outputs(self._validation[self._in_loop]), self._population.folds
        pairs = zip(self._places, self.networks, strict=True)
        return [outputs[place, :, : len(folds[i].validation)] for place, i in pairs]

    def weights(self) -> list[npt.NDArray[Any]]:
        """Weights of the networks that go on, each (n_going, ...)."""
        return [values[self._places] for values in self._loop.weights()]

    def _one(self, epoch: int, review: Review | None, *, judged: bool) -> None:
        """Run one epoch: take its steps, judge the networks, record their errors."""
        loss, error = self._epoch()[:, self._places]
        if review is None and not np.isfinite(loss).all():
            raise DivergedError(epoch)
        if not judged:
            self._record("train", error)
            return
        with np.errstate(all="ignore" if review else None):
            errors = self._judge.errors(self.unseen())
        if review is not None and epoch < self._limits.epochs:
            going = self._reviewed(review, epoch, errors.own)
            loss, error, errors = loss[going], error[going], Errors(errors.own[going], errors.judged[going])
        if not (np.isfinite(loss).all() and np.isfinite(errors.judged).all()):
            raise DivergedError(epoch)
        self._record("train", error)
        self._record("validation", errors.own, float(errors.judged.mean()))
        self._keep(epoch, errors.judged)

    @property
    def _places(self) -> npt.NDArray[np.int64]:
        """Positions in the loop of the networks that go on."""
        return np.searchsorted(self._in_loop, self.networks)

    def _record(self, name: str, by_network: npt.NDArray[np.floating], mean: float | None = None) -> None:
        mean = by_network.mean() if mean is None else mean
        for key, value in ((name, mean), (f"{name}_low", by_network.min()), (f"{name}_high", by_network.max())):
            self.history.setdefault(key, []).append(float(value))

    def _epoch(self) -> Float32:
        """Take the steps of an epoch; mean loss and error of each network of the loop, (2, n_in_loop)."""
        steps = self._limits.steps
        rows = self._ordered([fold.train for fold in self._population.folds], steps.epoch)
        return np.asarray(self._take(rows) / steps.epoch, np.float32)

    def _ordered(self, rows: Sequence[Indices], steps: int) -> npt.NDArray[np.int32]:
        """Each network's rows in an order of its own, int32 (n_steps, n_in_loop, batch).

        Dropped networks draw an order, too, so that the other networks' orders do not depend on them.
        """
        batch = self._limits.steps.batch
        orders = [self._rng.permutation(of_one)[: steps * batch].reshape(steps, batch) for of_one in rows]
        return np.stack([orders[i] for i in self._in_loop], axis=1).astype(np.int32)

    def _take(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[Any]:
        """Take steps, (n_steps, n_in_loop, batch); the sums of loss and error over them, (2, n_in_loop)."""
        at_once = max(1, _INDICES_A_CALL // (rows.shape[1] * rows.shape[2]))
        parts = [rows[start : start + at_once] for start in range(0, len(rows), at_once)]
        return np.asarray(np.sum([self._loop.run(part) * len(part) for part in parts], axis=0))

    def _keep(self, epoch: int, errors: npt.NDArray[np.float64]) -> None:
        better = errors < self._best[self.networks]
        if not better.any():
            return
        networks, places = self.networks[better], self._places[better]
        self._best[networks] = errors[better]
        self.best_epochs[networks] = epoch
        weights = self._loop.weights()
        if not self._best_weights:
            self._best_weights = weights
            return
        for best, now in zip(self._best_weights, weights, strict=True):
            best[networks] = now[places]

    def _reviewed(self, review: Review, epoch: int, errors: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Ask the review which networks go on, and drop the others; bool (n_going_before,), whether each goes on."""
        of_all = np.full(len(self._best), np.nan)
        of_all[self.networks] = errors
        answer = np.asarray(review(epoch, of_all), bool)
        going = answer[self.networks]
        self._check(answer)
        self.networks = self.networks[going]
        if not going.all():
            self._judge = self._judge.some(self.networks.tolist())
        if 2 * len(self.networks) <= len(self._in_loop):
            self._loop = reopened(self._loop, self._places.tolist())
            self._in_loop = self.networks
        return going

    def _check(self, answer: npt.NDArray[np.bool_]) -> None:
        """Raise a ValueError where a review drops all networks, or only some of those that answer together."""
        if not answer[self.networks].any():
            raise ValueError("Expected at least one network that goes on. Received: none.")
        goes_on: dict[tuple[int, int], bool] = {}
        for i in self.networks.tolist():
            network = self._population.networks[i]
            repeat = network.trial, network.repeat
            if goes_on.setdefault(repeat, bool(answer[i])) != answer[i]:
                raise ValueError(
                    "Expected the networks of one repeat to go on or to be dropped together, since their folds cover "
                    f"the rows together. Received: some of repeat {repeat[1]} of trial {repeat[0]}."
                )
