"""Ridge regression for tables that are too small for a network; a pickle of it holds numbers and JSON, no code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from artifact.intervals.calibration import Calibration
from artifact.predictor import Prediction
from artifact.rows.encoding import Encoded
from artifact.rows.schema import FeatureSchema, Target

if TYPE_CHECKING:
    import polars as pl

Float64 = npt.NDArray[np.float64]
_PENALTIES = np.logspace(-3, 4, 15)
# The rows are cut into this many parts. A regression on the other parts predicts each part, and the errors make the
# intervals.
_FOLDS = 10


@dataclass(frozen=True, slots=True)
class Ridge:
    """A fitted ridge regression.

    Attributes:
        schema: the useful features and the targets; None where no feature is useful.
        middle: float64 (n_numeric,), the medians that replace missing numbers.
        mean, scale: float64 (n_columns,), of the columns that :meth:`_columns` makes.
        weights: float64 (n_columns, n_targets).
        intercept: float64 (n_targets,).
        calibration: calibration of the intervals.
    """

    schema: FeatureSchema | None
    middle: Float64
    mean: Float64
    scale: Float64
    weights: Float64
    intercept: Float64
    calibration: Calibration

    @classmethod
    def fit(cls, frame: pl.DataFrame, y: Float64, weight: Float64 | None = None) -> Self:
        """Fit; leave-one-out errors choose the penalty.

        Args:
            frame: the features.
            y: float64 (n_samples, n_targets), finite.
            weight: float64 (n_samples,), weight of each row, or None for equal ones. Defaults to None.
        """
        from sklearn.linear_model import Ridge as Line
        from sklearn.linear_model import RidgeCV
        from sklearn.model_selection import cross_val_predict

        if weight is not None:
            counts = weight > 0
            frame, y, weight = frame.filter(counts), y[counts], weight[counts]
        schema, X = _encoded(frame, y.shape[1])
        middle = _medians(X.numeric)
        columns = _columns(X, schema, middle)
        mean, scale = columns.mean(axis=0), columns.std(axis=0)
        scale[scale == 0] = 1.0
        Z = (columns - mean) / scale
        if len(y) < 2 or not Z.shape[1]:
            intercept = np.average(y, axis=0, weights=weight)
            unseen = np.broadcast_to(intercept, y.shape)
            return cls(schema, middle, mean, scale, np.zeros((Z.shape[1], y.shape[1])), intercept, _scores(y, unseen))
        search = RidgeCV(alphas=_PENALTIES).fit(Z, y, sample_weight=weight)
        line = Line(search.alpha_).fit(Z, y, sample_weight=weight)
        weights_of_rows = {} if weight is None else {"sample_weight": weight}
        unseen = cross_val_predict(Line(search.alpha_), Z, y, cv=min(_FOLDS, len(y)), params=weights_of_rows)
        weights = np.asarray(line.coef_, np.float64).reshape(y.shape[1], -1).T
        intercept = np.broadcast_to(np.asarray(line.intercept_, np.float64), (y.shape[1],))
        return cls(schema, middle, mean, scale, weights, intercept, _scores(y, unseen))

    def answer(self, frame: pl.DataFrame, level: float | None = None) -> Prediction:
        """Answer rows.

        Args:
            frame: the features.
            level: level of the intervals, or None for 0.9 or the highest that can be promised.

        Raises:
            DataError: values of another kind than in :meth:`fit`, or a level that cannot be promised.
        """
        X = Encoded(np.zeros((frame.height, 0), np.float32), np.zeros((frame.height, 0), np.int32))
        if self.schema is not None:
            X = encoded(frame, self.schema)
        Z = (_columns(X, self.schema, self.middle) - self.mean) / self.scale
        value = Z @ self.weights + self.intercept
        bound = self.calibration.bound(min(0.9, self.calibration.max_level) if level is None else level)
        return Prediction(value, *self.calibration.interval(value, None, bound), X.warnings)

    def __getstate__(self) -> dict[str, Any]:
        """The state as numbers and JSON."""
        arrays = {name: getattr(self, name) for name in ("middle", "mean", "scale", "weights", "intercept")}
        schema = None if self.schema is None else self.schema.model_dump_json()
        return {**arrays, "schema": schema, "calibration": self.calibration.model_dump_json()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        schema = state["schema"]
        parsed = {
            "schema": None if schema is None else FeatureSchema.model_validate_json(schema),
            "calibration": Calibration.model_validate_json(state["calibration"]),
        }
        for name, value in {**state, **parsed}.items():
            object.__setattr__(self, name, value)


def encoded(frame: pl.DataFrame, schema: FeatureSchema) -> Encoded:
    """Rows as arrays. A value is refused only if it is of another kind than its feature.

    Raises:
        DataError: there are such values; the message gives their rows.
    """
    from artifact.errors import SchemaMismatchError
    from training.table.encode import encode_frame
    from trueline.scoring import by_row, features_of

    try:
        return encode_frame(features_of(frame, schema), schema.lenient())
    except SchemaMismatchError as error:
        raise by_row(error, range(1, frame.height + 1)) from error


def _encoded(frame: pl.DataFrame, n_targets: int) -> tuple[FeatureSchema | None, Encoded]:
    """The useful features, by the rules of training, and the rows as arrays."""
    from training.table.corrections import Corrections
    from training.table.encode import encode_frame
    from training.table.infer import fit_categories, usable_features
    from training.table.texts.table import TableTextRules, read_texts

    nothing = Corrections()
    texts = read_texts(frame, TableTextRules(nothing), strict=False)
    usable = usable_features(texts.frame, texts.frame.columns, nothing, texts.formats)
    if not usable.features:
        return None, Encoded(np.zeros((frame.height, 0), np.float32), np.zeros((frame.height, 0), np.int32))
    features = fit_categories(usable.features, usable.frame, nothing)
    targets = tuple(Target(name=f"target {j}", minimum=0.0, maximum=0.0, std=1.0) for j in range(n_targets))
    schema = FeatureSchema(features=tuple(features), targets=targets)
    return schema, encode_frame(usable.frame, schema.lenient())


def _medians(numeric: npt.NDArray[np.float32]) -> Float64:
    """The median of each column's values, 0 where a column has none: float64 (n_numeric,)."""
    middle = np.zeros(numeric.shape[1])
    for j, column in enumerate(numeric.T):
        present = column[~np.isnan(column)]
        if len(present):
            middle[j] = np.median(present)
    return middle


def _columns(X: Encoded, schema: FeatureSchema | None, middle: Float64) -> Float64:
    """Numbers, with medians where they are missing; a missing flag for each of them; one column for each category."""
    missing = np.isnan(X.numeric)
    parts = [np.where(missing, middle, X.numeric.astype(np.float64)), missing.astype(np.float64)]
    for codes, count in zip(X.categorical.T, schema.cardinalities if schema else (), strict=True):
        parts.append((codes[:, None] == np.arange(count)).astype(np.float64))
    return np.hstack(parts)


def _scores(y: Float64, unseen: Float64) -> Calibration:
    return Calibration.fit(y, np.asarray(unseen, np.float64).reshape(y.shape))
