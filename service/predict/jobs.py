"""What the batcher gathers: the requests that wait, which of them make a batch, and the run of one that may fail."""

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

# A client that has waited this long may have given up: before its rows cost anything it is asked for.
DOUBT_SECONDS = 0.1
_MOST_PUT_BACK = 3
# A row must cost so much of what it did: estimates are no better than that.
_CHEAPER = 0.99


class BatchModel(Protocol):
    """What the batcher needs of a model; its text is its name in the log."""

    def seconds(self, n_rows: int) -> float:
        """How long a batch of that many rows takes, as measured at warm-up."""
        ...

    def answer(self, requests: Sequence[PredictRequest]) -> list[Outcome]:
        """One outcome a request, in their order; where it raises, halves of the requests are tried."""
        ...


class Job:
    """A request that waits for its batch; ``at`` is when it came."""

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
        self.look_at = at + (seconds if seconds < DOUBT_SECONDS else DOUBT_SECONDS)


def usual(jobs: list[Job], now: float) -> bool:
    """Whether all are one model's, and none is cancelled or waited long."""
    return not [1 for job in jobs if job.model is not jobs[0].model or now > job.look_at or job.future.cancelled()]


def cheapest(jobs: list[Job], n_rows: int) -> tuple[int, int]:
    """How many of the jobs to run, and their rows: without the last few where a row then costs less.

    A runtime computes whole multiples: of 13 rows ONNX Runtime makes 16. Where a row takes long, 12 come out sooner,
    and the 13th goes with those that come meanwhile.
    """
    model, rows, found = jobs[0].model, n_rows, (len(jobs), n_rows)
    least = model.seconds(n_rows) / n_rows
    for k in range(len(jobs) - 1, max(len(jobs) - 1 - _MOST_PUT_BACK, 0), -1):
        rows -= jobs[k].request.n_rows
        a_row = model.seconds(rows) / rows
        if a_row < _CHEAPER * least:
            least, found = a_row, (k, rows)
    return found


def guarded(model: BatchModel, requests: list[PredictRequest]) -> list[Outcome]:
    """One outcome a request, whatever happens: a batch that raises must not leave its callers waiting."""
    try:
        return _run(model, requests)
    except Exception as problem:  # noqa: BLE001 - logged with the request that it is due to
        error = problem
    parts = by_halves(requests, error, partial(_run, model), partial(_failed, model))
    return [outcome for part in parts for outcome in part]


def _run(model: BatchModel, requests: list[PredictRequest]) -> list[Outcome]:
    outcomes = model.answer(requests)
    if len(outcomes) != len(requests):
        raise ModelError("The model lost answers of this batch.")
    return outcomes


def _failed(model: BatchModel, _request: list[PredictRequest], error: Exception) -> list[Outcome]:
    log_failure(model, error)
    return [error if isinstance(error, ModelError) else ModelError("The model failed on these rows.")]
