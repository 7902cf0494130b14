"""Partial dependence: the answers as one feature takes each of its values and the others keep theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from artifact.predictor import Predictor
from artifact.rows.encoding import Encoded
from artifact.rows.schema import FIRST_CATEGORY_CODE, MISSING_CODE, OTHER_CODE, Feature, NumericColumn
from artifact.rows.values import DAY, datetime_part
from training.report.sample import Columns, Sample, affordable, columns_of, values

Float64 = npt.NDArray[np.float64]

MAX_FEATURES = 6
_POINTS = 24
_MAX_ROWS = 300
_FEWEST_ROWS = 50
_MAX_CATEGORIES = 12
_BINS = 30
# Quantiles of the values at which a curve starts and ends: beyond them it would rest on very few rows.
_ENDS = (0.01, 0.99)


@dataclass(frozen=True, slots=True)
class Dependence:
    """How the answers depend on one feature.

    Attributes:
        feature: the feature's name.
        kind: its kind in the schema.
        at: float64 (n_points,), points: values of a number, seconds since 1970 UTC for a date, 0 and 1 for a boolean,
            positions in ``labels`` for a category.
        labels: texts of the points of a boolean or category, else empty.
        mean, low, high: float64 (n_points, n_targets), mean of the rows' answers, their 10th and 90th percentile.
        count: float64, number of rows: (n_points,) with each label, or (n_bins,) in each bin of a number or date.
        edges: float64 (n_bins + 1,), edges of these bins, else empty.
        rows: number of rows that were answered at each point.
    """

    feature: str
    kind: str
    at: Float64
    labels: tuple[str, ...]
    mean: Float64
    low: Float64
    high: Float64
    count: Float64
    edges: Float64
    rows: int


def partial_dependence(predictor: Predictor, sample: Sample, names: Sequence[str]) -> list[Dependence]:
    """Partial dependence of some features, at most six.

    Args:
        predictor: the stored network.
        sample: rows that are answered at each point.
        names: the features' names, in the order of the result.
    """
    features = list(names)[:MAX_FEATURES]
    columns = columns_of(predictor.schema)
    affords = affordable(predictor) // 2 // (_POINTS * max(1, len(features)))
    n_rows = min(len(sample.y), _MAX_ROWS, max(_FEWEST_ROWS, affords))
    results = [_curve_of(predictor, sample, predictor.schema.feature(name), columns[name], n_rows) for name in features]
    return [curve for curve in results if curve is not None]


def _curve_of(
    predictor: Predictor, sample: Sample, feature: Feature, columns: Columns, n_rows: int
) -> Dependence | None:
    at: Float64
    edges: Float64
    if feature.kind in ("category", "boolean"):
        codes, labels, count = _bars(sample.X, feature, columns)
        at, edges, points = np.arange(len(codes), dtype=np.float64), np.zeros(0), codes
    else:
        moments = _moments(sample.X, feature, columns, predictor.schema.numeric_columns)
        present = moments[np.isfinite(moments)]
        if not len(present):
            return None
        at, labels = _grid(present), ()
        count, edges = _histogram(present, float(at[0]), float(at[-1]))
        points = at
    X = Encoded(sample.X.numeric[:n_rows], sample.X.categorical[:n_rows])
    answered = np.stack([values(predictor, _with_value(X, predictor, feature, columns, p)) for p in points])
    low, high = np.percentile(answered, [10, 90], axis=1)
    return Dependence(
        feature.name,
        feature.kind,
        at,
        labels,
        answered.mean(axis=1),
        low,
        high,
        count,
        edges,
        n_rows,
    )


def _with_value(X: Encoded, predictor: Predictor, feature: Feature, columns: Columns, point: float) -> Encoded:
    """The rows with one feature set to the value ``point``, encoded as the encoder does it."""
    numeric, categorical = X.numeric.copy(), X.categorical.copy()
    for i in columns.categorical:
        categorical[:, i] = int(point)
    for i in columns.numeric:
        part = predictor.schema.numeric_columns[i].part
        if part is None:
            numeric[:, i] = point - feature.offset
        else:
            numeric[:, i] = datetime_part(part, np.array([point]), feature.offset)[0]
    return Encoded(numeric, categorical)


def _moments(X: Encoded, feature: Feature, columns: Columns, names: Sequence[NumericColumn]) -> Float64:
    """The rows' values in the feature's unit, NaN where missing; empty for a date without its days."""
    for i in columns.numeric:
        if names[i].part is None:
            return np.asarray(X.numeric[:, i].astype(np.float64) + feature.offset)
        if names[i].part == "days":
            return np.asarray(X.numeric[:, i].astype(np.float64) * DAY + feature.offset)
    return np.zeros(0)


def _grid(present: Float64) -> Float64:
    distinct = np.unique(present)
    if len(distinct) <= _POINTS:
        return distinct
    low, high = np.quantile(present, _ENDS)
    return np.linspace(low, high, _POINTS) if high > low else np.linspace(distinct[0], distinct[-1], _POINTS)


def _histogram(present: Float64, low: float, high: float) -> tuple[Float64, Float64]:
    """Number of rows in bins from low to high. Low is subtracted first: near 1e9 a bin may be narrower than a float."""
    span = high - low
    if span <= 0:
        return np.array([float(len(present))]), np.array([low - 0.5, low + 0.5])
    count, edges = np.histogram(present - low, bins=_BINS, range=(0.0, span))
    return count.astype(np.float64), edges + low


def _bars(X: Encoded, feature: Feature, columns: Columns) -> tuple[Float64, tuple[str, ...], Float64]:
    """Codes, labels and numbers of rows of a boolean's two values, or of the most frequent categories."""
    if feature.kind == "boolean":
        column = X.numeric[:, columns.numeric[0]]
        codes = np.array([0.0, 1.0])
        return codes, ("false", "true"), np.array([(column == code).sum() for code in codes], np.float64)
    size = len(feature.categories) + FIRST_CATEGORY_CODE
    counts = np.bincount(X.categorical[:, columns.categorical[0]], minlength=size)
    largest = [int(c) for c in np.argsort(-counts, kind="stable")[:_MAX_CATEGORIES] if counts[c]]
    names = {MISSING_CODE: "(missing)", OTHER_CODE: "(other)"}
    labels = tuple(names.get(c) or feature.categories[c - FIRST_CATEGORY_CODE] for c in largest)
    return np.array(largest, np.float64), labels, counts[largest].astype(np.float64)
