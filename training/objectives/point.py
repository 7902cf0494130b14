"""Objectives of one number an answer: the mean (mse), the median (mae), or between them (huber)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from training.objectives.base import LOG_SPREAD, Array, Objective, laplace, split
from training.objectives.kinds import ObjectiveSettings

# Of a row beside one of the mean spread; the least is its inverse. A spread that is wrong then does little harm.
MOST_WEIGHT = 5.0
# Mean spread, in target deviations, below which squared errors are held in size.
EXACT = 0.15


def mse(config: ObjectiveSettings) -> Objective:
    """Squared error; the answer is the mean.

    Rows that are hard to predict have large errors whatever is learnt, and with equal weights most of a step goes into
    their noise. ``row_weight=spread`` divides each squared error by the row's own spread, taken as given, beside the
    mean spread of the step: weighted least squares with half of the exponent that is best where spreads are known, for
    they are guesses (as beta-NLL does with 0.5, Seitzer et al. 2022). Where answers are nearly exact, the squared error
    is held at the size that it has at :data:`EXACT`: beside the spread's likelihood nothing would be left of it.
    """
    return _point("mse", ops.square, np.square, _by_spread if config.row_weight == "spread" else None)


def _by_spread(log_spread: Any) -> Any:
    """Weights of squared errors, from log spreads (..., n_samples, n_targets)."""
    log_spread = ops.clip(log_spread, *LOG_SPREAD)
    typical = ops.mean(log_spread, axis=-2, keepdims=True)
    weight = ops.clip(ops.exp(typical - log_spread), 1 / MOST_WEIGHT, MOST_WEIGHT)
    return ops.stop_gradient(weight * ops.maximum(1.0, EXACT**2 * ops.exp(-2 * typical)))


def mae(config: ObjectiveSettings) -> Objective:  # noqa: ARG001
    """Absolute error; the answer is the median, which outliers do not move."""
    return _point("mae", ops.abs, np.abs)


def huber(config: ObjectiveSettings) -> Objective:
    """Squared error of small errors, absolute error of large ones (Huber 1964).

    ``huber_delta`` is where they meet, in standard deviations of the target.
    """
    delta = config.huber_delta

    def of_tensor(error: Any) -> Any:
        size = ops.abs(error)
        return ops.where(size <= delta, ops.square(error), 2 * delta * size - delta**2)

    def of_array(error: Array) -> Array:
        size = np.abs(error)
        return np.where(size <= delta, np.square(error), 2 * delta * size - delta**2)

    return _point("huber", of_tensor, of_array)


def _point(
    name: str,
    of_tensor: Callable[[Any], Any],
    of_array: Callable[[Array], Array],
    weight: Callable[[Any], Any] | None = None,
) -> Objective:
    """An objective of the error alone, with a spread beside the value, which may weigh the error where it is learnt."""

    def loss(y: Any, outputs: Any) -> Any:
        value, log_spread = split(y, outputs)
        error = of_tensor(y - value)
        weighted = error if weight is None else error * weight(log_spread)
        return ops.mean(weighted + laplace(y - value, log_spread), axis=-1)

    def error(y: Any, outputs: Any) -> Any:
        return ops.mean(of_tensor(y - split(y, outputs)[0]), axis=-1)

    def errors(y: Array, outputs: Array) -> Array:
        value, _ = split(y, outputs)
        return np.asarray(of_array(y - value.mean(axis=0)).mean(axis=-1))

    return Objective(name, loss, error, errors)
