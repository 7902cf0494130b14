"""Facts of one column for people: its role and kind, its missing values, and its range and examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from artifact.rows.schema import Kind
from artifact.words.display import number
from training.table.infer import MIN_CATEGORY_ROWS, kind_of
from training.table.usable import is_usable

Role = Literal["feature", "target", "group", "weight", "left out"]

_EXAMPLES = 3
_LONGEST = 40
# First and last microsecond, since 1970, of the years 1 to 9999: other years cannot be written as a date.
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999


@dataclass(frozen=True, slots=True)
class Column:
    """A column's facts.

    Attributes:
        name: the column's name in the table.
        role: what training uses the column for.
        kind: the kind in the schema; for values that a request cannot hold, their type.
        unit: the unit that ``schema.toml`` gives, or None.
        missing: number of rows without a value.
        distinct: number of different values.
        rare: number of categories with too few rows to be learnt; None for other kinds.
        rare_rows: number of rows with such categories; None for other kinds.
        low, middle, high: least, median and largest number, or date as text; None for other kinds.
        examples: the most frequent categories; for other kinds, the first values.
        counts: number of rows of each example of a category; empty for other kinds.
    """

    name: str
    role: Role
    kind: Kind | str
    unit: str | None
    missing: int
    distinct: int
    rare: int | None = None
    rare_rows: int | None = None
    low: float | str | None = None
    middle: float | str | None = None
    high: float | str | None = None
    examples: tuple[Any, ...] = ()
    counts: tuple[int, ...] = ()


def described(column: pl.Series, role: Role, kind: Kind | None = None, unit: str | None = None) -> Column:
    """Describe a column.

    Args:
        column: the column as training has it; infinities count as missing.
        role: what training uses the column for.
        kind: the kind in the schema; None takes the kind of the column's type. Defaults to None.
        unit: the unit of its values. Defaults to None.
    """
    present = column.drop_nulls()
    if column.dtype.is_float():
        present = present.filter(present.is_finite())
    missing = len(column) - len(present)
    if not is_usable(column.dtype):
        return Column(column.name, role, str(column.dtype).lower(), unit, missing, _distinct(present))
    if kind is None:
        kind = kind_of(column)
    distinct = present.n_unique()
    if kind == "category":
        return _category(present.cast(pl.String), role, unit, missing)
    examples = present.unique(maintain_order=True).head(_EXAMPLES)
    if kind == "boolean" or not len(present):
        return Column(column.name, role, kind, unit, missing, distinct, examples=tuple(examples))
    if kind == "datetime":
        # Sorted microseconds: the one in the middle is a real moment of the column.
        micros = np.sort(present.cast(pl.Datetime("us")).to_physical().to_numpy())
        low, middle, high = (moment_text(int(micros[i])) for i in (0, len(micros) // 2, -1))
        texts = tuple(moment_text(v) for v in examples.cast(pl.Datetime("us")).to_physical())
        return Column(
            column.name, role, kind, unit, missing, distinct, low=low, middle=middle, high=high, examples=texts
        )
    values = present.cast(pl.Float64).to_numpy()
    ends = (float(values.min()), float(np.median(values)), float(values.max()))
    return Column(
        column.name,
        role,
        kind,
        unit,
        missing,
        distinct,
        low=ends[0],
        middle=ends[1],
        high=ends[2],
        examples=tuple(examples),
    )


def _category(present: pl.Series, role: Role, unit: str | None, missing: int) -> Column:
    name = present.name
    counts = present.value_counts().sort(["count", name], descending=[True, False])
    rare = counts.filter(pl.col("count") < MIN_CATEGORY_ROWS)["count"]
    top = counts.head(_EXAMPLES)
    return Column(
        name,
        role,
        "category",
        unit,
        missing,
        counts.height,
        rare=len(rare),
        rare_rows=int(rare.sum()),
        examples=tuple(_shortened(text) for text in top[name]),
        counts=tuple(top["count"]),
    )


def _distinct(present: pl.Series) -> int:
    """Number of different values, also of nested ones; 0 if values cannot be compared."""
    try:
        return present.n_unique()
    except pl.exceptions.PolarsError:
        return 0


def moment_text(micros: int) -> str:
    """A date as text, with its time of day if it has one; beyond the years 1 to 9999, seconds since 1970."""
    if not _FIRST <= micros <= _LAST:
        return f"{micros / 1e6:.0f} s"
    text: str = pl.Series([micros]).cast(pl.Datetime("us"))[0].isoformat()
    return text.removesuffix("T00:00:00")


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


# Headers of cells that hold numbers.
FIGURES = ("missing", "different", "rare (rows)", "lowest", "median", "highest")


def cells(columns: Sequence[Column]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table of the columns' facts, without facts that no column has."""
    lines = [_cells(column) for column in columns]
    names = [name for name in (lines[0] if lines else {}) if any(line[name] for line in lines)]
    return names, [[line[name] for name in names] for line in lines]


def _cells(column: Column) -> dict[str, str]:
    examples = [f"{e:.8g}" if isinstance(e, float) else str(e) for e in column.examples]
    if column.counts:
        examples = [f"{text} ({count:,})" for text, count in zip(examples, column.counts, strict=True)]
    return {
        "column": column.name,
        "use": "" if column.role == "feature" else column.role,
        "kind": column.kind,
        "unit": column.unit or "",
        "missing": f"{column.missing:,}",
        "different": f"{column.distinct:,}",
        "rare (rows)": f"{column.rare:,} ({column.rare_rows:,})" if column.rare else "",
        "lowest": _text(column.low),
        "median": _text(column.middle),
        "highest": _text(column.high),
        "examples": ", ".join(examples),
    }


def _text(value: float | str | None) -> str:
    return "" if value is None else value if isinstance(value, str) else number(value)
