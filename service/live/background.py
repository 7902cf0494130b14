"""Runs work beside requests, which come first: in small pieces with rests, or in a thread of lower priority."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

# At this niceness a thread gets a third of the processor time of one that answers requests. A lower priority makes
# requests slower: for a moment after each call into C, the thread has Python's lock and waits for a core.
_NICENESS = 5
# A piece lasts at least so long. After each rest the processor's caches are cold: with pieces of half a millisecond the
# same work took a third longer.
_PIECE_SECONDS = 0.002
# A work in pieces rests nine times as long as it works: it takes a tenth of a core.
_REST_TIMES = 9.0
# Once it has rested for so long, it rests as long as it works: a large model must come to an end too.
_REST_SECONDS = 0.6


def _wait(seconds: float) -> None:
    # time.sleep() waits until a moment of an absolute clock. That fails where libfaketime sets the clock, as in a test.
    threading.Event().wait(seconds)


class Pace:
    """Rests between the pieces of one work, so that requests wait for no more than a piece.

    The pieces may run in several threads, one after another.

    Args:
        times: how many times as long as a piece the rest after it is. Defaults to 9.
        seconds: once so much was rested in all, each rest is as long as its piece. Defaults to 0.6.
        sleep: waits for a number of seconds, without Python's lock.
    """

    def __init__(
        self,
        times: float = _REST_TIMES,
        seconds: float = _REST_SECONDS,
        sleep: Callable[[float], None] = _wait,
    ) -> None:
        self._times = times
        self._left = seconds
        self._sleep = sleep
        self._since = 0.0

    async def run(self, call: Callable[..., T], *arguments: object) -> T:
        """Call a function in a thread, and return what it returns; it calls :meth:`rest` after each piece."""
        return await _in_thread(ThreadPoolExecutor(1, "pieces"), self._run, call, *arguments)

    def rest(self) -> None:
        """Wait if a piece has been done, or go on with it."""
        # Time of the processor: a piece that had to wait for a core needs no longer rest for that.
        worked = time.thread_time() - self._since
        if worked < _PIECE_SECONDS:
            return
        seconds = min(self._times * worked, self._left)
        self._left -= seconds
        self._sleep(max(seconds, worked))
        self._since = time.thread_time()

    def _run(self, call: Callable[..., T], *arguments: object) -> T:
        self._since = time.thread_time()
        return call(*arguments)


async def in_background(call: Callable[..., T], *arguments: object) -> T:
    """Call a function in a thread of lower priority, and return what it returns.

    The function should be one long call that releases Python's lock, which cannot be done in pieces. Threads that it
    starts keep the lower priority for ever, so it must not start those of a runtime.
    """
    return await _in_thread(ThreadPoolExecutor(1, "background", _lower_priority), call, *arguments)


async def _in_thread(thread: ThreadPoolExecutor, call: Callable[..., T], *arguments: object) -> T:
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
