"""Errors of the artifact package, shared by training, the service and the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, NamedTuple


class TruelineError(Exception):
    """A fault with a sentence for its reader. ``exit_code`` is what the command line exits with."""

    exit_code = 1


class DataError(TruelineError):
    """What the caller gave is wrong: a file, a column, a value, a name."""

    exit_code = 2


class NotFoundError(DataError):
    """A model, version or alias that does not exist; the message lists those that do."""


class ArtifactError(TruelineError):
    """An artifact that is damaged, incomplete or does not answer as it did when it was trained."""


class RefusedError(TruelineError):
    """An operation that a gate refused; the message says which gate and by how much."""


class Fault(NamedTuple):
    """One value that breaks the schema.

    Attributes:
        row: index of the row in the request or table, or None when the fault is not in one row.
        field: the feature's name, or None.
        message: rule, then the next step, without the value.
        received: the value as it came.
        reason: a short constant for metrics: ``missing``, ``type``, ``unknown``, ``range``, ``unseen``, ``length``.
    """

    row: int | None
    field: str | None
    message: str
    received: Any
    reason: str


class SchemaMismatchError(DataError):
    """Rows that break the schema. ``faults`` holds the faults, in row order."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        first = faults[0]
        where = "" if first.row is None else f"Row {first.row}"
        where += "" if first.field is None else f"{', ' if where else ''}'{first.field}'"
        more = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(f"{where}: {first.message} Received: {first.received!r}.{more}")


def unknown_name(what: str, name: str, known: Iterable[str], *, limit: int = 20) -> str:
    """The sentence for a name that does not exist: what there is, the nearest first.

    Example:
        >>> unknown_name("feature", "rooms", ["age", "room"])
        "Unknown feature 'rooms'. There are: 'room', 'age'."
    """
    names = list(known)
    if not names:
        return f"Unknown {what} '{name}'. There are none yet."
    # Edit distance over all names puts a typo's neighbour first; ties keep the given order.
    ranked = sorted(names, key=lambda n: -difflib.SequenceMatcher(None, name.lower(), n.lower()).ratio())
    shown = ", ".join(f"'{n}'" for n in ranked[:limit])
    rest = f" and {len(ranked) - limit} more" if len(ranked) > limit else ""
    return f"Unknown {what} '{name}'. There are: {shown}{rest}."
