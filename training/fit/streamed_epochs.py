"""The epochs of a fit whose rows come chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from training.fit.chunks import Chunks
from training.fit.epochs import Epochs, Limits, Progress, Review
from training.fit.judging import Judge
from training.fit.loops import Loop
from training.fit.loops.problem import Table
from training.fit.population import Population


class StreamedEpochs(Epochs):
    """Epochs over all chunks; each epoch takes the chunks, and the rows of each, in a new order.

    Args:
        chunks: chunks of the rows that train.
        loop, judge, population, limits, has_start: as :class:`training.fit.epochs.Epochs` takes them.
    """

    def __init__(
        self,
        chunks: Chunks,
        loop: Loop,
        judge: Judge,
        population: Population,
        limits: Limits,
        *,
        has_start: bool = False,
    ) -> None:
        super().__init__(loop, judge, population, limits, has_start=has_start)
        self._chunks = chunks
        self._tables: Iterator[tuple[int, Table]] = iter(())
        # The order of chunks has a generator of its own: a chunk is drawn while the rows of the one before it are being
        # ordered.
        self._orders = np.random.default_rng([population.config.seed, 1])
        self._n_chunks = chunks.n_chunks

    def to_the_end(self, progress: Progress | None, stop_at: int | None, review: Review | None = None) -> None:
        """See :meth:`Epochs.to_the_end`; the thread that reads ahead ends with it."""
        with self._chunks.opened(self._order(stop_at or self._limits.epochs)) as self._tables:
            super().to_the_end(progress, stop_at, review)

    def _order(self, epochs: int) -> Iterator[int]:
        for _ in range(epochs):
            yield from map(int, self._orders.permutation(self._n_chunks))

    def _epoch(self) -> npt.NDArray[np.float32]:
        total: Any = 0.0
        for _ in range(self._n_chunks):
            chunk, table = next(self._tables)
            self._loop.replace(table)
            rows = self._chunks.rows(chunk)
            steps = len(rows) // self._limits.steps.batch
            total = total + self._take(self._ordered([rows] * len(self._population), steps))
        return np.asarray(total / self._limits.steps.epoch, np.float32)
