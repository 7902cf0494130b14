"""Which feature each column of the heads belongs to, and their weights in the table's own units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.rows.schema import FIRST_CATEGORY_CODE, FeatureSchema
from training.families.solvers.task import Solved
from training.networks.inputs import Preprocessed

Float64 = npt.NDArray[np.float64]
# Columns of all categories together, and of one of them; rarer categories count as other.
_ALL_CODES, _CODES = 2_000, 200
# Weights that a note names.
_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns in the order of :meth:`Inputs.joined`.

    Attributes:
        features: names.
        of: of each column the number of its feature, (n_columns,).
        names: of the columns.
        n_numeric: columns of numbers, the first ones.
    """

    features: tuple[str, ...]
    of: npt.NDArray[np.int64]
    names: tuple[str, ...]
    n_numeric: int

    def sentences(
        self, schema: FeatureSchema, layer: Any, solved: Solved, mean: Float64, std: Float64, scale: Float64
    ) -> list[str]:
        """Of each target, its formula in the table's units, the columns of the largest effect first.

        Args:
            schema: of the rows.
            layer: that scaled the numbers, or None.
            solved: weights of scaled columns.
            mean, std: of the targets, offsets subtracted, (n_targets,).
            scale: what divided the columns, (n_columns,).
        """
        found = []
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
            shown = f", {terms}{more}" if terms else ""
            found.append(f"Coefficients of '{target.name}': intercept {intercept:.6g}{shown}.")
        return found


def columns_of(schema: FeatureSchema, rows: Preprocessed, widths: tuple[int, ...]) -> Columns:
    """Number the columns.

    Args:
        schema: gives the names.
        rows: prepared.
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
        kept = (feature.categories or ())[: width - FIRST_CATEGORY_CODE]
        names += [f"{feature.name} missing", f"{feature.name} other", *(f"{feature.name}={c}" for c in kept)]
    return Columns(tuple(features), np.array(of, np.int64), tuple(names), len(numeric))


def most_codes(schema: FeatureSchema) -> int:
    """Codes of one categorical column that get columns of their own."""
    n = max(1, len(schema.categorical))
    return max(FIRST_CATEGORY_CODE, min(_CODES, _ALL_CODES // n))


def _offsets(schema: FeatureSchema) -> Float64:
    """What the encoding subtracts from each numeric column; the parts of a datetime are named as it leaves them."""
    offset = {f.name: f.offset for f in schema.numeric}
    return np.array([offset[c.feature] if c.part is None else 0.0 for c in schema.numeric_columns])
