"""Answers reach the watchers: all of them, outside of the event loop, and within a bound."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from artifact.rows.encoding import Encoded
from artifact.rows.schema import Target
from service.metrics.metrics import Metrics
from service.watching.positions import Positions
from service.watching.tap import Batch, Tap

pytestmark = pytest.mark.anyio


def rows(n):
    return Encoded(np.arange(n, dtype=np.float32)[:, None], np.zeros((n, 0), np.int32))


def ends(values):
    value = np.array(values, np.float32)
    return np.stack([value - 1, value, value + 1])


async def test_each_batch_is_shown_once_in_order_and_in_a_thread_of_its_own():
    watched, threads = [], set()

    def watcher(batches):
        threads.add(threading.current_thread().name)
        watched.extend(batches)

    tap = Tap([watcher])
    X = [rows(n) for n in (1, 2, 3)]
    for x in X:
        tap.add("version", x, ends([[0.0]] * len(x)))
    assert watched == []
    await tap.flush()
    assert all(isinstance(batch, Batch) for batch in watched)
    assert [batch.X for batch in watched] == X
    assert {batch.predictor for batch in watched} == {"version"}
    await tap.flush()
    assert len(watched) == 3
    (name,) = threads
    assert name.startswith("trueline-tap")
    tap.close()


async def test_rows_that_are_not_answered_are_not_shown():
    batches = []
    tap = Tap([batches.extend])
    tap.add("version", rows(3), ends([[0.0], [1.0], [2.0]]), np.array([True, False, True]))
    tap.add("version", rows(2), ends([[0.0], [1.0]]), np.array([False, False]))
    await tap.flush()
    (batch,) = batches
    assert batch.X.numeric.tolist() == [[0], [2]]
    assert batch.ends.tolist() == [[[-1], [1]], [[0], [2]], [[1], [3]]]
    tap.close()


async def test_a_watcher_that_fails_is_logged_and_the_others_go_on(log):
    watched = []
    tap = Tap([lambda batches: 1 / 0, watched.extend])
    for _ in range(2):
        tap.add("version", rows(1), ends([[0.0]]))
        await tap.flush()
    assert len(watched) == 2
    assert log.text.count("A watcher failed on some answers") == 2
    tap.close()


async def test_what_waits_is_bounded_and_what_is_passed_over_is_told_once(log):
    gate, start, watched = threading.Event(), threading.Event(), []

    def slow(batches):
        start.set()
        gate.wait(5)
        watched.extend(batches)

    tap = Tap([slow], max_bytes=100_000)
    tap.add("version", rows(1), ends([[0.0]]))
    tap.show_soon()
    assert start.wait(5)
    for _ in range(1000):
        tap.add("version", rows(100), ends([[0.0]] * 100))
    gate.set()
    await tap.flush()
    shown_rows = sum(len(batch.X) for batch in watched) - 1
    a_batch = 400 + 1200
    assert 100_000 / (a_batch + 1000) < len(watched) - 1 < 100_000 / a_batch + 1
    assert log.text.count("Expected time to show each answer to the watchers") == 1
    assert f"Received: {100_000 - shown_rows} rows too many" in log.text
    tap.add("version", rows(7), ends([[0.0]] * 7))
    await tap.flush()
    assert len(watched[-1].X) == 7  # there is room again
    tap.close()


def test_much_that_waits_is_shown_before_anyone_asks_and_the_rest_at_the_end():
    watched, event = [], threading.Event()

    def watcher(batches):
        watched.extend(batches)
        event.set()

    tap = Tap([watcher], max_bytes=100_000)
    for _ in range(50):
        tap.add("version", rows(100), ends([[0.0]] * 100))
    assert event.wait(5)
    tap.close()
    assert len(watched) == 50


def test_batches_of_many_threads_are_all_shown():
    batches = []
    tap = Tap([batches.extend])

    def lane():
        for _ in range(2000):
            tap.add("version", rows(1), ends([[0.0]]))
            tap.show_soon()

    threads = [threading.Thread(target=lane) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tap.close()
    assert len(batches) == 8000


async def test_who_answers_or_asks_after_the_end_is_not_in_the_way():
    """A timer of the metrics, or a last scrape, may come while the worker stops."""
    batches = []
    tap = Tap([batches.extend])
    tap.close()
    tap.add("version", rows(1), ends([[0.0]]))
    tap.show_soon()
    await tap.flush()
    assert batches == []


def test_nothing_is_kept_where_nobody_watches_until_somebody_does():
    tap, batches = Tap(()), []
    tap.add("version", rows(1), ends([[0.0]]))
    tap.watch(batches.extend)
    tap.add("version", rows(2), ends([[0.0]] * 2))
    tap.close()
    assert [len(batch.X) for batch in batches] == [2]


def test_predictions_are_counted_by_their_place_in_the_targets_range():
    metrics = Metrics(CollectorRegistry())
    positions = Positions(metrics.predictions)
    targets = (Target(name="price", minimum=0, maximum=100, std=1), Target(name="flat", minimum=5, maximum=5, std=1))
    first, second = (SimpleNamespace(schema=SimpleNamespace(targets=some)) for some in (targets, targets[:1]))
    metrics.went_live("houses", "1", targets)
    get = metrics.registry.get_sample_value
    assert get("trueline_prediction_position_count", {"target": "price"}) == 0  # there from the start

    def up_to(target, bound):
        return get("trueline_prediction_position_bucket", {"target": target, "le": bound})

    few = Batch(first, rows(2), ends([[50.0, 5.0], [150.0, 5.0]]))
    many = Batch(first, rows(100), ends([[50.0, 6.0]] * 100))
    positions([few, many])
    assert [up_to("price", b) for b in ("0.45", "0.5", "1.25", "1.5", "+Inf")] == [0, 101, 101, 102, 102]
    assert [up_to("flat", b) for b in ("0.0", "0.95", "1.0")] == [2, 2, 102]
    # Before and after a swap, each batch is counted by the version that answered it.
    positions([Batch(first, rows(1), ends([[0.0, 5.0]])), Batch(second, rows(1), ends([[0.0]])), few])
    assert get("trueline_prediction_position_count", {"target": "price"}) == 106
    assert get("trueline_prediction_position_count", {"target": "flat"}) == 105
