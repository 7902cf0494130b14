"""The feature of each column that the heads see, and the columns' weights in the table's own units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from artifact.facts import Coefficient, Coefficients
from artifact.rows.schema import FIRST_CATEGORY_CODE, FeatureSchema
from training.networks.inputs import Preprocessed

Float64 = npt.NDArray[np.float64]
# The most columns for the categories of all features together, and of one feature; rarer categories count as other.
_ALL_CODES, _CODES = 2_000, 200
# The most coefficients that a fact names.
_SHOWN = 30


class Line(NamedTuple):
    """What was solved for, in the targets' units.

    Attributes:
        weights: weights of the scaled columns, float64 (n_columns, n_targets).
        intercepts: float64 (n_targets,), offsets subtracted.
        scale: what divided the columns, float64 (n_columns,).
    """

    weights: Float64
    intercepts: Float64
    scale: Float64


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

    def coefficients(self, family: str, schema: FeatureSchema, layer: Any, line: Line) -> list[Coefficients]:
        """The formula of each target in the table's units, the columns of the largest effect first.

        Args:
            family: the family that was solved for.
            schema: schema of the rows.
            layer: the layer that scaled the numbers, or None.
            line: weights of scaled columns.
        """
        formulas = []
        for j, target in enumerate(schema.targets):
            weights = line.weights[:, j]
            intercept = line.intercepts[j] + target.offset
            raw = weights / line.scale
            if layer is not None:
                n = self.n_numeric
                raw[:n] /= layer.scale
                intercept -= float(raw[:n] @ (np.array(layer.center) + _offsets(schema)))
            order = [int(i) for i in np.argsort(-np.abs(weights), kind="stable") if weights[i] != 0]
            terms = tuple(Coefficient(column=self.names[i], weight=float(raw[i])) for i in order[:_SHOWN])
            more = max(0, len(order) - _SHOWN)
            formulas.append(
                Coefficients(family=family, target=target.name, intercept=float(intercept), terms=terms, more=more)
            )
        return formulas


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
