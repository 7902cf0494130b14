"""Linear baselines with a penalty, which is chosen on a bounded number of rows before all rows are fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import ElasticNet, ElasticNetCV, Lasso, LassoCV, Ridge, RidgeCV

Float64 = npt.NDArray[np.float64]
# A penalty is chosen on a sample of rows: as many as hold this many values, but within these two limits. That takes
# about a second of one core.
NUMBERS, FEWEST, MOST = 4_000_000, 1_000, 20_000
_RATIOS = (0.1, 0.5, 0.9)
KINDS = ("ridge", "lasso", "elastic_net")


class Penalised(RegressorMixin, BaseEstimator):
    """Ridge, lasso or elastic net of one target, which it standardises.

    Args:
        kind: ``ridge``, ``lasso`` or ``elastic_net``.
        most_rows: largest number of rows that are fitted once the penalty is chosen; None for all. Defaults to None.
        seed: seed of the samples of rows. Defaults to 0.
    """

    def __init__(self, kind: str, most_rows: int | None = None, seed: int = 0) -> None:
        if kind not in KINDS:
            raise ValueError(f"Expected 'kind' to be one of {', '.join(KINDS)}. Received: kind={kind!r}.")
        self.kind = kind
        self.most_rows = most_rows
        self.seed = seed

    def fit(self, X: Float64, y: Float64, sample_weight: Float64 | None = None) -> Penalised:
        """Fit on float64 (n_samples, n_columns) and (n_samples,)."""
        self.mean_, self.std_ = float(y.mean()), float(y.std()) or 1.0
        n_search = int(np.clip(NUMBERS // max(1, X.shape[1]), FEWEST, MOST))
        search = self._fit(self._search(), X, y, sample_weight, n_search)
        self.model_ = self._fit(self._final(search), X, y, sample_weight, self.most_rows or len(X))
        return self

    def predict(self, X: Float64) -> Float64:
        """Answers, float64 (n_samples,)."""
        return np.asarray(self.model_.predict(X) * self.std_ + self.mean_, np.float64)

    def _fit(self, model: Any, X: Float64, y: Float64, weight: Float64 | None, most_rows: int) -> Any:
        rows: Any = slice(None)
        if len(X) > most_rows:
            rows = np.sort(np.random.default_rng(self.seed).choice(len(X), most_rows, replace=False))
        return model.fit(X[rows], (y[rows] - self.mean_) / self.std_, None if weight is None else weight[rows])

    def _search(self) -> Any:
        if self.kind == "ridge":
            return RidgeCV(alphas=np.logspace(-3, 5, 17))
        if self.kind == "lasso":
            return LassoCV(alphas=30, cv=5)
        return ElasticNetCV(l1_ratio=list(_RATIOS), alphas=30, cv=5)

    def _final(self, search: Any) -> Any:
        if self.kind == "ridge":
            return Ridge(search.alpha_)
        if self.kind == "lasso":
            return Lasso(search.alpha_)
        return ElasticNet(search.alpha_, l1_ratio=search.l1_ratio_)
