"""SIGTERM in a worker: it becomes unready, answers with ``Connection: close`` for a time, then lets uvicorn stop.

On SIGTERM uvicorn closes its listener and every idle connection at once, while a load balancer still sends requests.
uvicorn installs its handler before the app starts. The handler here replaces it, waits for that time, and then calls
it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from typing import Any

logger = logging.getLogger("bentoml.trueline")

_CLOSE = (b"connection", b"close")


class Drain:
    """Takes SIGTERM in the server's place, and delays the server's end.

    Args:
        seconds: how long the worker goes on answering.
        on_begin: makes the worker unready; called once, before the wait. Returns whether a wait is needed.
    """

    def __init__(self, seconds: float, on_begin: Callable[[], bool]) -> None:
        self.draining = False
        self.server: Any = None
        self._seconds = seconds
        self._on_begin = on_begin
        self._original: Callable[[int, Any], Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def install(self) -> None:
        """Take the place of the server's handler; do nothing where there is no server."""
        if threading.current_thread() is not threading.main_thread():
            return
        original = signal.getsignal(signal.SIGTERM)
        server = getattr(original, "__self__", None)
        if not callable(original) or not hasattr(server, "server_state"):
            return
        self._original, self.server, self._loop = original, server, asyncio.get_running_loop()
        signal.signal(signal.SIGTERM, self._on_signal)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            # By default SIGHUP would end the worker in the midst of its answers.
            signal.signal(signal.SIGHUP, self._on_signal)

    def uninstall(self) -> None:
        """Give SIGTERM back to the server."""
        if self._original is not None:
            signal.signal(signal.SIGTERM, self._original)
            self._original = None

    def hurry(self) -> None:
        """Wait for the requests in flight alone: no load balancer is left that would send others."""
        self._seconds = 0.0

    def _on_signal(self, _signum: int, _frame: object) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        if self.draining:  # a second signal ends the wait
            self._end()
            return
        self.draining = True
        wait = self._on_begin()
        self._say_close()
        if wait and self._seconds and self._loop is not None:
            logger.info("Draining for %g s", self._seconds)
            self._loop.call_later(self._seconds, self._end)
        else:
            self._end()

    def _say_close(self) -> None:
        # The server adds these headers to every answer. The first list is the one in use now, also for requests in
        # flight; on its next tick the server makes a new list from the second.
        for headers in (self.server.server_state.default_headers, self.server.config.encoded_headers):
            headers.append(_CLOSE)

    def _end(self) -> None:
        if self._original is not None:
            self._original(signal.SIGTERM, None)
