"""One value that holds most of a target's variance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

# A normal of 30 rows has some 15% in its farthest value, a lognormal of deviation 1 and 300 rows some 25%.
LIMIT = 0.5


def heavy_note(name: str, y: Float64, weight: Float64 | None = None) -> tuple[int, str] | None:
    """The row of a target whose one value holds most of the variance, and a sentence about it; None where none does.

    Args:
        name: of the target.
        y: float64 (n_samples,).
        weight: float64 (n_samples,) of each row, or None. Defaults to None.

    Returns:
        The row's index in ``y`` and a sentence that begins ``'price' = 1e+09``: it lacks the row.
    """
    weights = np.ones_like(y) if weight is None else weight
    parts = weights * np.square(y - np.average(y, weights=weights))
    row = int(parts.argmax())
    total = float(parts.sum())
    share = float(parts[row]) / total if total else 0.0
    return (row, heavy_sentence(name, float(y[row]), share)) if share > LIMIT else None


def heavy_sentence(name: str, value: float, share: float) -> str:
    """A sentence about the value, for a reader who is told the row before it."""
    return (
        f"'{name}' = {value:.6g}, which alone holds {_percent(share)} of the target's variance: R2, RMSE and intervals "
        "hang on this one row. Correct the value or leave the row out."
    )


def _percent(share: float) -> str:
    return "more than 99.9%" if share > 0.999 else f"{share:.1%}"
