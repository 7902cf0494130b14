"""Whether a column becomes a feature: not if it is empty, constant, an identifier or of an unfit type."""

from __future__ import annotations

from typing import Any, NamedTuple

import polars as pl

from artifact.facts import ColumnLeftOut, KeyColumn, LongNumbers, Note, UnreadableValues, Why
from training.suspects.keys import INEXACT, key_column, long_numbers
from training.table.corrections import FeatureCorrection


class Facts(NamedTuple):
    """The facts that decide whether a column becomes a feature.

    Attributes:
        name: the column's name.
        dtype: its polars type.
        rows, present: how many rows the table has, and how many of them have a value here.
        distinct: how many different values there are; to three digits where they are very many.
        first: the first value, or None.
        low, high: the smallest and the largest number; 0 where the column holds no numbers.
        infinite: how many values count as missing since no request can hold them.
        forgotten: whether there were too many different texts to count them all.
    """

    name: str
    dtype: Any
    rows: int
    present: int
    distinct: int
    first: Any
    low: float
    high: float
    infinite: int = 0
    forgotten: bool = False


class Judgement(NamedTuple):
    """The decision on a column.

    Attributes:
        is_feature: False where the column is left out.
        notes: a note on each thing that is left out, was repaired or looks odd.
    """

    is_feature: bool
    notes: list[Note]


def is_usable(dtype: Any) -> bool:
    """Whether values of a type can be a feature."""
    plain = dtype.is_numeric() or dtype in (pl.Boolean, pl.String) or dtype.is_temporal()
    return plain and dtype not in (pl.Time, pl.Duration)


def facts_of(column: pl.Series, infinite: int = 0) -> Facts:
    """The facts of a whole column.

    Args:
        column: the column after :func:`training.table.infer.finite`.
        infinite: how many values count as missing since no request can hold them. Defaults to 0.
    """
    present = column.drop_nulls()
    distinct, low, high = 0, 0, 0
    if len(present) and is_usable(column.dtype):
        distinct = present.n_unique()
        if column.dtype in (pl.Int64, pl.Float64):
            low, high = present.min(), present.max()  # type: ignore[assignment]
    first = present[0] if len(present) else None
    return Facts(column.name, column.dtype, len(column), len(present), distinct, first, low, high, infinite)


def judged(facts: Facts, correction: FeatureCorrection | None) -> Judgement:
    """Whether a column becomes a feature, with the notes on it.

    Args:
        facts: the column's facts, of the whole column or gathered batch by batch.
        correction: the user's correction of the column, or None. With any correction, a column that has a value is a
            feature.
    """
    notes: list[Note] = []
    if facts.infinite:
        are_moments = facts.dtype.is_temporal()
        notes.append(UnreadableValues(column=facts.name, count=facts.infinite, are_moments=are_moments))
    if facts.forgotten:
        notes.append(
            f"Column '{facts.name}' has about {facts.distinct} different texts, too many to count them all; "
            "some of its rarer categories may have been missed."
        )
    left_out = why_useless(facts)
    if left_out is not None and (correction is None or not facts.present):
        return Judgement(is_feature=False, notes=[*notes, left_out])
    key = key_like(facts) if correction is None else None
    return Judgement(is_feature=True, notes=[*notes, *([] if key is None else [key])])


def key_like(facts: Facts) -> KeyColumn | LongNumbers | None:
    """A note on a column of numbers that looks like a key and yet becomes a feature, or None."""
    if not facts.present:
        return None
    if facts.dtype == pl.Float64:
        return long_numbers(facts.name, facts.low, facts.high)
    if facts.dtype == pl.Int64:
        return key_column(facts.name, facts.present, facts.distinct, int(facts.low), int(facts.high))
    return None


def why_useless(facts: Facts) -> ColumnLeftOut | None:
    """Why a column cannot inform a prediction, or None."""
    why = _reason(facts)
    return None if why is None else ColumnLeftOut(column=facts.name, why=why[0], reason=why[1])


def _reason(facts: Facts) -> tuple[Why, str] | None:
    dtype, distinct, present = facts.dtype, facts.distinct, facts.present
    if not present:
        return "empty", "it is empty"
    if not is_usable(dtype):
        if dtype in (pl.Time, pl.Duration):
            return "type", f"values of type {dtype} are not read; give a number instead"
        return "type", f"a request cannot hold values of type {dtype}"
    if distinct == 1 and present == facts.rows and dtype == pl.Float64 and abs(facts.first) >= INEXACT:
        return (
            "constant",
            f'it is constant as a 64-bit float ({facts.first!r}); kind = "category" in schema.toml tells ids apart',
        )
    if distinct == 1 and present == facts.rows:
        return "constant", f"it is constant ({facts.first!r})"
    if dtype == pl.String and distinct > 20 and distinct > 0.9 * present:
        return "identifier", f"it looks like an identifier ({distinct} different texts in {present} rows)"
    if (
        dtype == pl.Int64
        and facts.rows >= 20
        and distinct >= 0.95 * facts.rows
        # A column that counts the rows has a gap where a row was left out, and repeats a number where a row repeats.
        and facts.high - facts.low + 1 <= 1.1 * distinct
    ):
        return "identifier", f"it looks like an identifier (it counts the rows from {facts.low} to {facts.high})"
    return None
