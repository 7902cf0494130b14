"""Facts of columns: left out, unreadable, like a key, or suspected of a leak."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from artifact.facts.base import Fact

Why = Literal["asked", "empty", "type", "constant", "identifier", "order"]


class ColumnLeftOut(Fact):
    """A column that is no feature.

    Attributes:
        why: ``asked``: schema.toml says so; ``empty``: it has no value; ``type``: no feature can have its type;
            ``constant``: it has one value; ``identifier``: it names the rows; ``order``: it orders the rows.
        reason: the same in words, with values of the column; empty where ``why`` says all.
    """

    column: str
    why: Why
    reason: str = ""

    @property
    def sentence(self) -> str:
        if self.why == "asked":
            return f"Column '{self.column}' is left out, as schema.toml says."
        if self.why == "order":
            return f"Column '{self.column}' orders the rows and is no feature: later rows would lie outside its range."
        return f"Column '{self.column}' is left out: {self.reason}."


class UnreadableValues(Fact):
    """Values of a column that count as missing: infinite numbers, or moments outside the years 1 to 9999."""

    column: str
    count: int
    are_moments: bool

    @property
    def sentence(self) -> str:
        kind = "moments outside the years 1 to 9999" if self.are_moments else "infinite values"
        return f"Column '{self.column}' holds {self.count} {kind}; they count as missing."


class KeyColumn(Fact):
    """A column of integers that looks like a key and is kept: ``distinct`` different values in ``rows`` rows."""

    column: str
    distinct: int
    rows: int

    @property
    def sentence(self) -> str:
        return (
            f"Column '{self.column}' has {self.distinct:,} different integers in {self.rows:,} rows, as an identifier "
            "has, and is kept as a number. If it only names the rows, leave it out: drop = true in schema.toml."
        )


class LongNumbers(Fact):
    """A column of numbers with so many digits that a 64-bit float cannot tell them apart."""

    column: str
    digits: int

    @property
    def sentence(self) -> str:
        return (
            f"Column '{self.column}' holds numbers of {self.digits} digits; a 64-bit float keeps 15 of them. If the "
            "column only names the rows, leave it out: drop = true in schema.toml. To keep each value as it is "
            'written, set kind = "category" there.'
        )


class Leak(Fact):
    """A column that alone predicts a target: it explains ``share`` of the order of the target's values."""

    column: str
    target: str
    share: float

    @property
    def sentence(self) -> str:
        return (
            f"Column '{self.column}' alone tells '{self.target}' almost exactly ({self.share:.1%} of its order, on "
            "other rows): a leak, if it is known only after the target is. Then leave it out: drop = true in "
            "schema.toml."
        )


class KnownWithTarget(Fact):
    """A column that has values only in rows in which the targets have values.

    Attributes:
        rows: number of rows without a value of the targets; the column has no value in any of these rows.
        known: share of the other rows in which the column has a value.
    """

    column: str
    targets: tuple[str, ...]
    rows: int
    known: float

    @property
    def sentence(self) -> str:
        return (
            f"Column '{self.column}' is missing in each of {self.rows:,} rows that have no value of "
            f"{' or '.join(_quoted(self.targets))}, and known in {self.known:.0%} of the others: a leak, if it is "
            "written down together with the target. Then leave it out: drop = true in schema.toml."
        )


class Formula(Fact):
    """Columns that give a target exactly.

    Attributes:
        columns: all columns of the formula.
        form: ``sum`` (or difference), ``weighted sum``, or ``product`` (or ratio). A sum gives the target up to a
            constant summand, a product up to a constant factor.
        formula: the formula as people write it, with the names in quotes.
    """

    target: str
    columns: tuple[str, ...]
    form: Literal["sum", "weighted sum", "product"]
    formula: str

    @property
    def sentence(self) -> str:
        weighted = "a weighted sum, " if self.form == "weighted sum" else ""
        factor = ", but for a constant factor" if self.form == "product" else ""
        return (
            f"'{self.target}' is {weighted}exactly {self.formula}{factor}. If its columns are known only after the "
            "target is, this is a leak; otherwise the formula answers without a model."
        )


def _quoted(names: Iterable[str]) -> list[str]:
    """Names in quotes."""
    return [f"'{name}'" for name in names]
