"""Buckets are fixed numbers of rows: a compiled call has one shape, and a request has any number of rows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.runtimes.chunks import chunks

# Every bucket is compiled at load, so there are few. Each is four times the one before: a call computes at most four
# times as many rows as it needs.
BUCKETS = (1, 4, 16, 64, 256, 1024, 4096)


def cut(n_rows: int) -> Iterator[tuple[int, int, int]]:
    """The calls that answer ``n_rows``: first row, row after the last, and bucket of each. Zero rows take one call.

    Example:
        >>> list(cut(5000))
        [(0, 4096, 4096), (4096, 5000, 1024)]
    """
    for rows in chunks(n_rows, BUCKETS[-1]):
        yield rows.start, rows.stop, BUCKETS[bisect_left(BUCKETS, max(rows.stop - rows.start, 1))]


def computed_rows(n_rows: int) -> int:
    """The number of rows in all the buckets that ``n_rows`` need."""
    return sum(bucket for _, _, bucket in cut(n_rows))


def pad(rows: npt.NDArray[Any], bucket: int) -> npt.NDArray[Any]:
    """The rows, then rows of zeros up to the bucket's number."""
    if len(rows) == bucket:
        return rows
    padded = np.zeros((bucket, rows.shape[1]), rows.dtype)
    padded[: len(rows)] = rows
    return padded
