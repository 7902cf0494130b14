"""Makes rows without labels from near real ones, so that a student is also taught between the rows of the table."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from artifact.rows.encoding import Encoded

# The share of a row's features that come from its neighbour.
_SHARE = 0.4
_NEIGHBOURS = 8
# With more rows than this, rows and neighbours are a sample: all distances would cost more than the student's training.
_MOST_ROWS = 20_000


def near_rows(
    X: Encoded, Z: npt.NDArray[np.float32], count: int, rng: np.random.Generator
) -> tuple[Encoded, npt.NDArray[np.int64]]:
    """Make new rows: each is a real row with some features of a near row (MUNGE, Bucila et al. 2006).

    A number lies between the two rows' values, a category is one of the two. Where one of the rows lacks a number, the
    new row lacks it or has the other's.

    Args:
        X: real rows.
        Z: float32 (n_samples, width), scaled numbers, from which distances are computed. Without columns any row is
            near.
        count: number of new rows.
        rng: random numbers.

    Returns:
        The new rows, and int64 (count,), for each the number of the row that it was made from.
    """
    from sklearn.neighbors import NearestNeighbors

    n = len(X)
    pool = np.arange(n) if n <= _MOST_ROWS else np.sort(rng.choice(n, _MOST_ROWS, replace=False))
    parent = pool[rng.integers(0, len(pool), count)]
    k = min(_NEIGHBOURS, len(pool) - 1)
    if Z.shape[1] and k:
        neighbours = NearestNeighbors(n_neighbors=k + 1).fit(Z[pool]).kneighbors(Z[pool], return_distance=False)
        at = np.searchsorted(pool, parent)
        other = pool[neighbours[at, rng.integers(1, k + 1, count)]]
    else:
        other = pool[rng.integers(0, len(pool), count)]
    a, b = X.numeric[parent], X.numeric[other]
    towards = rng.random(a.shape, dtype=np.float32)
    between = np.where(np.isnan(a) | np.isnan(b), b, a + towards * (b - a))
    numeric = np.where(rng.random(a.shape) < _SHARE, between, a).astype(np.float32)
    swapped = rng.random((count, X.categorical.shape[1])) < _SHARE
    categorical = np.where(swapped, X.categorical[other], X.categorical[parent]).astype(np.int32)
    return Encoded(numeric, categorical), parent
