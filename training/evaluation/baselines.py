"""Baselines: simpler models that a network has to beat, fitted on the rows that it saw and for its objective."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import GammaRegressor, PoissonRegressor, RidgeCV, TweedieRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from artifact.rows.encoding import Encoded
from artifact.rows.schema import FeatureSchema
from training.devices.threads import few_threads
from training.evaluation.penalised import Penalised
from training.objectives.kinds import KINDS
from training.settings.config import TrainConfig
from training.table.encode import matrix

Float64 = npt.NDArray[np.float64]

MEAN, MEDIAN, RIDGE, GLM, BOOSTING = "mean", "median", "ridge", "glm", "hist_gradient_boosting"
LASSO, ELASTIC_NET, POLYNOMIAL = "lasso", "elastic_net", "polynomial"
_LINES = (RIDGE, GLM, LASSO, ELASTIC_NET, POLYNOMIAL)
# A polynomial has at most this many numeric columns, since their products take long. It is fitted on at most this many
# rows, which are enough.
_MOST_NUMBERS, _MOST_ROWS = 20, 100_000
# A line is fitted on at most this many rows: more rows give the same line, and their one-hot columns take gigabytes.
MOST_ROWS_OF_LINES = 100_000
# HistGradientBoosting takes at most 255 categories for each feature; a feature with more is given as a number.
_MAX_CATEGORIES = 255


def baseline_names(config: TrainConfig, schema: FeatureSchema) -> tuple[str, ...]:
    """Names of an objective's baselines: a constant, lines (for rates and probabilities one), boosted trees.

    With at most 20 numeric columns there is also a polynomial.
    """
    kind = KINDS[config.objective]
    lines = [RIDGE, LASSO, ELASTIC_NET] if kind.line is None else [GLM]
    if kind.line is None and 0 < len(schema.numeric_columns) <= _MOST_NUMBERS:
        lines.append(POLYNOMIAL)
    return (kind.constant_name, *lines, BOOSTING)


def baselines(
    schema: FeatureSchema, X: Encoded, y: Float64, config: TrainConfig, weight: Float64 | None = None
) -> Iterator[tuple[str, Any]]:
    """Fit each baseline, one after another.

    Args:
        schema: the rows' schema.
        X: encoded training and validation rows.
        y: float64 (n_samples, n_targets).
        config: gives the objective and the seed.
        weight: float64 (n_samples,), each row's weight, or None. Defaults to None.

    Yields:
        Name and fitted model; its ``predict(matrix(X))`` gives float64 (n_samples, n_targets).
    """
    features = matrix(X)
    if weight is not None:
        # Leave rows of weight 0 out: else a fold of a search could hold only such rows.
        has_weight = weight > 0
        features, y, weight = features[has_weight], y[has_weight], weight[has_weight]
    fewer = _sample(len(features), config.seed)
    for name, make in zip(baseline_names(config, schema), _makers(schema, config), strict=True):
        rows = fewer if name in _LINES else slice(None)
        model = PerTarget(make, y[rows], None if weight is None else weight[rows])
        with few_threads(len(features)):
            model.fit(features[rows])
        yield name, model


def _sample(n_rows: int, seed: int) -> Any:
    """The rows that fit a line: all, or a sample of very many."""
    if n_rows <= MOST_ROWS_OF_LINES:
        return slice(None)
    return np.sort(np.random.default_rng(seed).choice(n_rows, MOST_ROWS_OF_LINES, replace=False))


def predict(model: Any, X: Encoded) -> Float64:
    """A baseline's answers, float64 (n_samples, n_targets)."""
    with few_threads(len(X)):
        return np.asarray(model.predict(matrix(X)), np.float64).reshape(len(X), -1)


class BestConstant(RegressorMixin, BaseEstimator):
    """The best constant for one target, as an objective defines it.

    Args:
        config: gives the objective.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.config = config

    def fit(self, X: Float64, y: Float64, sample_weight: Float64 | None = None) -> BestConstant:  # noqa: ARG002
        """Fit on float64 (n_samples,); the features say nothing."""
        (self.constant_,) = KINDS[self.config.objective].best_constant(y[:, None], sample_weight, self.config)
        return self

    def predict(self, X: Float64) -> Float64:
        """The constant for each row, float64 (n_samples,)."""
        return np.full(len(X), self.constant_)


class PerTarget:
    """One scikit-learn model for each target.

    Args:
        make: makes an unfitted model; a classifier answers with the probability of 1.
        y: float64 (n_samples, n_targets).
        weight: float64 (n_samples,), each row's weight, or None.

    Attributes:
        n_samples: number of rows on which the models are fitted.
    """

    def __init__(self, make: Callable[[], Any], y: Float64, weight: Float64 | None) -> None:
        self._make, self._y, self._weight = make, y, weight
        self.n_samples = len(y)
        self._models: list[Any] = []

    def fit(self, X: Float64) -> PerTarget:
        """Fit on float64 (n_samples, n_columns)."""
        for column in self._y.T:
            model = self._make()
            if hasattr(model, "predict_proba") and column.min() == column.max():
                # A classifier refuses a single class, and few rows may have only one.
                model = DummyRegressor()
            last = f"{model.steps[-1][0]}__sample_weight" if hasattr(model, "steps") else "sample_weight"
            with warnings.catch_warnings():
                # A baseline that has not converged is used anyway: the training must not fail for it.
                warnings.simplefilter("ignore", ConvergenceWarning)
                self._models.append(model.fit(X, column, **({} if self._weight is None else {last: self._weight})))
        return self

    def predict(self, X: Float64) -> Float64:
        """Answers, float64 (n_samples, n_targets); rates are clipped to the range of the fitted targets."""
        return np.column_stack([self._answer(model, X, j) for j, model in enumerate(self._models)])

    def _answer(self, model: Any, X: Float64, j: int) -> Float64:
        if hasattr(model, "predict_proba"):
            return np.asarray(model.predict_proba(X)[:, 1])
        with np.errstate(over="ignore"):
            answers = np.asarray(model.predict(X), np.float64)
        last = model.steps[-1][1] if hasattr(model, "steps") else model
        is_rate = isinstance(last, PoissonRegressor | GammaRegressor | TweedieRegressor)
        return np.clip(answers, self._y[:, j].min(), self._y[:, j].max()) if is_rate else answers


def _makers(schema: FeatureSchema, config: TrainConfig) -> Iterator[Callable[[], Any]]:
    constant, *lines, _ = baseline_names(config, schema)
    n_numeric, cardinalities = len(schema.numeric_columns), schema.cardinalities
    numeric = list(range(n_numeric))
    codes = list(range(n_numeric, n_numeric + len(cardinalities)))
    has_own_constant = KINDS[config.objective].constant is not None
    yield lambda: BestConstant(config) if has_own_constant else DummyRegressor(strategy=constant)

    def linear(line: str) -> Any:
        steps = [SimpleImputer(strategy="median", add_indicator=True), StandardScaler()]
        if line == POLYNOMIAL:
            steps += [PolynomialFeatures(2, include_bias=False), StandardScaler()]
        scaled = make_pipeline(*steps)
        encoded = OneHotEncoder(handle_unknown="ignore", sparse_output=False, max_categories=200)
        prepare = ColumnTransformer([("numeric", scaled, numeric), ("categorical", encoded, codes)])
        return make_pipeline(prepare, _line(line, config))

    for line in lines:
        yield partial(linear, line)
    narrow_codes = [code for code, count in zip(codes, cardinalities, strict=True) if count <= _MAX_CATEGORIES]
    trees: dict[str, Any] = {"categorical_features": narrow_codes, "random_state": config.seed}
    loss = KINDS[config.objective].boosting_loss(config)
    if loss == "log_loss":
        yield lambda: HistGradientBoostingClassifier(**trees)
        return
    yield lambda: HistGradientBoostingRegressor(loss=loss, **trees)


def _line(line: str, config: TrainConfig) -> Any:
    if line in (LASSO, ELASTIC_NET):
        return Penalised(line, seed=config.seed)
    if line == POLYNOMIAL:
        return Penalised("ridge", _MOST_ROWS, config.seed)
    glm = KINDS[config.objective].line
    if line == GLM and glm is not None:
        return glm(config)
    return RidgeCV(alphas=np.logspace(-3, 4, 15))
