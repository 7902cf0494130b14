"""Amounts of which many are 0, such as claims."""

from __future__ import annotations

from typing import Any, Protocol

from training.objectives.base import Objective
from training.objectives.kind import NOT_NEGATIVE, Float64, Kind
from training.objectives.rates import deviance, rate


class _Settings(Protocol):
    """``tweedie_power``: between 1 (counts) and 2 (amounts)."""

    @property
    def tweedie_power(self) -> float: ...


def build(config: _Settings) -> Objective:
    """The deviance."""
    return rate(KIND, config.tweedie_power)


def line(config: _Settings) -> Any:
    """The generalised linear model among the baselines."""
    from sklearn.linear_model import TweedieRegressor

    return TweedieRegressor(power=config.tweedie_power, alpha=1e-3, link="log", max_iter=1000)


def row_errors(y: Float64, value: Float64, config: _Settings) -> Float64:
    """Deviance of each row."""
    return deviance(y, value, config.tweedie_power)


KIND = Kind(
    name="tweedie",
    answers="an amount that is often 0",
    build=build,
    link="log",
    metric="mean_tweedie_deviance",
    plain="Tweedie deviance",
    shown="deviance",
    rank=80,
    takes=NOT_NEGATIVE,
    support=(0.0, None),
    plain_scale=True,
    settings=("tweedie_power",),
    row_errors=row_errors,
    boosting="poisson",
    line=line,
)
