"""Batches as training takes them: typed, rows without a target left out, columns as their kinds say."""

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
    """Usable rows.

    Attributes:
        numbers: uint64 (n_samples,), of the rows in the table.
        frame: the rows, all columns, features as their kinds say.
        y: float64 (n_samples, n_targets).
        infinite: infinities by column, those that have some; they are missing in ``frame``.
    """

    numbers: npt.NDArray[np.uint64]
    frame: pl.DataFrame
    y: npt.NDArray[np.float64]
    infinite: dict[str, int]


class Rows:
    """All usable rows of a source, the same in each pass.

    Args:
        source: of the rows.
        batch_rows: read at once.
        texts: what the columns of text are.
        targets: columns to predict.
        kinds: of the columns that may be features, as the user says or None.
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

    def batches(self, left_out: Callable[[pl.DataFrame], None] | None = None) -> Iterator[Batch]:
        """Batches, those without a usable row left out.

        Args:
            left_out: is shown the other rows of each batch, where there are some. Defaults to None.

        Raises:
            DataError: see :meth:`ParquetSource.batches`, or a value that does not fit the kind of its column.
        """
        for start, frame in self._source.batches(self._batch_rows):
            typed = self._texts.frame(frame)
            y = typed.select(pl.col(self._targets).cast(pl.Float64).fill_null(np.nan)).to_numpy()
            usable = np.isfinite(y).all(axis=1)
            if left_out is not None and not usable.all():
                left_out(typed.filter(~pl.Series(usable)))
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
