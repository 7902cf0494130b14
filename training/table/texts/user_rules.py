"""What the user says of a column's texts."""

from __future__ import annotations

from typing import NamedTuple

from artifact.rows.schema import Kind
from artifact.rows.texts.dates import format_of_dates
from artifact.rows.texts.format import Epoch, TextFormat
from training.table.corrections import TextRules


class UserRules(NamedTuple):
    """What the user says of a column's texts.

    Attributes:
        own: of this column alone; it must fit.
        shared: of all columns; it holds where it fits.
        kind: of the feature, or None; a target's is ``number``.
        epoch: what numbers count from where they are moments, or None.
        table: of ``schema.toml``, for what is proposed: ``features`` or ``targets``.
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
    def asked(self) -> Kind | None:
        """The kind that the column must have: as the user says, or as what is said of its texts implies."""
        if self.kind is not None:
            return self.kind
        return "datetime" if self.own.format else "number" if self.own.of_numbers else None

    @property
    def own_dates(self) -> TextFormat | None:
        """The form of dates that the user names for this column."""
        if self.epoch is not None:
            return TextFormat(epoch=self.epoch)
        return format_of_dates(self.own.format) if self.own.format else None

    @property
    def shared_dates(self) -> TextFormat | None:
        """The form of dates that the user names for all columns."""
        return format_of_dates(self.shared.format) if self.shared.format else None
