"""The logistic objective: the probability that a 0/1 target is 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from artifact.layers.target import PROBABILITY
from training.objectives.base import Array, Objective
from training.objectives.kinds import ObjectiveSettings


def logistic(config: ObjectiveSettings) -> Objective:  # noqa: ARG001 - the objectives share a signature
    """Log loss of log odds."""

    def loss(y: Any, outputs: Any) -> Any:
        return ops.mean(ops.softplus(outputs) - y * outputs, axis=-1)

    def errors(y: Array, outputs: Array) -> Array:
        p = np.clip((1 / (1 + np.exp(-outputs))).mean(axis=0), *PROBABILITY)
        return np.asarray(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(axis=-1))

    return Objective("logistic", loss, loss, errors, has_spread=False)
