"""The log says when a process has no file descriptor left; uvloop would close each new connection without a word."""

from __future__ import annotations

import errno
import logging
import os
import resource
import time
from collections.abc import Collection

from service.live.periodic import Periodic

logger = logging.getLogger("bentoml.trueline")

_AGAIN_SECONDS = 60.0


class DescriptorWatch:
    """Checks once a second whether a file descriptor is free, and logs when that changes.

    While none is free, the line comes once a minute.

    Args:
        connections: the open connections; the log line says how many there are.
        look_seconds: pause between two looks. Defaults to 1.

    Attributes:
        looks: calls :meth:`look` again and again.
    """

    def __init__(self, connections: Collection[object], *, look_seconds: float = 1.0) -> None:
        self._connections = connections
        self._logged_at: float | None = None  # None: a descriptor was free at the last look
        self.looks = Periodic(lambda: self.look(time.monotonic()), look_seconds)

    def look(self, now: float) -> None:
        """Open a file and close it, to see whether a descriptor is free.

        Args:
            now: seconds of any clock that never goes back.
        """
        fault = _fault()
        if fault is None:
            if self._logged_at is not None:
                self._logged_at = None
                logger.warning("There are free file descriptors again: new connections are accepted.")
        elif self._logged_at is None or now - self._logged_at >= _AGAIN_SECONDS:
            self._logged_at = now
            logger.error("%s", self._sentence(fault))

    def _sentence(self, fault: int) -> str:
        if fault == errno.ENFILE:
            received = "none in the whole system (fs.file-max)"
        else:
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            received = f"none of this process's {limit} (ulimit -n)"
        return (
            f"Expected a free file descriptor. Received: {received}, with {len(self._connections)} connections open. "
            "New connections are closed without an answer. Raise the limit, add workers, or let fewer clients connect."
        )


def _fault() -> int | None:
    """Why no descriptor is free: EMFILE (the process's limit) or ENFILE (the system's); None where one is free."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno if error.errno in (errno.EMFILE, errno.ENFILE) else None
    return None
