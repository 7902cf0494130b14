"""Connections that stand still are ended: uvicorn itself waits for ever for a request's head, and for a slow reader.

Nothing is added to a request. All connections are looked at a few times a minute, and what has not moved between two
looks long enough is closed: a head that does not end (slow loris), a peer that vanished, an answer nobody takes.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any, NamedTuple

from service.live.periodic import Periodic


class _Seen(NamedTuple):
    """What a connection was doing at a look, and since when it does just that."""

    what: tuple[object, ...]
    since: float


class Sweeper:
    """Closes connections on which nothing moves.

    Args:
        connections: uvicorn's protocols, one a connection, as they come and go.
        header_seconds: longest wait for a request's head, the first of a connection or a later one.
        write_seconds: longest time without progress in sending an answer.

    Attributes:
        looks: when it looks.
    """

    def __init__(self, connections: Collection[Any], *, header_seconds: float, write_seconds: float) -> None:
        self._connections = connections
        self._header_seconds = header_seconds
        self._write_seconds = write_seconds
        self._seen: dict[Any, _Seen] = {}
        pause = min(1.0, header_seconds / 4, write_seconds / 4)
        self.looks = Periodic(lambda: self.sweep(time.monotonic()), pause)

    def sweep(self, now: float) -> None:
        """Look at every connection once."""
        seen: dict[Any, _Seen] = {}
        for connection in list(self._connections):
            what, limit = self._doing(connection)
            if what is None:
                continue
            before = self._seen.get(connection)
            since = before.since if before is not None and before.what == what else now
            if now - since >= limit:
                connection.transport.abort()
            else:
                seen[connection] = _Seen(what, since)
        self._seen = seen

    def _doing(self, connection: Any) -> tuple[tuple[object, ...] | None, float]:
        transport, cycle = connection.transport, connection.cycle
        if transport is None:
            return None, 0.0
        unsent = transport.get_write_buffer_size()
        if unsent:
            return ("write", id(cycle), unsent), self._write_seconds
        # Between an answer and the first byte of the next request uvicorn's own timer runs.
        idle = connection.timeout_keep_alive_task is not None or transport.is_closing()
        if not idle and (cycle is None or cycle.response_complete):
            return ("head", id(cycle)), self._header_seconds
        return None, 0.0
