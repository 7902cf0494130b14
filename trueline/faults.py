"""Values that a schema refuses, told by the rows of the table that they stand in."""

from __future__ import annotations

from collections.abc import Sequence

from artifact.errors import DataError, Fault, SchemaMismatchError

_SHOWN = 5


def by_row(error: SchemaMismatchError, numbers: Sequence[int]) -> DataError:
    """The faults as sentences.

    Args:
        numbers: of each encoded row its number in the table, counted from 1.
    """
    lines = [_line(fault, numbers) for fault in error.faults[:_SHOWN]]
    if len(error.faults) > _SHOWN:
        lines.append(f"and {len(error.faults) - _SHOWN} more. Nothing was written.")
    return DataError("\n  ".join(["Expected rows that fit the model's schema. Received:", *lines]))


def _line(fault: Fault, numbers: Sequence[int]) -> str:
    where = "" if fault.row is None else f"row {numbers[fault.row]}, "
    return f"{where}'{fault.field}': {fault.message} Received: {fault.received!r}."
