"""Measures fitted networks on rows that they have not seen, and baselines on the same rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from artifact.intervals.calibration import DEFAULT_LEVEL, Calibration, Interval
from artifact.predictor import Prediction, finish, target_offsets
from artifact.runtimes import Outputs
from training.evaluation.beside import Answers, Comparison
from training.networks.model import Fitted
from training.networks.unseen import answers, joint_unseen, rows_of
from training.objectives.kinds import KINDS
from training.prepare.in_memory import Prepared

Float64 = npt.NDArray[np.float64]
# Levels at which the report shows the intervals' coverage; DEFAULT_LEVEL is one of them.
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True, slots=True)
class Measured:
    """The results on unseen rows.

    Attributes:
        rows: the rows' indices, ascending.
        y: float64 (n_rows, n_targets), true values in target units.
        answer: predictions, with intervals at ``level`` from scores of other rows.
        outputs: the network's outputs before offsets and intervals, with spreads or quantiles.
        level: level of the intervals.
        calibration: calibration of the intervals, from every row that can calibrate.
        baselines: each baseline's answers, float64 (n_rows, n_targets), by name.
        rows_are: what sentences call the rows: ``test rows`` or ``rows out of fold``.
        intervals: the rows' intervals by level: ``level``, and those of :data:`LEVELS` that the scores allow.
        weight: float64 (n_rows,), each row's weight, or None.
    """

    rows: npt.NDArray[np.int64]
    y: Float64
    answer: Prediction
    outputs: Outputs
    level: float
    calibration: Calibration
    baselines: dict[str, Float64]
    rows_are: str
    intervals: dict[float, Interval]
    weight: Float64 | None = None


def measure(prepared: Prepared, fitted: Fitted, others: Answers | None = None) -> Measured:
    """Measure as the plan says: on rows out of fold, or on the held-out test rows.

    Args:
        prepared: the rows and the plan.
        fitted: the networks.
        others: the baselines' answers, see :func:`training.evaluation.beside.compared`. Defaults to fitting them now.
    """
    by_plan = _out_of_fold if prepared.plan.parts is None else _on_test_rows
    return by_plan(prepared, fitted, Comparison.of(prepared).answers() if others is None else others)


def _out_of_fold(prepared: Prepared, fitted: Fitted, others: Answers) -> Measured:
    """Measure each row by the networks that did not see it; its interval comes from scores of other folds' rows.

    The scores of all rows calibrate the model (CV+ without its per-fold endpoints, Barber et al. 2021). The model is
    the mean of these networks, so its errors are at most about as large as theirs.
    """
    plan, y = prepared.plan, prepared.y
    everything = np.arange(len(y))
    outputs = joint_unseen(prepared, fitted)
    calibration = _calibrated(prepared, outputs, everything)
    first = plan.first_cut
    scoring = [np.setdiff1d(everything, fold.validation) for fold in first]
    by_fold = [_calibrated(prepared, rows_of(outputs, rows), rows) for rows in scoring]
    highest_level = min(scores.max_level for scores in by_fold)
    level = min(DEFAULT_LEVEL, highest_level)
    intervals = {at: Interval(np.zeros_like(y), np.zeros_like(y)) for at in _levels(highest_level)}
    for fold, scores in zip(first, by_fold, strict=True):
        rows = fold.validation
        part = rows_of(outputs, rows)
        for at, (lower, upper) in intervals.items():
            bound = scores.of_rows(scores.bound(at), prepared.X.categorical[rows])
            lower[rows], upper[rows] = scores.interval(part.value, part.spread, bound, part.quantiles)
    offsets = target_offsets(prepared.schema)
    shift = 0.0 if offsets is None else offsets
    shifted = {at: Interval(lower + shift, upper + shift) for at, (lower, upper) in intervals.items()}
    answer = Prediction(outputs.value + shift, *shifted[level], [])
    return Measured(
        everything, y + shift, answer, outputs, level, calibration, others, "rows out of fold", shifted, prepared.weight
    )


def _on_test_rows(prepared: Prepared, fitted: Fitted, others: Answers) -> Measured:
    parts = prepared.plan.parts
    if parts is None:
        raise TypeError("Expected held-out parts. Received: folds.")
    calibrating, _ = prepared.rows(parts.calibration)
    calibration = _calibrated(prepared, answers(fitted.model, calibrating), parts.calibration)
    level = min(DEFAULT_LEVEL, calibration.max_level)
    test = np.sort(parts.test)
    X, y = prepared.rows(test)
    offsets = target_offsets(prepared.schema)
    outputs = answers(fitted.model, X)
    by_level = {
        at: finish(outputs, offsets, calibration, calibration.of_rows(calibration.bound(at), X.categorical), [])
        for at in _levels(calibration.max_level)
    }
    intervals = {at: Interval(answer.lower, answer.upper) for at, answer in by_level.items()}
    y = y if offsets is None else y + offsets
    weight = prepared.weights(test)
    return Measured(test, y, by_level[level], outputs, level, calibration, others, "test rows", intervals, weight)


def _calibrated(prepared: Prepared, outputs: Outputs, rows: npt.NDArray[np.int64]) -> Calibration:
    """A calibration fitted on ``outputs`` for ``rows``, which no network has seen."""
    return Calibration.fit(
        prepared.y[rows],
        *outputs,
        weight=prepared.weights(rows),
        grouping=prepared.grouping(rows),
        support=KINDS[prepared.config.objective].support,
    )


def _levels(highest_level: float) -> list[float]:
    """The levels at which to measure, ascending; none is above ``highest_level``, which the scores allow."""
    return sorted({min(DEFAULT_LEVEL, highest_level), *(level for level in LEVELS if level <= highest_level)})
