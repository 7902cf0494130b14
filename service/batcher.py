"""The micro-batcher: idle, it runs at once; busy, it gathers.

Requests that the event loop reads in one turn run as one batch, at once where the last of them is known to have come.
While a batch runs in the thread others queue, and its end starts the next: by event, never by a clock. Only where the
operator sets ``batch_wait`` does an idle one wait.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from service.errors import ApiError, DeadlineError, ModelError, OverloadedError
from service.http import ClientGoneError
from service.inference import Answer, Outcome
from service.metrics import Metrics
from service.requests import PredictRequest

logger = logging.getLogger("bentoml.trueline")

# A client that has waited this long may have given up: before its rows cost anything it is asked for.
_DOUBT_SECONDS = 0.1


class BatchModel(Protocol):
    """What the batcher needs of a model."""

    def seconds(self, n_rows: int) -> float:
        """How long a batch of that many rows takes, as measured at warm-up."""
        ...

    def answer(self, requests: Sequence[PredictRequest]) -> list[Outcome]:
        """One outcome a request, in their order."""
        ...


class _Job:
    __slots__ = ("at", "future", "gone", "look_at", "model", "request", "seconds")

    def __init__(
        self,
        model: BatchModel,
        request: PredictRequest,
        future: asyncio.Future[Answer],
        at: float,
        seconds: float,
        gone: Callable[[], bool] | None,
    ) -> None:
        self.model = model
        self.request = request
        self.future = future
        self.at = at
        self.seconds = seconds
        self.gone = gone
        # From then on it may be late, or its caller gone.
        self.look_at = at + (seconds if seconds < _DOUBT_SECONDS else _DOUBT_SECONDS)


class Batcher:
    """Gathers requests into batches of one model version each.

    Args:
        metrics: counts batches, rows, waits and shed requests.
        max_batch_rows: most rows of several requests in a batch; one larger request runs alone.
        max_queue_rows: rows that may wait; one larger request is taken when nothing waits.
        inline_seconds: a batch that takes longer runs in a thread.
        deadline_seconds: a request that waited longer is not run.
        batch_wait: seconds that an idle batcher waits for a full batch. Defaults to 0: it runs at once.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        max_batch_rows: int = 1024,
        max_queue_rows: int = 65_536,
        inline_seconds: float = 0.002,
        deadline_seconds: float = 10.0,
        batch_wait: float = 0.0,
    ) -> None:
        self._metrics = metrics
        self._max_batch_rows = max_batch_rows
        self._max_queue_rows = max_queue_rows
        self._inline_seconds = inline_seconds
        self._deadline_seconds = deadline_seconds
        self._batch_wait = batch_wait
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None
        self._jobs: deque[_Job] = deque()
        self._queued_rows = 0
        # True from the moment that a batch is due until the queue is empty again.
        self._running = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="trueline-batch")

    @property
    def queued_rows(self) -> int:
        """Rows that wait for a batch."""
        return self._queued_rows

    def submit(
        self,
        model: BatchModel,
        request: PredictRequest,
        gone: Callable[[], bool] | None = None,
        *,
        seconds: float | None = None,
        last: bool = False,
    ) -> asyncio.Future[Answer]:
        """Queue a request; the future gets its answer or an :class:`ApiError`. Cancel it to drop the request.

        Args:
            model: the version that answers.
            request: what is asked.
            gone: says whether the caller has left; asked before the request costs, and only if it had to wait.
            seconds: deadline of this request. Defaults to the batcher's.
            last: no other request has been read that is still on its way here: an idle batcher need not wait for the
                loop's next turn. Defaults to False.

        Raises:
            OverloadedError: the queue is full.
        """
        n_rows = request.n_rows
        if self._queued_rows and self._queued_rows + n_rows > self._max_queue_rows:
            self._metrics.shed()
            raise OverloadedError(
                f"Expected at most {self._max_queue_rows} rows in the queue. Received: {n_rows} rows more, "
                f"behind {self._queued_rows}. Try again in a second."
            )
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        due = self._deadline_seconds if seconds is None else seconds
        self._jobs.append(_Job(model, request, future, time.perf_counter(), due, gone))
        self._queued_rows += n_rows
        if not self._running:
            self._running = True
            if self._batch_wait and self._queued_rows < self._max_batch_rows:
                self._timer = loop.call_later(self._batch_wait, self._end_wait, loop)
            elif last:
                self._next(loop)
            else:
                # After the requests that the loop has already read: they come into the same batch.
                self._soon = loop.call_soon(self._next, loop)
        elif last and self._soon is not None:
            self._soon.cancel()
            self._next(loop)
        elif self._timer is not None and self._queued_rows >= self._max_batch_rows:
            self._timer.cancel()
            self._end_wait(loop)
        return future

    def close(self) -> None:
        """Wait for the batch that runs; call it when no request is open."""
        self._thread.shutdown()

    def _end_wait(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._soon = loop.call_soon(self._next, loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        self._soon = None
        started = time.perf_counter()
        jobs, n_rows = self._take(started)
        if not jobs:
            self._running = False
            return
        model = jobs[0].model
        requests = [job.request for job in jobs]
        if model.seconds(n_rows) <= self._inline_seconds:
            self._deliver(jobs, n_rows, _guarded(model.answer, requests), time.perf_counter() - started)
            if self._jobs:
                self._soon = loop.call_soon(self._next, loop)
            else:
                self._running = False
            return

        def done(task: asyncio.Future[list[Outcome]]) -> None:
            self._deliver(jobs, n_rows, task.result(), time.perf_counter() - started)
            self._next(loop)

        loop.run_in_executor(self._thread, _guarded, model.answer, requests).add_done_callback(done)

    def _take(self, now: float) -> tuple[list[_Job], int]:
        """The next batch: requests of one model, in order, without cancelled and late ones."""
        jobs, n_rows = list(self._jobs), self._queued_rows
        waits = _usual_waits(jobs, now) if n_rows <= self._max_batch_rows else None
        if waits is None:
            jobs, n_rows = self._sort_out(now)
            waits = [now - job.at for job in jobs]
        else:
            self._jobs.clear()
            self._queued_rows = 0
        self._metrics.waited_all(waits)
        return jobs, n_rows

    def _sort_out(self, now: float) -> tuple[list[_Job], int]:
        jobs: list[_Job] = []
        n_rows = 0
        while self._jobs:
            job = self._jobs[0]
            size = job.request.n_rows
            waited = now - job.at
            if job.future.cancelled():
                pass
            elif waited > _DOUBT_SECONDS and job.gone is not None and job.gone():
                job.future.set_exception(ClientGoneError())
            elif waited > job.seconds:
                self._metrics.deadline()
                job.future.set_exception(
                    DeadlineError(
                        f"Expected an answer within {job.seconds:g} s. Received: {waited:.1f} s in the queue."
                    )
                )
            elif jobs and (n_rows + size > self._max_batch_rows or job.model is not jobs[0].model):
                break
            else:
                jobs.append(job)
                n_rows += size
            self._jobs.popleft()
            self._queued_rows -= size
        return jobs, n_rows

    def _deliver(self, jobs: list[_Job], n_rows: int, outcomes: list[Outcome], seconds: float) -> None:
        self._metrics.batch(n_rows, seconds)
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.future.done():
                continue
            if isinstance(outcome, ApiError):
                job.future.set_exception(outcome)
            else:
                job.future.set_result(outcome)
                self._metrics.predicted(outcome.value)


def _usual_waits(jobs: list[_Job], now: float) -> list[float] | None:
    """How long each has waited; None unless all are one model's, and none is cancelled or waited long."""
    waits = []
    for job in jobs:
        if job.model is not jobs[0].model or now > job.look_at or job.future.cancelled():
            return None
        waits.append(now - job.at)
    return waits


def _guarded(
    answer: Callable[[Sequence[PredictRequest]], list[Outcome]], requests: Sequence[PredictRequest]
) -> list[Outcome]:
    """One outcome a request, whatever happens: a batch that raises must not leave its callers waiting.

    A batch that fails is halved until the requests that make it fail are alone: one costs 2 log2(n) more runs.
    """
    try:
        outcomes = answer(requests)
        if len(outcomes) != len(requests):
            raise ModelError("The model lost answers of this batch.")
    except Exception as error:
        if len(requests) == 1:
            logger.exception("A request failed in its batch")
            return [error if isinstance(error, ModelError) else ModelError("The model failed on these rows.")]
    else:
        return outcomes
    half = len(requests) // 2
    return _guarded(answer, requests[:half]) + _guarded(answer, requests[half:])
