"""Squared error of small errors, absolute error of large ones (Huber 1964)."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from training.objectives.base import Array, Objective
from training.objectives.kind import Kind
from training.objectives.point import point


class _Settings(Protocol):
    """``huber_delta``: the largest error that is squared, in standard deviations of the target."""

    @property
    def huber_delta(self) -> float: ...


def build(config: _Settings) -> Objective:
    """The loss whose two parts meet at ``huber_delta``."""
    from keras import ops

    delta = config.huber_delta

    def of_tensor(error: Any) -> Any:
        size = ops.abs(error)
        return ops.where(size <= delta, ops.square(error), 2 * delta * size - delta**2)

    def of_array(error: Array) -> Array:
        size = np.abs(error)
        return np.where(size <= delta, np.square(error), 2 * delta * size - delta**2)

    return point(KIND, of_tensor, of_array)


KIND = Kind(
    name="huber",
    answers="between mean and median: small errors count squared, large ones as they are",
    build=build,
    link="identity",
    metric="mae",
    plain="MAE",
    shown="Huber loss",
    rank=30,
    settings=("huber_delta",),
)
