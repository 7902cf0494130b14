"""Columns whose values name things, groups and categories: they pass through no float, which merges long ones."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import polars as pl


def is_exact(dtype: Any) -> bool:
    """Whether a type holds each of its numbers exactly, more digits of them than a float may have."""
    return bool(dtype.is_integer() or dtype.is_decimal())


def ids_as_text(frame: pl.DataFrame, names: Collection[str | None]) -> pl.DataFrame:
    """The frame, some columns of it as texts where they are whole numbers or decimals.

    Args:
        frame: as it was read.
        names: of columns that hold ids; those that the frame lacks, and None, are passed over.
    """
    exact = [name for name in names if name in frame.columns and is_exact(frame.schema[name])]
    return frame.with_columns(pl.col(name).cast(pl.String) for name in exact)


def as_written(written: pl.Series, found: pl.Series) -> pl.Series:
    """Ids as they are written where they were read as floats: `1E5` is not `100000`.

    Args:
        written: texts, or what else the file holds.
        found: the same as what they look like.
    """
    merged = written.dtype == pl.String and found.dtype.is_float()
    return written.str.strip_chars() if merged else found
