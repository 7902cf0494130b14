"""The loop's table, chunk by chunk: the next one is read and scaled while the current one trains."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.runtimes import CATEGORICAL_INPUT, NUMERIC_INPUT
from training.fit.loops.problem import Table
from training.networks.inputs import scaled
from training.prepare.spool import Stream
from training.table.folds import Fold
from training.table.split import Indices

Float64 = npt.NDArray[np.float64]


class Chunks:
    """Tables of one shape: each holds the rows that choose the epoch, then one chunk of the rows that train.

    Args:
        stream: all rows that train.
        layer: the layer that prepares numbers; None where the table has none.
        table: rows in memory, as the loop takes them.
        validation: the rows that choose the epoch, indices into ``table``.
        mean, std: mean and deviation of each target, float64 (n_targets,), offsets subtracted.

    Attributes:
        fold: the rows of a table that train, and those that choose the epoch.
        n_chunks: number of chunks.
        first: the table of chunk 0.
    """

    def __init__(
        self, stream: Stream, layer: Any, table: Table, validation: Indices, mean: Float64, std: Float64
    ) -> None:
        self._stream, self._layer, self._mean, self._std = stream, layer, mean, std
        features = {name: values[validation] for name, values in table.features.items()}
        weight = None if table.weight is None else table.weight[validation]
        self._head = Table(features, table.y[validation], weight)
        self._sizes = stream.spool.sizes
        # Every chunk has at least the rows of the smallest one.
        head, fewest = len(validation), int(self._sizes.min())
        self.fold = Fold(np.arange(head, head + fewest, dtype=np.int64), np.arange(head, dtype=np.int64))
        self.n_chunks = stream.spool.n_chunks
        self.first = self.read(0)

    def steps(self, batch: int) -> int:
        """Steps of all chunks."""
        return int((self._sizes // batch).sum())

    def rows(self, chunk: int) -> Indices:
        """Rows of a chunk's table that train."""
        head = len(self.fold.validation)
        return np.arange(head, head + int(self._sizes[chunk]), dtype=np.int64)

    @contextmanager
    def opened(self, orders: Iterator[int]) -> Iterator[Iterator[tuple[int, Table]]]:
        """Tables of the chunks in ``orders``. One is read ahead, so at most two are in memory beside the loop's own.

        Args:
            orders: numbers of chunks.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="trueline-chunks") as reader:
            yield self._ahead(orders, reader)

    def _ahead(self, orders: Iterator[int], reader: ThreadPoolExecutor) -> Iterator[tuple[int, Table]]:
        waiting: tuple[int, Future[Table]] | None = None
        for chunk in orders:
            coming = (chunk, reader.submit(self.read, chunk))
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = coming
        if waiting is not None:
            yield waiting[0], waiting[1].result()

    def read(self, chunk: int) -> Table:
        """The table of a chunk, from disk: the rows that choose the epoch, then the chunk's rows, scaled.

        Args:
            chunk: number of the chunk.
        """
        part = self._stream.spool.read(chunk)
        features: dict[str, npt.NDArray[Any]] = {}
        if self._layer is not None:
            features[NUMERIC_INPUT] = self._whole(
                self._head.features[NUMERIC_INPUT], scaled(self._layer, part.X.numeric)
            )
        if part.X.categorical.shape[1]:
            features[CATEGORICAL_INPUT] = self._whole(self._head.features[CATEGORICAL_INPUT], part.X.categorical)
        y = ((part.y - self._stream.offsets - self._mean) / self._std).astype(np.float32)
        weight = None
        if part.weight is not None and self._head.weight is not None:
            weight = self._whole(self._head.weight, (part.weight / self._stream.mean_weight).astype(np.float32))
        return Table(features, self._whole(self._head.y, y), weight)

    def _whole(self, head: npt.NDArray[Any], rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The head, then a chunk's rows; the last row is repeated where the chunk is a row short."""
        short = self._stream.spool.chunk_rows - len(rows)
        return np.concatenate([head, rows, *([rows[-1:]] * short)])
