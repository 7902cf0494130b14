"""What a worker looks at again and again beside its requests."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger("bentoml.trueline")


class Periodic:
    """Calls a function on the event loop, at once and then after each pause, until it is stopped.

    A call that raises is logged and the next one comes all the same; of calls that fail one after the other only the
    first is logged.

    Args:
        call: a function, or one that makes a coroutine; the pause begins when it is done.
        seconds: the pause.
    """

    def __init__(self, call: Callable[[], Awaitable[None] | None], seconds: float) -> None:
        self._call = call
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether it has been started and not stopped."""
        return self._task is not None

    def start(self) -> None:
        """Begin; it is called inside the event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End, and wait for a call that is being made to be cancelled."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        failed = False
        while True:
            try:
                awaited = self._call()
                if awaited is not None:
                    await awaited
                failed = False
            except Exception:
                if not failed:
                    logger.exception("A look that is taken every %g s failed", self._seconds)
                failed = True
            await asyncio.sleep(self._seconds)
