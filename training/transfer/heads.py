"""Heads in another standardisation of their targets: the answers stay the same."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from artifact.rows.schema import FeatureSchema

Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
# A target has other values or another unit if its deviation is this many times larger or smaller than before, or if its
# mean is this many deviations from the earlier mean.
_WIDER, _AWAY = 50.0, 10.0


class Rescaled(NamedTuple):
    """How a head's outputs for one target are converted to another standardisation: ``raw * ratio + shift``.

    Attributes:
        new, old: numbers of the target, in the new version and in the earlier one.
        ratio: earlier deviation over the new one.
        shift: earlier mean less the new one, in new deviations.
    """

    new: int
    old: int
    ratio: float
    shift: float


def shared_targets(earlier: FeatureSchema, old: Any, schema: FeatureSchema, new: Any) -> list[Rescaled]:
    """Targets that both versions have under one name, with similar values.

    Args:
        earlier: schema of the earlier version.
        old: its :class:`artifact.layers.TargetScaling`.
        schema: schema of the new version.
        new: its scaling.
    """
    targets = []
    for j, target in enumerate(schema.targets):
        if target.name not in earlier.target_names:
            continue
        i = earlier.target_names.index(target.name)
        ratio = old.std[i] / new.std[j]
        shift = (old.mean[i] + earlier.targets[i].offset - new.mean[j] - target.offset) / new.std[j]
        if 1 / _WIDER <= ratio <= _WIDER and abs(shift) <= _AWAY * max(1.0, ratio):
            targets.append(Rescaled(j, i, ratio, shift))
    return targets


def values(kernel: Float32, bias: Float32, link: str, n_quantiles: int, target: Rescaled) -> tuple[Float64, Float64]:
    """The head of one target's value, or of its quantiles, in the new standardisation.

    The conversion is exact, except for the gaps between quantiles where the deviation has changed. Gaps are not linear
    in the head's outputs, so they are exact only where the hidden layer adds 0 to the bias.

    Args:
        kernel: (..., width, outputs of the target).
        bias: (..., 1, outputs of the target).
        link: link of :class:`artifact.layers.TargetScaling`.
        n_quantiles: number of quantiles of a target.
        target: how the target is rescaled.
    """
    weights, start = kernel.astype(np.float64), bias.astype(np.float64)
    if link == "logistic" or (target.ratio, target.shift) == (1.0, 0.0):
        return weights, start
    if link == "log":
        return weights, start + np.log(target.ratio)
    if link != "quantile":
        return weights * target.ratio, start * target.ratio + target.shift
    gaps = target.ratio * np.logaddexp(0.0, start)
    raw_gaps = gaps + np.log(-np.expm1(-gaps))
    slope = target.ratio * _sigmoid(start) / _sigmoid(raw_gaps)
    middle = np.arange(n_quantiles) == n_quantiles // 2
    return (
        weights * np.where(middle, target.ratio, slope),
        np.where(middle, start * target.ratio + target.shift, raw_gaps),
    )


def log_spreads(kernel: Float32, bias: Float32, target: Rescaled) -> tuple[Float64, Float64]:
    """The head of one target's log spread in the new standardisation; shapes as in :func:`values`."""
    return kernel.astype(np.float64), bias.astype(np.float64) + np.log(target.ratio)


def _sigmoid(x: Float64) -> Float64:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))
