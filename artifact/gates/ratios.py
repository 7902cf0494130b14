"""Ratios of two versions' errors on the same rows, in many cells at once, with bounds that hold for all cells together.

The figure of a cell is the ratio of the two mean errors there (of their roots, for RMSE). To test whether the true
ratio can be r, each row of the cell gets a difference: our error minus r times theirs. The quotient of the cell is the
sum of these differences, divided by the root of the sum of their squares. A ratio is ruled out if its quotient is too
large.

How large quotients become by chance alone is measured on the same differences with random signs (a wild bootstrap).
Each draw of signs gives the largest quotient of all cells (max-t, Romano and Wolf 2005). So the bounds hold for all
cells together, even where cells share rows. A few rows with huge errors do not make the bounds too narrow, because they
raise the root as much as the sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

RESAMPLES = 1000
# Chance that some lower end lies above its true ratio, and the same for the upper ends: together a 95% interval.
TAIL = 0.025
# Errors below this share of a target's deviation count as 0, so that two perfect versions are equal.
_NOTHING = 1e-4
# The largest ratio; also the upper end of an interval that has none.
_LARGEST = 1e6
# Numbers in one block of signs: resamples times rows.
_BLOCK = 4_000_000
_CELLS_AT_ONCE = 256

Rows = npt.NDArray[np.intp]


class Ratios(NamedTuple):
    """Ratios by cell and target, float64 (n_cells, n_targets) each.

    Attributes:
        ratio: ratio of the errors over the rows of the cell.
        low, high: ends of 95% intervals that hold for all cells together.
    """

    ratio: Float64
    low: Float64
    high: Float64


def error_ratios(
    ours: Float64,
    theirs: Float64,
    cells: Sequence[Rows],
    std: Float64,
    *,
    root: bool,
    weight: Float64 | None = None,
    seed: int = 0,
) -> Ratios:
    """Compare two versions' errors on the same rows.

    Args:
        ours, theirs: float64 (n_samples, n_targets), errors of at least 0; squared ones where ``root``.
        cells: indices of the rows of each cell; at least one row each.
        std: float64 (n_targets,), deviation of each target.
        root: whether the ratio is that of the roots of the mean errors.
        weight: float64 (n_samples,), each row's weight, or None. Defaults to None.
        seed: seed of the random signs. Defaults to 0.
    """
    power = 2.0 if root else 1.0
    nothing = (_NOTHING * std) ** power
    # Errors as shares of the largest: their squares must not overflow.
    largest = np.maximum(np.maximum(ours, theirs).max(axis=0), nothing)
    w = np.ones(len(ours)) if weight is None else weight
    a, b = (w[:, None] * ((errors + nothing) / largest) for errors in (ours, theirs))
    sums = _Sums.of(a, b, cells)
    ratio, low, high = sums.ends(_chance_limit(a, b, cells, sums.A / sums.B, seed))
    return Ratios(*(np.clip(end, 0.0, _LARGEST) ** (1 / power) for end in (ratio, low, high)))


class _Sums(NamedTuple):
    """Sums over each cell, by target, (n_cells, n_targets): of both errors, of their squares and of their products."""

    A: Float64
    B: Float64
    AA: Float64
    AB: Float64
    BB: Float64

    @classmethod
    def of(cls, a: Float64, b: Float64, cells: Sequence[Rows]) -> _Sums:
        sums = [np.stack([part[rows].sum(axis=0) for rows in cells]) for part in (a, b, a * a, a * b, b * b)]
        tiny = np.finfo(float).tiny
        return cls(np.maximum(sums[0], tiny), np.maximum(sums[1], tiny), *sums[2:])

    def ends(self, limit: float) -> tuple[Float64, Float64, Float64]:
        """The ratios, and both ends of the range of ratios that are not ruled out: their quotient is at most ``limit``.

        The ends solve ``(A - r B)^2 = limit^2 (AA - 2 r AB + r^2 BB)``, as in Fieller's interval.
        """
        k = limit * limit
        square, cross, constant = self.B**2 - k * self.BB, self.A * self.B - k * self.AB, self.A**2 - k * self.AA
        width = np.sqrt(np.maximum(cross**2 - square * constant, 0.0))
        ratio = self.A / self.B
        with np.errstate(divide="ignore", invalid="ignore"):
            low = np.where(constant > 0, constant / (cross + width), 0.0)
            high = np.where(square > 0, (cross + width) / square, _LARGEST)
        return ratio, np.minimum(low, ratio), np.maximum(high, ratio)


def _chance_limit(a: Float64, b: Float64, cells: Sequence[Rows], ratio: Float64, seed: int) -> float:
    """The limit that the largest of all quotients rarely exceeds where the differences have random signs."""
    columns = []
    for rows, ratios in zip(cells, ratio, strict=True):
        difference = a[rows] - ratios * b[rows]
        size = np.sqrt(np.square(difference).sum(axis=0))
        columns += [(rows, difference[:, j] / size[j]) for j in range(difference.shape[1]) if size[j] > 0]
    if not columns:
        return 0.0
    largest = np.full(RESAMPLES, -np.inf)
    for start in range(0, len(columns), _CELLS_AT_ONCE):
        largest = np.maximum(largest, _quotients(_matrix(columns[start : start + _CELLS_AT_ONCE], len(a)), seed))
    return float(np.quantile(largest, 1 - TAIL))


def _quotients(matrix: npt.NDArray[np.float32], seed: int) -> Float64:
    """The largest quotient of some cells, (RESAMPLES,). With the same seed each row gets the same signs."""
    rng = np.random.default_rng(seed)
    n_rows, largest = len(matrix), []
    for start in range(0, RESAMPLES, step := max(1, min(RESAMPLES, _BLOCK // n_rows))):
        size = (min(step, RESAMPLES - start), n_rows)
        signs = 1 - 2 * rng.integers(0, 2, size, dtype=np.int8).astype(np.float32)
        largest.append((signs @ matrix).max(axis=1))
    return np.concatenate(largest).astype(np.float64)


def _matrix(columns: Sequence[tuple[Rows, Float64]], n_rows: int) -> npt.NDArray[np.float32]:
    matrix = np.zeros((n_rows, len(columns)), np.float32)
    for j, (rows, values) in enumerate(columns):
        matrix[rows, j] = values
    return matrix
