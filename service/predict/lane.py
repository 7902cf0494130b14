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
    """The thread that large requests share in slices of time.

    Args:
        max_requests: most large requests that may be open at once; each holds its body in memory.
    """

    def __init__(self, max_requests: int) -> None:
        self._max_requests = max_requests
        self._open = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="trueline-bulk")

    @contextlib.contextmanager
    def place(self, metrics: Metrics) -> Iterator[None]:
        """Hold a place among the open requests for as long as the block runs.

        Raises:
            OverloadedError: no place is free.
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
        """Run ``work`` in the thread, from one ``yield`` to the next, and return its result."""
        loop = asyncio.get_running_loop()
        results: list[T] = []
        while not results:
            await loop.run_in_executor(self._thread, _slice, work, results)
        return results[0]

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        """Make one short call in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    def close(self) -> None:
        """Wait for the running call. Call this when no request is open."""
        self._thread.shutdown()


def _slice(work: Work[T], results: list[T]) -> None:
    end = time.perf_counter() + _SLICE_SECONDS
    try:
        while time.perf_counter() < end:
            next(work)
    except StopIteration as stop:
        results.append(stop.value)
