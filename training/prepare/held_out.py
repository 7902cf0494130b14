"""Holds rows of a streamed table out: those with the smallest keys."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from training.prepare.draw import Keys, hashed
from training.table.split import Indices, Moments, check_no_time_missing

_ORDER = ("test", "calibration", "validation")


class HeldOut:
    """Gives each row a key. The rows with the smallest keys are held out; the others train.

    Among the held-out rows, those with the smallest keys test, the next ones calibrate, and the last ones validate.

    A row's key is a seeded hash of its number. With groups it is a hash of the group, so that a group stays together.
    With times it is the moment, the newest first, so that rows of one moment stay together.

    Args:
        seed: seed of the hashes.
        group, time: column of groups or of times, at most one of the two, or None.
    """

    def __init__(self, seed: int, group: str | None = None, time: str | None = None) -> None:
        self._seed, self._group, self._time = seed, group, time
        self._missing = 0
        # The first and the last moment so far.
        self._ends: list[Any] = []

    @property
    def what(self) -> str:
        """What has equal keys, in words."""
        if self._group:
            return f"groups in '{self._group}'"
        return f"moments in '{self._time}'" if self._time else "rows"

    def keys(self, numbers: npt.NDArray[np.uint64], frame: pl.DataFrame) -> Keys:
        """The keys of rows, (n_samples,); rows without a moment have the largest key.

        Args:
            numbers: uint64 (n_samples,), numbers of the rows in the table.
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
        """Check the moments once all rows have keys.

        Raises:
            DataError: some rows have no moment.
        """
        if self._time:
            check_no_time_missing(self._time, self._missing)

    def moments(self, n_rows: int) -> Moments | None:
        """The moments of all ``n_rows`` rows; None without a column of times."""
        return Moments(self._time, n_rows, min(self._ends), max(self._ends)) if self._time else None

    def _add_moments(self, column: pl.Series) -> None:
        self._missing += column.null_count()
        ends = [*self._ends, column.min(), column.max()]
        present: list[Any] = [end for end in ends if end is not None]
        self._ends = [min(present), max(present)] if present else []

    def cut(self, keys: Keys, sizes: dict[str, int]) -> tuple[dict[str, Indices], Any]:
        """Cut the rows with the smallest keys into parts.

        A group stays whole, so that a part may be larger than planned. Rows of one moment go to the part of earlier
        moments, so that a part may be smaller, as in :mod:`training.table.split`.

        Args:
            keys: (n_samples,), ascending.
            sizes: planned number of rows of each part.

        Returns:
            Positions in ``keys`` of each part's rows, and the largest key that is held out, None for none.
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
