"""What a whole column says, gathered batch by batch, and the feature that it makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from artifact.rows.schema import Feature
from artifact.rows.values import DAY
from training.prepare.alone import alone_column
from training.prepare.distinct import Distinct, TextCounts
from training.suspects.keys import key_note, long_note
from training.table.corrections import FeatureCorrection
from training.table.infer import corrected, date_parts, frequent, infinite_note, observed
from training.table.rare import rare_of
from training.table.usable import Facts, is_usable, why_useless

# Values kept of a column that is missing in nearly every row, should the sample have none.
_FEW = 1_000
_SAYS_NOTHING = FeatureCorrection()


class ColumnSummary:
    """Of one column: ends, missing values and infinities exactly, different values nearly, texts by their number.

    Args:
        name: of the column.
        correction: what the user says of it.
        texts: most different texts that are counted.
    """

    def __init__(self, name: str, correction: FeatureCorrection, texts: int) -> None:
        self.name, self._correction = name, correction
        self.rows = self.present = self.infinite = 0
        self._first: pl.Series | None = None
        self._low: Any = None
        self._high: Any = None
        self._has_hours = False
        self._distinct, self.counts = Distinct(), TextCounts(name, texts)
        self._dtype: Any = pl.Null()
        self._of_all = self.counts.counts

    def add(self, column: pl.Series) -> None:
        """Take in a batch, cleaned."""
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

    def notes(self) -> list[str]:
        """Sentences on what was repaired, or could not be counted."""
        found = [infinite_note(pl.Series(self.name, dtype=self._dtype), self.infinite)] if self.infinite else []
        if self.counts.forgotten:
            found.append(
                f"Column '{self.name}' has about {self._distinct.count} different texts, too many to count them all; "
                "some of its rarer categories may have been missed."
            )
        if self._dtype == pl.Int64 and self.present and not self.why_useless() and self._correction == _SAYS_NOTHING:
            key = key_note(self.name, self.present, self._distinct.count, self._low, self._high)
            found += [key] if key else []
        if self._dtype == pl.Float64 and self.present and not self.why_useless() and self._correction == _SAYS_NOTHING:
            long = long_note(self.name, self._low, self._high)
            found += [long] if long else []
        return found

    def why_useless(self) -> str | None:
        """Why the column cannot inform a prediction, or None."""
        distinct = self._distinct.count or (1 if self._low == self._high else 2)
        ends = (self._low, self._high) if self._dtype == pl.Int64 and self.present else (0, 0)
        first = self._first[0] if self._first is not None else None
        return why_useless(Facts(self._dtype, self.rows, self.present, distinct, first, *ends))

    def feature(self, sample: pl.Series) -> Feature:
        """The feature: ends, parts of a date and whether values were missing of all rows, the rest of a sample.

        Args:
            sample: of the cleaned column.

        Raises:
            DataError: the user's corrections do not fit.
        """
        if sample.null_count() == len(sample) and self._first is not None:
            sample = self._first
        fields = observed(sample, self._correction.kind)
        fields["missing"] = "impute" if self.present < self.rows else "refuse"
        kind = fields["kind"]
        if kind == "category":
            fields["example"] = self.counts.counts.top_k(1, by="count")[self.name][0]
        elif kind == "datetime":
            ends = pl.Series([self._low, self._high]).cast(pl.Datetime("us")).to_physical() / 1e6
            fields.update(minimum=ends[0], maximum=ends[1])
            fields["parts"] = date_parts(ends[1] - ends[0], has_hours=self._has_hours)
        else:
            fields.update(minimum=float(self._low), maximum=float(self._high))
        return corrected(fields, self._correction)

    def with_categories(self, feature: Feature) -> Feature:
        """A category's feature with the categories that are counted now, or those that the user names."""
        if feature.kind != "category":
            return feature
        named = self._correction.categories
        if named is not None:
            return feature.model_copy(update={"categories": named})
        feature = feature.model_copy(update={"categories": frequent(self.counts.counts, self.name)})
        return rare_of(feature, self._of_all, self._distinct.count if self.counts.forgotten else 0)

    def without(self, held_out: pl.Series) -> None:
        """Categories are those that the networks see; rare ones may stand in other rows alone."""
        self._of_all = self.counts.counts
        self.counts.add(held_out, sign=-1)
