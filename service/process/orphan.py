"""A worker ends when its parent is gone: nobody would restart it, and it would keep the port from the next service."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable

from service.live.periodic import Periodic

logger = logging.getLogger("bentoml.trueline")

# Environment variable of the workers that holds the number of the process that started them.
PARENT = "_TRUELINE_PARENT"
_LOOK_SECONDS = 0.25
# Requests in flight may be finished, but a client that never reads must not keep the worker for ever.
_END_SECONDS = 30.0


class ParentWatch:
    """Checks whether the parent lives: the kernel gives an orphan another parent.

    Args:
        parent: the parent's process number.
        at_once: called before the signal, to skip the wait for a load balancer.
        end_seconds: longest time that requests in flight may take. Defaults to 30.

    Attributes:
        looks: calls :meth:`look` again and again; the parent may be gone at the first look already.
    """

    def __init__(self, parent: int, at_once: Callable[[], None], *, end_seconds: float = _END_SECONDS) -> None:
        self._parent: int | None = parent
        self._at_once = at_once
        self._end_seconds = end_seconds
        self.looks = Periodic(self.look, _LOOK_SECONDS)

    def look(self) -> None:
        """Signal this worker to end, once, when the parent is gone."""
        if self._parent is None or os.getppid() == self._parent:
            return
        self._parent = None  # so that the signal is sent once
        logger.error("The service's parent process is gone. This worker ends.")
        self._at_once()
        asyncio.get_running_loop().call_later(self._end_seconds, os._exit, 1)
        os.kill(os.getpid(), signal.SIGTERM)
