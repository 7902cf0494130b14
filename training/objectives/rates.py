"""The common part of objectives of rates and amounts, which are never negative: a log link, and a deviance.

Targets are divided by their mean, so an output of 0 answers with the mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from training.objectives.base import Array, Objective, laplace, split
from training.objectives.kind import Float64, Kind

# Rates of exactly 0 would have an infinite error.
_TINY = 1e-12


def rate(kind: Kind, power: float) -> Objective:
    """An objective that minimises half the deviance, without the terms that do not depend on the answer.

    Args:
        kind: the objective's record.
        power: power of Tweedie's distribution: 1 for counts, 2 for amounts.
    """
    from keras import ops

    from artifact.layers.target import LOG_RATE

    likelihood = _likelihood(power)

    def of_outputs(y: Any, outputs: Any) -> tuple[Any, Any]:
        log_rate, log_spread = split(y, outputs)
        log_rate = ops.clip(log_rate, *LOG_RATE)
        return log_rate, log_spread

    def loss(y: Any, outputs: Any) -> Any:
        log_rate, log_spread = of_outputs(y, outputs)
        return ops.mean(likelihood(y, log_rate, ops) + laplace(y - ops.exp(log_rate), log_spread), axis=-1)

    def error(y: Any, outputs: Any) -> Any:
        log_rate, _ = of_outputs(y, outputs)
        return 2 * ops.mean(likelihood(y, log_rate, ops) - _saturated(y, power, ops), axis=-1)

    def errors(y: Array, outputs: Array) -> Array:
        log_rate, _ = split(y, outputs)
        rate = np.exp(np.clip(log_rate, *LOG_RATE)).mean(axis=0)
        return np.asarray(2 * (likelihood(y, np.log(rate), np) - _saturated(y, power, np)).mean(axis=-1))

    return Objective(kind, loss, error, errors)


def deviance(y: Float64, value: Float64, power: float) -> Float64:
    """Deviance of each rate."""
    value = np.maximum(value, _TINY)
    if power == 1:
        return np.asarray(2 * (np.where(y > 0, y * np.log(np.maximum(y, _TINY) / value), 0.0) - y + value))
    if power == 2:
        return np.asarray(2 * (np.log(value / np.maximum(y, _TINY)) + y / value - 1))
    ends = y ** (2 - power) / ((1 - power) * (2 - power)) + value ** (2 - power) / (2 - power)
    return np.asarray(2 * (ends - y * value ** (1 - power) / (1 - power)))


def _likelihood(power: float) -> Callable[..., Any]:
    def likelihood(y: Any, log_rate: Any, xp: Any) -> Any:
        if power == 1:
            return xp.exp(log_rate) - y * log_rate
        if power == 2:
            return log_rate + y * xp.exp(-log_rate)
        first = y * xp.exp((1 - power) * log_rate) / (1 - power)
        return xp.exp((2 - power) * log_rate) / (2 - power) - first

    return likelihood


def _saturated(y: Any, power: float, xp: Any) -> Any:
    """The likelihood of the best answer, y itself."""
    log_y = xp.log(xp.maximum(y, _TINY))
    if power == 1:
        return y - y * log_y
    if power == 2:
        return log_y + 1.0
    return xp.exp((2 - power) * log_y) * (1 / (2 - power) - 1 / (1 - power))
