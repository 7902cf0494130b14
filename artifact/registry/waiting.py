"""Waits until all workers that follow a model have taken an entry of its deployment log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from artifact.registry.base import Registry
from artifact.registry.leases import RENEW_SECONDS, Lease

_POLL_SECONDS = 0.05
# A living worker has renewed its lease by then, even if all leases are old because the clock was set or the store away.
_SILENCE_SECONDS = 2 * RENEW_SECONDS


class Reached(NamedTuple):
    """Which workers follow an entry of the log by now.

    Attributes:
        live: leases of workers in which the entry, or a later one, is in force.
        refused: leases of workers that could not follow the entry, and go on with the version that they have.
        late: leases of the other workers, which have not answered yet.
        silent: leases that were not renewed in time; most of their workers are gone.
        seconds: length of the wait.
    """

    live: list[Lease]
    refused: list[Lease]
    late: list[Lease]
    silent: list[Lease]
    seconds: float

    @property
    def is_everywhere(self) -> bool:
        """Whether the entry is in force in every worker; True where there is no worker."""
        return not self.refused and not self.late


def reached(registry: Registry, name: str, number: int) -> Reached:
    """Ask which workers follow an entry by now.

    Args:
        registry: the store.
        name: name of the model.
        number: number of the entry.
    """
    leases = registry.leases(name)
    behind = [lease for lease in leases if lease.number < number]
    return Reached(
        live=[lease for lease in leases if lease.number >= number],
        refused=[lease for lease in behind if lease.refused >= number],
        late=[lease for lease in behind if lease.refused < number],
        silent=registry.silent_leases(name),
        seconds=0.0,
    )


def wait_until_live(
    registry: Registry,
    name: str,
    number: int,
    *,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Reached:
    """Wait until every worker has an entry in force or has refused it, for at most ``seconds``.

    Workers that did not renew their leases in time get some seconds to do so. The ``seconds`` of the result are those
    after which nothing changed any more.

    Args:
        registry: the store.
        name: name of the model.
        number: number of the entry.
        seconds: the longest wait.
        clock: seconds of any clock that never goes back.
        sleep: waits for a number of seconds.
    """
    began = clock()
    settled: Reached | None = None
    while True:
        state = reached(registry, name, number)._replace(seconds=clock() - began)
        if state.late or (settled is not None and _workers(settled) != _workers(state)):
            settled = None
        if not state.late and settled is None:
            settled = state
        if settled is not None and (not state.silent or state.seconds >= _SILENCE_SECONDS):
            return settled
        if state.seconds >= seconds:
            return state
        sleep(_POLL_SECONDS)


def _workers(state: Reached) -> set[str]:
    return {lease.worker for lease in (*state.live, *state.refused)}
