"""One family of intervals from quantile heads, in which each interval contains those of lower levels.

Conformalised quantile regression (Romano et al. 2019) widens the interval of one pair of heads by a score,
``max(q_low - y, y - q_high)``. Here several pairs are the places 1, 2 and so on of one scale, from the innermost pair
outwards. At 0 both ends are the median, and between two places they are interpolated. Beyond the last pair the scale
goes on in widths of that pair (the relative score of Sesia and Candes 2020): there a row's score grows by Romano's
score divided by that width.

The score of a row is the place on this scale where the interval first contains the row (nested conformal prediction,
Gupta et al. 2022). So one sorted list of scores answers every level, and a higher level never gives a narrower
interval.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]


def position(residuals: npt.NDArray[np.float64], quantiles: Floats) -> npt.NDArray[np.float64]:
    """Where on the scale the interval first contains each row, float64 (n_samples, n_targets), at least 0.

    Args:
        residuals: (n_samples, n_targets), true values minus the median.
        quantiles: (n_samples, n_targets, n_quantiles), ascending, an odd number of them; the middle one is the median.
    """
    below, above = _knots(np.asarray(quantiles, np.float64))
    knots = np.where(residuals[..., None] < 0, -below, above)
    steps = np.maximum(np.diff(knots, axis=-1), np.finfo(np.float64).tiny)
    along = np.maximum(np.abs(residuals)[..., None] - knots[..., :-1], 0) / steps
    along[..., :-1] = np.minimum(along[..., :-1], 1)
    return np.asarray(along.sum(axis=-1))


def heads_at(at: npt.NDArray[np.floating], quantiles: Floats, dtype: Any) -> tuple[Floats, Floats]:
    """Lower and upper ends at a place on the scale, as distances from the median: lower at most 0, upper at least 0.

    Args:
        at: place on the scale, (n_targets,) or (n_samples, n_targets), at least 0.
        quantiles: as in :func:`position`.
        dtype: of the result, each (n_samples, n_targets).
    """
    last = quantiles.shape[-1] // 2
    at = np.broadcast_to(at, quantiles.shape[:-1])
    step = np.minimum(at.astype(np.intp), last)[..., None]
    share = at[..., None] - step
    ends = []
    for knots in _knots(quantiles.astype(np.float64)):
        low, high = (np.take_along_axis(knots, k, axis=-1) for k in (step, step + 1))
        ends.append((low + share * (high - low))[..., 0].astype(dtype))
    return ends[0], ends[1]


def _knots(quantiles: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Lower and upper ends as distances from the median: at the median, at each pair, and one width beyond the last.

    Each (n_samples, n_targets, n_quantiles // 2 + 2); the lower ends descend from 0, the upper ones ascend.
    """
    middle = quantiles.shape[-1] // 2
    distances = quantiles - quantiles[..., middle : middle + 1]
    width = distances[..., -1:] - distances[..., :1]
    below, above = distances[..., middle::-1], distances[..., middle:]
    return np.concatenate([below, below[..., -1:] - width], -1), np.concatenate([above, above[..., -1:] + width], -1)
