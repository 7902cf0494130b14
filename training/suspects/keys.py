"""Suspects columns of numbers that look like keys. They stay features, since they may be real measurements."""

from __future__ import annotations

import re

from artifact.facts import KeyColumn, LongNumbers

_FEWEST_ROWS = 20
# A column that counts the rows has gaps where rows are left out. Its range has at most this many numbers for each
# value.
_GAPS = 3.0
# Measured numbers rarely all have so many digits.
_DIGITS = 8
_NAMED = re.compile(r"(^|[_\W])(id|uid|uuid|guid|key|pk|index|idx|rowid|nr)$|[a-z](Id|ID|Key|Nr)$")


# From this value on a 64-bit float cannot hold every whole number.
INEXACT = 2.0**53


def long_numbers(name: str, low: float, high: float) -> LongNumbers | None:
    """A fact of a column whose numbers have more digits than a float tells apart, such as ids of 20 digits; or None.

    Args:
        name: the column's name.
        low, high: the smallest and the largest value.
    """
    if low < INEXACT or len(str(int(low))) != len(str(int(high))):
        return None
    return LongNumbers(column=name, digits=len(str(int(low))))


def key_column(name: str, present: int, distinct: int, low: int, high: int) -> KeyColumn | None:
    """A fact of a column of integers that looks like a key, or None.

    Args:
        name: the column's name.
        present: number of rows with a value.
        distinct: number of different values; to three digits where they are very many.
        low, high: the smallest and the largest value.
    """
    if present < _FEWEST_ROWS:
        return None
    has_key_name = _NAMED.search(name) is not None
    if distinct < (0.5 if has_key_name else 0.99) * present:
        return None
    dense = high - low + 1 <= _GAPS * distinct
    digits = len(str(abs(low))) == len(str(abs(high))) and low > 0 and len(str(high)) >= _DIGITS
    if not (has_key_name or dense or digits):
        return None
    return KeyColumn(column=name, distinct=distinct, rows=present)
