"""Scores of a version's answers to new rows, and how well intervals from them cover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from artifact.intervals.calibration import DEFAULT_LEVEL, Calibration, Grouping
from artifact.manifest import Coverage
from artifact.predictor import Prediction, Predictor
from artifact.runtimes import Outputs

if TYPE_CHECKING:
    import polars as pl

Float64 = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_FOLDS = 10


@dataclass(frozen=True, slots=True)
class Scoring:
    """Answers to rows and their true values, less the targets' offsets, from which scores are taken.

    Attributes:
        predictor: predictor that gave the answers.
        outputs: outputs of the network for all rows.
        y: float64 (n_samples, n_targets).
        categorical: int32 (n_samples, n_categorical), the rows' codes.
        weight: float64 (n_samples,), or None.
    """

    predictor: Predictor
    outputs: Outputs
    y: Float64
    categorical: npt.NDArray[np.int32]
    weight: Float64 | None

    def fit(self, rows: Indices) -> Calibration:
        """The calibration by some rows."""
        former = self.predictor.calibration
        grouping = None
        if former.groups is not None:
            column = former.groups.column
            grouping = Grouping(column, former.groups.n_codes, self.categorical[rows, column])
        return Calibration.fit(
            self.y[rows],
            *self._outputs(rows),
            weight=None if self.weight is None else self.weight[rows],
            grouping=grouping,
            support=former.support,
        )

    def coverage(self, folds: list[Indices]) -> Coverage:
        """The coverage of intervals, each on rows whose errors were not used to make it."""
        from training.evaluation.verdict import coverage

        everything = np.arange(len(self.y))
        by_fold = [self.fit(np.setdiff1d(everything, fold)) for fold in folds]
        level = min(DEFAULT_LEVEL, *(calibration.max_level for calibration in by_fold))
        lower, upper = np.zeros_like(self.y), np.zeros_like(self.y)
        for fold, calibration in zip(folds, by_fold, strict=True):
            value, spread, quantiles = self._outputs(fold)
            bound = calibration.of_rows(calibration.bound(level), self.categorical[fold])
            lower[fold], upper[fold] = calibration.interval(value, spread, bound, quantiles)
        answer = Prediction(self.outputs.value, lower, upper, [])
        return coverage(self.predictor.schema.target_names, self.y, answer, level, self.weight)

    def _outputs(self, rows: Indices) -> Outputs:
        value, spread, quantiles = self.outputs
        return Outputs(
            value[rows], None if spread is None else spread[rows], None if quantiles is None else quantiles[rows]
        )


def folds_of(predictor: Predictor, rows: pl.DataFrame) -> list[Indices]:
    """Ten parts of the rows; rows of a group that the version knows stay together."""
    lineage = predictor.manifest.lineage
    group = lineage.config.get("group")
    units = np.arange(rows.height)
    if group in rows.columns:
        from training.table.split import group_codes

        units = group_codes(rows[group])
    number = np.random.default_rng(lineage.seed).permutation(int(units.max()) + 1)[units] % _FOLDS
    return [fold for fold in (np.flatnonzero(number == i) for i in range(_FOLDS)) if len(fold)]


def weights_of(predictor: Predictor, rows: pl.DataFrame) -> Float64 | None:
    """The weights of the rows, where the version has a column of them.

    Raises:
        DataError: the rows lack that column, or a weight is not possible.
    """
    name = predictor.manifest.lineage.config.get("weight")
    if not name:
        return None
    from training.table.data import check_columns
    from training.table.weights import Weights, check_weight, weights_in

    check_columns(rows, [name], "column of weights")
    check_weight(name, rows.schema[name])
    weights = Weights(name)
    weights.add(rows)
    weights.check()
    return weights_in(rows, name)
