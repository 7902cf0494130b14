"""The asymmetric squared error: the answer is an expectile (Newey and Powell 1987). At 0.5 it is the mean.

A row above its answer counts ``expectile``, and a row below it counts ``1 - expectile``. Both are doubled, so that a
level of 0.5 gives the squared error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from training.objectives.base import Array, Objective
from training.objectives.expectile.sides import sample_expectile, sides
from training.objectives.kind import Constant, Float64, Kind
from training.objectives.point import point

if TYPE_CHECKING:
    from artifact.runtimes import Outputs


class _Settings(Protocol):
    """``expectile``: the level, in (0, 1)."""

    @property
    def expectile(self) -> float: ...


def build(config: _Settings) -> Objective:
    """The squared error, which counts more on one side."""
    from keras import ops

    level = config.expectile

    def of_tensor(error: Any) -> Any:
        return 2 * ops.where(error > 0, level, 1 - level) * ops.square(error)

    def of_array(error: Array) -> Array:
        return np.asarray(sides(error, level) * np.square(error))

    return point(KIND, of_tensor, of_array)


def row_errors(y: Float64, value: Float64, config: _Settings) -> Float64:
    """Asymmetric squared error of each value."""
    return np.asarray(sides(y - value, config.expectile) * np.square(y - value))


def judged(outputs: Outputs, y: Float64, config: _Settings) -> Float64:
    """The mean of these errors over the targets, each in squares of its target's deviation, since units may differ."""
    scale = np.maximum(y.std(axis=0), np.finfo(float).tiny)
    return np.asarray((row_errors(y, outputs.value.astype(np.float64), config) / np.square(scale)).mean(axis=1))


def constant(y: Float64, weight: Float64 | None, config: _Settings) -> float:
    """The best constant, see :func:`sample_expectile`."""
    return sample_expectile(y, weight, config.expectile)


def boosting(config: _Settings) -> Any:
    """The loss of boosted trees."""
    from training.objectives.expectile.simpler import boosting_loss

    return boosting_loss(config.expectile)


def line(config: _Settings) -> Any:
    """The line among the baselines, of least asymmetric squares."""
    from training.objectives.expectile.simpler import ExpectileLine

    return ExpectileLine(config.expectile)


KIND = Kind(
    name="expectile",
    answers="an expectile: a mean in which rows above the answer count `expectile`, and rows below it count 1 - "
    "`expectile`",
    build=build,
    link="identity",
    metric="expectile_loss",
    plain="expectile loss",
    shown="expectile loss",
    rank=45,
    settings=("expectile",),
    row_errors=row_errors,
    judged=judged,
    boosting=boosting,
    constant=Constant("expectile", constant),
    line=line,
)
