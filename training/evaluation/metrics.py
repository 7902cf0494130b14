"""Metrics by the names that scikit-learn uses, and the error of each row that an objective is compared by."""

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

# Rates and probabilities of exactly 0 would have an infinite error.
_TINY = 1e-12
_PROBABILITY = 1e-7
_POWERS = {"mean_poisson_deviance": 1.0, "mean_gamma_deviance": 2.0}


def regression_metrics(y: Float64, value: Float64, weight: Float64 | None = None) -> Metrics:
    """Metrics of one target.

    Args:
        y, value: float64 (n_samples,), what came true and what was predicted.
        weight: float64 (n_samples,) of each row, or None. Defaults to None.

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
        names: of the targets.
        y, value: float64 (n_samples, n_targets).
        config: its objective adds its own metrics. Defaults to None.
        outputs: of a network, which say more than values: spreads and quantiles. Defaults to None.
        offsets: that the outputs lack, float64 (n_targets,). Defaults to None.
        weight: float64 (n_samples,) of each row. Defaults to None.
    """
    found = {}
    for j, name in enumerate(names):
        found[name] = regression_metrics(y[:, j], value[:, j], weight)
        if config is not None:
            found[name].update(_of_values(config, y[:, j], value[:, j], weight))
            if outputs is not None:
                shift = 0.0 if offsets is None else float(offsets[j])
                found[name].update(_of_outputs(config, y[:, j] - shift, outputs, j, weight))
    return found


def row_errors(metric: str, y: Float64, value: Float64, power: float = 1.5) -> Float64:
    """Error of each row, whose mean is ``metric``, for ``rmse`` its square; the shape of ``y``.

    Args:
        metric: see :class:`training.objectives.kinds.Kind`.
        y, value: float64, what came true and what was predicted.
        power: of ``mean_tweedie_deviance``. Defaults to 1.5.
    """
    if metric == "rmse":
        return np.square(y - value)
    if metric == "mae":
        return np.abs(y - value)
    if metric == "log_loss":
        p = np.clip(value, _PROBABILITY, 1 - _PROBABILITY)
        return np.asarray(-(y * np.log(p) + (1 - y) * np.log(1 - p)))
    value, power = np.maximum(value, _TINY), _POWERS.get(metric, power)
    if power == 1:
        return np.asarray(2 * (np.where(y > 0, y * np.log(np.maximum(y, _TINY) / value), 0.0) - y + value))
    if power == 2:
        return np.asarray(2 * (np.log(value / np.maximum(y, _TINY)) + y / value - 1))
    ends = y ** (2 - power) / ((1 - power) * (2 - power)) + value ** (2 - power) / (2 - power)
    return np.asarray(2 * (ends - y * value ** (1 - power) / (1 - power)))


def _of_values(config: TrainConfig, y: Float64, value: Float64, weight: Float64 | None) -> Metrics:
    """What the objective reports of any model that predicts a value."""
    metric = KINDS[config.objective].metric
    if metric in ("rmse", "mae"):
        return {}
    found: Metrics = {metric: float(np.average(row_errors(metric, y, value, config.tweedie_power), weights=weight))}
    if config.objective == "logistic":
        found["brier"] = float(np.average(np.square(y - value), weights=weight))
        both = len(np.unique(y if weight is None else y[weight > 0])) == 2
        found["roc_auc"] = float(metrics.roc_auc_score(y, value, sample_weight=weight)) if both else None
    return found


def _of_outputs(config: TrainConfig, y: Float64, outputs: Outputs, j: int, weight: Float64 | None) -> Metrics:
    """What it reports of a network: the likelihood of its spreads, the pinball loss of its quantiles."""
    if config.objective == "gaussian" and outputs.spread is not None:
        std = outputs.spread[:, j].astype(np.float64)
        scaled = np.square((y - outputs.value[:, j]) / std)
        return {"nll": float(np.average(0.5 * scaled + np.log(std) + 0.5 * np.log(2 * np.pi), weights=weight))}
    if config.objective == "quantile" and outputs.quantiles is not None:
        return {
            f"pinball_{level:g}": float(
                metrics.mean_pinball_loss(y, outputs.quantiles[:, j, k], alpha=level, sample_weight=weight)
            )
            for k, level in enumerate(config.quantiles)
        }
    return {}
