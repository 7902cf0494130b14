"""All facts of a version, each kind in a field of its own, as the manifest stores them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from pydantic import Field

from artifact.facts.base import Fact
from artifact.facts.columns import (
    ColumnLeftOut,
    Formula,
    KeyColumn,
    KnownWithTarget,
    Leak,
    LongNumbers,
    UnreadableValues,
)
from artifact.facts.results import Distilled, Leaning, Mixed, Retry, TooGood
from artifact.facts.rows import EmptyRows, HeavyValue, RepeatedRows, UntargetedRows
from artifact.facts.solved import Coefficients, Penalty, Selection
from artifact.lineage import Frozen


def _left_out(default: Any) -> Any:
    """A field that is not written where it has its default, so that a manifest without such facts keeps its bytes."""
    return Field(default=default, exclude_if=lambda value: value == default)


class Facts(Frozen):
    """All facts of a version by kind; those of the table come first."""

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
    penalties: tuple[Penalty, ...] = _left_out(())
    selections: tuple[Selection, ...] = _left_out(())
    coefficients: tuple[Coefficients, ...] = _left_out(())
    mix: Mixed | None = _left_out(None)
    distilled: Distilled | None = _left_out(None)
    retries: tuple[Retry, ...] = _left_out(())

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> Facts:
        """Facts sorted into their fields, in order.

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
        """These facts with more added, whose kinds must not be here yet."""
        more = Facts.of(facts)
        return self.model_copy(update={name: getattr(more, name) for name in more.model_fields_set})


# Which field a fact belongs to, by its type.
_FIELDS: dict[Any, str] = {
    next(kind for kind in get_args(field.annotation) if isinstance(kind, type) and issubclass(kind, Fact)): name
    for name, field in Facts.model_fields.items()
}
