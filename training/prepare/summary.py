"""Gathers the facts of a whole column batch by batch, and makes its feature from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from artifact.rows.schema import Feature, Kind
from artifact.rows.values import DAY
from training.prepare.distinct import Distinct, TextCounts
from training.table.corrections import Corrections
from training.table.infer import date_parts, most_frequent, observed, with_categories
from training.table.parquet import alone_column
from training.table.rare import rare_of
from training.table.usable import Facts, is_usable

# The first values of a column are kept, this many: if it is missing in nearly every row, the sample may have none.
_FEW = 1_000


class ColumnSummary:
    """Gathers a column's ends, missing values and infinities, its number of different values (nearly) and its texts.

    Args:
        name: the column's name.
        kind: the kind that the user says, or None: then the column's type decides.
        texts: largest number of different texts that are counted.
    """

    def __init__(self, name: str, kind: Kind | None, texts: int) -> None:
        self.name, self._kind = name, kind
        self.rows = self.present = self.infinite = 0
        self._first: pl.Series | None = None
        self._low: Any = None
        self._high: Any = None
        self._has_hours = False
        self._distinct, self.counts = Distinct(), TextCounts(name, texts)
        self._dtype: Any = pl.Null()
        self._all_counts = self.counts.counts

    def add(self, column: pl.Series) -> None:
        """Take in the column of a batch, after :func:`training.table.infer.finite`."""
        self._dtype = column.dtype
        present = column.drop_nulls()
        self.rows, self.present = self.rows + len(column), self.present + len(present)
        if not len(present):
            return
        first = present.head(_FEW)
        if self._first is None or len(self._first) < _FEW:
            first = alone_column(first) if first.dtype == pl.String else first
            self._first = first if self._first is None else pl.concat([self._first, first]).head(_FEW)
        if not is_usable(column.dtype):
            return
        low, high = present.min(), present.max()
        self._low = low if self._low is None else min(self._low, low)
        self._high = high if self._high is None else max(self._high, high)
        if column.dtype == pl.String:
            self.counts.add(present)
        if column.dtype in (pl.String, pl.Int64):
            self._distinct.add(present)
        if column.dtype.is_temporal() and not self._has_hours:
            seconds = present.cast(pl.Datetime("us")).to_physical().to_numpy() / 1e6
            self._has_hours = bool(np.mod(seconds, DAY).any())

    @property
    def facts(self) -> Facts:
        """The facts that decide whether the column becomes a feature."""
        # Floats, booleans and moments are never identifiers: for them only one or several different values matter.
        distinct = self._distinct.count or (1 if self._low == self._high else 2)
        first = self._first[0] if self._first is not None else None
        is_number = self._dtype in (pl.Int64, pl.Float64) and self.present
        low, high = (self._low, self._high) if is_number else (0, 0)
        return Facts(
            self.name,
            self._dtype,
            self.rows,
            self.present,
            distinct,
            first,
            low,
            high,
            self.infinite,
            self.counts.forgotten,
        )

    @property
    def missing(self) -> float:
        """Share of rows without a value."""
        return (self.rows - self.present) / self.rows

    def observed(self, sample: pl.Series) -> dict[str, Any]:
        """The feature's fields: ends, parts of a date and missing values from all rows, the others from a sample.

        Args:
            sample: some values of the cleaned column.
        """
        if sample.null_count() == len(sample) and self._first is not None:
            sample = self._first
        fields = observed(sample, self._kind)
        fields["missing"] = "impute" if self.present < self.rows else "refuse"
        kind = fields["kind"]
        if kind == "category":
            fields["example"] = most_frequent(self.counts.counts, self.name)
        elif kind == "datetime":
            ends = pl.Series([self._low, self._high]).cast(pl.Datetime("us")).to_physical() / 1e6
            fields.update(minimum=ends[0], maximum=ends[1])
            fields["parts"] = date_parts(ends[1] - ends[0], has_hours=self._has_hours)
        else:
            fields.update(minimum=float(self._low), maximum=float(self._high))
        return fields

    def with_categories(self, feature: Feature, corrections: Corrections) -> Feature:
        """A categorical feature with its categories, frequent and rare; a feature of another kind stays as it is."""
        if feature.kind != "category":
            return feature
        feature = with_categories(feature, self.counts.counts, corrections)
        return rare_of(feature, self._all_counts, corrections, self._distinct.count if self.counts.forgotten else 0)

    def without(self, held_out: pl.Series) -> None:
        """Take the texts of rows that no network sees out of the counts.

        So the categories come from rows that networks see. The rare categories come from all rows.
        """
        self._all_counts = self.counts.counts
        self.counts.add(held_out, sign=-1)
