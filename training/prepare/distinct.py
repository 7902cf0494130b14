"""How many different values a column has, and how often each text stands in it, in bounded memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from training.table.parquet import alone

UInt64 = npt.NDArray[np.uint64]
# Different values up to which their number is exact; above, its standard error is 1/128.
EXACT = 16_384
_SPACE = 2.0**64
_SEED = 7


class Distinct:
    """Number of different values, by the smallest of their hashes (k minimum values, Bar-Yossef et al. 2002)."""

    def __init__(self) -> None:
        self._kept: UInt64 = np.zeros(0, np.uint64)

    def add(self, values: pl.Series) -> None:
        """Count present values in."""
        hashes = values.hash(_SEED).to_numpy()
        if len(self._kept) == EXACT:
            hashes = hashes[hashes < self._kept[-1]]
        if len(hashes):
            self._kept = np.union1d(self._kept, hashes)[:EXACT]

    @property
    def count(self) -> int:
        """Exact up to :data:`EXACT`; above, to three digits."""
        if len(self._kept) < EXACT:
            return len(self._kept)
        return int(float(f"{(EXACT - 1) * _SPACE / float(self._kept[-1]):.3g}"))


class TextCounts:
    """How often each text stands in a column.

    Of more texts than ``most`` the rarest are forgotten: what is counted again later has lost what it had.

    Args:
        name: of the column.
        most: different texts that are counted.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name, self._most = name, most
        self._counts = pl.DataFrame(schema={name: pl.String, "count": pl.Int64})
        self.forgotten = False

    def add(self, column: pl.Series, sign: int = 1) -> None:
        """Count a batch in; with ``sign`` -1 out again."""
        found = column.drop_nulls().value_counts().with_columns(pl.col("count").cast(pl.Int64) * sign)
        both = pl.concat([self._counts, found.select(self._name, "count")])
        self._counts = alone(both.group_by(self._name).agg(pl.col("count").sum()))
        # Twice as many in between: else each batch would sort them.
        if self._counts.height > 2 * self._most:
            self._counts = self._counts.top_k(self._most, by=["count", self._name])
            self.forgotten = True

    @property
    def counts(self) -> pl.DataFrame:
        """The texts, and ``count``, at least 1."""
        return self._counts.filter(pl.col("count") > 0)
