"""The batcher's jobs: requests that wait, the choice of a batch among them, and the run of a batch that may fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from service.predict.core import log_failure
from service.predict.halving import by_halves
from service.predict.inference import Answer, Outcome
from service.predict.requests import PredictRequest
from service.wire.errors import ModelError

# A client that has waited this long may have left: this is checked before its rows are computed.
DOUBT_SECONDS = 0.1
_MOST_PUT_BACK = 3
# Jobs are left out only if this reduces the cost of a row to this share or less: the estimates are no more exact.
_CHEAPER = 0.99


class BatchModel(Protocol):
    """The part of a model that the batcher needs; ``str()`` of it is its name in the log."""

    def seconds(self, n_rows: int) -> float:
        """Seconds that a batch of ``n_rows`` takes, as measured at warm-up."""
        ...

    def answer(self, requests: Sequence[PredictRequest]) -> list[Outcome]:
        """One outcome for each request, in their order. If this raises, the batcher tries halves of the requests."""
        ...


class Job:
    """A request that waits for its batch; ``at`` is the time at which it was queued."""

    __slots__ = ("at", "future", "has_left", "look_at", "model", "request", "seconds")

    def __init__(
        self,
        model: BatchModel,
        request: PredictRequest,
        future: asyncio.Future[Answer],
        at: float,
        seconds: float,
        has_left: Callable[[], bool] | None,
    ) -> None:
        self.model = model
        self.request = request
        self.future = future
        self.at = at
        self.seconds = seconds
        self.has_left = has_left
        # From this time on the job may be late, or its caller may have left.
        self.look_at = at + (seconds if seconds < DOUBT_SECONDS else DOUBT_SECONDS)


def usual(jobs: list[Job], now: float) -> bool:
    """Whether all jobs have one model, and none is cancelled or has waited long."""
    return not [1 for job in jobs if job.model is not jobs[0].model or now > job.look_at or job.future.cancelled()]


def cheapest(jobs: list[Job], n_rows: int) -> tuple[int, int]:
    """The number of jobs to run, and their rows. The last few jobs are left out if a row costs less without them.

    A runtime computes multiples of some number of rows: ONNX Runtime fills 13 rows up to 16. Where a row takes long, it
    is faster to run 12 of them now, and the 13th with the requests that arrive meanwhile.
    """
    model, rows, best = jobs[0].model, n_rows, (len(jobs), n_rows)
    least = model.seconds(n_rows) / n_rows
    for k in range(len(jobs) - 1, max(len(jobs) - 1 - _MOST_PUT_BACK, 0), -1):
        rows -= jobs[k].request.n_rows
        a_row = model.seconds(rows) / rows
        if a_row < _CHEAPER * least:
            least, best = a_row, (k, rows)
    return best


def guarded(model: BatchModel, requests: list[PredictRequest]) -> list[Outcome]:
    """Run a batch: one outcome for each request, even if the batch raises, because callers must not wait for ever."""
    try:
        return _run(model, requests)
    except Exception as problem:  # noqa: BLE001 - logged with the request that causes it
        error = problem
    parts = by_halves(requests, error, partial(_run, model), partial(_log_failure, model))
    return [outcome for part in parts for outcome in part]


def _run(model: BatchModel, requests: list[PredictRequest]) -> list[Outcome]:
    outcomes = model.answer(requests)
    if len(outcomes) != len(requests):
        raise ModelError("The model lost answers of this batch.")
    return outcomes


def _log_failure(model: BatchModel, _request: list[PredictRequest], error: Exception) -> list[Outcome]:
    log_failure(model, error)
    return [error if isinstance(error, ModelError) else ModelError("The model failed on these rows.")]
