"""TextFormat: how the texts of one column are written, where JSON would write the values in another way."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Decimal = Literal[".", ","]
Thousands = Literal["", ",", ".", "'", " "]
DateOrder = Literal["dmy", "mdy"]
Epoch = Literal["s", "ms", "us", "ns", "excel"]


class TextFormat(BaseModel):
    """How the texts of a column are written; by default as numbers and dates in JSON.

    Attributes:
        decimal: mark before the fraction of a number.
        thousands: mark between groups of three digits, or empty; a space means every kind of space.
        prefix, suffix: currency or unit that may stand before or after a number; it does not change the value.
        brackets: whether ``(7)`` is -7.
        order: order of day and month in a date that does not begin with its year; None: such dates are refused.
        strptime: the form of a date in the directives of ``strptime``, or None.
        epoch: unit of a number that gives a moment: seconds, milli-, micro- or nanoseconds since 1970 UTC, or ``excel``
            for days by Excel's calendar; None: a number is no moment.
        missing_values: texts that mean "no value", beside the usual ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    decimal: Decimal = "."
    thousands: Thousands = ""
    prefix: str = ""
    suffix: str = ""
    brackets: bool = False
    order: DateOrder | None = None
    strptime: str | None = None
    epoch: Epoch | None = None
    missing_values: tuple[str, ...] = ()


PLAIN = TextFormat()
