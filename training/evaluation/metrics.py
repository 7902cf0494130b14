"""Metrics by the names that scikit-learn uses, and those that an objective adds."""

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


def _of_values(config: TrainConfig, y: Float64, value: Float64, weight: Float64 | None) -> Metrics:
    """What the objective reports of any model that predicts a value."""
    kind = KINDS[config.objective]
    found: Metrics = {}
    if kind.row_errors is not None:
        found[kind.metric] = float(np.average(kind.errors(y, value, config), weights=weight))
    return found if kind.of_values is None else found | kind.of_values(y, value, weight)


def _of_outputs(config: TrainConfig, y: Float64, outputs: Outputs, j: int, weight: Float64 | None) -> Metrics:
    """What it reports of a network: the likelihood of its spreads, the pinball loss of its quantiles."""
    own = KINDS[config.objective].of_outputs
    return {} if own is None else own(y, outputs, j, weight, config)
