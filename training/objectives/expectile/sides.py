"""How much an error counts, by the side on which it lies; and the constant for which these errors are least."""

from __future__ import annotations

import numpy as np

from training.objectives.kind import Float64

# The most steps. A row that still changes sides after them differs from the answer in its last bits only.
MOST_STEPS = 100


def sides(error: Float64, level: float) -> Float64:
    """How much each error counts: twice the level above the answer, twice ``1 - level`` below it; same shape."""
    return np.asarray(2 * np.where(error > 0, level, 1 - level))


def sample_expectile(y: Float64, weight: Float64 | None, level: float) -> float:
    """The constant whose asymmetric squared error is least.

    It is a mean in which each row counts by the side of the mean on which it lies. So the mean is computed again until
    no row changes sides. That takes few steps: each is a step of Newton's method on a curve of joined parabolas.

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
