"""The user's rules for the texts of one column."""

from __future__ import annotations

from typing import NamedTuple

from artifact.rows.schema import Kind
from artifact.rows.texts.dates import format_of_dates
from artifact.rows.texts.format import Epoch, TextFormat
from training.table.corrections import TextRules


class UserRules(NamedTuple):
    """The user's rules for the texts of one column.

    Attributes:
        own: rules for this column alone; its texts must fit them.
        shared: rules for all columns; they hold if the texts fit.
        kind: the feature's kind as the user says, or None; a target's is ``number``.
        epoch: what numbers count where they are moments, or None.
        table: the column's table in ``schema.toml``, ``features`` or ``targets``; messages propose lines for it.
    """

    own: TextRules
    shared: TextRules
    kind: Kind | None = None
    epoch: Epoch | None = None
    table: str = "features"

    @property
    def missing_values(self) -> tuple[str, ...]:
        return (*(self.own.missing_values or ()), *(self.shared.missing_values or ()))

    @property
    def required_kind(self) -> Kind | None:
        """The kind that the column must have: what the user says, or what rules of its own imply; None for any."""
        if self.kind is not None:
            return self.kind
        return "datetime" if self.own.format else "number" if self.own.of_numbers else None

    @property
    def own_dates(self) -> TextFormat | None:
        """The form of dates that the user sets for this column, or None."""
        if self.epoch is not None:
            return TextFormat(epoch=self.epoch)
        return format_of_dates(self.own.format) if self.own.format else None

    @property
    def shared_dates(self) -> TextFormat | None:
        """The form of dates that the user sets for all columns, or None."""
        return format_of_dates(self.shared.format) if self.shared.format else None
