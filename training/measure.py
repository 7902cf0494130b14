"""Measures fitted networks on rows that they have not seen, beside the baselines on the same rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt

from artifact.encoding import Encoded
from artifact.intervals import DEFAULT_LEVEL, Calibration, Interval
from artifact.predictor import Prediction, finish, target_offsets
from artifact.runtimes import Outputs
from training.baselines import BASELINES, baselines, predict
from training.fit import Fitted, feed
from training.folds import Fold
from training.prepare import Prepared, take

Float64 = npt.NDArray[np.float64]
_CHUNK = 16_384
# At which coverage is measured, for the report; DEFAULT_LEVEL is one of them.
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True, slots=True)
class Measured:
    """What unseen rows showed.

    Attributes:
        rows: their indices, ascending.
        y: float64 (n_rows, n_targets), what came true, in target units.
        answer: what was predicted, with intervals at ``level`` from scores of other rows.
        level: of the intervals.
        calibration: of the intervals, from every row that can calibrate.
        baselines: each baseline's answers, float64 (n_rows, n_targets), by name.
        rows_are: how a reader calls them: ``test rows`` or ``rows out of fold``.
        intervals: by level the intervals of the same rows, ``level`` among them; those of :data:`LEVELS` that so many
            scores can promise.
    """

    rows: npt.NDArray[np.int64]
    y: Float64
    answer: Prediction
    level: float
    calibration: Calibration
    baselines: dict[str, Float64]
    rows_are: str
    intervals: dict[float, Interval]


def measure(prepared: Prepared, fitted: Fitted) -> Measured:
    """Measure by the plan: out of fold, or on the held-out test rows."""
    return _out_of_fold(prepared, fitted) if prepared.plan.parts is None else _held_out(prepared, fitted)


def _out_of_fold(prepared: Prepared, fitted: Fitted) -> Measured:
    """Each row by the networks that did not see it; its interval by the scores of other folds' rows.

    The scores of all rows calibrate the model (CV+ without its per-fold endpoints, Barber et al. 2021): it is the mean
    of these networks, so its errors are at most about theirs.
    """
    plan, y = prepared.plan, prepared.y
    value, spread = np.zeros_like(y), np.zeros_like(y)
    for fold, (fold_value, fold_spread) in zip(plan.folds, fitted.unseen, strict=True):
        value[fold.validation] += fold_value / plan.repeats
        spread[fold.validation] += fold_spread / plan.repeats
    calibration = Calibration.fit(y, value, spread)
    first = plan.folds[: len(plan.folds) // plan.repeats]
    others = {name: np.zeros_like(y) for name in BASELINES}
    most = min(_max_level(len(y) - len(f.validation)) for f in first)
    level = min(DEFAULT_LEVEL, most)
    intervals = {at: Interval(np.zeros_like(y), np.zeros_like(y)) for at in _levels(most)}
    for fold in first:
        rows = fold.validation
        known = np.setdiff1d(np.arange(len(y)), rows)
        scores = Calibration.fit(y[known], value[known], spread[known])
        for at, (lower, upper) in intervals.items():
            lower[rows], upper[rows] = scores.interval(value[rows], spread[rows], scores.bound(at))
        for name, found in _baselines(prepared, fold.train, rows):
            others[name][rows] = found
    offsets = target_offsets(prepared.schema)
    shift = 0.0 if offsets is None else offsets
    shifted = {at: Interval(lower + shift, upper + shift) for at, (lower, upper) in intervals.items()}
    answer = Prediction(value + shift, *shifted[level], [])
    return Measured(np.arange(len(y)), y + shift, answer, level, calibration, others, "rows out of fold", shifted)


def _held_out(prepared: Prepared, fitted: Fitted) -> Measured:
    parts = prepared.plan.parts
    if parts is None:
        raise TypeError("Expected held-out parts. Received: folds.")
    calibrating, y_calibration = prepared.rows(parts.calibration)
    found = answers(fitted.model, calibrating)
    calibration = Calibration.fit(y_calibration, found.value, found.spread)
    level = min(DEFAULT_LEVEL, calibration.max_level)
    test = np.sort(parts.test)
    X, y = prepared.rows(test)
    offsets = target_offsets(prepared.schema)
    outputs = answers(fitted.model, X)
    by_level = {
        at: finish(outputs, offsets, calibration, calibration.bound(at), []) for at in _levels(calibration.max_level)
    }
    intervals = {at: Interval(found.lower, found.upper) for at, found in by_level.items()}
    seen = np.concatenate([parts.train, parts.validation])
    others = dict(_baselines(prepared, seen, test))
    shift = 0.0 if offsets is None else offsets
    return Measured(test, y + shift, by_level[level], level, calibration, others, "test rows", intervals)


def answers(model: object, X: Encoded) -> Outputs:
    """A fitted Keras model's answers, float32 (n_samples, n_targets) each, a chunk of rows at a time."""
    call: Callable[..., dict[str, object]] = model  # type: ignore[assignment]
    names = [tensor.name for tensor in model.inputs]  # type: ignore[attr-defined]
    found: dict[str, list[npt.NDArray[np.float32]]] = {"value": [], "spread": []}
    for start in range(0, len(X), _CHUNK):
        part = take(X, np.arange(start, min(start + _CHUNK, len(X))))
        for name, tensor in call(feed(part, names), training=False).items():
            found[name].append(np.asarray(keras.ops.convert_to_numpy(tensor)))
    return Outputs(np.concatenate(found["value"]), np.concatenate(found["spread"]))


def final_fold(prepared: Prepared) -> tuple[Fold, ...]:
    """All rows, for a network that is trained once more after it was measured."""
    return (Fold(np.arange(len(prepared.y)), np.zeros(0, np.int64)),)


def _baselines(
    prepared: Prepared, train: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> list[tuple[str, Float64]]:
    offsets = target_offsets(prepared.schema)
    shift = 0.0 if offsets is None else offsets
    X, _ = prepared.rows(rows)
    fitted = baselines(prepared.schema, *prepared.rows(train), prepared.config.seed)
    return [(name, predict(model, X) + shift) for name, model in fitted]


def _levels(most: float) -> list[float]:
    """Those at which to measure, where at most ``most`` can be promised, upwards."""
    return sorted({min(DEFAULT_LEVEL, most), *(level for level in LEVELS if level <= most)})


def _max_level(n_samples: int) -> float:
    return n_samples / (n_samples + 1)
