"""The simpler models that a network has to beat, fitted on the rows that the network saw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from artifact.encoding import Encoded
from artifact.schema import FeatureSchema

Float64 = npt.NDArray[np.float64]

MEAN, RIDGE, BOOSTING = "mean", "ridge", "hist_gradient_boosting"
BASELINES = (MEAN, RIDGE, BOOSTING)
# HistGradientBoosting takes at most 255 categories a feature; a wider one is left to it as a number.
_MAX_CATEGORIES = 255


def baselines(schema: FeatureSchema, X: Encoded, y: Float64, seed: int) -> Iterator[tuple[str, Any]]:
    """Fit each baseline, one after another.

    Args:
        schema: of the rows.
        X: encoded training and validation rows.
        y: float64 (n_samples, n_targets).
        seed: of those that draw.

    Yields:
        Name and fitted model; its ``predict(matrix(X))`` gives float64 (n_samples, n_targets).
    """
    features = matrix(X)
    for name, model in _models(schema, seed):
        yield name, model.fit(features, y)


def matrix(X: Encoded) -> Float64:
    """Numeric columns, NaN where missing, then the categorical codes: float64 (n_samples, n_columns)."""
    return np.hstack([X.numeric.astype(np.float64), X.categorical.astype(np.float64)])


def predict(model: Any, X: Encoded) -> Float64:
    """A baseline's answers, float64 (n_samples, n_targets)."""
    return np.asarray(model.predict(matrix(X)), np.float64).reshape(len(X), -1)


def _models(schema: FeatureSchema, seed: int) -> Iterator[tuple[str, Any]]:
    n_numeric, cardinalities = len(schema.numeric_columns), schema.cardinalities
    numeric = list(range(n_numeric))
    codes = list(range(n_numeric, n_numeric + len(cardinalities)))
    yield MEAN, DummyRegressor()
    prepare = ColumnTransformer(
        [
            ("numeric", make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), numeric),
            ("categorical", OneHotEncoder(handle_unknown="ignore", sparse_output=False, max_categories=200), codes),
        ]
    )
    yield RIDGE, make_pipeline(prepare, RidgeCV(alphas=np.logspace(-3, 4, 15)))
    few = [code for code, count in zip(codes, cardinalities, strict=True) if count <= _MAX_CATEGORIES]
    yield BOOSTING, MultiOutputRegressor(HistGradientBoostingRegressor(categorical_features=few, random_state=seed))
