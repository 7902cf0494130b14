"""Metrics, named as in scikit-learn, and further ones that an objective adds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from artifact.manifest import Metrics
from artifact.runtimes import Outputs
from training.objectives.kinds import KINDS
from training.settings.config import TrainConfig

Float64 = npt.NDArray[np.float64]


def regression_metrics(y: Float64, value: Float64, weight: Float64 | None = None) -> Metrics:
    """Metrics of one target.

    Args:
        y, value: float64 (n_samples,), true and predicted values.
        weight: float64 (n_samples,), each row's weight, or None. Defaults to None.

    Returns:
        ``mse``, ``rmse``, ``mae``, ``r2``, ``explained_variance``, ``mape``, ``msle``, ``rmsle``; None where a metric
        is not defined: R2 and explained variance where all true values are the same, MAPE where one is 0, MSLE and
        RMSLE where a value is -1 or less.
    """
    mse = float(metrics.mean_squared_error(y, value, sample_weight=weight))
    varies = bool(y.min() < y.max())
    logs = bool(y.min() > -1 and value.min() > -1)
    msle = float(np.average(np.square(np.log1p(value) - np.log1p(y)), weights=weight)) if logs else None
    explained = float(metrics.explained_variance_score(y, value, sample_weight=weight)) if varies else None
    return {
        "mse": mse,
        "rmse": float(np.sqrt(mse)),
        "mae": float(metrics.mean_absolute_error(y, value, sample_weight=weight)),
        "r2": float(metrics.r2_score(y, value, sample_weight=weight)) if varies else None,
        "explained_variance": explained,
        "mape": float(np.average(np.abs((y - value) / y), weights=weight)) if np.all(y != 0) else None,
        "msle": msle,
        "rmsle": None if msle is None else float(np.sqrt(msle)),
    }


def by_target(
    names: Sequence[str],
    y: Float64,
    value: Float64,
    *,
    config: TrainConfig | None = None,
    outputs: Outputs | None = None,
    offsets: Float64 | None = None,
    weight: Float64 | None = None,
) -> dict[str, Metrics]:
    """Metrics of several targets.

    Args:
        names: the targets' names.
        y, value: float64 (n_samples, n_targets), true and predicted values.
        config: settings, whose objective adds metrics. Defaults to None.
        outputs: a network's outputs, which have spreads or quantiles beside values. Defaults to None.
        offsets: float64 (n_targets,), what was subtracted from the targets for the outputs. Defaults to None.
        weight: float64 (n_samples,), each row's weight. Defaults to None.
    """
    by_name = {}
    for j, name in enumerate(names):
        by_name[name] = regression_metrics(y[:, j], value[:, j], weight)
        if config is not None:
            by_name[name].update(_of_values(config, y[:, j], value[:, j], weight))
            if outputs is not None:
                shift = 0.0 if offsets is None else float(offsets[j])
                by_name[name].update(_of_outputs(config, y[:, j] - shift, outputs, j, weight))
    return by_name


def _of_values(config: TrainConfig, y: Float64, value: Float64, weight: Float64 | None) -> Metrics:
    """The objective's metrics for any model that predicts a value."""
    kind = KINDS[config.objective]
    metrics: Metrics = {}
    if kind.row_errors is not None:
        metrics[kind.metric] = float(np.average(kind.errors(y, value, config), weights=weight))
    return metrics if kind.of_values is None else metrics | kind.of_values(y, value, weight)


def _of_outputs(config: TrainConfig, y: Float64, outputs: Outputs, j: int, weight: Float64 | None) -> Metrics:
    """The objective's metrics for a network: the likelihood of its spreads, or the pinball loss of its quantiles."""
    further = KINDS[config.objective].of_outputs
    return {} if further is None else further(y, outputs, j, weight, config)
