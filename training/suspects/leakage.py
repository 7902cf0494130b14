"""Finds features that tell the target almost alone: more often a leak than a discovery."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from artifact.facts import Leak
from artifact.rows.encoding import Encoded
from artifact.rows.schema import FeatureSchema

Float64 = npt.NDArray[np.float64]

# Share of the order of the target's values that one feature explains, on rows that it was not fitted on.
LIMIT = 0.99
# More rows show nothing new.
_MAX_ROWS = 5_000


def leaks(schema: FeatureSchema, X: Encoded, y: Float64, seed: int) -> list[Leak]:
    """Each feature by which alone a target is known.

    Args:
        schema: of the rows.
        X: encoded rows.
        y: float64 (n_samples, n_targets).
        seed: of the rows that are looked at, at most 5,000.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(y))[:_MAX_ROWS])
    suspects = []
    for j, target in enumerate(schema.targets):
        ranks = _ranks(y[chosen, j])
        found: dict[str, float] = {}
        for name, share in _shares(schema, X, chosen, ranks):
            found[name] = max(share, found.get(name, 0.0))
        suspects += [
            Leak(column=name, target=target.name, share=share) for name, share in found.items() if share > LIMIT
        ]
    return suspects


def empty_count(X: Encoded) -> int:
    """Rows without a value in any feature."""
    return int((np.isnan(X.numeric).all(axis=1) & (X.categorical == 0).all(axis=1)).sum())


def _shares(
    schema: FeatureSchema, X: Encoded, rows: npt.NDArray[np.int64], ranks: Float64
) -> Iterator[tuple[str, float]]:
    """For each column its feature and the share of the ranks' variance that it explains."""
    for column, values in zip(schema.numeric_columns, X.numeric[rows].T, strict=True):
        yield column.feature, _explained(ranks, _interpolated(values.astype(np.float64), ranks))
    for feature, codes in zip(schema.categorical, X.categorical[rows].T, strict=True):
        yield feature.name, _explained(ranks, _means(codes, ranks))


def _ranks(y: Float64) -> Float64:
    """Ranks from 0, equal values at their mean rank: one extreme value counts as any other."""
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts + 1) / 2)[codes], np.float64)


def _explained(ranks: Float64, guesses: Float64) -> float:
    total = float(np.square(ranks - ranks.mean()).sum())
    return 1.0 - float(np.square(ranks - guesses).sum()) / total if total else 0.0


def _interpolated(values: Float64, ranks: Float64) -> Float64:
    """Each row by a line between the nearest values of the other half of the rows; no assumption but a smooth curve."""
    guesses = np.full(len(ranks), ranks.mean())
    present = np.flatnonzero(np.isfinite(values))
    order = present[np.argsort(values[present], kind="stable")]
    for half in (0, 1):
        known, asked = order[half::2], order[1 - half :: 2]
        if len(known):
            at, codes, counts = np.unique(values[known], return_inverse=True, return_counts=True)
            means = np.bincount(codes, weights=ranks[known]) / counts
            guesses[asked] = np.interp(values[asked], at, means)
    return guesses


def _means(codes: npt.NDArray[np.int32], ranks: Float64) -> Float64:
    """Each row by the mean of its category over the other half of the rows."""
    guesses = np.full(len(ranks), ranks.mean())
    size = int(codes.max(initial=0)) + 1
    for half in (0, 1):
        known, asked = np.arange(half, len(ranks), 2), np.arange(1 - half, len(ranks), 2)
        counts = np.bincount(codes[known], minlength=size)
        sums = np.bincount(codes[known], weights=ranks[known], minlength=size)
        seen = counts[codes[asked]] > 0
        guesses[asked[seen]] = (sums / np.maximum(counts, 1))[codes[asked[seen]]]
    return guesses
