"""Facts of columns: left out, unreadable, like a key, or suspected of a leak."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from artifact.facts.base import Fact

Why = Literal["asked", "empty", "type", "constant", "identifier", "order"]


class ColumnLeftOut(Fact):
    """A column that is no feature.

    Attributes:
        why: ``asked`` in schema.toml, ``empty``, of a ``type`` that no row can have, ``constant``, an ``identifier`` of
            the rows, or it gives the ``order`` of the rows.
        reason: the same in words, with what was seen of the column; empty where ``why`` says all.
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
        what = "moments outside the years 1 to 9999" if self.are_moments else "infinite values"
        return f"Column '{self.column}' holds {self.count} {what}; they count as missing."


class KeyColumn(Fact):
    """A column of integers that is kept and looks like a key: ``distinct`` different values in ``rows`` rows."""

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
            f"Column '{self.column}' holds numbers of {self.digits} digits, of which a 64-bit float tells 15 apart. If "
            'it only names the rows, leave it out by drop = true in schema.toml; kind = "category" there keeps each as '
            "it is written."
        )


class Leak(Fact):
    """A column by which alone a target is known: it tells ``share`` of the order of the target's values."""

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
    """A column that is known only where the targets are.

    Attributes:
        rows: without a value of the targets; the column has none in any of them.
        known: share of the other rows in which it has one.
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
        columns: all that the formula has.
        form: how they give it: by a ``sum`` or difference, a ``weighted sum``, or a ``product`` or ratio; a sum but for
            a constant summand, a product but for a constant factor.
        formula: as people write it, the names in quotes.
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
            f"'{self.target}' is {weighted}exactly {self.formula}{factor}. A leak, if they are known only after the "
            "target is; otherwise a formula does without a model."
        )


def _quoted(names: Iterable[str]) -> list[str]:
    """Names in quotes."""
    return [f"'{name}'" for name in names]
