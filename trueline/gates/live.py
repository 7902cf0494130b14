"""What is live: the history of a model, and the wait until every worker has a version."""

from __future__ import annotations

from typing import Any, NamedTuple

from artifact.errors import DataError, NotFoundError, RefusedError, unknown_name
from artifact.registry.base import Reference, Registry
from artifact.registry.entry import Entry
from artifact.registry.waiting import Reached, wait_until_live


class History(NamedTuple):
    """The deployment log of a model.

    Attributes:
        entries: entries that count and can be read, the newest first.
        problem: sentences that say why others do not count, and which older ones cannot be read; empty where all can.
    """

    entries: list[Entry]
    problem: str


def history_of(store: Registry, name: str) -> History:
    """The deployment log of a model; it may be longer lived than the model's versions.

    Raises:
        NotFoundError: no such model; the message lists those that exist.
    """
    entries = store.history(name)[::-1]
    problems = [store.deployment_problem(name), *store.damaged_entries(name)[::-1]]
    history = History(entries, "\n".join(filter(None, problems)))
    if not any(history) and name not in store.names():
        raise NotFoundError(unknown_name("model", name, store.names()))
    return history


def check_seconds(seconds: Any) -> None:
    """Check the longest wait before anything is changed.

    Raises:
        DataError: it is no number, or below 0.
    """
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not seconds >= 0:
        received = f"{seconds:g}" if is_number else repr(seconds)
        raise DataError(
            f"Expected at least 0 seconds for the longest wait (--timeout). Received: {received}. Give a number such "
            "as 30."
        )


def wait_for(store: Registry, name: str, seconds: float) -> Reached:
    """Wait until every worker of every service has a model's last entry in force, for at most ``seconds``."""
    entry = store.deployment(name)
    return wait_until_live(store, name, 0 if entry is None else entry.number, seconds=seconds)


def check_everywhere(state: Reached, version: Reference) -> None:
    """Refuse to call a change done which some worker does not have.

    Raises:
        RefusedError: some worker does not have the version; the message says which and why.
    """
    if state.is_everywhere:
        return
    everyone = len(state.live) + len(state.refused) + len(state.late)
    problems = [f"{lease.worker}: {lease.problem}" for lease in state.refused]
    problems += [f"{lease.worker} still has {lease.version or 'no version'} live" for lease in state.late]
    shown = "; ".join(problems[:3]) + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")
    raise RefusedError(
        f"Expected every worker to make {version.name}:{version.version} live. "
        f"Received: {len(state.live)} of {everyone} after {state.seconds:.1f} s. {shown.rstrip('.')}. "
        f"Take it back: `trueline rollback {version.name}`."
    )
