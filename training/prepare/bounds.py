"""How much of a streamed table is in memory at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits on what is held; none grows with the rows of the table.

    Attributes:
        batch_rows: read and encoded at once.
        chunk_rows: that train between two replacements of the loop's table, at most.
        chunk_bytes: of such a chunk, at most.
        sample_rows: training rows in memory, at most: medians, bins, baselines and the profile are fitted on them.
        sample_cells: values of that sample, at most.
        texts: different texts of a column that are counted.
        least_sample: rows of the sample of however wide a table.
    """

    batch_rows: int = 65_536
    chunk_rows: int = 262_144
    chunk_bytes: int = 128 * 1024**2
    sample_rows: int = 200_000
    sample_cells: int = 20_000_000
    texts: int = 100_000
    least_sample: int = 20_000

    def sample(self, n_columns: int) -> int:
        """Rows of the sample of a table of so many columns."""
        fitting = max(self.least_sample, self.sample_cells // max(1, n_columns))
        return min(self.sample_rows, fitting)

    def chunk(self, row_bytes: int) -> int:
        """Rows of a chunk, of so many bytes each."""
        return max(1, min(self.chunk_rows, self.chunk_bytes // max(1, row_bytes)))
