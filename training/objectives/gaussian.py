"""The gaussian objective: a mean and a standard deviation for each row, by their likelihood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from training.objectives.base import LOG_SPREAD, Array, Objective, split
from training.objectives.kind import Float64, Kind, ObjectiveSettings
from training.objectives.variance import Noise

if TYPE_CHECKING:
    from artifact.manifest import Metrics
    from artifact.runtimes import Outputs

# The beta of beta-NLL: 0 is the likelihood alone, 1 gives the mean the gradient of the squared error. Decision 13 has
# the measurement.
_BETA = 0.5


def build(config: ObjectiveSettings) -> Objective:  # noqa: ARG001 - the objectives share a signature
    """Negative log-likelihood of each row, weighted by its ``sigma ** (2 * beta)`` (Seitzer et al. 2022).

    The likelihood alone lets a network give up on rows that are hard to predict: it widens their deviation, and then
    the gradient of their mean vanishes.
    """
    from keras import ops

    def loss(y: Any, outputs: Any) -> Any:
        mean, log_std = split(y, outputs)
        log_std = ops.clip(log_std, *LOG_SPREAD)
        nll = 0.5 * ops.square(y - mean) * ops.exp(-2 * log_std) + log_std
        return ops.mean(nll * ops.stop_gradient(ops.exp(2 * _BETA * log_std)), axis=-1)

    return Objective(KIND, loss, _nll, _mixture_nll, averages=False, corrected=_corrected_nll)


def _nll(y: Any, outputs: Any) -> Any:
    from keras import ops

    mean, log_std = split(y, outputs)
    log_std = ops.clip(log_std, *LOG_SPREAD)
    return ops.mean(0.5 * ops.square(y - mean) * ops.exp(-2 * log_std) + log_std, axis=-1) + 0.5 * float(
        np.log(2 * np.pi)
    )


def _mixture_nll(y: Array, outputs: Array) -> Array:
    """Negative log-likelihood of a normal distribution with the mixture's moments (Lakshminarayanan et al. 2017)."""
    error, variance = _mixture(y, outputs)
    return _likelihood(error, variance)


def _corrected_nll(y: Array, outputs: Array, weight: Array | None) -> Array:
    """The same with corrected variances, as they will be served."""
    error, variance = _mixture(y, outputs)
    return _likelihood(error, Noise.fit(error, variance, weight).variance(variance))


def _mixture(y: Array, outputs: Array) -> tuple[Array, Array]:
    mean, log_std = split(y, outputs)
    return y - mean.mean(axis=0), np.exp(2 * np.clip(log_std, *LOG_SPREAD)).mean(axis=0) + mean.var(axis=0)


def _likelihood(error: Array, variance: Array) -> Array:
    return np.asarray(0.5 * (np.square(error) / variance + np.log(2 * np.pi * variance)).mean(axis=-1))


def judged(outputs: Outputs, y: Float64, settings: ObjectiveSettings) -> Float64 | None:  # noqa: ARG001
    """Negative log-likelihood of each row without its constant, the mean over the targets."""
    if outputs.spread is None:
        return None
    std = outputs.spread.astype(np.float64)
    return np.asarray((0.5 * np.square((y - outputs.value) / std) + np.log(std)).mean(axis=1))


def of_outputs(y: Float64, outputs: Outputs, j: int, weight: Float64 | None, settings: ObjectiveSettings) -> Metrics:  # noqa: ARG001
    """The negative log-likelihood of one target, in its unit."""
    if outputs.spread is None:
        return {}
    std = outputs.spread[:, j].astype(np.float64)
    scaled = np.square((y - outputs.value[:, j]) / std)
    return {"nll": float(np.average(0.5 * scaled + np.log(std) + 0.5 * np.log(2 * np.pi), weights=weight))}


KIND = Kind(
    name="gaussian",
    answers="the mean and a standard deviation for each row, fitted by their likelihood; two numbers for each "
    "target correct the deviations on unseen rows ([decision 21](decisions/0021-corrected-variances.md))",
    build=build,
    link="normal",
    metric="rmse",
    plain="RMSE",
    shown="negative log-likelihood",
    rank=50,
    of_outputs=of_outputs,
    judged=judged,
)
