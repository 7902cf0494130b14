"""The feature of each column that the heads see, and the columns' weights in the table's own units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.rows.schema import FIRST_CATEGORY_CODE, FeatureSchema
from training.families.solvers.task import Solved
from training.networks.inputs import Preprocessed

Float64 = npt.NDArray[np.float64]
# The most columns for the categories of all features together, and of one feature; rarer categories count as other.
_ALL_CODES, _CODES = 2_000, 200
# The most weights that a note names.
_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns in the order of :meth:`Inputs.joined`.

    Attributes:
        features: names of the features.
        of: number of each column's feature, int64 (n_columns,).
        names: names of the columns.
        n_numeric: columns of numbers, the first ones.
    """

    features: tuple[str, ...]
    of: npt.NDArray[np.int64]
    names: tuple[str, ...]
    n_numeric: int

    def sentences(
        self, schema: FeatureSchema, layer: Any, solved: Solved, mean: Float64, std: Float64, scale: Float64
    ) -> list[str]:
        """Each target's formula in the table's units, the columns of the largest effect first.

        Args:
            schema: schema of the rows.
            layer: the layer that scaled the numbers, or None.
            solved: weights of scaled columns.
            mean, std: mean and deviation of each target, offsets subtracted, float64 (n_targets,).
            scale: divisors of the columns, float64 (n_columns,).
        """
        sentences = []
        for j, target in enumerate(schema.targets):
            weights = solved.weights[:, j] * std[j]
            intercept = solved.intercept[j] * std[j] + mean[j] + target.offset
            raw = weights / scale
            if layer is not None:
                n = self.n_numeric
                raw[:n] /= layer.scale
                intercept -= float(raw[:n] @ (np.array(layer.center) + _offsets(schema)))
            order = [int(i) for i in np.argsort(-np.abs(weights), kind="stable") if weights[i] != 0]
            terms = ", ".join(f"{self.names[i]} {raw[i]:.6g}" for i in order[:_SHOWN])
            more = f", and {len(order) - _SHOWN} more" if len(order) > _SHOWN else ""
            listed = f", {terms}{more}" if terms else ""
            sentences.append(f"Coefficients of '{target.name}': intercept {intercept:.6g}{listed}.")
        return sentences


def columns_of(schema: FeatureSchema, rows: Preprocessed, widths: tuple[int, ...]) -> Columns:
    """Number the columns.

    Args:
        schema: gives the names.
        rows: the prepared rows.
        widths: columns of each categorical feature.
    """
    features = schema.names
    number = {name: i for i, name in enumerate(features)}
    numeric = schema.numeric_columns
    of = [number[c.feature] for c in numeric]
    names = [c.name for c in numeric]
    for i in rows.layer.flagged if rows.layer is not None else ():
        of.append(number[numeric[i].feature])
        names.append(f"{numeric[i].name} missing")
    for feature, width in zip(schema.categorical, widths, strict=True):
        of += [number[feature.name]] * width
        categories = (feature.categories or ())[: width - FIRST_CATEGORY_CODE]
        names += [f"{feature.name} missing", f"{feature.name} other", *(f"{feature.name}={c}" for c in categories)]
    return Columns(tuple(features), np.array(of, np.int64), tuple(names), len(numeric))


def most_codes(schema: FeatureSchema) -> int:
    """The most codes of one categorical column that get a column each."""
    n = max(1, len(schema.categorical))
    return max(FIRST_CATEGORY_CODE, min(_CODES, _ALL_CODES // n))


def _offsets(schema: FeatureSchema) -> Float64:
    """The offset that the encoding subtracts from each numeric column; 0 for the parts of a datetime."""
    offset = {f.name: f.offset for f in schema.numeric}
    return np.array([offset[c.feature] if c.part is None else 0.0 for c in schema.numeric_columns])
