"""Errors of the artifact package, shared by training, the service and the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

# Longer names and values are cut in messages: a client may send a megabyte of them.
_LONGEST = 100
# More faults of a request or table are never reported.
FAULT_LIMIT = 1000
# If there are more names than this, only this many are compared: those that share the most letters with the wrong one.
_COMPARED = 64
# Names at least this similar to the wrong one come first. The others keep their order, because a smaller similarity is
# chance.
_ALIKE = 0.6


class TruelineError(Exception):
    """A fault with a sentence for its reader. ``exit_code`` is what the command line exits with."""

    exit_code = 1


class DataError(TruelineError):
    """A file, a column, a value or a name that the caller gave is wrong."""

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
        reason: a short constant for metrics: ``missing``, ``type``, ``unknown``, ``range``, ``unseen``, ``length``;
            where a service refuses warnings, the warning's kind.
    """

    row: int | None
    field: str | None
    message: str
    received: Any
    reason: str


class SchemaMismatchError(DataError):
    """Rows that break the schema.

    Args:
        faults: the faults, in row order.
        warnings: what is unusual in the same rows, see :class:`artifact.rows.unusual.RowWarning`.
    """

    def __init__(self, faults: list[Fault], warnings: Sequence[Any] = ()) -> None:
        self.faults = faults
        self.warnings = warnings
        first = faults[0]
        where = "" if first.row is None else f"Row {first.row}"
        where += "" if first.field is None else f"{', ' if where else ''}'{first.field}'"
        more = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(f"{where}: {first.message} Received: {_cut(repr(first.received))}.{more}")


def install_extra(name: str) -> str:
    """How to install one of the extras; Trueline is on no package index.

    Example:
        >>> install_extra("training")
        "pip install '.[training]' in a clone of Trueline, or pip install 'FILE.whl[training]' of a wheel"
    """
    return f"pip install '.[{name}]' in a clone of Trueline, or pip install 'FILE.whl[{name}]' of a wheel"


def unknown_name(what: str, name: str, known: Iterable[str], *, of: str = "", limit: int = 20) -> str:
    """The sentence for a name that does not exist; it lists the names that exist, the most similar first.

    Args:
        what: the kind of thing, such as ``feature``.
        name: the wrong name.
        known: the names that exist.
        of: name of what the thing belongs to; empty where it belongs to nothing.
        limit: how many names are listed. Defaults to 20.

    Example:
        >>> unknown_name("feature", "rooms", ["age", "room"])
        "Unknown feature 'rooms'. There are: 'room', 'age'."
        >>> unknown_name("version", "1", ["2"], of="houses")
        "Unknown version '1' of 'houses'. There are: '2'."
    """
    names = tuple(known)
    unknown = f"Unknown {what} '{_cut(name)}'" + (f" of '{of}'." if of else ".")
    if not names:
        return f"{unknown} There are none yet."
    listed = ", ".join(f"'{n}'" for n in _nearest(_cut(name), names)[:limit])
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{unknown} There are: {listed}{rest}."


def nearest_name(name: str, known: tuple[str, ...]) -> str | None:
    """The known name that is most similar to a wrong one, ignoring case; None where none is similar.

    Example:
        >>> nearest_name("area", ("town", "Area"))
        'Area'
    """
    first = next(iter(_nearest(_cut(name), known)), None)
    if first is None:
        return None
    likeness = difflib.SequenceMatcher(None, first.lower()[:_LONGEST], _cut(name).lower(), autojunk=False).ratio()
    return first if likeness >= _ALIKE else None


@lru_cache(maxsize=1024)
def _nearest(name: str, names: tuple[str, ...]) -> list[str]:
    """The names similar to the wrong ``name``, then the others in order; of very many, only the most similar."""
    alike = _ALIKE
    if len(names) > _COMPARED:
        alike = 0.0
        letters = set(name.lower())
        names = tuple(sorted(names, key=lambda n: len(letters ^ set(n.lower())))[:_COMPARED])
    matcher = difflib.SequenceMatcher(b=name.lower(), autojunk=False)

    def distance(candidate: str) -> float:
        matcher.set_seq1(candidate.lower()[:_LONGEST])
        likeness = matcher.ratio()
        return -likeness if likeness >= alike else 0.0

    return sorted(names, key=distance)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
