"""Facts of how a version came about: what was left out, repaired or suspected, mixed, distilled or tried again.

Each is a record with types; its ``sentence`` is what people read of it, in the notes of the manifest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

from pydantic import Field

from artifact.lineage import Frozen


class Fact(Frozen):
    """A fact of how a version came about."""

    @property
    def sentence(self) -> str:
        """The fact in plain words."""
        raise NotImplementedError


# What is said of a table or a training: a fact, or a sentence that stands for itself.
Said = str | Fact


def sentences(said: Iterable[Said]) -> list[str]:
    """All that is said, in plain words."""
    return [one if isinstance(one, str) else one.sentence for one in said]


def facts_in(said: Iterable[Said]) -> tuple[Fact, ...]:
    """The facts in what is said."""
    return tuple(one for one in said if isinstance(one, Fact))


class UntargetedRows(Fact):
    """Rows that are left out, for they have no value of some target: ``count`` of ``rows`` in the table."""

    count: int
    rows: int

    @property
    def sentence(self) -> str:
        return f"{self.count} of {self.rows} rows are left out: no value of the target."


class RepeatedRows(Fact):
    """Rows that stand more than once, equal in every column: ``count`` of ``rows``.

    Attributes:
        across_parts: only test rows were looked at, and they stand among the rows of another part.
    """

    count: int
    rows: int
    across_parts: bool

    @property
    def sentence(self) -> str:
        what, where = ("test rows", "in another part too") if self.across_parts else ("rows", "more than once")
        return f"{self.count} of {self.rows} {what} stand, equal in every column, {where}."


class EmptyRows(Fact):
    """Rows without a value in any feature: ``count`` of ``rows``."""

    count: int
    rows: int

    @property
    def sentence(self) -> str:
        return (
            f"{self.count} of {self.rows} rows have no value in any feature; they teach what to answer to such a row."
        )


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


class HeavyValue(Fact):
    """One value of a target that holds most of its variance.

    Attributes:
        row: of the table, from 1.
        share: of the variance.
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
            "target's variance: R2, RMSE and intervals hang on this one row. Correct the value or leave the row out."
        )


class TooGood(Fact):
    """A target that is explained nearly whole.

    Attributes:
        model: the best one.
        r2: its R2 on the test rows.
        column: on which the version leans most; None where it leans on none.
        share: of all features' importance that the column has.
    """

    target: str
    model: str
    r2: float
    column: str | None = None
    share: float = 0.0

    @property
    def sentence(self) -> str:
        r2 = "more than 0.9999" if self.r2 > 0.9999 else f"{self.r2:.4f}"
        leaning = (
            "" if self.column is None else f"; the model leans on '{self.column}' ({self.share:.0%} of the importance)"
        )
        return (
            f"R2 of '{self.target}' is {r2}, by {self.model}: so good a figure is rather a leak or a formula than a "
            f"discovery{leaning}. Look for a column that is known only after the target is."
        )


class Leaning(Fact):
    """A column that holds most of the importance for a target: ``share`` of it."""

    column: str
    target: str
    share: float

    @property
    def sentence(self) -> str:
        return (
            f"Column '{self.column}' holds {self.share:.0%} of the importance for '{self.target}': a leak, if it is "
            "known only after the target is. Then leave it out: drop = true in schema.toml."
        )


class Mixed(Fact):
    """What was mixed.

    Attributes:
        weights: of each family, their sum 1; 0 for one that is not in the model.
        alone: error of each family alone over that of the mix, on rows that none has seen.
        plain: the error in a sentence: ``RMSE``.
    """

    weights: dict[str, float]
    alone: dict[str, float]
    plain: str

    @property
    def sentence(self) -> str:
        parts = [f"{name} {share:.0%} ({self.alone[name] - 1:+.1%} alone)" for name, share in self.weights.items()]
        return (
            f"Mixed by errors on unseen rows: {', '.join(parts)}; in brackets its {self.plain} against that of the mix."
        )


class Distilled(Fact):
    """One small network in place of an ensemble.

    Attributes:
        served: False where it cost too much, and the ensemble is the model.
        parameters: weights of the small network.
        ensemble: how many networks it stands for, ``3`` or ``3 x 8`` for networks of several members each.
        ensemble_parameters: their weights.
        error: of the small network in target deviations, on rows that it has not seen; None where none were left.
        error_is: name of that error, as a person is shown it.
        cost: that error over the ensemble's, or None.
        allowed: the largest cost at which it would have been served, or None where it was asked for.
        held_out: the rows that measured it were held out; False: out of fold.
    """

    served: bool
    parameters: int
    ensemble: str
    ensemble_parameters: int
    error: float | None = None
    error_is: str = ""
    cost: float | None = None
    allowed: float | None = None
    held_out: bool = False

    @property
    def sentence(self) -> str:
        what = f"one network of {self.parameters:,} weights in place of {self.ensemble} of {self.ensemble_parameters:,}"
        if self.error is None or self.cost is None:
            return f"Distilled: {what}."
        where = "on held-out rows" if self.held_out else "out of fold"
        than = "above" if self.cost >= 1 else "below"
        error = (
            f"{self.error_is} {where} {self.error:.4g} target deviations, {abs(self.cost - 1):.1%} {than} "
            "the ensemble's"
        )
        if self.served:
            return f"Distilled: {what}; {error}."
        allowed = "" if self.allowed is None else f"; {self.allowed - 1:.0%} is allowed"
        return f"Not distilled: {what} would have a {error}{allowed}."


class Retry(Fact):
    """A training that diverged, and what was done.

    Attributes:
        epoch: in which the loss was not a number.
        learning_rate: that diverged.
        lower: learning rate of the second training; None where the network that was measured is stored instead, and
            training on all rows had diverged.
    """

    epoch: int
    learning_rate: float
    lower: float | None

    @property
    def sentence(self) -> str:
        if self.lower is None:
            return (
                f"Training on all rows diverged in epoch {self.epoch}; the network that was measured is stored, which "
                "has not seen the test rows."
            )
        return (
            f"The loss was not a number in epoch {self.epoch}; trained again at a learning rate of {self.lower:g}, not "
            f"{self.learning_rate:g}."
        )


def _quoted(names: Iterable[str]) -> list[str]:
    """Names in quotes."""
    return [f"'{name}'" for name in names]


def _left_out(default: Any) -> Any:
    """A field that is not written where it says nothing, so that such a manifest is what it always was."""
    return Field(default=default, exclude_if=lambda value: value == default)


class Facts(Frozen):
    """All facts of a version, by what they are of; those of the table first."""

    untargeted_rows: UntargetedRows | None = _left_out(None)
    repeated_rows: RepeatedRows | None = _left_out(None)
    empty_rows: EmptyRows | None = _left_out(None)
    columns_left_out: tuple[ColumnLeftOut, ...] = _left_out(())
    unreadable_values: tuple[UnreadableValues, ...] = _left_out(())
    keys: tuple[KeyColumn, ...] = _left_out(())
    long_numbers: tuple[LongNumbers, ...] = _left_out(())
    leaks: tuple[Leak, ...] = _left_out(())
    known_with_target: tuple[KnownWithTarget, ...] = _left_out(())
    formulas: tuple[Formula, ...] = _left_out(())
    heavy_values: tuple[HeavyValue, ...] = _left_out(())
    too_good: tuple[TooGood, ...] = _left_out(())
    leaning: tuple[Leaning, ...] = _left_out(())
    mix: Mixed | None = _left_out(None)
    distilled: Distilled | None = _left_out(None)
    retries: tuple[Retry, ...] = _left_out(())

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> Facts:
        """Facts in their fields, in order.

        Raises:
            TypeError: no field is for such a fact.
        """
        fields: dict[str, Any] = {}
        for fact in facts:
            name = _FIELDS.get(type(fact))
            if name is None:
                raise TypeError(f"Expected a fact that has a field. Received: {type(fact).__name__}.")
            is_one = cls.model_fields[name].default is None
            fields[name] = fact if is_one else (*fields.get(name, ()), fact)
        return cls(**fields)

    def plus(self, facts: Iterable[Fact]) -> Facts:
        """With more facts, of kinds that there were none of."""
        more = Facts.of(facts)
        return self.model_copy(update={name: getattr(more, name) for name in more.model_fields_set})


# Which field a fact belongs to, by its type.
_FIELDS: dict[Any, str] = {
    next(kind for kind in get_args(field.annotation) if isinstance(kind, type) and issubclass(kind, Fact)): name
    for name, field in Facts.model_fields.items()
}
