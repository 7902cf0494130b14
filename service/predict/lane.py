"""The thread beside the event loop that large requests share.

Between slices of ten milliseconds the thread takes the next request, so that a large one delays another by that much
and no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from service.metrics.metrics import Metrics
from service.wire.errors import OverloadedError

_SLICE_SECONDS = 0.01

T = TypeVar("T")
Work = Generator[None, None, T]


class BulkLane:
    """The thread that large requests share, a slice of time each.

    Args:
        max_requests: large requests that may be open at once; each holds its body in memory.
    """

    def __init__(self, max_requests: int) -> None:
        self._max_requests = max_requests
        self._open = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="trueline-bulk")

    @contextlib.contextmanager
    def place(self, metrics: Metrics) -> Iterator[None]:
        """A place among the open requests.

        Raises:
            OverloadedError: there is none.
        """
        if self._open >= self._max_requests:
            metrics.shed()
            raise OverloadedError(
                f"Expected at most {self._max_requests} large requests at once. Received: one more. "
                "Try again in a second."
            )
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    async def run(self, work: Work[T]) -> T:
        """What ``work`` returns; it runs from one ``yield`` to the next in the thread."""
        loop = asyncio.get_running_loop()
        found: list[T] = []
        while not found:
            await loop.run_in_executor(self._thread, _slice, work, found)
        return found[0]

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        """One short call in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    def close(self) -> None:
        """Wait for what runs; call it when no request is open."""
        self._thread.shutdown()


def _slice(work: Work[T], found: list[T]) -> None:
    end = time.perf_counter() + _SLICE_SECONDS
    try:
        while time.perf_counter() < end:
            next(work)
    except StopIteration as done:
        found.append(done.value)
