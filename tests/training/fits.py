"""Fits of rows in memory, without a table or a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from artifact.rows.encoding import Encoded
from artifact.rows.schema import FeatureSchema
from training.families import FAMILIES
from training.families.solvers.network import solve
from training.fit.fit import fit
from training.fit.population import Population
from training.networks.model import Fitted
from training.prepare.in_memory import Prepared
from training.settings.config import TrainConfig
from training.table.folds import Fold, Plan


def ready(
    schema: FeatureSchema,
    X: Encoded,
    y: npt.NDArray[np.float64],
    folds: Sequence[Fold],
    config: TrainConfig,
    **more: Any,
) -> Prepared:
    """The rows that a fit needs; ``more`` as :class:`Prepared` takes it."""
    return Prepared(pl.DataFrame(), schema, X, y, Plan(tuple(folds), 1, None), config, [], **more)


def fit_on(prepared: Prepared, folds: Sequence[Fold], repeats: int = 1, **more: Any) -> Fitted:
    """Fit one network a fold; ``more`` as :func:`training.fit.fit.fit` takes it."""
    if FAMILIES[prepared.config.required("model")].is_solved(prepared.objective):
        return solve(prepared.samples, folds)
    return fit(prepared, Population.of(prepared.config, folds, repeats), **more)
