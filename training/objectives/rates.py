"""Objectives of rates and amounts that are never negative: a log link, and the deviance of their distribution.

Targets are divided by their mean, so an output of 0 answers with the mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from artifact.layers.target import LOG_RATE
from training.objectives.base import Array, Objective, laplace, split
from training.objectives.kinds import ObjectiveSettings

_TINY = 1e-12


def poisson(config: ObjectiveSettings) -> Objective:  # noqa: ARG001 - the objectives share a signature
    """Counts, whose variance grows as their mean."""
    return _rate("poisson", 1.0)


def gamma(config: ObjectiveSettings) -> Objective:  # noqa: ARG001
    """Amounts above 0, whose standard deviation grows as their mean."""
    return _rate("gamma", 2.0)


def tweedie(config: ObjectiveSettings) -> Objective:
    """Amounts of which many are 0, such as claims; ``tweedie_power`` between 1 (counts) and 2 (amounts)."""
    return _rate("tweedie", config.tweedie_power)


def _rate(name: str, power: float) -> Objective:
    """Half the deviance, less what does not depend on the answer: for tensors, where only its gradient counts."""
    likelihood = _likelihood(power)

    def of_outputs(y: Any, outputs: Any) -> tuple[Any, Any]:
        log_rate, log_spread = split(y, outputs)
        log_rate = ops.clip(log_rate, *LOG_RATE)
        return log_rate, log_spread

    def loss(y: Any, outputs: Any) -> Any:
        log_rate, log_spread = of_outputs(y, outputs)
        return ops.mean(likelihood(y, log_rate) + laplace(y - ops.exp(log_rate), log_spread), axis=-1)

    def error(y: Any, outputs: Any) -> Any:
        log_rate, _ = of_outputs(y, outputs)
        return 2 * ops.mean(likelihood(y, log_rate) - _saturated(y, power, ops), axis=-1)

    def errors(y: Array, outputs: Array) -> Array:
        log_rate, _ = split(y, outputs)
        rate = np.exp(np.clip(log_rate, *LOG_RATE)).mean(axis=0)
        return np.asarray(2 * (likelihood(y, np.log(rate), np) - _saturated(y, power, np)).mean(axis=-1))

    return Objective(name, loss, error, errors)


def _likelihood(power: float) -> Callable[..., Any]:
    def found(y: Any, log_rate: Any, xp: Any = ops) -> Any:
        if power == 1:
            return xp.exp(log_rate) - y * log_rate
        if power == 2:
            return log_rate + y * xp.exp(-log_rate)
        first = y * xp.exp((1 - power) * log_rate) / (1 - power)
        return xp.exp((2 - power) * log_rate) / (2 - power) - first

    return found


def _saturated(y: Any, power: float, xp: Any) -> Any:
    """The likelihood of the best answer, y itself."""
    log_y = xp.log(xp.maximum(y, _TINY))
    if power == 1:
        return y - y * log_y
    if power == 2:
        return log_y + 1.0
    return xp.exp((2 - power) * log_y) * (1 / (2 - power) - 1 / (1 - power))
