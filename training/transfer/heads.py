"""The heads in the units of other targets: what they answer stays, however the target is standardised."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from artifact.rows.schema import FeatureSchema

Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
# Beyond so many times the earlier deviation, or so many deviations away, a target has other values or another unit.
_WIDER, _AWAY = 50.0, 10.0


class Rescaled(NamedTuple):
    """A head's outputs of one target in another standardisation: ``raw * ratio + shift``, in deviations.

    Attributes:
        new, old: numbers of the target.
        ratio: earlier deviation over the new one.
        shift: earlier mean less the new one, in new deviations.
    """

    new: int
    old: int
    ratio: float
    shift: float


def shared_targets(earlier: FeatureSchema, old: Any, schema: FeatureSchema, new: Any) -> list[Rescaled]:
    """Targets of one name whose values are alike.

    Args:
        earlier: schema of the earlier version.
        old: its :class:`artifact.layers.TargetScaling`.
        schema: of the new one.
        new: its scaling.
    """
    found = []
    for j, target in enumerate(schema.targets):
        if target.name not in earlier.target_names:
            continue
        i = earlier.target_names.index(target.name)
        ratio = old.std[i] / new.std[j]
        shift = (old.mean[i] + earlier.targets[i].offset - new.mean[j] - target.offset) / new.std[j]
        if 1 / _WIDER <= ratio <= _WIDER and abs(shift) <= _AWAY * max(1.0, ratio):
            found.append(Rescaled(j, i, ratio, shift))
    return found


def values(kernel: Float32, bias: Float32, link: str, n_quantiles: int, target: Rescaled) -> tuple[Float64, Float64]:
    """The head of one target's value, or of its quantiles, in the new standardisation.

    Exact, but for the gaps between quantiles where the deviation changed: they are exponentials of a sort, and are
    right where the hidden layer adds nothing to the bias.

    Args:
        kernel: (..., width, outputs of the target).
        bias: (..., 1, outputs of the target).
        link: of :class:`artifact.layers.TargetScaling`.
        n_quantiles: of a target.
        target: how it is rescaled.
    """
    weights, start = kernel.astype(np.float64), bias.astype(np.float64)
    if link == "logistic" or (target.ratio, target.shift) == (1.0, 0.0):
        return weights, start
    if link == "log":
        return weights, start + np.log(target.ratio)
    if link != "quantile":
        return weights * target.ratio, start * target.ratio + target.shift
    gaps = target.ratio * np.logaddexp(0.0, start)
    moved = gaps + np.log(-np.expm1(-gaps))
    slope = target.ratio * _sigmoid(start) / _sigmoid(moved)
    middle = np.arange(n_quantiles) == n_quantiles // 2
    return (
        weights * np.where(middle, target.ratio, slope),
        np.where(middle, start * target.ratio + target.shift, moved),
    )


def log_spreads(kernel: Float32, bias: Float32, target: Rescaled) -> tuple[Float64, Float64]:
    """The head of one target's log spread in the new standardisation; shapes as in :func:`values`."""
    return kernel.astype(np.float64), bias.astype(np.float64) + np.log(target.ratio)


def _sigmoid(x: Float64) -> Float64:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))
