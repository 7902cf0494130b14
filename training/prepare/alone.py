"""Texts on their own: polars' texts keep the memory of all those alive that they were read with."""

from __future__ import annotations

import polars as pl


def alone(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows with copies of their texts, so that the batch that they came with can go."""
    return frame.with_columns(alone_column(column) for column in frame if column.dtype == pl.String)


def alone_column(column: pl.Series) -> pl.Series:
    """A column of text with copies of its texts."""
    # This layout of Arrow's has the texts one after another, and no others between them.
    copied = column.to_arrow(compat_level=pl.CompatLevel.oldest())
    return pl.Series(column.name, copied, dtype=pl.String)
