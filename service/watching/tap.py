"""What was answered is shown to those who watch it, in a thread beside the requests.

A lane of requests only lays down a reference to what it answered. What waits to be shown is bounded, and what comes
beyond that is passed over: answers never wait for those who watch.
"""

from __future__ import annotations

import asyncio
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

# What a batch weighs besides its numbers: the objects that hold them.
_OBJECTS = 700
_AGAIN_SECONDS = 60.0


class Batch(NamedTuple):
    """Rows that were answered by one run of a version, of one request or of several.

    Attributes:
        predictor: the version.
        X: the rows as the network took them.
        ends: lower bound, value and upper bound as they were answered, float (3, n_samples, n_targets).
    """

    predictor: Predictor
    X: Encoded
    ends: npt.NDArray[np.floating]


# Called with what was answered since its last call, in the tap's thread; two calls are never made at once.
Watcher = Callable[[Sequence[Batch]], None]


class Tap:
    """Shows what was answered to those who watch.

    Args:
        watchers: what is called; one that raises is logged and does not hurt the others.
        max_bytes: about how many bytes may wait to be shown; from an eighth of it on the thread begins. Defaults to
            8 MiB.

    Example:
        >>> tap = Tap([lambda batches: print(sum(len(batch.X) for batch in batches), "rows")])
    """

    def __init__(self, watchers: Iterable[Watcher], *, max_bytes: int = 2**23) -> None:
        self._watchers = list(watchers)
        self._max_bytes = max_bytes
        self._begin_bytes = max_bytes // 8
        # Plain tuples, and no lock: each request would pay for more. Appending and popping are whole; the sums are only
        # about right where threads meet, and begin anew with each show.
        self._waiting: deque[tuple[Predictor, Encoded, npt.NDArray[np.floating]]] = deque()
        self._bytes = 0
        self._shed_rows = 0
        self._told_at = -_AGAIN_SECONDS
        self._is_due = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="trueline-tap")

    def watch(self, watcher: Watcher) -> None:
        """Show to one more from now on."""
        self._watchers.append(watcher)

    def add(
        self,
        predictor: Predictor,
        X: Encoded,
        ends: npt.NDArray[np.floating],
        rows: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Take what was answered, to be shown later; for any thread.

        Args:
            predictor, X, ends: see :class:`Batch`. The arrays must not change afterwards, unless ``rows`` is given.
            rows: which of the rows are answered, bool (n_samples,). Defaults to all.
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
        """Have the thread show what waits, if anything does."""
        if self._waiting and not self._is_due:
            self._is_due = True
            self._thread.submit(self._show)

    async def shown(self) -> None:
        """Until all that was answered so far has been shown."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._show)

    def close(self) -> None:
        """Show what waits, and end the thread; call it when no request is open."""
        self._thread.submit(self._show)
        self._thread.shutdown()

    def _show(self) -> None:
        self._is_due, self._bytes = False, 0
        batches = [Batch._make(self._waiting.popleft()) for _ in range(len(self._waiting))]
        if self._shed_rows:
            self._tell_shed()
        if not batches:
            return
        for watcher in self._watchers:
            try:
                watcher(batches)
            except Exception:
                logger.exception("A watcher failed on what was answered")

    def _tell_shed(self) -> None:
        now = time.monotonic()
        if now - self._told_at < _AGAIN_SECONDS:
            return
        rows, self._shed_rows, self._told_at = self._shed_rows, 0, now
        logger.warning(
            "Expected to show each answer to those who watch. Received: %d rows more than there was time for. They "
            "were answered, and trueline_prediction_position lacks them. Add workers or processors.",
            rows,
        )
