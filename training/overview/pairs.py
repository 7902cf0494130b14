"""Alerts on pairs of columns that hold the same information: correlated numbers, and categories that match."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.rows.schema import Feature
from training.overview.alerts import Alert

Float64 = npt.NDArray[np.float64]

# Two numbers hold nearly the same information from this rank correlation on.
LIMIT = 0.95
# Largest numbers of rows and columns. More rows show nothing new; more columns would take longer than a person waits.
_MAX_ROWS, _MAX_NUMBERS, _MAX_CATEGORIES = 5_000, 500, 30
_SHOWN = 10
_FEWEST_ROWS = 30


def pair_alerts(frame: pl.DataFrame, features: list[Feature], seed: int = 0) -> Iterator[Alert]:
    """Alerts on the ten closest pairs of numbers, on how many more there are, and on each pair of categories.

    Args:
        frame: the features' columns in the types that training gives them.
        features: the features.
        seed: seed of the sample, at most 5,000 rows. Defaults to 0.
    """
    if frame.height < _FEWEST_ROWS:
        return
    sample = frame.sample(_MAX_ROWS, seed=seed) if frame.height > _MAX_ROWS else frame
    pairs = _numbers(sample, [f.name for f in features if f.kind in ("number", "integer", "datetime")])
    for a, b, r in pairs[:_SHOWN]:
        yield Alert(
            "pair",
            (a, b),
            f"Columns '{a}' and '{b}' go together (rank correlation {r:+.2f}): the report may show a small importance "
            "for each, since the other one holds the same information.",
        )
    if len(pairs) > _SHOWN:
        yield Alert("pair", (), f"{len(pairs) - _SHOWN} more pairs of columns go together as closely.")
    for a, b in _categories(sample, [f.name for f in features if f.kind in ("category", "boolean")]):
        yield Alert(
            "pair", (a, b), f"Columns '{a}' and '{b}' say the same: each value of one goes with one of the other."
        )


def _numbers(frame: pl.DataFrame, names: list[str]) -> list[tuple[str, str, float]]:
    """Pairs of numbers whose ranks correlate, with the correlation, the closest first."""
    names = names[:_MAX_NUMBERS]
    if len(names) < 2:
        return []
    ranks = frame.select(pl.col(name).rank().cast(pl.Float64) for name in names).to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        r = correlations(ranks)
    rows, columns = np.where(np.triu(np.abs(r) >= LIMIT, 1))
    pairs = [(names[i], names[j], float(r[i, j])) for i, j in zip(rows, columns, strict=True)]
    return sorted(pairs, key=lambda pair: -abs(pair[2]))


def correlations(values: Float64) -> Float64:
    """Pearson's correlation of each pair of columns on rows with both values; NaN if there are too few rows.

    Args:
        values: float64 (n_samples, n_columns), NaN where missing.

    Returns:
        float64 (n_columns, n_columns).
    """
    present = np.isfinite(values)
    mask = present.astype(np.float64)
    # Centre the values at 0, so that squares lose no digits.
    with np.errstate(all="ignore"):
        centred = np.where(present, values - np.nanmean(np.where(present, values, np.nan), axis=0), 0.0)
    n, sums, squares = mask.T @ mask, centred.T @ mask, np.square(centred).T @ mask
    covariance = centred.T @ centred - sums * sums.T / n
    spread = np.clip(squares - np.square(sums) / n, 0.0, None)
    product = np.sqrt(spread * spread.T)
    return np.where((n >= _FEWEST_ROWS) & (product > 1e-9 * n), covariance / product, np.nan)


def _categories(frame: pl.DataFrame, names: list[str]) -> Iterator[tuple[str, str]]:
    """Pairs of columns whose values match one to one. Only columns with at least 3 rows per value on average count."""
    counts = {name: frame[name].n_unique() for name in names}
    alike = [name for name in names[:_MAX_CATEGORIES] if 1 < counts[name] <= frame.height / 3]
    for a, b in combinations(alike, 2):
        if counts[a] == counts[b] == frame.select(pl.struct(a, b).n_unique()).item():
            yield a, b
