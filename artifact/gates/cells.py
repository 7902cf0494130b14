"""Cells: sets of rows in which versions are compared: each named group, category and decile that has enough rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from artifact.gates.limits import MIN_ROWS
from artifact.rows.encoding import Encoded
from artifact.rows.moments import moment
from artifact.rows.schema import FIRST_CATEGORY_CODE, MISSING_CODE, Feature, FeatureSchema
from artifact.rows.values import DAY
from artifact.words.display import number

_PARTS = 10
# A named column of numbers with more different values than this is cut into deciles.
_MANY = 20

Rows = npt.NDArray[np.intp]


class Cell(NamedTuple):
    """Some rows that have something in common.

    Attributes:
        name: what they have in common, for a sentence.
        rows: indices of the rows.
    """

    name: str
    rows: Rows


def cells_of(
    schema: FeatureSchema,
    X: Encoded,
    groups: Mapping[str, Sequence[Any]] | None = None,
    weight: npt.NDArray[np.float64] | None = None,
) -> list[Cell]:
    """The cells of 50 rows or more.

    Args:
        schema: schema of the candidate.
        X: encoded rows.
        groups: values of further columns by their name, (n_samples,) each; None for missing. Defaults to none.
        weight: float64 (n_samples,), or None; rows of weight 0 do not count. Defaults to None.
    """
    counts = np.ones(len(X), bool) if weight is None else weight > 0
    cells = [cell for name, values in (groups or {}).items() for cell in _groups(name, values)]
    for j, column in enumerate(schema.numeric_columns):
        # The days of a datetime have an order; its sines and cosines have none.
        if column.part in (None, "days"):
            cells += _numeric(schema.feature(column.feature), X.numeric[:, j].astype(np.float64))
    for j, feature in enumerate(schema.categorical):
        cells += _categorical(feature, X.categorical[:, j])
    return [cell for cell in cells if np.count_nonzero(counts[cell.rows]) >= MIN_ROWS]


def _numeric(feature: Feature, values: npt.NDArray[np.float64]) -> Iterator[Cell]:
    name = f"'{feature.name}'"
    if feature.kind == "boolean":
        yield Cell(f"{name} false", np.flatnonzero(values == 0))
        yield Cell(f"{name} true", np.flatnonzero(values == 1))
    else:
        yield from _deciles(name, values, lambda value: _as_text(feature, value))
    yield Cell(f"{name} missing", np.flatnonzero(np.isnan(values)))


def _deciles(name: str, values: npt.NDArray[np.float64], as_text: Any) -> Iterator[Cell]:
    present = values[~np.isnan(values)]
    if not len(present):
        return
    edges = np.unique(np.quantile(present, np.linspace(0, 1, _PARTS + 1)))
    if len(edges) < 2:
        yield Cell(f"{name} {as_text(edges[0])}", np.flatnonzero(values == edges[0]))
        return
    # Only the last part includes its upper end.
    parts = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    for part in range(len(edges) - 1):
        rows = np.flatnonzero((parts == part) & ~np.isnan(values))
        yield Cell(f"{name} from {as_text(edges[part])} to {as_text(edges[part + 1])}", rows)


def _categorical(feature: Feature, codes: npt.NDArray[np.int32]) -> Iterator[Cell]:
    names = {MISSING_CODE: "missing", **dict(enumerate(feature.categories, start=FIRST_CATEGORY_CODE))}
    for code in np.unique(codes):
        yield Cell(f"'{feature.name}' {names.get(int(code), 'other')}", np.flatnonzero(codes == code))


def _groups(name: str, values: Sequence[Any]) -> Iterator[Cell]:
    """Each value of a column is a group; many different numbers are cut into deciles."""
    different = {value for value in values if value is not None}
    if len(different) > _MANY and all(isinstance(value, int | float) for value in different):
        yield from _deciles(f"'{name}'", np.array([np.nan if v is None else v for v in values], np.float64), number)
        return
    column = np.array(["missing" if value is None else str(value) for value in values], dtype=object)
    for value in sorted(set(column)):
        yield Cell(f"'{name}' {value}", np.flatnonzero(column == value))


def _as_text(feature: Feature, value: float) -> str:
    if feature.kind == "datetime":
        return str(moment(value * DAY + feature.offset).date())
    return number(value + feature.offset)
