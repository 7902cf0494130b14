"""Counts, whose variance is in proportion to their mean."""

from __future__ import annotations

from typing import Any

from training.objectives.base import Objective
from training.objectives.kind import NOT_NEGATIVE, Float64, Kind, ObjectiveSettings
from training.objectives.rates import deviance, rate


def build(config: ObjectiveSettings) -> Objective:  # noqa: ARG001 - the objectives share a signature
    """The deviance."""
    return rate(KIND, 1.0)


def line(settings: ObjectiveSettings) -> Any:  # noqa: ARG001 - the lines share a signature
    """The generalised linear model among the baselines."""
    from sklearn.linear_model import PoissonRegressor

    return PoissonRegressor(alpha=1e-3, max_iter=1000)


def row_errors(y: Float64, value: Float64, settings: ObjectiveSettings) -> Float64:  # noqa: ARG001
    """Deviance of each row."""
    return deviance(y, value, 1.0)


KIND = Kind(
    name="poisson",
    answers="a rate",
    build=build,
    link="log",
    metric="mean_poisson_deviance",
    plain="Poisson deviance",
    shown="deviance",
    rank=60,
    takes=NOT_NEGATIVE,
    support=(0.0, None),
    plain_scale=True,
    row_errors=row_errors,
    boosting="poisson",
    line=line,
)
