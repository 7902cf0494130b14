"""With any mix of sizes, cancellations and failures, each caller gets the answers to its own rows."""

import asyncio
import time
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from service.metrics.metrics import Metrics
from service.predict.batcher import Batcher
from service.predict.inference import Answer
from service.predict.requests import PredictRequest
from service.wire.errors import ApiError, ModelError, OverloadedError


class Call(NamedTuple):
    """One caller: its rows, its model, whether the rows break it, whether it leaves, turns of the loop before."""

    n_rows: int
    model: int
    poison: bool
    leaves: bool
    turns: int


CALLS = st.lists(
    st.builds(
        Call,
        n_rows=st.integers(1, 12),
        model=st.integers(0, 1),
        poison=st.sampled_from([False] * 5 + [True]),
        leaves=st.sampled_from([False] * 3 + [True]),
        turns=st.integers(0, 3),
    ),
    max_size=40,
)


class Model:
    """Answers each row by its own mark plus the model's; fails on poison, in one of three ways."""

    def __init__(self, offset, cost, way):
        self.offset, self.cost, self.way, self.ran = offset, cost, way, []

    def seconds(self, n_rows):
        return self.cost

    def answer(self, requests):
        if self.cost:
            time.sleep(0.0005)
        poisoned = [any(row["poison"] for row in r.rows) for r in requests]
        if self.way == "raises" and any(poisoned):
            raise ValueError("poison")
        if self.way == "loses" and any(poisoned):
            return []
        self.ran.extend(r.rows[0]["caller"] for r in requests)
        return [
            ModelError("poison") if bad else Answer([[row["mark"] + self.offset] for row in r.rows], [], [], [])
            for r, bad in zip(requests, poisoned, strict=True)
        ]


@settings(max_examples=150, deadline=None)
@given(
    calls=CALLS,
    costs=st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])),
    way=st.sampled_from(["raises", "loses", "refuses"]),
    max_batch_rows=st.integers(1, 30),
    max_queue_rows=st.integers(1, 60),
    batch_wait=st.sampled_from([0.0, 0.001]),
)
def test_every_row_comes_back_to_its_caller(calls, costs, way, max_batch_rows, max_queue_rows, batch_wait):
    asyncio.run(_play(calls, costs, way, max_batch_rows, max_queue_rows, batch_wait))


async def _play(calls, costs, way, max_batch_rows, max_queue_rows, batch_wait):
    metrics = Metrics(CollectorRegistry())
    batcher = Batcher(metrics, max_batch_rows=max_batch_rows, max_queue_rows=max_queue_rows, batch_wait=batch_wait)
    models = [Model(1000.0, costs[0], way), Model(2000.0, costs[1], way)]

    async def ask(i, call):
        for _ in range(call.turns):
            await asyncio.sleep(0)
        rows = [{"mark": 100_000.0 * i + k, "poison": call.poison and k == 0, "caller": i} for k in range(call.n_rows)]
        future = batcher.submit(models[call.model], PredictRequest(rows, None, call.n_rows, None))
        if call.leaves:
            future.cancel()
        return await future

    async with asyncio.timeout(20):
        outcomes = await asyncio.gather(*(ask(i, c) for i, c in enumerate(calls)), return_exceptions=True)
    for i, (call, outcome) in enumerate(zip(calls, outcomes, strict=True)):
        if isinstance(outcome, OverloadedError):
            continue
        if call.leaves:
            assert isinstance(outcome, asyncio.CancelledError)
            assert i not in models[call.model].ran
        elif call.poison:
            assert isinstance(outcome, ApiError)
        else:
            offset = models[call.model].offset
            assert outcome.value == [[100_000.0 * i + k + offset] for k in range(call.n_rows)]
    while batcher.queued_rows:  # requests whose callers have left are removed a turn later
        await asyncio.sleep(0)
    batcher.close()
