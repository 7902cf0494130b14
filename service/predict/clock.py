"""The time that the batcher goes by."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol


class Timer(Protocol):
    """A call that is to be made later."""

    def cancel(self) -> None:
        """Do not make it."""
        ...


class Clock(Protocol):
    """What time it is, and calls at a later one."""

    def now(self) -> float:
        """Seconds; only differences mean anything, and it never goes back."""
        ...

    def call_later(self, seconds: float, call: Callable[..., None], *arguments: Any) -> Timer:
        """Have a call made on the event loop after so long."""
        ...


class LoopClock:
    """The machine's own time, and timers of the event loop that runs."""

    now = staticmethod(time.perf_counter)

    def call_later(self, seconds: float, call: Callable[..., None], *arguments: Any) -> asyncio.TimerHandle:
        """See :meth:`Clock.call_later`."""
        return asyncio.get_running_loop().call_later(seconds, call, *arguments)
