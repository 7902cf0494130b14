"""The quantile objective: several quantiles at once, which cannot cross."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from training.objectives.base import Array, Objective
from training.objectives.kind import Float64, Kind

if TYPE_CHECKING:
    from artifact.manifest import Metrics
    from artifact.runtimes import Outputs


class _Settings(Protocol):
    """``quantiles``: levels in (0, 1), ascending."""

    @property
    def quantiles(self) -> tuple[float, ...]: ...


def build(config: _Settings) -> Objective:
    """The mean pinball loss over ``quantiles`` (Koenker and Bassett 1978)."""
    from keras import ops

    from artifact.layers.target import ascending

    levels = np.asarray(config.quantiles, np.float32)
    count = len(levels)

    def pinball(y: Any, outputs: Any) -> Any:
        error = ops.expand_dims(y, -1) - ascending(outputs, count)
        # The loss is doubled, so that the loss of the median is the absolute error.
        return ops.mean(2 * ops.maximum(levels * error, (levels - 1) * error), axis=(-2, -1))

    def errors(y: Array, outputs: Array) -> Array:
        values = np.asarray(ops.convert_to_numpy(ascending(ops.convert_to_tensor(outputs, "float32"), count)))
        error = y[..., None] - values.mean(axis=0)
        return np.asarray(2 * np.maximum(levels * error, (levels - 1) * error).mean(axis=(-2, -1)))

    return Objective(KIND, pinball, pinball, errors, outputs_a_target=count, has_spread=False, n_quantiles=count)


def own_errors(outputs: Outputs, y: Float64, config: _Settings) -> Float64 | None:
    """Pinball loss of each value, the mean over the levels, float64 (n_samples, n_targets)."""
    if outputs.quantiles is None:
        return None
    off = y[:, :, None] - outputs.quantiles
    levels = np.asarray(config.quantiles)
    return np.asarray(np.maximum(levels * off, (levels - 1) * off).mean(axis=2))


def judged(outputs: Outputs, y: Float64, config: _Settings) -> Float64 | None:
    """Pinball loss of each row in target deviations, the mean over levels and targets."""
    if outputs.quantiles is None:
        return None
    scale = np.maximum(y.std(axis=0), np.finfo(float).tiny)
    off = (y[:, :, None] - outputs.quantiles) / scale[:, None]
    levels = np.asarray(config.quantiles)
    return np.asarray(np.maximum(levels * off, (levels - 1) * off).mean(axis=(1, 2)))


def of_outputs(y: Float64, outputs: Outputs, j: int, weight: Float64 | None, config: _Settings) -> Metrics:
    """Pinball loss of each level."""
    from sklearn import metrics

    if outputs.quantiles is None:
        return {}
    return {
        f"pinball_{level:g}": float(
            metrics.mean_pinball_loss(y, outputs.quantiles[:, j, k], alpha=level, sample_weight=weight)
        )
        for k, level in enumerate(config.quantiles)
    }


KIND = Kind(
    name="quantile",
    answers="the median, and `quantiles` that never cross, which shape the intervals",
    build=build,
    link="quantile",
    metric="mae",
    plain="MAE",
    shown="pinball loss",
    rank=40,
    in_unit=True,
    settings=("quantiles",),
    of_outputs=of_outputs,
    own_errors=own_errors,
    judged=judged,
)
