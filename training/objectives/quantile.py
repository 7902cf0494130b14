"""The quantile objective: several quantiles at once, which cannot cross."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from artifact.layers.target import ascending
from training.objectives.base import Array, Objective
from training.objectives.kinds import ObjectiveSettings


def quantile(config: ObjectiveSettings) -> Objective:
    """Pinball loss of each of ``quantiles`` (Koenker and Bassett 1978), their mean."""
    levels = np.asarray(config.quantiles, np.float32)
    count = len(levels)

    def pinball(y: Any, outputs: Any) -> Any:
        error = ops.expand_dims(y, -1) - ascending(outputs, count)
        # Twice, so that the loss of the median is the absolute error.
        return ops.mean(2 * ops.maximum(levels * error, (levels - 1) * error), axis=(-2, -1))

    def errors(y: Array, outputs: Array) -> Array:
        found = np.asarray(ops.convert_to_numpy(ascending(ops.convert_to_tensor(outputs, "float32"), count)))
        error = y[..., None] - found.mean(axis=0)
        return np.asarray(2 * np.maximum(levels * error, (levels - 1) * error).mean(axis=(-2, -1)))

    return Objective("quantile", pinball, pinball, errors, outputs_a_target=count, has_spread=False, n_quantiles=count)
