"""The squared error: the answer is the mean."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from training.objectives.base import LOG_SPREAD, Objective
from training.objectives.kind import Kind
from training.objectives.point import point

# The largest weight of a row, relative to a row of mean spread; the smallest is its inverse. So a wrong spread does
# little harm.
MOST_WEIGHT = 5.0
# Below this mean spread, in target deviations, squared errors are scaled up.
EXACT = 0.15


class _Settings(Protocol):
    """With ``row_weight`` of ``spread``, rows of small spread count more; with any other, all rows count the same."""

    @property
    def row_weight(self) -> str | None: ...


def build(config: _Settings) -> Objective:
    """Squared error; the answer is the mean.

    Rows that are hard to predict have large errors whatever is learnt. With equal weights, most of a step would fit
    their noise. ``row_weight=spread`` divides each squared error by the row's spread, relative to the mean spread of
    the step; spreads count as constants. If spreads were known, their squares would be the best divisors. They are
    guesses, so half of that exponent is used (as beta-NLL does with 0.5, Seitzer et al. 2022). Where answers are nearly
    exact, squared errors are scaled up to the size that they have at :data:`EXACT`: otherwise the spread's likelihood
    would outweigh them.
    """
    from keras import ops

    return point(KIND, ops.square, np.square, _by_spread if config.row_weight == "spread" else None)


def _by_spread(log_spread: Any) -> Any:
    """Weights of squared errors, from log spreads (..., n_samples, n_targets)."""
    from keras import ops

    log_spread = ops.clip(log_spread, *LOG_SPREAD)
    typical = ops.mean(log_spread, axis=-2, keepdims=True)
    weight = ops.clip(ops.exp(typical - log_spread), 1 / MOST_WEIGHT, MOST_WEIGHT)
    return ops.stop_gradient(weight * ops.maximum(1.0, EXACT**2 * ops.exp(-2 * typical)))


KIND = Kind("mse", "the mean", build, "identity", metric="rmse", plain="RMSE", shown="RMSE", rank=10, in_unit=True)
