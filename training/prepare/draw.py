"""Draws the rows with the smallest keys from a stream: a sample for random keys, the newest rows for times."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.errors import DataError
from training.table.parquet import alone

Keys = npt.NDArray[Any]
# Rows with equal keys stay together, so more rows may be in memory than are wanted: at most this many times as many.
_MOST_TIMES = 4


class Draw:
    """Keeps the ``n_rows`` rows with the smallest keys, and every other row whose key equals the largest of these.

    Args:
        n_rows: number of rows to keep.
        what: what has equal keys, in words, for the error about too many rows with one key.

    Attributes:
        parts: the rows in memory with their keys, in the parts in which they came: at most twice ``n_rows`` rows after
            each :meth:`add`, and more only where keys are equal.
    """

    def __init__(self, n_rows: int, what: str = "rows") -> None:
        self._n_rows, self._what = n_rows, what
        self.parts: list[tuple[Keys, pl.DataFrame]] = []
        # Rows with keys above this bound are not kept any more; None while every row is kept.
        self._bound: Any = None

    def add(self, keys: Keys, frame: pl.DataFrame) -> None:
        """Take in rows.

        Args:
            keys: (n_samples,), each row's key.
            frame: the rows.

        Raises:
            DataError: more rows have one key than may be in memory.
        """
        if self._bound is not None:
            near = keys <= self._bound
            keys, frame = keys[near], frame.filter(pl.Series(near))
        if not len(keys):
            return
        self.parts.append((keys, alone(frame)))
        if self._count() > 2 * self._n_rows:
            self._reduce()

    def rows(self) -> tuple[Keys, pl.DataFrame]:
        """The keys and the rows, by ascending key; rows with equal keys in the order of the table.

        Raises:
            TypeError: no row was taken in.
        """
        if not self.parts:
            raise TypeError("Expected rows. Received: none.")
        if self._count() > self._n_rows:
            self._reduce()
        keys, frame = self._joined()
        order = np.argsort(keys, kind="stable")
        return keys[order], frame[order]

    def _count(self) -> int:
        return sum(len(keys) for keys, _ in self.parts)

    def _joined(self) -> tuple[Keys, pl.DataFrame]:
        return np.concatenate([keys for keys, _ in self.parts]), pl.concat([frame for _, frame in self.parts])

    def _reduce(self) -> None:
        keys, frame = self._joined()
        self._bound = np.partition(keys, self._n_rows - 1)[self._n_rows - 1]
        near = keys <= self._bound
        self.parts = [(keys[near], alone(frame.filter(pl.Series(near))))]
        count = self._count()
        if count > _MOST_TIMES * self._n_rows:
            raise DataError(
                f"Expected {self._what} of at most {_MOST_TIMES * self._n_rows:,} rows each where a table is streamed. "
                f"Received: {count:,} rows to be held out together. Take a column with fewer rows for each "
                "value, or --no-stream if the table fits into memory."
            )


def hashed(numbers: npt.NDArray[np.uint64], seed: int) -> npt.NDArray[np.uint64]:
    """Row numbers as random numbers; different numbers stay different (SplitMix64)."""
    with np.errstate(over="ignore"):
        z = numbers + np.uint64(0x9E3779B97F4A7C15) * np.uint64((2 * seed + 1) % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
