"""Suspects columns that give a target exactly, as a sum or difference, or as a product or ratio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.facts import Formula
from artifact.rows.schema import Feature

Float64 = npt.NDArray[np.float64]

# Largest numbers of rows and columns that are searched. More rows show nothing new; more columns would take too long.
_MAX_ROWS, _MAX_COLUMNS = 2_000, 200
_FEWEST_ROWS = 30
# A column with a larger share of missing values is not searched: only rows with a value in every column can be used.
_MOST_MISSING = 0.5
# The largest error of a formula in any row: as a share of the target's deviation; or as a share of its largest value,
# since a target in float32 has only 7 digits.
_EXACT, _FLOAT32 = 1e-6, 4e-7
# A column whose term varies by less than this share of the target's deviation does not belong to the formula.
_NOTHING = 1e-4
_SHOWN = 6


def formulas(frame: pl.DataFrame, features: Sequence[Feature], targets: Sequence[str], seed: int) -> list[Formula]:
    """The formula of each target that two or more columns give exactly.

    Args:
        frame: usable rows with features, in their kinds' types, and targets.
        features: the schema's features.
        targets: columns to predict.
        seed: seed of the sample, at most 2,000 rows.
    """
    names = [f.name for f in features if f.is_numeric and frame[f.name].null_count() <= _MOST_MISSING * frame.height]
    if not 2 <= len(names) <= _MAX_COLUMNS:
        return []
    rows = frame.select(*(_number(frame[name]) for name in names), *(_number(frame[t]) for t in targets)).drop_nulls()
    if rows.height > _MAX_ROWS:
        rows = rows.sample(_MAX_ROWS, seed=seed)
    if rows.height < max(_FEWEST_ROWS, 3 * len(names)):
        return []
    X = rows.select(names).to_numpy().astype(np.float64)
    exact: list[Formula] = []
    for target in targets:
        y = rows[target].to_numpy().astype(np.float64)
        formula = _formula_of(names, target, X, y)
        if formula is not None:
            exact.append(formula)
    return exact


def _formula_of(names: list[str], target: str, X: Float64, y: Float64) -> Formula | None:
    sums = _combined(X, y)
    if len(sums) >= 2:
        plain = all(abs(abs(c) - 1) < 1e-6 for _, c in sums)
        return Formula(
            target=target,
            columns=tuple(names[j] for j, _ in sums),
            form="sum" if plain else "weighted sum",
            formula=_sum(names, sums, plain=plain),
        )
    positive = (X > 0).all(axis=0)
    if (y > 0).all() and positive.sum() >= 2:
        at = np.flatnonzero(positive)
        factors = [(int(at[j]), c) for j, c in _combined(np.log(X[:, at]), np.log(y))]
        if len(factors) >= 2 and all(abs(c - round(c)) < 1e-3 and round(c) for _, c in factors):
            columns = tuple(names[j] for j, _ in factors)
            return Formula(target=target, columns=columns, form="product", formula=_product(names, factors))
    return None


def _combined(X: Float64, y: Float64) -> list[tuple[int, float]]:
    """Columns and factors of the sum that gives ``y`` in each row, up to a constant; empty if there is none."""
    with np.errstate(over="ignore", invalid="ignore"):
        spread, std = X.std(axis=0), float(y.std())
    used = np.flatnonzero((spread > 0) & np.isfinite(spread))
    tolerance = max(_EXACT * std, min(_FLOAT32 * float(np.abs(y).max()), 1e-3 * std), _rounding(y, std))
    if not std or not np.isfinite(std) or len(used) < 2:
        return []
    centred = (X[:, used] - X[:, used].mean(axis=0)) / spread[used]
    z = (y - y.mean()) / std
    factors = _exact(centred, z, tolerance / std)
    if factors is None:
        return []
    terms = np.flatnonzero(np.abs(factors) > _NOTHING)
    # Fit once more without the other columns, so that the factors are exactly those of the formula.
    factors = _exact(centred[:, terms], z, tolerance / std)
    if factors is None:
        return []
    return [(int(used[j]), float(f * std / spread[used[j]])) for j, f in zip(terms, factors, strict=True)]


def _exact(X: Float64, y: Float64, tolerance: float) -> Float64 | None:
    """Factors that give ``y`` within the tolerance in each row, or None."""
    if not X.shape[1]:
        return None
    factors = np.asarray(np.linalg.lstsq(X, y, rcond=None)[0], np.float64)
    return factors if float(np.abs(X @ factors - y).max()) <= tolerance else None


def _rounding(y: Float64, std: float) -> float:
    """The largest error that rounding has made in the target; 0 if it is not rounded, or is rounded too coarsely."""
    for decimals in range(5):
        step = 10.0**-decimals
        if step < 1e-3 * std and np.array_equal(np.round(y, decimals), y):
            return 0.6 * step
    return 0.0


def _number(column: pl.Series) -> pl.Series:
    """A column as float64; a moment in days."""
    if column.dtype.is_temporal():
        return (column.cast(pl.Datetime("us")).to_physical() / 86_400e6).cast(pl.Float64)
    return column.cast(pl.Float64)


def _sum(names: list[str], terms: list[tuple[int, float]], *, plain: bool) -> str:
    # Added terms come first, since a sum reads better without a sign at its head.
    ordered = sorted(terms, key=lambda term: term[1] < 0)
    parts = []
    for i, (j, factor) in enumerate(ordered[:_SHOWN]):
        sign = "-" if factor < 0 else "+"
        size = "" if plain else f"{abs(factor):.4g} * "
        parts.append(f"{size}'{names[j]}'" if not i and factor > 0 else f"{sign} {size}'{names[j]}'")
    more = len(ordered) - _SHOWN
    return " ".join(parts) + (f" and {more} columns more" if more > 0 else "")


def _product(names: list[str], factors: list[tuple[int, float]]) -> str:
    ordered = sorted(factors, key=lambda factor: factor[1] < 0)
    parts = []
    for i, (j, power) in enumerate(ordered[:_SHOWN]):
        times = abs(round(power))
        sign = "/" if power < 0 else "*"
        name = f"'{names[j]}'" + (f"^{times}" if times > 1 else "")
        parts.append(name if not i and power > 0 else f"{'1 ' if not i else ''}{sign} {name}")
    more = len(ordered) - _SHOWN
    return " ".join(parts) + (f" and {more} columns more" if more > 0 else "")
