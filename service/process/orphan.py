"""A worker whose parent is gone ends: nobody would restart it, and it would keep the port from the next service."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable

logger = logging.getLogger("bentoml.trueline")

# In the environment of the workers: the number of the process that started them.
PARENT = "_TRUELINE_PARENT"
_LOOK_SECONDS = 0.25
# Requests in flight may be finished, but a client that never reads must not keep the worker for ever.
_END_SECONDS = 30.0


class ParentWatch:
    """Looks whether the parent lives: the kernel gives an orphan another one.

    Args:
        parent: the parent's process number; None where there is none to watch.
        at_once: called before the signal: there is no load balancer to wait for.
    """

    def __init__(self, parent: int | None, at_once: Callable[[], None]) -> None:
        self._parent = parent
        self._at_once = at_once
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look from now on; the parent may be gone already."""
        if self._parent is not None:
            self._task = asyncio.get_running_loop().create_task(self._watch(self._parent))

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _watch(self, parent: int) -> None:
        while os.getppid() == parent:
            await asyncio.sleep(_LOOK_SECONDS)
        logger.error("The service's parent process is gone. This worker ends.")
        self._at_once()
        asyncio.get_running_loop().call_later(_END_SECONDS, os._exit, 1)
        os.kill(os.getpid(), signal.SIGTERM)
