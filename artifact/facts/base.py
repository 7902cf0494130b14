"""The base of every fact: a record with types, and a sentence made from it for people."""

from __future__ import annotations

from collections.abc import Iterable

from artifact.lineage import Frozen


class Fact(Frozen):
    """A fact of how a version came about."""

    @property
    def sentence(self) -> str:
        """The fact in plain words."""
        raise NotImplementedError


# A note about a table or a training: a fact, or a plain sentence.
Note = str | Fact


def sentences(notes: Iterable[Note]) -> list[str]:
    """All notes in plain words."""
    return [note if isinstance(note, str) else note.sentence for note in notes]


def facts_in(notes: Iterable[Note]) -> tuple[Fact, ...]:
    """The notes that are facts."""
    return tuple(note for note in notes if isinstance(note, Fact))
