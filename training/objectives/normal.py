"""The gaussian objective: a mean and a standard deviation for each row, by their likelihood."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from training.objectives.base import LOG_SPREAD, Array, Objective, split
from training.objectives.kinds import ObjectiveSettings
from training.objectives.variance import Noise

# Of beta-NLL: 0 is the likelihood alone, 1 gives the mean the gradient of the squared error. Measured: decision 13.
_BETA = 0.5


def gaussian(config: ObjectiveSettings) -> Objective:  # noqa: ARG001 - the objectives share a signature
    """Negative log-likelihood, each row's times its own ``sigma ** (2 * beta)`` taken as given (Seitzer et al. 2022).

    The likelihood alone lets a network give up on rows that are hard to predict: it widens their deviation, and with it
    the gradient of their mean vanishes.
    """

    def loss(y: Any, outputs: Any) -> Any:
        mean, log_std = split(y, outputs)
        log_std = ops.clip(log_std, *LOG_SPREAD)
        nll = 0.5 * ops.square(y - mean) * ops.exp(-2 * log_std) + log_std
        return ops.mean(nll * ops.stop_gradient(ops.exp(2 * _BETA * log_std)), axis=-1)

    return Objective("gaussian", loss, _nll, _mixture_nll, averages=False, corrected=_corrected_nll)


def _nll(y: Any, outputs: Any) -> Any:
    mean, log_std = split(y, outputs)
    log_std = ops.clip(log_std, *LOG_SPREAD)
    return ops.mean(0.5 * ops.square(y - mean) * ops.exp(-2 * log_std) + log_std, axis=-1) + 0.5 * float(
        np.log(2 * np.pi)
    )


def _mixture_nll(y: Array, outputs: Array) -> Array:
    """Of the normal distribution with the mixture's mean and variance (Lakshminarayanan et al. 2017)."""
    error, variance = _mixture(y, outputs)
    return _likelihood(error, variance)


def _corrected_nll(y: Array, outputs: Array, weight: Array | None) -> Array:
    """The same with the variance corrected, as what is served will be."""
    error, variance = _mixture(y, outputs)
    return _likelihood(error, Noise.fit(error, variance, weight).variance(variance))


def _mixture(y: Array, outputs: Array) -> tuple[Array, Array]:
    mean, log_std = split(y, outputs)
    return y - mean.mean(axis=0), np.exp(2 * np.clip(log_std, *LOG_SPREAD)).mean(axis=0) + mean.var(axis=0)


def _likelihood(error: Array, variance: Array) -> Array:
    return np.asarray(0.5 * (np.square(error) / variance + np.log(2 * np.pi * variance)).mean(axis=-1))
