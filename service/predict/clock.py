"""Time and timers for the batcher, which tests replace by their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol


class Timer(Protocol):
    """A call that is scheduled."""

    def cancel(self) -> None:
        """Cancel the call."""
        ...


class Clock(Protocol):
    """Tells the time, and schedules calls."""

    def now(self) -> float:
        """Seconds of a clock that never goes back; only differences have a meaning."""
        ...

    def call_later(self, seconds: float, call: Callable[..., None], *arguments: Any) -> Timer:
        """Schedule a call on the event loop after ``seconds``."""
        ...


class LoopClock:
    """The machine's clock, and timers of the running event loop."""

    now = staticmethod(time.perf_counter)

    def call_later(self, seconds: float, call: Callable[..., None], *arguments: Any) -> asyncio.TimerHandle:
        """See :meth:`Clock.call_later`."""
        return asyncio.get_running_loop().call_later(seconds, call, *arguments)
