"""Limits on how much of a streamed table is in memory at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits on what is in memory; none grows with the rows of the table.

    Attributes:
        batch_rows: rows that are read and encoded at once.
        chunk_rows: largest number of rows of a chunk; the loop's table is replaced after each chunk.
        chunk_bytes: largest size of a chunk, bytes.
        sample_rows: largest number of rows of the sample of training rows; medians, bins, baselines and the profile are
            fitted on it.
        sample_cells: largest number of values of this sample.
        texts: largest number of different texts of a column that are counted.
        least_sample: smallest number of rows of the sample, however wide the table is.
    """

    batch_rows: int = 65_536
    chunk_rows: int = 262_144
    chunk_bytes: int = 128 * 1024**2
    sample_rows: int = 200_000
    sample_cells: int = 20_000_000
    texts: int = 100_000
    least_sample: int = 20_000

    def sample(self, n_columns: int) -> int:
        """Rows of the sample of a table with ``n_columns`` columns."""
        fitting = max(self.least_sample, self.sample_cells // max(1, n_columns))
        return min(self.sample_rows, fitting)

    def chunk(self, row_bytes: int) -> int:
        """Rows of a chunk, if a row takes ``row_bytes`` bytes."""
        return max(1, min(self.chunk_rows, self.chunk_bytes // max(1, row_bytes)))
