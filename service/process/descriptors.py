"""A process that has no file descriptor left says so: uvloop then closes each new connection without a word."""

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
    """Looks once a second whether a descriptor can still be had, and logs when that changes.

    While it lasts the line comes once a minute.

    Args:
        connections: those that are open, for the line.
        look_seconds: between two looks. Defaults to a second.

    Attributes:
        looks: when it looks.
    """

    def __init__(self, connections: Collection[object], *, look_seconds: float = 1.0) -> None:
        self._connections = connections
        self._said: float | None = None  # None: there was one at the last look
        self.looks = Periodic(lambda: self.look(time.monotonic()), look_seconds)

    def look(self, now: float) -> None:
        """Take a descriptor and give it back.

        Args:
            now: seconds, of any clock that never goes back.
        """
        fault = _fault()
        if fault is None:
            if self._said is not None:
                self._said = None
                logger.warning("There are free file descriptors again: new connections are taken.")
        elif self._said is None or now - self._said >= _AGAIN_SECONDS:
            self._said = now
            logger.error("%s", self._sentence(fault))

    def _sentence(self, fault: int) -> str:
        if fault == errno.ENFILE:
            received = "none in the whole system (fs.file-max)"
        else:
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            received = f"none of this process's {limit} (ulimit -n)"
        return (
            f"Expected a free file descriptor. Received: {received}, with {len(self._connections)} connections open. "
            "New connections are closed unanswered. Raise the limit, add workers, or let fewer clients connect."
        )


def _fault() -> int | None:
    """Why no descriptor can be had: EMFILE (of this process) or ENFILE (of the system); None where one can."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno if error.errno in (errno.EMFILE, errno.ENFILE) else None
    return None
