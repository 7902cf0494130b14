import asyncio
import threading

import pytest
from prometheus_client import CollectorRegistry

from service.metrics.metrics import Metrics
from service.predict.batcher import Batcher
from service.predict.inference import Answer
from service.predict.requests import PredictRequest
from service.wire.errors import DeadlineError, ModelError, OverloadedError
from service.wire.http import ClientGoneError

pytestmark = pytest.mark.anyio


def request(n_rows=1, mark=0.0):
    return PredictRequest([{"mark": mark}] * n_rows, None, n_rows, None)


class FakeClock:
    """Time that stands still until a test moves it."""

    def __init__(self):
        self.time, self.timers = 0.0, []

    def now(self):
        return self.time

    def call_later(self, seconds, call, *arguments):
        timer = FakeTimer(self.time + seconds, call, arguments)
        self.timers.append(timer)
        return timer

    def advance(self, seconds):
        self.time += seconds
        due = [timer for timer in self.timers if timer.at <= self.time]
        self.timers = [timer for timer in self.timers if timer.at > self.time]
        for timer in sorted(due, key=lambda timer: timer.at):
            if not timer.cancelled:
                timer.call(*timer.arguments)


class FakeTimer:
    def __init__(self, at, call, arguments):
        self.at, self.call, self.arguments, self.cancelled = at, call, arguments, False

    def cancel(self):
        self.cancelled = True


class FakeModel:
    """Answers with each row's mark; ``gate`` holds batches back, ``n_calls`` counts the batches."""

    def __init__(self, cost=0.0):
        self.cost = cost
        self.n_calls = 0
        self.batches = []
        self.threads = []
        self.gate = threading.Event()
        self.gate.set()

    def seconds(self, n_rows):
        return self.cost

    def answer(self, requests):
        self.n_calls += 1
        self.gate.wait(5)
        self.batches.append([r.n_rows for r in requests])
        self.threads.append(threading.current_thread().name)
        return [Answer([[row["mark"]] for row in r.rows], [], [], []) for r in requests]


@pytest.fixture
def metrics():
    return Metrics(CollectorRegistry())


def value(metrics, name):
    metrics.flush()
    return metrics.registry.get_sample_value(name)


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def turns(n=5):
    """Let the event loop go on a little."""
    for _ in range(n):
        await asyncio.sleep(0)


@pytest.fixture
def clock():
    return FakeClock()


async def test_requests_of_one_turn_run_as_one_batch_and_each_gets_its_own(metrics):
    model, batcher = FakeModel(), Batcher(metrics)
    futures = [batcher.submit(model, request(mark=i)) for i in range(5)]
    assert batcher.queued_rows == 5
    answers = await asyncio.gather(*futures)
    assert model.batches == [[1] * 5]
    assert [a.value for a in answers] == [[[i]] for i in range(5)]
    assert batcher.queued_rows == 0
    assert value(metrics, "trueline_rows_total") == 5
    assert value(metrics, "trueline_batch_rows_count") == 1
    batcher.close()


async def test_an_idle_batcher_runs_at_once(metrics):
    model, batcher = FakeModel(), Batcher(metrics)
    for _ in range(3):
        await batcher.submit(model, request())
    assert model.batches == [[1]] * 3
    batcher.close()


async def test_the_last_request_that_was_read_takes_the_others_along_at_once(metrics):
    model, batcher = FakeModel(), Batcher(metrics)
    alone = batcher.submit(model, request(), last=True)
    assert alone.done()  # before the loop's next turn
    first = [batcher.submit(model, request()) for _ in range(2)]
    assert not first[0].done()
    last = batcher.submit(model, request(mark=7), last=True)
    assert all(future.done() for future in (*first, last))
    assert last.result().value == [[7]]
    await turns()
    assert (model.batches, batcher.queued_rows) == ([[1], [1, 1, 1]], 0)
    await batcher.submit(model, request())  # it still runs by itself
    batcher.close()


async def test_the_last_request_waits_for_a_batch_that_runs_in_the_thread(metrics):
    model, batcher = FakeModel(cost=1.0), Batcher(metrics)
    model.gate.clear()
    running = batcher.submit(model, request(), last=True)
    others = [batcher.submit(model, request(), last=True) for _ in range(3)]
    await until(lambda: model.n_calls)
    assert batcher.queued_rows == 3
    model.gate.set()
    await asyncio.gather(running, *others)
    assert model.batches == [[1], [1, 1, 1]]
    batcher.close()


async def test_a_batch_counts_rows_not_requests(metrics):
    model, batcher = FakeModel(), Batcher(metrics, max_batch_rows=10)
    await asyncio.gather(*(batcher.submit(model, request(n)) for n in (4, 5, 3, 25, 1)))
    assert model.batches == [[4, 5], [3], [25], [1]]
    batcher.close()


async def test_a_batch_is_of_one_version(metrics):
    old, new, batcher = FakeModel(), FakeModel(), Batcher(metrics)
    await asyncio.gather(*(batcher.submit(m, request()) for m in (old, old, new, old)))
    assert (old.batches, new.batches) == ([[1, 1], [1]], [[1]])
    batcher.close()


async def test_a_slow_model_runs_in_a_thread_and_what_comes_meanwhile_is_the_next_batch(metrics):
    model, batcher = FakeModel(cost=1.0), Batcher(metrics)
    model.gate.clear()
    first = batcher.submit(model, request())
    await until(lambda: model.n_calls)  # the loop is free while the batch runs
    rest = [batcher.submit(model, request()) for _ in range(3)]
    assert batcher.queued_rows == 3
    model.gate.set()
    await asyncio.gather(first, *rest)
    assert model.batches == [[1], [1, 1, 1]]
    assert all(name.startswith("trueline-batch") for name in model.threads)
    fast = FakeModel()
    await batcher.submit(fast, request())
    assert fast.threads == ["MainThread"]
    batcher.close()


@pytest.mark.parametrize(
    ("sent", "batches"),
    [
        ([1] * 13, [[1] * 12, [1]]),
        ([1] * 12, [[1] * 12]),
        ([1] * 3, [[1] * 3]),  # two calls would cost as much
        ([4, 1, 2], [[4], [1, 2]]),
        ([2, 3], [[2, 3]]),  # leaving out the second gains nothing
        ([5], [[5]]),
    ],
)
async def test_a_slow_batch_leaves_behind_what_would_fill_up_a_multiple(metrics, sent, batches):
    model, batcher = FakeModel(), Batcher(metrics)
    model.seconds = lambda n_rows: -(-n_rows // 4) * 0.01
    answers = await asyncio.gather(*(batcher.submit(model, request(n, mark=i)) for i, n in enumerate(sent)))
    assert model.batches == batches
    assert [a.value[0] for a in answers] == [[i] for i in range(len(sent))]
    assert batcher.queued_rows == 0
    metrics.flush()
    assert metrics.registry.get_sample_value("trueline_queue_wait_seconds_count") == len(sent)
    batcher.close()


async def test_a_full_queue_refuses_and_says_when_to_come_back(metrics):
    model, batcher = FakeModel(cost=1.0), Batcher(metrics, max_queue_rows=10)
    model.gate.clear()
    running = batcher.submit(model, request())
    await until(lambda: batcher.queued_rows == 0)
    large = batcher.submit(model, request(50))  # the queue is empty: one large request is accepted
    with pytest.raises(OverloadedError, match=r"at most 10 rows in the queue. Received: 1 rows more") as excinfo:
        batcher.submit(model, request())
    assert dict(excinfo.value.headers)[b"retry-after"] == b"1"
    model.gate.set()
    await asyncio.gather(running, large)
    await batcher.submit(model, request())
    assert value(metrics, "trueline_shed_total") == 1
    batcher.close()


async def test_a_cancelled_request_is_dropped(metrics):
    model, batcher = FakeModel(), Batcher(metrics)
    first, second = batcher.submit(model, request(3)), batcher.submit(model, request())
    first.cancel()
    await second
    assert model.batches == [[1]]
    assert batcher.queued_rows == 0
    batcher.close()


async def test_a_request_cancelled_while_its_batch_runs_does_no_harm(metrics):
    model, batcher = FakeModel(cost=1.0), Batcher(metrics)
    model.gate.clear()
    first, second = batcher.submit(model, request()), batcher.submit(model, request(mark=2))
    await until(lambda: model.n_calls)
    first.cancel()
    model.gate.set()
    assert (await second).value == [[2]]
    batcher.close()


async def test_a_request_that_waited_too_long_is_not_run(metrics, clock):
    model, batcher = FakeModel(cost=1.0), Batcher(metrics, deadline_seconds=10.0, clock=clock)
    model.gate.clear()
    running = batcher.submit(model, request())
    await until(lambda: model.n_calls)
    late = batcher.submit(model, request())
    clock.advance(1.0)
    in_time = batcher.submit(model, request(mark=2))
    clock.advance(9.5)
    model.gate.set()
    await running
    with pytest.raises(DeadlineError, match=r"within 10 s\. Received: 10\.5 s in the queue"):
        await late
    assert (await in_time).value == [[2]]
    assert model.batches == [[1], [1]]
    assert value(metrics, "trueline_deadlines_total") == 1
    batcher.close()


@pytest.mark.parametrize("cost", [0.0, 1.0])
async def test_a_batch_that_raises_or_loses_answers_leaves_nobody_waiting(metrics, cost):
    model, batcher = FakeModel(cost), Batcher(metrics)
    model.answer = lambda requests: 1 / 0
    with pytest.raises(ModelError, match="failed on these rows"):
        await batcher.submit(model, request())
    model.answer = lambda requests: []
    with pytest.raises(ModelError, match="lost answers"):
        await batcher.submit(model, request())
    await batcher.submit(FakeModel(cost), request())
    batcher.close()


@pytest.mark.parametrize("cost", [0.0, 1.0])
async def test_one_bad_request_of_many_costs_a_logarithm_of_runs_and_fails_alone(metrics, cost, log):
    model, batcher, runs = FakeModel(cost), Batcher(metrics), []
    answer = model.answer

    def fails_on_13(requests):
        runs.append(len(requests))
        if any(row["mark"] == 13 for r in requests for row in r.rows):
            raise RuntimeError("superstition")
        return answer(requests)

    model.answer = fails_on_13
    futures = [batcher.submit(model, request(mark=i)) for i in range(64)]
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    assert [i for i, o in enumerate(outcomes) if isinstance(o, ModelError)] == [13]
    assert [o.value for i, o in enumerate(outcomes) if i != 13] == [[[i]] for i in range(64) if i != 13]
    assert len(runs) == 1 + 2 * 6
    assert log.text.count("Traceback") == 1
    batcher.close()


async def test_batch_wait_gathers_until_the_batch_is_full(metrics, clock):
    model, batcher = FakeModel(), Batcher(metrics, batch_wait=1.0, max_batch_rows=4, clock=clock)
    first = batcher.submit(model, request())
    clock.advance(0.99)
    await turns()
    assert not first.done()
    await asyncio.gather(first, *(batcher.submit(model, request()) for _ in range(3)))
    assert model.batches == [[1, 1, 1, 1]]
    await batcher.submit(model, request(4))  # full by itself
    clock.advance(5.0)
    await turns()
    assert model.batches == [[1, 1, 1, 1], [4]]  # the end of a wait that was cut short does nothing
    batcher.close()


async def test_batch_wait_ends(metrics, clock):
    model, batcher = FakeModel(), Batcher(metrics, batch_wait=0.02, clock=clock)
    for _ in range(2):
        futures = [batcher.submit(model, request())]
        clock.advance(0.015)
        futures.append(batcher.submit(model, request()))
        await turns()
        assert not futures[0].done()
        clock.advance(0.01)  # counted from the first
        await asyncio.gather(*futures)
    assert model.batches == [[1, 1], [1, 1]]
    batcher.close()


async def test_who_left_while_waiting_costs_nothing(metrics, clock):
    model, batcher, questions = FakeModel(cost=1.0), Batcher(metrics, clock=clock), []
    model.gate.clear()
    running = batcher.submit(model, request())
    await until(lambda: model.n_calls)
    leaver = batcher.submit(model, request(3), has_left=lambda: True)
    other = batcher.submit(model, request(mark=7), has_left=lambda: bool(questions.append(1)))
    clock.advance(0.15)
    model.gate.set()
    await running
    assert (await other).value == [[7]]
    assert isinstance(leaver.exception(), ClientGoneError)
    assert questions == [1]
    await batcher.submit(
        model, request(), has_left=lambda: 1 / 0
    )  # the request did not wait: the caller is not checked
    assert model.batches == [[1], [1], [1]]
    batcher.close()


async def test_a_request_may_have_its_own_deadline(metrics, clock):
    model, batcher = FakeModel(cost=1.0), Batcher(metrics, clock=clock)
    model.gate.clear()
    running = batcher.submit(model, request())
    await until(lambda: model.n_calls)
    late = batcher.submit(model, request(), seconds=0.01)
    clock.advance(0.03)
    model.gate.set()
    await running
    with pytest.raises(DeadlineError, match=r"within 0\.01 s"):
        await late
    batcher.close()
