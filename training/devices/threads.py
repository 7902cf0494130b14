"""The number of threads that a piece of work should take."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import polars
from threadpoolctl import threadpool_limits

# With fewer rows OpenMP's threads wait for each other longer than they work, most of all beside other processes.
_MANY_ROWS = 50_000


@contextlib.contextmanager
def few_threads(n_rows: int) -> Iterator[None]:
    """Run scikit-learn on one thread for a table of few rows, and on all of them for a large one.

    Args:
        n_rows: rows of the table.
    """
    with threadpool_limits(1 if n_rows < _MANY_ROWS else None):
        yield


def usable_cores() -> int:
    """Cores that this process may use at once, by its affinity and its container's quota; polars counts them."""
    return polars.thread_pool_size()
