"""Columns of ids, such as groups and categories: they never become floats, which would merge long ids."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import polars as pl


def is_exact(dtype: Any) -> bool:
    """Whether a type holds numbers exactly even if they have more digits than a float can hold."""
    return bool(dtype.is_integer() or dtype.is_decimal())


def ids_as_text(frame: pl.DataFrame, names: Collection[str | None]) -> pl.DataFrame:
    """The frame with columns of ids as texts, where they are whole numbers or decimals.

    Args:
        frame: the table as it was read.
        names: columns that hold ids; None, and names that the frame lacks, are passed over.
    """
    exact = [name for name in names if name in frame.columns and is_exact(frame.schema[name])]
    return frame.with_columns(pl.col(name).cast(pl.String) for name in exact)


def as_written(raw: pl.Series, typed: pl.Series) -> pl.Series:
    """Ids as the file writes them, where reading made floats of them: `1E5` is not `100000`.

    Args:
        raw: the column as the file holds it.
        typed: the same column in the type that it looks like.
    """
    merged = raw.dtype == pl.String and typed.dtype.is_float()
    return raw.str.strip_chars() if merged else typed
