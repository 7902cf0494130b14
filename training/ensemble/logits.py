"""Converts answers in the target's unit back to outputs of a network's heads, which a student is taught."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.layers import target as layer
from artifact.runtimes import Outputs


def raw_of(outputs: Outputs, scaling: Any) -> npt.NDArray[np.float32]:
    """The inverse of :class:`artifact.layers.TargetScaling` for one network.

    Args:
        outputs: answers to n_samples rows, offsets subtracted.
        scaling: the layer.

    Returns:
        float32 (n_samples, n_outputs); where the layer has bounded an answer, the output that gives the bound.
    """
    mean, std = np.asarray(scaling.mean), np.asarray(scaling.std)
    if scaling.link == "quantile":
        return _raw_quantiles(np.asarray(outputs.quantiles, np.float64), mean, std).astype(np.float32)
    value = np.asarray(outputs.value, np.float64)
    if scaling.link == "logistic":
        p = np.clip(value, *layer.PROBABILITY)
        return np.log(p / (1 - p)).astype(np.float32)
    values = (value - mean) / std
    if scaling.link == "log":
        low, high = layer.LOG_RATE
        values = np.log(np.clip(values, np.exp(low), np.exp(high)))
    low, high = layer.LOG_SPREAD
    spread = np.clip(np.asarray(outputs.spread, np.float64) / std, np.exp(low), np.exp(high))
    return np.concatenate([values, np.log(spread)], axis=1).astype(np.float32)


def _raw_quantiles(
    quantiles: npt.NDArray[np.float64], mean: npt.NDArray[np.float64], std: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The median and, on both sides, the gaps before softplus; (n_samples, n_targets * n_quantiles)."""
    scaled = (quantiles - mean[:, None]) / std[:, None]
    middle = scaled.shape[-1] // 2
    gaps = np.maximum(np.diff(scaled, axis=-1) - layer._LEAST_GAP, 1e-4)
    # log(exp(gap) - 1), which does not overflow.
    before = gaps + np.log(-np.expm1(-gaps))
    raw = np.concatenate([before[..., :middle], scaled[..., middle : middle + 1], before[..., middle:]], axis=-1)
    return raw.reshape(len(raw), -1)
