"""The type of a column, by all its values."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import polars as pl

from artifact.rows.values import parse_datetime

# What people write for "no value" in a column of numbers; in a column of words only the empty field is missing.
NULL_TOKENS = ("", "na", "n/a", "nan", "-nan", "null", "none", "?", "-", ".")
_LEADING_ZERO = r"^[+-]?0\d"
# Types that a column of text may have instead; the first that fits all values wins.
TEXT_TYPES: tuple[Any, ...] = (pl.Int64(), pl.Float64(), pl.Boolean(), pl.Datetime("us"))
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def typed(frame: pl.DataFrame, as_text: Collection[str] = ()) -> pl.DataFrame:
    """Give each column of text, except those in ``as_text``, the type that all its values fit."""
    texts = [name for name in as_text if name in frame.columns and frame[name].dtype == pl.String]
    return frame.with_columns(_typed_column(frame[name]) for name in frame.columns if name not in texts)


def _typed_column(column: pl.Series) -> pl.Series:
    column = typed_column(column)
    return typed_text(column) if column.dtype == pl.String else column


def typed_column(column: pl.Series) -> pl.Series:
    """A column as Int64, Float64, Boolean, String or Datetime, by its type alone; other types stay as they are."""
    dtype = column.dtype
    if dtype.is_integer():
        # The type alone decides: a batch of a stream does not show the values of other batches.
        return column.cast(pl.Float64 if dtype in (pl.UInt64, pl.Int128, pl.UInt128) else pl.Int64)
    if dtype.is_float() or dtype.is_decimal():
        return column.cast(pl.Float64).fill_nan(None)
    if isinstance(dtype, (pl.Categorical, pl.Enum)):
        column = column.cast(pl.String)
    return _utc(column) if isinstance(dtype, (pl.Datetime, pl.Date)) else column


def _utc(column: pl.Series) -> pl.Series:
    if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    # Microseconds of the year 300000 do not fit into 64 bits: such a moment becomes missing.
    return column.cast(pl.Datetime("us"), strict=False)


def typed_text(column: pl.Series) -> pl.Series:
    """A column of text in the type that all its values fit, else unchanged."""
    present = present_texts(column)
    if not len(present):
        return pl.Series(column.name, [None] * len(column), dtype=pl.String)
    for dtype in TEXT_TYPES[:-1]:
        if text_fits(present, dtype):
            return text_as(column, dtype)
    moments = _moments(column.str.strip_chars()) if _DATE.match(present[0]) else None
    return column if moments is None else moments


def present_texts(column: pl.Series) -> pl.Series:
    """The texts without spaces around them. Words for "no value", see :data:`NULL_TOKENS`, are left out."""
    values = column.str.strip_chars()
    return values.filter(values.is_not_null() & ~values.str.to_lowercase().is_in(NULL_TOKENS))


def text_fits(present: pl.Series, dtype: Any) -> bool:
    """Whether all of the given texts, at least one, can be read as a type of :data:`TEXT_TYPES`."""
    if dtype.is_numeric():
        return not present.str.contains(_LEADING_ZERO).any() and present.cast(dtype, strict=False).null_count() == 0
    if dtype == pl.Boolean:
        return bool(present.str.to_lowercase().is_in(["true", "false"]).all())
    return _DATE.match(present[0]) is not None and _moments(present) is not None


def text_as(column: pl.Series, dtype: Any) -> pl.Series:
    """A column of text in a type for which :func:`text_fits` is true; unchanged if the type is String."""
    values = column.str.strip_chars()
    if dtype.is_numeric():
        # polars reads "nan" as a number.
        numbers = values.cast(dtype, strict=False)
        return numbers.fill_nan(None) if dtype == pl.Float64 else numbers
    if dtype == pl.Boolean:
        return values.str.to_lowercase().replace_strict({"true": True, "false": False}, default=None)
    moments = _moments(values) if dtype.is_temporal() else None
    return column if moments is None else moments


def _moments(values: pl.Series) -> pl.Series | None:
    # The same days often repeat: each different text is read once.
    different = values.drop_nulls().unique()
    micros: list[int | None] = []
    for value in different:
        if value.lower() in NULL_TOKENS:
            micros.append(None)
            continue
        try:
            micros.append(round(parse_datetime(value) * 1e6))
        except (ValueError, OverflowError):
            return None
    moments = values.replace_strict(different, pl.Series(micros, dtype=pl.Int64), default=None, return_dtype=pl.Int64)
    return moments.cast(pl.Datetime("us"))
