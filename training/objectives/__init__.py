"""What is minimised, and what each objective asks of a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.objectives.kinds import KINDS, ObjectiveSettings

if TYPE_CHECKING:
    from training.objectives.base import Objective

__all__ = ["KINDS", "ObjectiveSettings", "objective_of"]


def objective_of(config: ObjectiveSettings) -> Objective:
    """The objective of a configuration."""
    from training.objectives import logistic, normal, point, quantile, rates

    builders = {
        "mse": point.mse,
        "mae": point.mae,
        "huber": point.huber,
        "quantile": quantile.quantile,
        "gaussian": normal.gaussian,
        "poisson": rates.poisson,
        "gamma": rates.gamma,
        "tweedie": rates.tweedie,
        "logistic": logistic.logistic,
    }
    return builders[config.objective](config)
