"""Faults of values that a schema refuses, with the numbers of their rows in the table."""

from __future__ import annotations

from collections.abc import Sequence

from artifact.errors import DataError, Fault, SchemaMismatchError

_MAX_LINES = 5


def by_row(error: SchemaMismatchError, numbers: Sequence[int]) -> DataError:
    """The faults as one error, a line for each.

    Args:
        error: the faults.
        numbers: for each encoded row, its number in the table, from 1.
    """
    lines = [_line(fault, numbers) for fault in error.faults[:_MAX_LINES]]
    if len(error.faults) > _MAX_LINES:
        lines.append(f"and {len(error.faults) - _MAX_LINES} more. Nothing was written.")
    return DataError("\n  ".join(["Expected rows that fit the model's schema. Received:", *lines]))


def _line(fault: Fault, numbers: Sequence[int]) -> str:
    place = "" if fault.row is None else f"row {numbers[fault.row]}, "
    return f"{place}'{fault.field}': {fault.message} Received: {fault.received!r}."
