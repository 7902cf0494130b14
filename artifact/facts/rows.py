"""Facts of rows: left out, repeated, empty, or one that holds most of the variance."""

from __future__ import annotations

from artifact.facts.base import Fact


class UntargetedRows(Fact):
    """Rows that are left out because some target has no value in them: ``count`` of ``rows`` in the table."""

    count: int
    rows: int

    @property
    def sentence(self) -> str:
        return f"{self.count} of {self.rows} rows are left out: they have no value of the target."


class RepeatedRows(Fact):
    """Rows that occur more than once, equal in every column: ``count`` of ``rows``.

    Attributes:
        across_parts: whether only those test rows are counted that occur in another part too.
    """

    count: int
    rows: int
    across_parts: bool

    @property
    def sentence(self) -> str:
        kind, where = ("test rows", "in another part too") if self.across_parts else ("rows", "more than once")
        return f"{self.count} of {self.rows} {kind} occur {where}, equal in every column."


class EmptyRows(Fact):
    """Rows without a value in any feature: ``count`` of ``rows``."""

    count: int
    rows: int

    @property
    def sentence(self) -> str:
        return (
            f"{self.count} of {self.rows} rows have no value in any feature; the model learns from them what to answer "
            "to such a row."
        )


class HeavyValue(Fact):
    """One value of a target that holds most of its variance.

    Attributes:
        row: number of the row in the table, from 1.
        share: share of the variance that it holds.
    """

    target: str
    row: int
    value: float
    share: float

    @property
    def sentence(self) -> str:
        share = "more than 99.9%" if self.share > 0.999 else f"{self.share:.1%}"
        return (
            f"Row {self.row:,} of the table has '{self.target}' = {self.value:.6g}, which alone holds {share} of the "
            "target's variance: R2, RMSE and intervals depend on this one row. Correct the value or leave the row out."
        )
