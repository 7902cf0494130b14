"""The epochs of one fit: which of them each network keeps is decided by rows that it has not seen."""

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
# Asked after each judged epoch but the last with its number and the error of each network on its own validation rows,
# float64 (n_networks,), NaN where one was dropped before or has diverged. It says which go on, bool (n_networks,).
Review = Callable[[int, npt.NDArray[np.float64]], npt.NDArray[np.bool_]]
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

    A review may drop networks after an epoch while the others go on. Those that are dropped take steps, whose results
    nobody asks for, until half of the loop's networks are gone: then the others go on in a loop of their own. So a run
    is compiled anew at most as often as its networks can be halved.

    Args:
        loop: takes the steps.
        judge: gives the errors by which an epoch is chosen.
        population: the networks of the loop.
        limits: how long the run may be.
        has_start: whether the weights before the first epoch are some that may be kept, as epoch 0. Defaults to False.

    Attributes:
        best_epochs: int (n_networks,), the 1-based epoch whose weights each network has in the end.
        networks: int64 (n_going,), numbers of those that go on, ascending.
        history: ``train`` and ``validation`` error by epoch, means over the networks that go on as they are judged;
            ``train_low``, ``train_high`` and so on: the least and the largest of a single network.
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
        # The loop may still hold some that do not go on.
        self.networks = self._in_loop = np.arange(n)

    def to_the_end(self, progress: Progress | None, stop_at: int | None, review: Review | None = None) -> None:
        """All epochs, or until none of the networks has become better for ``patience`` of them.

        Args:
            progress: called after each epoch with epoch, epochs and the mean of the errors that judge it.
            stop_at: keep the weights of this epoch, whatever the validation rows say; 0: those before the first.
            review: see :data:`Review`; it is asked only where epochs are judged. Defaults to None.

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
        """An epoch: its steps, then what became of the networks."""
        loss, error = self._epoch()[:, self._places]
        if review is None and not np.isfinite(loss).all():
            raise DivergedError(epoch)
        if not judged:
            self._record("train", error)
            return
        with np.errstate(all="ignore" if review else None):
            errors = self._judge.errors(self.unseen())
        if review is not None and epoch < self._limits.epochs:
            going = self._reviewed(review, epoch, errors.alone)
            loss, error, errors = loss[going], error[going], Errors(errors.alone[going], errors.judged[going])
        if not (np.isfinite(loss).all() and np.isfinite(errors.judged).all()):
            raise DivergedError(epoch)
        self._record("train", error)
        self._record("validation", errors.alone, float(errors.judged.mean()))
        self._keep(epoch, errors.judged)

    @property
    def _places(self) -> npt.NDArray[np.int64]:
        """Where the networks that go on stand in the loop."""
        return np.searchsorted(self._in_loop, self.networks)

    def _record(self, name: str, by_network: npt.NDArray[np.floating], mean: float | None = None) -> None:
        mean = by_network.mean() if mean is None else mean
        for key, value in ((name, mean), (f"{name}_low", by_network.min()), (f"{name}_high", by_network.max())):
            self.history.setdefault(key, []).append(float(value))

    def _epoch(self) -> Float32:
        """Take the steps of an epoch; mean loss and error of each network of the loop, (2, n_in_loop)."""
        steps = self._limits.steps
        rows = self._ordered([fold.train for fold in self._population.folds], steps.epoch)
        return np.asarray(self._taken(rows) / steps.epoch, np.float32)

    def _ordered(self, rows: Sequence[Indices], steps: int) -> npt.NDArray[np.int32]:
        """Each network's rows in an order of its own, int32 (n_steps, n_in_loop, batch).

        Orders are drawn for those too that are gone, so that the others' do not depend on them.
        """
        batch = self._limits.steps.batch
        drawn = [self._rng.permutation(of_one)[: steps * batch].reshape(steps, batch) for of_one in rows]
        return np.stack([drawn[i] for i in self._in_loop], axis=1).astype(np.int32)

    def _taken(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[Any]:
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
        """Ask which networks go on, and go on with them; bool (n_going_before,), whether each still goes on."""
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
        """Refuse an answer of a review that nothing can go on with."""
        if not answer[self.networks].any():
            raise ValueError("Expected at least one network that goes on. Received: none.")
        goes_on: dict[tuple[int, int], bool] = {}
        for i in self.networks.tolist():
            network = self._population.networks[i]
            cut = network.trial, network.repeat
            if goes_on.setdefault(cut, bool(answer[i])) != answer[i]:
                raise ValueError(
                    "Expected the networks of one repeat to go on or to be dropped together, since their folds cover "
                    f"the rows together. Received: some of repeat {cut[1]} of trial {cut[0]}."
                )
