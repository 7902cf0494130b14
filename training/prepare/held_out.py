"""Which rows of a streamed table are held out: by a key of each row, the smallest first."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from training.prepare.draw import Keys, hashed
from training.table.split import Indices, Moments, check_no_time_missing

_ORDER = ("test", "calibration", "validation")


class HeldOut:
    """Keys of rows; those with the smallest test, then calibrate, then choose the epoch, and all others train.

    A row's key is a seeded hash of its number; with groups of its group, so that a group stays together; with time the
    moment, the newest first, rows of one moment together.

    Args:
        seed: of the hashes.
        group, time: columns, at most one of them, or None.
    """

    def __init__(self, seed: int, group: str | None = None, time: str | None = None) -> None:
        self._seed, self._group, self._time = seed, group, time
        self._missing = 0
        # The first and the last moment so far.
        self._ends: list[Any] = []

    @property
    def what(self) -> str:
        """What shares a key, in words."""
        if self._group:
            return f"groups in '{self._group}'"
        return f"moments in '{self._time}'" if self._time else "rows"

    def keys(self, numbers: npt.NDArray[np.uint64], frame: pl.DataFrame) -> Keys:
        """The keys of rows, (n_samples,); those of a missing moment are the last.

        Args:
            numbers: uint64 (n_samples,), of the rows in the table.
            frame: the rows.
        """
        if self._group:
            texts = frame[self._group].cast(pl.String).fill_null("\0missing")
            return texts.hash(self._seed).to_numpy()
        if not self._time:
            return hashed(numbers, 2 * self._seed)
        column = frame[self._time]
        self._add_moments(column)
        physical = column.to_physical() if column.dtype.is_temporal() else column
        return -physical.cast(pl.Float64).fill_null(-np.inf).to_numpy()

    def check(self) -> None:
        """After all rows.

        Raises:
            DataError: moments were missing.
        """
        if self._time:
            check_no_time_missing(self._time, self._missing)

    def moments(self, n_rows: int) -> Moments | None:
        """The moments of all rows, so many; None where rows have none."""
        return Moments(self._time, n_rows, min(self._ends), max(self._ends)) if self._time else None

    def _add_moments(self, column: pl.Series) -> None:
        self._missing += column.null_count()
        ends = [*self._ends, column.min(), column.max()]
        present: list[Any] = [end for end in ends if end is not None]
        self._ends = [min(present), max(present)] if present else []

    def cut(self, keys: Keys, sizes: dict[str, int]) -> tuple[dict[str, Indices], Any]:
        """The parts among the rows with the smallest keys.

        Groups fill a part, so that it may be larger than planned; rows of one moment go to the earlier part, so that it
        may be smaller, as :mod:`training.table.split` has it.

        Args:
            keys: ascending, (n_samples,).
            sizes: planned rows of each part.

        Returns:
            The rows of each part, indices into ``keys``, and the largest key that is held out, None for none.
        """
        parts: dict[str, Indices] = {}
        start, planned = 0, 0
        for name in _ORDER:
            planned = (planned if self._time else start) + sizes[name]
            end = min(planned, len(keys))
            if end < len(keys) and end > start and keys[end] == keys[end - 1]:
                ends = np.flatnonzero(keys == keys[end - 1])
                end = max(start, int(ends[0] if self._time else ends[-1] + 1))
            parts[name] = np.arange(start, end, dtype=np.int64)
            start = end
        return parts, keys[start - 1] if start else None
