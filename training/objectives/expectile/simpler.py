"""What scikit-learn lacks for expectiles: the loss of boosted trees, and a line of least asymmetric squares."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn._loss.link import IdentityLink
from sklearn._loss.loss import BaseLoss
from sklearn.base import BaseEstimator, RegressorMixin

from training.objectives.expectile.sides import MOST_STEPS, sample_expectile, sides
from training.objectives.kind import Float64

# The generalised linear models of the other objectives have the same penalty.
_ALPHA = 1e-3


def boosting_loss(level: float) -> Any:
    """A loss as ``HistGradientBoostingRegressor(loss=...)`` takes one.

    Args:
        level: level of the expectile, in (0, 1).
    """
    return _Loss(level)


class _Loss(BaseLoss):
    """Half the asymmetric squared error; boosting starts at the sample expectile."""

    def __init__(self, level: float) -> None:
        super().__init__(_HalfAsymmetric(level), IdentityLink())
        self._level = level

    def fit_intercept_only(self, y_true: Float64, sample_weight: Float64 | None = None) -> Float64:
        return np.asarray(sample_expectile(y_true, sample_weight, self._level))


class _HalfAsymmetric:
    """Half the asymmetric squared error, with the methods that scikit-learn asks of a loss written in Cython.

    All arrays are (n_samples,); results are written into those whose names end in ``_out``.
    """

    def __init__(self, level: float) -> None:
        self._level = level

    def loss(
        self,
        y_true: Any,
        raw_prediction: Any,
        sample_weight: Any,
        loss_out: Any,
        n_threads: int = 1,  # noqa: ARG002
    ) -> None:
        error = y_true - raw_prediction
        loss_out[:] = _weighted(0.5 * sides(error, self._level) * np.square(error), sample_weight)

    def gradient_hessian(
        self,
        y_true: Any,
        raw_prediction: Any,
        sample_weight: Any,
        gradient_out: Any,
        hessian_out: Any,
        n_threads: int = 1,  # noqa: ARG002
    ) -> None:
        error = y_true - raw_prediction
        counts = _weighted(sides(error, self._level), sample_weight)
        gradient_out[:] = -counts * error
        hessian_out[:] = counts


def _weighted(values: Float64, weight: Float64 | None) -> Float64:
    return values if weight is None else values * weight


class ExpectileLine(RegressorMixin, BaseEstimator):
    """Linear expectile regression of one target: ``mean(counts * (y - X w - b)^2) + alpha |w|^2``.

    Args:
        level: level of the expectile, in (0, 1).
    """

    def __init__(self, level: float) -> None:
        self.level = level

    def fit(self, X: Float64, y: Float64, sample_weight: Float64 | None = None) -> ExpectileLine:
        """Fit on float64 (n_samples, n_columns) and (n_samples,): weighted least squares until no row changes sides."""
        columns = np.column_stack([X, np.ones(len(X))])
        given = np.ones(len(X)) if sample_weight is None else sample_weight
        penalty = np.diag([*[_ALPHA * given.sum()] * X.shape[1], 0.0])

        def solved(counts: Float64) -> Float64:
            weighted = columns * counts[:, None]
            return np.asarray(np.linalg.solve(weighted.T @ columns + penalty, weighted.T @ y))

        # The first weights are those of ridge regression.
        self.coef_, above = solved(given), np.zeros(0, bool)
        for _ in range(MOST_STEPS):
            error = y - columns @ self.coef_
            if np.array_equal(above, error > 0):
                break
            above = error > 0
            self.coef_ = solved(given * sides(error, self.level))
        return self

    def predict(self, X: Float64) -> Float64:
        """Answers, float64 (n_samples,)."""
        return np.asarray(X @ self.coef_[:-1] + self.coef_[-1], np.float64)
