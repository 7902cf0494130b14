"""Connections that stand still are closed; uvicorn itself waits for ever for a request's head and for a slow reader.

This adds no work to a request: the sweeper looks at all connections every second or more often, and closes those on
which nothing has moved for too long: a head that does not end (slow loris), a peer that vanished, an answer nobody
reads.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any, NamedTuple

from service.live.periodic import Periodic


class _Activity(NamedTuple):
    """What a connection was doing when the sweeper looked, and since when."""

    what: tuple[object, ...]
    since: float


class Sweeper:
    """Closes connections on which nothing moves.

    Args:
        connections: uvicorn's protocol objects, one a connection; the collection changes as connections come and go.
        header_seconds: longest wait for the head of a request, whether it is a connection's first or a later one.
        write_seconds: longest time without progress in sending an answer.

    Attributes:
        looks: calls :meth:`sweep` again and again.
    """

    def __init__(self, connections: Collection[Any], *, header_seconds: float, write_seconds: float) -> None:
        self._connections = connections
        self._header_seconds = header_seconds
        self._write_seconds = write_seconds
        self._activities: dict[Any, _Activity] = {}
        pause = min(1.0, header_seconds / 4, write_seconds / 4)
        self.looks = Periodic(lambda: self.sweep(time.monotonic()), pause)

    def sweep(self, now: float) -> None:
        """Look at every connection once."""
        activities: dict[Any, _Activity] = {}
        for connection in list(self._connections):
            what, limit = self._doing(connection)
            if what is None:
                continue
            before = self._activities.get(connection)
            since = before.since if before is not None and before.what == what else now
            if now - since >= limit:
                connection.transport.abort()
            else:
                activities[connection] = _Activity(what, since)
        self._activities = activities

    def _doing(self, connection: Any) -> tuple[tuple[object, ...] | None, float]:
        transport, cycle = connection.transport, connection.cycle
        if transport is None:
            return None, 0.0
        unsent = transport.get_write_buffer_size()
        if unsent:
            return ("write", id(cycle), unsent), self._write_seconds
        # uvicorn's own timer runs between an answer and the first byte of the next request.
        idle = connection.timeout_keep_alive_task is not None or transport.is_closing()
        if not idle and (cycle is None or cycle.response_complete):
            return ("head", id(cycle)), self._header_seconds
        return None, 0.0
