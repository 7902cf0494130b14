"""The squared error: the answer is the mean."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from training.objectives.base import LOG_SPREAD, Objective
from training.objectives.kind import Kind
from training.objectives.point import point

# The most that a row weighs beside one of the mean spread; the least is its inverse. So a spread that is wrong does
# little harm.
MOST_WEIGHT = 5.0
# Mean spread, in target deviations, below which squared errors are held in size.
EXACT = 0.15


class _Settings(Protocol):
    """``row_weight``: ``spread`` where rows of small spread count more; all else: rows count the same."""

    @property
    def row_weight(self) -> str | None: ...


def build(config: _Settings) -> Objective:
    """Squared error; the answer is the mean.

    Rows that are hard to predict have large errors whatever is learnt, and with equal weights most of a step goes into
    their noise. ``row_weight=spread`` divides each squared error by the row's own spread, taken as given, beside the
    mean spread of the step: weighted least squares with half of the exponent that is best where spreads are known, for
    they are guesses (as beta-NLL does with 0.5, Seitzer et al. 2022). Where answers are nearly exact, the squared error
    is held at the size that it has at :data:`EXACT`: beside the spread's likelihood nothing would be left of it.
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
