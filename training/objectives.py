"""Objectives: what the networks' outputs mean, and what is minimised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from keras import ops


@dataclass(frozen=True, slots=True)
class Objective:
    """What is minimised.

    Attributes:
        name: as ``--objective`` takes it.
        n_values: outputs that answer, by the number of targets.
        n_spreads: outputs for the answers' spreads, by the number of targets.
        loss: targets (n_networks, 1, n_samples, n_targets) and outputs
            (n_networks, n_members, n_samples, n_values + n_spreads) -> (n_networks, n_members, n_samples).
        error: the same of what a person is shown while it trains, in the unit of ``score``.
        score: NumPy; targets (n_samples, n_targets) and one network's outputs (n_members, n_samples, n_outputs) ->
            the mean error of the members' joint answer, by which the epoch is chosen.
    """

    name: str
    n_values: Callable[[int], int]
    n_spreads: Callable[[int], int]
    loss: Callable[[Any, Any], Any]
    error: Callable[[Any, Any], Any]
    score: Callable[[npt.NDArray[Any], npt.NDArray[Any]], float]


def _mse(y: Any, outputs: Any) -> Any:
    """Squared error of the value plus the Laplace likelihood of the spread.

    The spread ``s`` of an answer minimises ``|y - value| / s + log s``, so it learns the mean absolute error as a
    function of the row, which is what conformal scores are divided by (Lei et al. 2018).
    """
    n_targets = y.shape[-1]
    value, log_spread = outputs[..., :n_targets], ops.clip(outputs[..., n_targets:], -7.0, 4.0)
    residual = ops.stop_gradient(ops.abs(y - value))
    return ops.mean(ops.square(y - value) + residual * ops.exp(-log_spread) + log_spread, axis=-1)


def _squared_error(y: Any, outputs: Any) -> Any:
    return ops.mean(ops.square(y - outputs[..., : y.shape[-1]]), axis=-1)


def _mse_score(y: npt.NDArray[Any], outputs: npt.NDArray[Any]) -> float:
    value = outputs[..., : y.shape[1]].mean(axis=0, dtype=np.float64)
    return float(np.mean(np.square(y - value)))


OBJECTIVES: dict[str, Objective] = {
    "mse": Objective("mse", lambda n: n, lambda n: n, _mse, _squared_error, _mse_score),
}
