"""The aliases of a model: names for its live version and for the version that is tried, by its deployment log."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from artifact.registry.entry import Entry, VersionName, former_champions

CHAMPION = "champion"
CHALLENGER = "challenger"
ALIASES = (CHAMPION, CHALLENGER)
# The largest number of former versions that an alias lists.
_PREVIOUS = 50


class Alias(BaseModel):
    """The state of an alias: the version that it points to.

    Attributes:
        version: the version that the alias points to.
        previous: former champions, the latest last; ``rollback`` returns to the latest. Empty for a challenger.
        changed_at: since when it points there, ISO 8601, UTC.
    """

    model_config = ConfigDict(frozen=True)

    version: VersionName
    previous: tuple[VersionName, ...] = ()
    changed_at: str


def alias_of(entries: Sequence[Entry], alias: str) -> Alias | None:
    """The state of an alias by a deployment log.

    Args:
        entries: entries of the log, the oldest first.
        alias: ``champion`` or ``challenger``.

    Returns:
        None where the last entry names no version for it.
    """
    if not entries:
        return None
    version = getattr(entries[-1], alias)
    if version is None:
        return None
    since = entries[-1]
    for entry in reversed(entries):
        if getattr(entry, alias) != version:
            break
        since = entry
    previous = former_champions(entries).versions[-_PREVIOUS:] if alias == CHAMPION else []
    return Alias(version=version, previous=tuple(previous), changed_at=since.when)
