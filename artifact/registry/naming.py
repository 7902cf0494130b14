"""Names of new versions: the time of their making, so that the order of the names is the order of their making."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

# With microseconds, because two versions may be made within a second.
_FORMAT = "%Y%m%d-%H%M%S-%f"


def name_at(moment: datetime) -> str:
    """The name of the version that was made at a time, UTC."""
    return f"{moment:{_FORMAT}}"


def next_moment(now: datetime, names: Iterable[str]) -> datetime:
    """The time for the name of a version that is made now: it is later than the names of all other versions.

    A clock that is ahead for some time and then set right would otherwise give a new version an older name. Then
    ``prune`` would take the new version for an old one.

    Args:
        now: the time by this machine's clock, UTC.
        names: names of the versions that are there; those that :func:`name_at` did not give do not matter.

    Example:
        >>> name_at(next_moment(datetime(2026, 1, 31, 12, tzinfo=UTC), ["20260131-130000-000000"]))
        '20260131-130000-000001'
    """
    newest = max((moment for name in names if (moment := _moment(name)) is not None), default=None)
    return now if newest is None or newest < now else newest + timedelta(microseconds=1)


def is_given(name: str) -> bool:
    """Whether :func:`name_at` gives such a name."""
    return _moment(name) is not None


def _moment(name: str) -> datetime | None:
    """The time that a name stands for; None where it is no such name."""
    try:
        moment = datetime.strptime(name, _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
    # The last of all years has a time that no other is later than.
    return moment if name_at(moment) == name and moment.year < 9999 else None
