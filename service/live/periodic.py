"""Calls that a worker makes again and again beside its requests."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger("bentoml.trueline")


class Periodic:
    """Calls a function on the event loop, at once and then after each pause, until it is stopped.

    A call that raises is logged, and the calls go on. When several calls in a row fail, only the first is logged.

    Args:
        call: a function, or a coroutine function; the pause begins when it has finished.
        seconds: length of the pause.
    """

    def __init__(self, call: Callable[[], Awaitable[None] | None], seconds: float) -> None:
        self._call = call
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the calls have been started and not stopped."""
        return self._task is not None

    def start(self) -> None:
        """Begin the calls. This method must run inside the event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End the calls: cancel one that is running, and wait for its end."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        is_failing = False
        while True:
            try:
                awaited = self._call()
                if awaited is not None:
                    await awaited
                is_failing = False
            except Exception:
                if not is_failing:
                    logger.exception("A check that runs every %g s failed", self._seconds)
                is_failing = True
            await asyncio.sleep(self._seconds)
