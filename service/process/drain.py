"""SIGTERM in a worker: first unready, then a while of answering with ``Connection: close``, then uvicorn's own end.

uvicorn closes its listener and every idle connection at once on SIGTERM, while a load balancer still sends. Its handler
is there when the app's life begins; this one takes its place, and calls it when the while is over.
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
    """Stands between SIGTERM and the server.

    Args:
        seconds: how long to go on answering.
        begun: called once, before the wait: make the worker unready. Says whether there is anything to wait for.
    """

    def __init__(self, seconds: float, begun: Callable[[], bool]) -> None:
        self.draining = False
        self.server: Any = None
        self._seconds = seconds
        self._begun = begun
        self._original: Callable[[int, Any], Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def install(self) -> None:
        """Take the place of the server's handler; nothing to do where there is no server."""
        if threading.current_thread() is not threading.main_thread():
            return
        original = signal.getsignal(signal.SIGTERM)
        server = getattr(original, "__self__", None)
        if not callable(original) or not hasattr(server, "server_state"):
            return
        self._original, self.server, self._loop = original, server, asyncio.get_running_loop()
        signal.signal(signal.SIGTERM, self._signalled)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            # It would end the worker in the midst of its answers.
            signal.signal(signal.SIGHUP, self._signalled)

    def uninstall(self) -> None:
        """Give SIGTERM back to the server."""
        if self._original is not None:
            signal.signal(signal.SIGTERM, self._original)
            self._original = None

    def hurry(self) -> None:
        """Wait no longer than for the requests in flight: nobody is left to send others away."""
        self._seconds = 0.0

    def _signalled(self, _signum: int, _frame: object) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        if self.draining:  # a second signal: no more patience
            self._end()
            return
        self.draining = True
        wait = self._begun()
        self._say_close()
        if wait and self._seconds and self._loop is not None:
            logger.info("Draining for %g s", self._seconds)
            self._loop.call_later(self._seconds, self._end)
        else:
            self._end()

    def _say_close(self) -> None:
        # Headers that the server adds to every answer: those of now, also of requests in flight, and of later ticks.
        for headers in (self.server.server_state.default_headers, self.server.config.encoded_headers):
            headers.append(_CLOSE)

    def _end(self) -> None:
        if self._original is not None:
            self._original(signal.SIGTERM, None)
