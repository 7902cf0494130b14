"""Closes connections on which nothing moves; uvicorn waits for ever for a request's head and for a slow reader.

Three kinds of connections are closed: one whose request's head does not end (slow loris), one whose peer has vanished,
and one whose client does not read its answer. This adds no work to a request: every second or more often, the sweeper
looks at all connections.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any, NamedTuple

from service.live.periodic import Periodic


class _Activity(NamedTuple):
    """What a connection was doing when the sweeper looked, and since when."""

    state: tuple[object, ...]
    since: float


class Sweeper:
    """Closes connections on which nothing moves.

    Args:
        connections: uvicorn's protocol objects; the collection changes as connections come and go.
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
            state, limit = self._state(connection)
            if state is None:
                continue
            earlier = self._activities.get(connection)
            since = earlier.since if earlier is not None and earlier.state == state else now
            if now - since >= limit:
                connection.transport.abort()
            else:
                activities[connection] = _Activity(state, since)
        self._activities = activities

    def _state(self, connection: Any) -> tuple[tuple[object, ...] | None, float]:
        """What a connection waits for, and for how many seconds it may; None where it may wait for ever."""
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
