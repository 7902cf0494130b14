"""Counts a column's different values, and the rows of each of its texts, in bounded memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from training.table.parquet import alone

UInt64 = npt.NDArray[np.uint64]
# Number of different values up to which the count is exact; above, its standard error is 1/128.
EXACT = 16_384
_SPACE = 2.0**64
_SEED = 7


class Distinct:
    """Number of different values, estimated from their smallest hashes (k minimum values, Bar-Yossef et al. 2002).

    Attributes:
        smallest: uint64, the smallest different hashes, ascending; at most :data:`EXACT`.
    """

    def __init__(self) -> None:
        self.smallest: UInt64 = np.zeros(0, np.uint64)

    def add(self, values: pl.Series) -> None:
        """Take in values that are not missing."""
        hashes = values.hash(_SEED).to_numpy()
        if len(self.smallest) == EXACT:
            hashes = hashes[hashes < self.smallest[-1]]
        if len(hashes):
            self.smallest = np.union1d(self.smallest, hashes)[:EXACT]

    @property
    def count(self) -> int:
        """Number of different values: exact up to :data:`EXACT`, to three digits above."""
        if len(self.smallest) < EXACT:
            return len(self.smallest)
        return int(float(f"{(EXACT - 1) * _SPACE / float(self.smallest[-1]):.3g}"))


class TextCounts:
    """Number of rows of each text in a column.

    If there are more than ``most`` different texts, the rarest are forgotten. A forgotten text that comes again starts
    at 0, so its number may be too low.

    Args:
        name: the column's name.
        most: largest number of different texts that are counted.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name, self._most = name, most
        self._counts = pl.DataFrame(schema={name: pl.String, "count": pl.Int64})
        self.forgotten = False

    def add(self, column: pl.Series, sign: int = 1) -> None:
        """Count the texts of a batch; ``sign`` -1 takes them out again."""
        counts = column.drop_nulls().value_counts().with_columns(pl.col("count").cast(pl.Int64) * sign)
        both = pl.concat([self._counts, counts.select(self._name, "count")])
        self._counts = alone(both.group_by(self._name).agg(pl.col("count").sum()))
        # Texts are forgotten only when there are more than twice as many: otherwise each batch would sort all of them.
        if self._counts.height > 2 * self._most:
            self._counts = self._counts.top_k(self._most, by=["count", self._name])
            self.forgotten = True

    @property
    def counts(self) -> pl.DataFrame:
        """The texts with ``count``, their number of rows, at least 1."""
        return self._counts.filter(pl.col("count") > 0)
