"""A tap passes answers to watchers, in a thread beside the requests.

The code that answers a request only appends a reference to its answers. The queue is bounded, and answers beyond its
limit are not shown: a request never waits for a watcher.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from artifact.predictor import Predictor
from artifact.rows.encoding import Encoded

logger = logging.getLogger("bentoml.trueline")

# Bytes of a batch besides its numbers: those of the objects that hold them.
_OBJECTS = 700
_AGAIN_SECONDS = 60.0


class Batch(NamedTuple):
    """Rows of one or several requests that one run of a version answered.

    Attributes:
        predictor: the version.
        X: the rows, as the network's inputs.
        ends: lower bound, value and upper bound of each answer, float (3, n_samples, n_targets).
    """

    predictor: Predictor
    X: Encoded
    ends: npt.NDArray[np.floating]


# Called in the tap's thread with the batches since its last call; calls never overlap.
Watcher = Callable[[Sequence[Batch]], None]


class Tap:
    """Passes answers to watchers.

    Args:
        watchers: functions to call; one that raises is logged, and the others are still called.
        max_bytes: about how many bytes may wait; the thread begins at an eighth of that. Defaults to 8 MiB.

    Example:
        >>> tap = Tap([lambda batches: print(sum(len(batch.X) for batch in batches), "rows")])
    """

    def __init__(self, watchers: Iterable[Watcher], *, max_bytes: int = 2**23) -> None:
        self._watchers = list(watchers)
        self._max_bytes = max_bytes
        self._begin_bytes = max_bytes // 8
        # These are plain tuples without a lock, because each request pays for them. Appending and popping are atomic.
        # The sums are approximate when threads change them at once; each show resets them.
        self._waiting: deque[tuple[Predictor, Encoded, npt.NDArray[np.floating]]] = deque()
        self._bytes = 0
        self._shed_rows = 0
        self._warned_at = -_AGAIN_SECONDS
        self._is_due = False
        self._is_closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="trueline-tap")

    def watch(self, watcher: Watcher) -> None:
        """Call one more watcher from now on."""
        self._watchers.append(watcher)

    def add(
        self,
        predictor: Predictor,
        X: Encoded,
        ends: npt.NDArray[np.floating],
        rows: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Queue answers to be shown later. Any thread may call this.

        Args:
            predictor, X, ends: see :class:`Batch`. Without ``rows`` the arrays must not change afterwards.
            rows: true for the rows that were answered, bool (n_samples,). Defaults to all.
        """
        if not self._watchers:
            return
        if rows is not None:
            X, ends = Encoded(X.numeric[rows], X.categorical[rows]), ends[:, rows]
            if not len(X):
                return
        if self._bytes > self._max_bytes:
            self._shed_rows += len(X)
            return
        self._bytes += X.numeric.nbytes + X.categorical.nbytes + ends.nbytes + _OBJECTS
        self._waiting.append((predictor, X, ends))
        if self._bytes > self._begin_bytes:
            self.show_soon()

    def show_soon(self) -> None:
        """Let the thread show the answers that wait, if there are any."""
        if self._waiting and not self._is_due and not self._is_closed:
            self._is_due = True
            # Where another thread has closed the tap since the line above, it shows these answers too.
            with contextlib.suppress(RuntimeError):
                self._thread.submit(self._show)

    async def flush(self) -> None:
        """Wait until all answers so far have been shown; after :meth:`close` no more answers are shown."""
        if self._is_closed:
            return
        await asyncio.get_running_loop().run_in_executor(self._thread, self._show)

    def close(self) -> None:
        """Show the answers that wait, and end the thread. Call this when no request is open."""
        self._thread.submit(self._show)
        self._is_closed = True
        self._thread.shutdown()

    def _show(self) -> None:
        self._is_due, self._bytes = False, 0
        batches = [Batch._make(self._waiting.popleft()) for _ in range(len(self._waiting))]
        if self._shed_rows:
            self._warn_of_shed()
        if not batches:
            return
        for watcher in self._watchers:
            try:
                watcher(batches)
            except Exception:
                logger.exception("A watcher failed on some answers")

    def _warn_of_shed(self) -> None:
        now = time.monotonic()
        if now - self._warned_at < _AGAIN_SECONDS:
            return
        rows, self._shed_rows, self._warned_at = self._shed_rows, 0, now
        logger.warning(
            "Expected time to show each answer to the watchers. Received: %d rows too many. They were answered, and "
            "trueline_prediction_position lacks them. Add workers or processors.",
            rows,
        )
