"""Runs work beside requests: in a thread of its own, to which requests are preferred."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

# At this niceness a thread gets a third of the processor time of one that answers requests. A lower priority makes
# requests slower: for a moment after each call into C, the thread has Python's lock and waits for a core.
_NICENESS = 5


async def in_background(call: Callable[..., T], *arguments: object) -> T:
    """Call a function in a thread of lower priority, and return what it returns.

    The function should spend its time in a few long calls that release Python's lock. Threads that it starts keep the
    lower priority for ever, so it must not start those of a runtime.
    """
    thread = ThreadPoolExecutor(1, thread_name_prefix="background", initializer=_lower_priority)
    try:
        return await asyncio.get_running_loop().run_in_executor(thread, call, *arguments)
    finally:
        # A store that hangs holds the thread up, and nobody waits for it then.
        thread.shutdown(wait=False)


def _lower_priority() -> None:
    # Only Linux gives each thread a priority of its own.
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
