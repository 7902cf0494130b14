"""The logistic objective: the probability that a 0/1 target is 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from training.objectives.base import Array, Objective
from training.objectives.kind import BINARY, Float64, Kind, ObjectiveSettings

if TYPE_CHECKING:
    from artifact.manifest import Metrics

# Probabilities of exactly 0 or 1 would have an infinite error.
_PROBABILITY = 1e-7


def build(config: ObjectiveSettings) -> Objective:  # noqa: ARG001 - the objectives share a signature
    """Log loss of log odds."""
    from keras import ops

    from artifact.layers.target import PROBABILITY

    def loss(y: Any, outputs: Any) -> Any:
        return ops.mean(ops.softplus(outputs) - y * outputs, axis=-1)

    def errors(y: Array, outputs: Array) -> Array:
        p = np.clip((1 / (1 + np.exp(-outputs))).mean(axis=0), *PROBABILITY)
        return np.asarray(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(axis=-1))

    return Objective(KIND, loss, loss, errors, has_spread=False)


def log_loss(y: Float64, value: Float64, settings: ObjectiveSettings) -> Float64:  # noqa: ARG001 - the errors share a signature
    """Log loss of each probability."""
    p = np.clip(value, _PROBABILITY, 1 - _PROBABILITY)
    return np.asarray(-(y * np.log(p) + (1 - y) * np.log(1 - p)))


def of_values(y: Float64, value: Float64, weight: Float64 | None) -> Metrics:
    """Brier score, and the area under the ROC curve where both classes are there."""
    from sklearn import metrics

    both = len(np.unique(y if weight is None else y[weight > 0])) == 2
    return {
        "brier": float(np.average(np.square(y - value), weights=weight)),
        "roc_auc": float(metrics.roc_auc_score(y, value, sample_weight=weight)) if both else None,
    }


def line(settings: ObjectiveSettings) -> Any:  # noqa: ARG001 - the lines share a signature
    """The generalised linear model among the baselines."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000)


KIND = Kind(
    name="logistic",
    answers="the probability of 1",
    build=build,
    link="logistic",
    metric="log_loss",
    plain="log loss",
    shown="log loss",
    rank=90,
    takes=BINARY,
    support=(0.0, 1.0),
    plain_scale=True,
    row_errors=log_loss,
    boosting="log_loss",
    line=line,
    of_values=of_values,
)
