"""Rows with the smallest keys of a stream: a sample where keys are random, the newest where they are times."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.errors import DataError
from training.table.parquet import alone

Keys = npt.NDArray[Any]
# Rows with one key stay together; so many times the rows asked for are the most that is held for that.
_MOST_TIMES = 4


class Draw:
    """Keeps the rows with the smallest keys, at least ``n_rows`` of them where there are; equal keys stay together.

    Args:
        n_rows: how many.
        what: has equal keys, for the error that too many of them are.
    """

    def __init__(self, n_rows: int, what: str = "rows") -> None:
        self._n_rows, self._what = n_rows, what
        self._keys: list[Keys] = []
        self._frames: list[pl.DataFrame] = []
        self._held = 0
        # No key above it is among the smallest any more; None while every row is kept.
        self._bound: Any = None

    def add(self, keys: Keys, frame: pl.DataFrame) -> None:
        """Take in rows.

        Args:
            keys: (n_samples,).
            frame: their rows.

        Raises:
            DataError: more rows of one key than may be held.
        """
        if self._bound is not None:
            near = keys <= self._bound
            keys, frame = keys[near], frame.filter(pl.Series(near))
        if not len(keys):
            return
        self._keys.append(keys)
        self._frames.append(alone(frame))
        self._held += len(keys)
        if self._held > 2 * self._n_rows:
            self._reduce()

    def rows(self) -> tuple[Keys, pl.DataFrame]:
        """The rows, by ascending key, equal ones in the order of the table.

        Raises:
            TypeError: no row was taken in.
        """
        if not self._frames:
            raise TypeError("Expected rows. Received: none.")
        if self._held > self._n_rows:
            self._reduce()
        keys, frame = np.concatenate(self._keys), pl.concat(self._frames)
        order = np.argsort(keys, kind="stable")
        return keys[order], frame[order]

    def _reduce(self) -> None:
        keys, frame = np.concatenate(self._keys), pl.concat(self._frames)
        self._bound = np.partition(keys, self._n_rows - 1)[self._n_rows - 1]
        near = keys <= self._bound
        self._keys, self._frames = [keys[near]], [alone(frame.filter(pl.Series(near)))]
        self._held = int(near.sum())
        if self._held > _MOST_TIMES * self._n_rows:
            raise DataError(
                f"Expected {self._what} of at most {_MOST_TIMES * self._n_rows:,} rows each where a table is streamed. "
                f"Received: {self._held:,} rows to be held out together. Take a column that tells them apart, or "
                "--no-stream if the table fits into memory."
            )


def hashed(numbers: npt.NDArray[np.uint64], seed: int) -> npt.NDArray[np.uint64]:
    """Row numbers as random numbers, different ones as different ones (SplitMix64)."""
    with np.errstate(over="ignore"):
        z = numbers + np.uint64(0x9E3779B97F4A7C15) * np.uint64((2 * seed + 1) % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
