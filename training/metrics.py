"""Regression metrics by the names that scikit-learn uses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from artifact.manifest import Metrics

Float64 = npt.NDArray[np.float64]


def regression_metrics(y: Float64, value: Float64) -> Metrics:
    """Metrics of one target.

    Args:
        y, value: float64 (n_samples,), what came true and what was predicted.

    Returns:
        ``mse``, ``rmse``, ``mae``, ``r2``, ``explained_variance``, ``mape``, ``msle``, ``rmsle``; None where a metric
        is not defined: MAPE where a true value is 0, MSLE and RMSLE where a value is -1 or less.
    """
    mse = float(metrics.mean_squared_error(y, value))
    logs = bool(y.min() > -1 and value.min() > -1)
    msle = float(np.mean(np.square(np.log1p(value) - np.log1p(y)))) if logs else None
    return {
        "mse": mse,
        "rmse": float(np.sqrt(mse)),
        "mae": float(metrics.mean_absolute_error(y, value)),
        "r2": float(metrics.r2_score(y, value)),
        "explained_variance": float(metrics.explained_variance_score(y, value)),
        "mape": float(np.mean(np.abs((y - value) / y))) if np.all(y != 0) else None,
        "msle": msle,
        "rmsle": None if msle is None else float(np.sqrt(msle)),
    }


def by_target(names: tuple[str, ...], y: Float64, value: Float64) -> dict[str, Metrics]:
    """Metrics of several targets, each float64 (n_samples, n_targets)."""
    return {name: regression_metrics(y[:, j], value[:, j]) for j, name in enumerate(names)}
