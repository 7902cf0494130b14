"""Measures fitted networks on rows that they have not seen, beside the baselines on the same rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import keras
import numpy as np
import numpy.typing as npt

from artifact.intervals.calibration import DEFAULT_LEVEL, Calibration, Interval
from artifact.predictor import Prediction, finish, target_offsets
from artifact.rows.encoding import Encoded
from artifact.runtimes import Outputs
from training.evaluation.beside import Answers, Comparison
from training.networks.model import Fitted, feed
from training.objectives.kinds import KINDS
from training.objectives.variance import Noise
from training.prepare.in_memory import Prepared, take
from training.table.folds import Fold

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
        outputs: the same before offsets and intervals, with spreads or quantiles.
        level: of the intervals.
        calibration: of the intervals, from every row that can calibrate.
        baselines: each baseline's answers, float64 (n_rows, n_targets), by name.
        rows_are: how a reader calls them: ``test rows`` or ``rows out of fold``.
        intervals: by level the intervals of the same rows, ``level`` among them; those of :data:`LEVELS` that so many
            scores can promise.
        weight: float64 (n_rows,) of each row, or None.
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
    """Measure by the plan: out of fold, or on the held-out test rows.

    Args:
        prepared: rows and plan.
        fitted: the networks.
        others: the baselines' answers, see :func:`training.evaluation.beside.compared`. Defaults to fitting them now.
    """
    by_plan = _out_of_fold if prepared.plan.parts is None else _held_out
    return by_plan(prepared, fitted, Comparison.of(prepared).answers() if others is None else others)


def _out_of_fold(prepared: Prepared, fitted: Fitted, others: Answers) -> Measured:
    """Each row by the networks that did not see it; its interval by the scores of other folds' rows.

    The scores of all rows calibrate the model (CV+ without its per-fold endpoints, Barber et al. 2021): it is the mean
    of these networks, so its errors are at most about theirs.
    """
    plan, y = prepared.plan, prepared.y
    everything = np.arange(len(y))
    outputs = joint_unseen(prepared, fitted)
    calibration = _calibrated(prepared, outputs, everything)
    first = plan.first_cut
    known = [np.setdiff1d(everything, fold.validation) for fold in first]
    by_fold = [_calibrated(prepared, rows_of(outputs, rows), rows) for rows in known]
    most = min(scores.max_level for scores in by_fold)
    level = min(DEFAULT_LEVEL, most)
    intervals = {at: Interval(np.zeros_like(y), np.zeros_like(y)) for at in _levels(most)}
    for fold, scores in zip(first, by_fold, strict=True):
        rows = fold.validation
        found = rows_of(outputs, rows)
        for at, (lower, upper) in intervals.items():
            bound = scores.of_rows(scores.bound(at), prepared.X.categorical[rows])
            lower[rows], upper[rows] = scores.interval(found.value, found.spread, bound, found.quantiles)
    offsets = target_offsets(prepared.schema)
    shift = 0.0 if offsets is None else offsets
    shifted = {at: Interval(lower + shift, upper + shift) for at, (lower, upper) in intervals.items()}
    answer = Prediction(outputs.value + shift, *shifted[level], [])
    return Measured(
        everything, y + shift, answer, outputs, level, calibration, others, "rows out of fold", shifted, prepared.weight
    )


def _held_out(prepared: Prepared, fitted: Fitted, others: Answers) -> Measured:
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
    intervals = {at: Interval(found.lower, found.upper) for at, found in by_level.items()}
    y = y if offsets is None else y + offsets
    weight = prepared.weights(test)
    return Measured(test, y, by_level[level], outputs, level, calibration, others, "test rows", intervals, weight)


def answers(model: object, X: Encoded) -> Outputs:
    """A fitted Keras model's answers to rows, a chunk of them at a time."""
    call: Callable[..., dict[str, object]] = model  # type: ignore[assignment]
    names = [tensor.name for tensor in model.inputs]  # type: ignore[attr-defined]
    found: dict[str, list[npt.NDArray[np.float32]]] = {}
    for start in range(0, len(X), _CHUNK):
        part = take(X, np.arange(start, min(start + _CHUNK, len(X))))
        for name, tensor in call(feed(part, names), training=False).items():
            found.setdefault(name, []).append(np.asarray(keras.ops.convert_to_numpy(tensor)))
    return Outputs(**{name: np.concatenate(parts) for name, parts in found.items()})


def with_noise(prepared: Prepared, fitted: Fitted) -> Fitted:
    """The networks, variances of normal distributions corrected on rows that they have not seen."""
    if KINDS[prepared.config.objective].link != "normal" or not fitted.unseen:
        return fitted
    plan = prepared.plan
    rows = np.arange(len(prepared.y)) if plan.parts is None else plan.folds[0].validation
    X, y = prepared.rows(rows)
    found = joint_unseen(prepared, fitted) if plan.parts is None else answers(fitted.model, X)
    spread = np.asarray(found.spread, np.float64)
    noise = Noise.fit(y - found.value, np.square(spread), prepared.weights(rows))
    noise.into(fitted.model.get_layer("target"))
    return replace(fitted, noise=noise)


def _corrected(prepared: Prepared, error: Float64, variance: Float64) -> Float64:
    """Each fold's variances as rows of the others correct them, (n_samples, n_targets)."""
    corrected, everything = np.zeros_like(variance), np.arange(len(variance))
    for fold in prepared.plan.first_cut:
        others = np.setdiff1d(everything, fold.validation)
        noise = Noise.fit(error[others], variance[others], prepared.weights(others))
        corrected[fold.validation] = noise.variance(variance[fold.validation])
    return corrected


def joint_unseen(prepared: Prepared, fitted: Fitted) -> Outputs:
    """Each row's answer by the networks that did not see it, one of each repeat, as the model joins its networks."""
    plan, n = prepared.plan, len(prepared.y)
    cuts: list[dict[str, npt.NDArray[np.float64]]] = []
    folds = [plan.folds[i] for i in fitted.networks] if fitted.networks else plan.folds
    for start in range(0, len(folds), plan.per_cut):
        whole: dict[str, npt.NDArray[np.float64]] = {}
        cut_of = slice(start, start + plan.per_cut)
        pairs = zip(folds[cut_of], fitted.unseen[cut_of], strict=True)
        for fold, found in pairs:
            for name, values in found._asdict().items():
                if values is not None:
                    whole.setdefault(name, np.zeros((n, *values.shape[1:])))[fold.validation] = values
        cuts.append(whole)
    together = {name: np.mean([cut[name] for cut in cuts], axis=0) for name in cuts[0]}
    if KINDS[prepared.config.objective].link == "normal":
        variances = np.mean([np.square(cut["spread"]) for cut in cuts], axis=0)
        variances += np.var([cut["value"] for cut in cuts], axis=0)
        if fitted.noise is not None:
            variances = _corrected(prepared, prepared.y - together["value"], variances)
        together["spread"] = np.sqrt(variances)
    return Outputs(**together)


def rows_of(outputs: Outputs, rows: npt.NDArray[np.int64]) -> Outputs:
    """The answers to some of the rows."""
    return Outputs(*[None if values is None else values[rows] for values in outputs])  # type: ignore[arg-type]


def _calibrated(prepared: Prepared, outputs: Outputs, rows: npt.NDArray[np.int64]) -> Calibration:
    """Fitted on ``outputs`` for ``rows``, which nothing else has seen."""
    return Calibration.fit(
        prepared.y[rows],
        *outputs,
        weight=prepared.weights(rows),
        grouping=prepared.grouping(rows),
        support=KINDS[prepared.config.objective].support,
    )


def final_fold(prepared: Prepared, fitted: Fitted) -> tuple[Fold, ...]:
    """All rows, for networks that are trained once more after they were measured."""
    networks = len(fitted.networks or fitted.unseen)
    return (Fold(np.arange(len(prepared.y)), np.zeros(0, np.int64)),) * networks


def _levels(most: float) -> list[float]:
    """Those at which to measure, where at most ``most`` can be promised, upwards."""
    return sorted({min(DEFAULT_LEVEL, most), *(level for level in LEVELS if level <= most)})
