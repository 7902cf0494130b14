"""Suspects features that alone give the target: they are more often a leak than a discovery."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from artifact.facts import Leak
from artifact.rows.encoding import Encoded
from artifact.rows.schema import FeatureSchema

Float64 = npt.NDArray[np.float64]

# A feature is suspected if it explains more than this share of the variance of the target's ranks, on rows that were
# not used to fit it.
LIMIT = 0.99
# More rows show nothing new.
_MAX_ROWS = 5_000


def leaks(schema: FeatureSchema, X: Encoded, y: Float64, seed: int) -> list[Leak]:
    """A fact of each feature that alone gives a target.

    Args:
        schema: the rows' schema.
        X: encoded rows.
        y: float64 (n_samples, n_targets).
        seed: seed of the sample, at most 5,000 rows.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(len(y))[:_MAX_ROWS])
    suspects = []
    for j, target in enumerate(schema.targets):
        ranks = _ranks(y[rows, j])
        shares: dict[str, float] = {}
        for name, share in _shares(schema, X, rows, ranks):
            shares[name] = max(share, shares.get(name, 0.0))
        suspects += [
            Leak(column=name, target=target.name, share=share) for name, share in shares.items() if share > LIMIT
        ]
    return suspects


def empty_count(X: Encoded) -> int:
    """Number of rows without a value in any feature."""
    return int((np.isnan(X.numeric).all(axis=1) & (X.categorical == 0).all(axis=1)).sum())


def _shares(
    schema: FeatureSchema, X: Encoded, rows: npt.NDArray[np.int64], ranks: Float64
) -> Iterator[tuple[str, float]]:
    """The feature of each encoded column, and the share of the ranks' variance that the column explains."""
    for column, values in zip(schema.numeric_columns, X.numeric[rows].T, strict=True):
        yield column.feature, _explained(ranks, _interpolated(values.astype(np.float64), ranks))
    for feature, codes in zip(schema.categorical, X.categorical[rows].T, strict=True):
        yield feature.name, _explained(ranks, _means(codes, ranks))


def _ranks(y: Float64) -> Float64:
    """Ranks from 0, equal values at their mean rank. With ranks, an extreme value counts no more than others."""
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts + 1) / 2)[codes], np.float64)


def _explained(ranks: Float64, guesses: Float64) -> float:
    total = float(np.square(ranks - ranks.mean()).sum())
    return 1.0 - float(np.square(ranks - guesses).sum()) / total if total else 0.0


def _interpolated(values: Float64, ranks: Float64) -> Float64:
    """A guess for each row, on the line between the nearest values of the other half of the rows."""
    guesses = np.full(len(ranks), ranks.mean())
    present = np.flatnonzero(np.isfinite(values))
    order = present[np.argsort(values[present], kind="stable")]
    for half in (0, 1):
        fitting, guessed = order[half::2], order[1 - half :: 2]
        if len(fitting):
            at, codes, counts = np.unique(values[fitting], return_inverse=True, return_counts=True)
            means = np.bincount(codes, weights=ranks[fitting]) / counts
            guesses[guessed] = np.interp(values[guessed], at, means)
    return guesses


def _means(codes: npt.NDArray[np.int32], ranks: Float64) -> Float64:
    """A guess for each row: the mean of its category over the other half of the rows."""
    guesses = np.full(len(ranks), ranks.mean())
    size = int(codes.max(initial=0)) + 1
    for half in (0, 1):
        fitting, guessed = np.arange(half, len(ranks), 2), np.arange(1 - half, len(ranks), 2)
        counts = np.bincount(codes[fitting], minlength=size)
        sums = np.bincount(codes[fitting], weights=ranks[fitting], minlength=size)
        has_mean = counts[codes[guessed]] > 0
        guesses[guessed[has_mean]] = (sums / np.maximum(counts, 1))[codes[guessed[has_mean]]]
    return guesses
