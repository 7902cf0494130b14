"""The micro-batcher: it runs a request at once when it is idle, and gathers requests when it is busy.

Requests that the event loop reads in one turn run as one batch. If the last of them is known, the batch does not wait
for the loop's next turn. While a batch runs in the thread, other requests queue, and the end of the batch starts the
next one. No clock is involved, unless the operator sets ``batch_wait``: then an idle batcher waits for more rows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from service.metrics.metrics import Metrics
from service.predict.clock import Clock, LoopClock, Timer
from service.predict.inference import Answer, Outcome
from service.predict.jobs import DOUBT_SECONDS, BatchModel, Job, cheapest, guarded, usual
from service.predict.requests import PredictRequest
from service.wire.errors import ApiError, DeadlineError, OverloadedError
from service.wire.http import ClientGoneError


class Batcher:
    """Gathers requests into batches of one model version each.

    Args:
        metrics: counts batches, rows, waits and shed requests.
        max_batch_rows: most rows of several requests in a batch; one larger request runs alone.
        max_queue_rows: most rows that may wait; one larger request is accepted when none waits.
        inline_seconds: a batch that takes longer runs in a thread.
        deadline_seconds: a request that has waited longer is not run.
        batch_wait: seconds that an idle batcher waits for a full batch. Defaults to 0: it runs at once.
        clock: time and timers. Defaults to the machine's clock.
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
        clock: Clock | None = None,
    ) -> None:
        self._metrics = metrics
        self._max_batch_rows = max_batch_rows
        self._max_queue_rows = max_queue_rows
        self._inline_seconds = inline_seconds
        self._deadline_seconds = deadline_seconds
        self._batch_wait = batch_wait
        self._clock = LoopClock() if clock is None else clock
        self._now = self._clock.now
        self._timer: Timer | None = None
        self._soon: asyncio.Handle | None = None
        self._jobs: deque[Job] = deque()
        self._queued_rows = 0
        # True from the time when a batch is scheduled until the queue is empty again.
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
        has_left: Callable[[], bool] | None = None,
        *,
        seconds: float | None = None,
        last: bool = False,
    ) -> asyncio.Future[Answer]:
        """Queue a request; the future gets its answer or an :class:`ApiError`. Cancel the future to drop the request.

        Args:
            model: the version that answers.
            request: the rows, and the level of their intervals.
            has_left: says whether the caller has left; called before the rows are computed, if the request had to wait.
            seconds: deadline of this request. Defaults to the batcher's.
            last: whether every request that the server has read is queued now. An idle batcher then need not wait for
                the loop's next turn. Defaults to False.

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
        deadline = self._deadline_seconds if seconds is None else seconds
        self._jobs.append(Job(model, request, future, self._now(), deadline, has_left))
        self._queued_rows += n_rows
        if not self._running:
            self._running = True
            if self._batch_wait and self._queued_rows < self._max_batch_rows:
                self._timer = self._clock.call_later(self._batch_wait, self._end_wait, loop)
            elif last:
                self._next(loop)
            else:
                # Runs after the requests that the loop has already read, so that they join the same batch.
                self._soon = loop.call_soon(self._next, loop)
        elif last and self._soon is not None:
            self._soon.cancel()
            self._next(loop)
        elif self._timer is not None and self._queued_rows >= self._max_batch_rows:
            self._timer.cancel()
            self._end_wait(loop)
        return future

    def close(self) -> None:
        """Wait for the running batch. Call this when no request is open."""
        self._thread.shutdown()

    def _end_wait(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._soon = loop.call_soon(self._next, loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        self._soon = None
        started = self._now()
        jobs, n_rows = self._take(started)
        if not jobs:
            self._running = False
            return
        model = jobs[0].model
        inline = model.seconds(n_rows) <= self._inline_seconds
        if not inline:
            n_rows = self._put_back(jobs, n_rows)
        self._metrics.queue_waits([started - job.at for job in jobs])
        requests = [job.request for job in jobs]
        if inline:
            self._deliver(jobs, n_rows, guarded(model, requests), self._now() - started)
            if self._jobs:
                self._soon = loop.call_soon(self._next, loop)
            else:
                self._running = False
            return

        def deliver(task: asyncio.Future[list[Outcome]]) -> None:
            self._deliver(jobs, n_rows, task.result(), self._now() - started)
            self._next(loop)

        loop.run_in_executor(self._thread, guarded, model, requests).add_done_callback(deliver)

    def _take(self, now: float) -> tuple[list[Job], int]:
        """Take the next batch from the queue: requests to one model, in order, without cancelled and late ones."""
        jobs, n_rows = list(self._jobs), self._queued_rows
        if n_rows > self._max_batch_rows or not usual(jobs, now):
            return self._sort_out(now)
        self._jobs.clear()
        self._queued_rows = 0
        return jobs, n_rows

    def _sort_out(self, now: float) -> tuple[list[Job], int]:
        jobs: list[Job] = []
        n_rows = 0
        while self._jobs:
            job = self._jobs[0]
            size = job.request.n_rows
            wait = now - job.at
            if job.future.cancelled():
                pass
            elif wait > DOUBT_SECONDS and job.has_left is not None and job.has_left():
                job.future.set_exception(ClientGoneError())
            elif wait > job.seconds:
                self._metrics.deadline()
                job.future.set_exception(
                    DeadlineError(f"Expected an answer within {job.seconds:g} s. Received: {wait:.1f} s in the queue.")
                )
            elif jobs and (n_rows + size > self._max_batch_rows or job.model is not jobs[0].model):
                break
            else:
                jobs.append(job)
                n_rows += size
            self._jobs.popleft()
            self._queued_rows -= size
        return jobs, n_rows

    def _put_back(self, jobs: list[Job], n_rows: int) -> int:
        """Put the last few requests back into the queue if a row costs less without them; return the rows left."""
        n_jobs, rows = cheapest(jobs, n_rows)
        self._jobs.extendleft(reversed(jobs[n_jobs:]))
        self._queued_rows += n_rows - rows
        del jobs[n_jobs:]
        return rows

    def _deliver(self, jobs: list[Job], n_rows: int, outcomes: list[Outcome], seconds: float) -> None:
        self._metrics.batch(n_rows, seconds)
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.future.done():
                continue
            if isinstance(outcome, ApiError):
                job.future.set_exception(outcome)
            else:
                job.future.set_result(outcome)
