"""Whether a column can inform a prediction at all: not empty, not constant, no identifier, of a type that rows have."""

from __future__ import annotations

from typing import Any, NamedTuple

import polars as pl

from training.suspects.keys import INEXACT


class Facts(NamedTuple):
    """What decides whether a column can inform a prediction.

    Attributes:
        dtype: polars type.
        rows, present: of the table, and those that have a value.
        distinct: different values.
        first: the first value, or None.
        low, high: of integers, else 0.
    """

    dtype: Any
    rows: int
    present: int
    distinct: int
    first: Any
    low: int
    high: int


def is_usable(dtype: Any) -> bool:
    """Whether values of a type can be a feature."""
    plain = dtype.is_numeric() or dtype in (pl.Boolean, pl.String) or dtype.is_temporal()
    return plain and dtype not in (pl.Time, pl.Duration)


def reason_against(column: pl.Series) -> str | None:
    """Why a column cannot inform a prediction, or None."""
    present = column.drop_nulls()
    distinct, low, high = 0, 0, 0
    if len(present) and is_usable(column.dtype):
        distinct = present.n_unique()
        if column.dtype == pl.Int64:
            low, high = int(present.min()), int(present.max())  # type: ignore[arg-type]
    first = present[0] if len(present) else None
    return why_useless(Facts(column.dtype, len(column), len(present), distinct, first, low, high))


def why_useless(facts: Facts) -> str | None:
    """The same, by what is known of a column that was not read at once."""
    dtype, distinct, present = facts.dtype, facts.distinct, facts.present
    if not present:
        return "it is empty"
    if not is_usable(dtype):
        if dtype in (pl.Time, pl.Duration):
            return f"values of type {dtype} are not read; give a number instead"
        return f"values of type {dtype} have no place in a row of a request"
    if distinct == 1 and present == facts.rows and dtype == pl.Float64 and abs(facts.first) >= INEXACT:
        return f'it is constant as a 64-bit float ({facts.first!r}); kind = "category" in schema.toml tells ids apart'
    if distinct == 1 and present == facts.rows:
        return f"it is constant ({facts.first!r})"
    if dtype == pl.String and distinct > 20 and distinct > 0.9 * present:
        return f"it looks like an identifier ({distinct} different texts in {present} rows)"
    if (
        dtype == pl.Int64
        and facts.rows >= 20
        and distinct >= 0.95 * facts.rows
        # Rows that were dropped leave gaps, rows that stand twice repeat a number; it counts them all the same.
        and facts.high - facts.low + 1 <= 1.1 * distinct
    ):
        return f"it looks like an identifier (it counts the rows from {facts.low} to {facts.high})"
    return None
