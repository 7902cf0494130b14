"""Ratios of two versions' errors on the same rows, in many cells at once, with bounds that hold for all cells together.

The figure of a cell is the ratio of the two mean errors there (of their roots, for RMSE). Its logarithm is nearly
normal, so its standard error is that of the rows' influences. Cells overlap and share rows: how far the largest of all
studentised deviations goes by chance alone is read from bootstrap samples of the rows (max-t, Romano and Wolf 2005),
each studentised by its own standard error. A bound by that figure holds for all cells at once.
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
# Errors below this share of a target's deviation count as none: two versions that are perfect are equal.
_NOTHING = 1e-4
# Numbers in one block of counts: resamples times rows.
_BLOCK = 4_000_000
_CELLS_AT_ONCE = 256


class Ratios(NamedTuple):
    """Ratios by cell and target, float64 (n_cells, n_targets) each.

    Attributes:
        ratio: over the rows of the cell.
        low, high: ends of simultaneous 95% intervals.
    """

    ratio: Float64
    low: Float64
    high: Float64


def error_ratios(
    ours: Float64,
    theirs: Float64,
    cells: Sequence[npt.NDArray[np.intp]],
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
        seed: of the resamples. Defaults to 0.
    """
    power = 2.0 if root else 1.0
    nothing = (_NOTHING * std) ** power
    w = np.ones(len(ours)) if weight is None else weight
    log_ratio, influence = _influences(w[:, None] * (ours + nothing), w[:, None] * (theirs + nothing), cells, power)
    shape = (len(cells), ours.shape[1])
    error = np.sqrt([np.square(values).sum() * _unbiased(len(values)) for _, values in influence])
    most, least = _extremes(influence, len(ours), seed)
    ratio, low, high = (
        np.exp(np.clip(at, -50, 50)).reshape(shape)
        for at in (log_ratio, log_ratio - most * error, log_ratio - least * error)
    )
    return Ratios(ratio, low, high)


Influence = tuple[npt.NDArray[np.intp], Float64]


def _influences(
    ours: Float64, theirs: Float64, cells: Sequence[npt.NDArray[np.intp]], power: float
) -> tuple[Float64, list[Influence]]:
    """The log ratio of each cell and target, and what each row of the cell adds to it; these sum to 0."""
    ratios, influences = [], []
    for rows in cells:
        a, b = ours[rows], theirs[rows]
        sums = np.maximum(a.sum(axis=0), np.finfo(float).tiny), np.maximum(b.sum(axis=0), np.finfo(float).tiny)
        ratios.extend(np.log(sums[0] / sums[1]) / power)
        by_target = (a / sums[0] - b / sums[1]) / power
        influences += [(rows, by_target[:, j]) for j in range(by_target.shape[1])]
    return np.array(ratios), influences


def _extremes(influences: list[Influence], n_rows: int, seed: int) -> tuple[float, float]:
    """How far the largest and the lowest of all studentised deviations go by chance."""
    varying = [(rows, values) for rows, values in influences if np.any(values)]
    if not varying:
        return 0.0, 0.0
    rng = np.random.default_rng(seed)
    largest, lowest = [], []
    step = max(1, min(RESAMPLES, _BLOCK // n_rows))
    for start in range(0, RESAMPLES, step):
        size = min(step, RESAMPLES - start)
        counts = np.stack(
            [np.bincount(rng.integers(0, n_rows, n_rows, dtype=np.uint32), minlength=n_rows) for _ in range(size)]
        ).astype(np.float32)
        top, bottom = np.full(size, -np.inf), np.full(size, np.inf)
        for at in range(0, len(varying), _CELLS_AT_ONCE):
            deviation = _deviations(counts, varying[at : at + _CELLS_AT_ONCE], n_rows)
            top = np.maximum(top, deviation.max(axis=1))
            bottom = np.minimum(bottom, deviation.min(axis=1))
        largest.append(top)
        lowest.append(bottom)
    return float(np.quantile(np.concatenate(largest), 1 - TAIL)), float(np.quantile(np.concatenate(lowest), TAIL))


def _deviations(counts: npt.NDArray[np.float32], influences: list[Influence], n_rows: int) -> Float64:
    """Studentised deviations, (n_resamples, n_influences)."""
    matrix = np.zeros((n_rows, len(influences)), np.float32)
    for j, (rows, values) in enumerate(influences):
        # To unit variance: float32 is then exact enough whatever the errors' unit.
        matrix[rows, j] = values / np.sqrt(np.square(values).sum())
    sums = counts @ matrix
    squares = counts @ np.square(matrix)
    return np.asarray(sums / np.sqrt(np.maximum(squares, 1e-12)), np.float64)


def _unbiased(n: int) -> float:
    return n / max(1, n - 1)
