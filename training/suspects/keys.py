"""Columns of numbers that look like keys and are kept, for they may be numbers all the same."""

from __future__ import annotations

import re

from artifact.facts import KeyColumn, LongNumbers

_FEWEST_ROWS = 20
# What counts the rows leaves gaps where rows were dropped; more than two of three cannot be told from a number.
_GAPS = 3.0
# Numbers of so many digits each are rarely measured.
_DIGITS = 8
_NAMED = re.compile(r"(^|[_\W])(id|uid|uuid|guid|key|pk|index|idx|rowid|nr)$|[a-z](Id|ID|Key|Nr)$")


# From here on a 64-bit float is whole, and cannot tell all whole numbers apart.
INEXACT = 2.0**53


def long_numbers(name: str, low: float, high: float) -> LongNumbers | None:
    """A column of floats whose values are too long to be told apart, as ids of 20 digits are, or None.

    Args:
        name: of the column.
        low, high: the smallest and the largest value.
    """
    if low < INEXACT or len(str(int(low))) != len(str(int(high))):
        return None
    return LongNumbers(column=name, digits=len(str(int(low))))


def key_column(name: str, present: int, distinct: int, low: int, high: int) -> KeyColumn | None:
    """A column of integers that is kept and looks like a key, or None.

    Args:
        name: of the column.
        present: rows with a value.
        distinct: different values; of very many rows to three digits.
        low, high: the smallest and the largest value.
    """
    if present < _FEWEST_ROWS:
        return None
    named = _NAMED.search(name) is not None
    if distinct < (0.5 if named else 0.99) * present:
        return None
    dense = high - low + 1 <= _GAPS * distinct
    digits = len(str(abs(low))) == len(str(abs(high))) and low > 0 and len(str(high)) >= _DIGITS
    if not (named or dense or digits):
        return None
    return KeyColumn(column=name, distinct=distinct, rows=present)
