"""Objectives of one number an answer: the mean (mse), the median (mae), or between them (huber)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from training.config import TrainConfig
from training.objectives.base import Array, Objective, laplace, split


def mse(config: TrainConfig) -> Objective:  # noqa: ARG001 - the objectives share a signature
    """Squared error; the answer is the mean."""
    return _point("mse", ops.square, np.square)


def mae(config: TrainConfig) -> Objective:  # noqa: ARG001
    """Absolute error; the answer is the median, which outliers do not move."""
    return _point("mae", ops.abs, np.abs)


def huber(config: TrainConfig) -> Objective:
    """Squared error of small errors, absolute error of large ones (Huber 1964).

    ``huber_delta`` is where they meet, in standard deviations of the target.
    """
    delta = config.huber_delta

    def of_tensor(error: Any) -> Any:
        size = ops.abs(error)
        return ops.where(size <= delta, ops.square(error), 2 * delta * size - delta**2)

    def of_array(error: Array) -> Array:
        size = np.abs(error)
        return np.where(size <= delta, np.square(error), 2 * delta * size - delta**2)

    return _point("huber", of_tensor, of_array)


def _point(name: str, of_tensor: Callable[[Any], Any], of_array: Callable[[Array], Array]) -> Objective:
    """An objective of the error alone, with a spread beside the value."""

    def loss(y: Any, outputs: Any) -> Any:
        value, log_spread = split(y, outputs)
        return ops.mean(of_tensor(y - value) + laplace(y - value, log_spread), axis=-1)

    def error(y: Any, outputs: Any) -> Any:
        return ops.mean(of_tensor(y - split(y, outputs)[0]), axis=-1)

    def errors(y: Array, outputs: Array) -> Array:
        value, _ = split(y, outputs)
        return np.asarray(of_array(y - value.mean(axis=0)).mean(axis=-1))

    return Objective(name, loss, error, errors)
