"""How much an error counts by the side on which it lies, and the constant that is best by it."""

from __future__ import annotations

import numpy as np

from training.objectives.kind import Float64

# After so many steps at most, rows that change sides do so by their last bits.
MOST_STEPS = 100


def sides(error: Float64, level: float) -> Float64:
    """How much each error counts, its shape: twice the level above the answer, twice the rest to 1 below it."""
    return np.asarray(2 * np.where(error > 0, level, 1 - level))


def sample_expectile(y: Float64, weight: Float64 | None, level: float) -> float:
    """The constant whose asymmetric squared error is least.

    It is a mean in which rows count by the side on which they lie. So it is taken again until no row changes sides:
    each such step is one of Newton's, on parabolas that are joined, and there are few.

    Args:
        y: float64 (n_samples,).
        weight: float64 (n_samples,) of each row, or None.
        level: in (0, 1).
    """
    value, above = float(np.average(y, weights=weight)), np.zeros(0, bool)
    for _ in range(MOST_STEPS):
        error = y - value
        if np.array_equal(above, error > 0):
            break
        above = error > 0
        counts = sides(error, level)
        value = float(np.average(y, weights=counts if weight is None else counts * weight))
    return value
