"""Batches of usable rows: typed, without rows that lack a target, each column in its kind's type."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.rows.schema import Kind
from training.prepare.texts import StreamTexts
from training.table.infer import finite
from training.table.parquet import ParquetSource


class Batch(NamedTuple):
    """A batch of usable rows.

    Attributes:
        numbers: uint64 (n_samples,), numbers of the rows in the table.
        frame: all columns of the rows, features in their kinds' types.
        y: float64 (n_samples, n_targets), targets.
        infinite: number of infinities by column, where there are some; they are missing in ``frame``.
    """

    numbers: npt.NDArray[np.uint64]
    frame: pl.DataFrame
    y: npt.NDArray[np.float64]
    infinite: dict[str, int]


class Rows:
    """All usable rows of a source, the same in each pass.

    Args:
        source: the table.
        batch_rows: number of rows that are read at once.
        texts: how the columns of texts are read.
        targets: columns to predict.
        kinds: kind of each column that may be a feature, as the user says or None.
    """

    def __init__(
        self,
        source: ParquetSource,
        batch_rows: int,
        texts: StreamTexts,
        targets: Sequence[str],
        kinds: Mapping[str, Kind | None],
    ) -> None:
        self._source, self._batch_rows, self._texts = source, batch_rows, texts
        self._targets, self._kinds = list(targets), dict(kinds)

    def batches(self, add_left_out: Callable[[pl.DataFrame], None] | None = None) -> Iterator[Batch]:
        """The batches that have usable rows.

        Args:
            add_left_out: takes in the other rows of each batch. Defaults to None.

        Raises:
            DataError: see :meth:`ParquetSource.batches`, or a value does not fit the kind of its column.
        """
        for start, frame in self._source.batches(self._batch_rows):
            typed = self._texts.frame(frame)
            y = typed.select(pl.col(self._targets).cast(pl.Float64).fill_null(np.nan)).to_numpy()
            usable = np.isfinite(y).all(axis=1)
            if add_left_out is not None and not usable.all():
                add_left_out(typed.filter(~pl.Series(usable)))
            if usable.any():
                numbers = np.flatnonzero(usable).astype(np.uint64) + np.uint64(start)
                yield self._batch(numbers, typed.filter(pl.Series(usable)), y[usable].astype(np.float64))

    def _batch(self, numbers: npt.NDArray[np.uint64], frame: pl.DataFrame, y: npt.NDArray[np.float64]) -> Batch:
        infinite, cleaned = {}, []
        for name, kind in self._kinds.items():
            column, count = finite(frame[name], kind)
            cleaned.append(column)
            if count:
                infinite[name] = count
        return Batch(numbers, frame.with_columns(cleaned), y, infinite)
