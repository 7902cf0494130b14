"""Rows without labels, made from near real ones: what a student is taught between the rows of the table."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from artifact.rows.encoding import Encoded

# Of a row's features so many come from its neighbour.
_SHARE = 0.4
_NEIGHBOURS = 8
# Distances of more rows cost more than the student's training; beyond it every row has neighbours among a draw.
_MOST_ROWS = 20_000


def near_rows(
    X: Encoded, Z: npt.NDArray[np.float32], count: int, rng: np.random.Generator
) -> tuple[Encoded, npt.NDArray[np.int64]]:
    """New rows, each a real one with some features of a near row of the same rows (Bucila et al. 2006, MUNGE).

    A number lies anywhere between the two rows' values, a category is one of the two. A value that is missing in one
    of them is missing or the other's.

    Args:
        X: real rows.
        Z: float32 (n_samples, width), by which rows are near: scaled numbers. Of no columns, any row is near.
        count: of new rows.
        rng: random numbers.

    Returns:
        The new rows, and of each the number of the row that it is mostly like.
    """
    from sklearn.neighbors import NearestNeighbors

    n = len(X)
    among = np.arange(n) if n <= _MOST_ROWS else np.sort(rng.choice(n, _MOST_ROWS, replace=False))
    parent = among[rng.integers(0, len(among), count)]
    k = min(_NEIGHBOURS, len(among) - 1)
    if Z.shape[1] and k:
        found = NearestNeighbors(n_neighbors=k + 1).fit(Z[among]).kneighbors(Z[among], return_distance=False)
        at = np.searchsorted(among, parent)
        other = among[found[at, rng.integers(1, k + 1, count)]]
    else:
        other = among[rng.integers(0, len(among), count)]
    a, b = X.numeric[parent], X.numeric[other]
    towards = rng.random(a.shape, dtype=np.float32)
    between = np.where(np.isnan(a) | np.isnan(b), b, a + towards * (b - a))
    numeric = np.where(rng.random(a.shape) < _SHARE, between, a).astype(np.float32)
    swapped = rng.random((count, X.categorical.shape[1])) < _SHARE
    categorical = np.where(swapped, X.categorical[other], X.categorical[parent]).astype(np.int32)
    return Encoded(numeric, categorical), parent
