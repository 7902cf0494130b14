"""Periodic calls: when they begin, what a failing call does, and how they end."""

import asyncio

import pytest

from service.live.periodic import Periodic

pytestmark = pytest.mark.anyio


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_it_is_called_at_once_and_again_until_it_is_stopped():
    calls = []
    periodic = Periodic(lambda: calls.append(1), 0.0)
    assert not periodic.is_running
    periodic.start()
    assert periodic.is_running
    await until(lambda: len(calls) == 3)
    await periodic.stop()
    await periodic.stop()
    assert not periodic.is_running
    n_calls = len(calls)
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(calls) == n_calls


async def test_the_pause_stands_between_two_calls():
    calls = []
    periodic = Periodic(lambda: calls.append(1), 3600.0)
    periodic.start()
    for _ in range(5):
        await asyncio.sleep(0)
    assert calls == [1]
    await periodic.stop()


async def test_a_coroutine_is_waited_for_and_cancelled_by_the_stop():
    starts, ends = [], []

    async def look():
        starts.append(1)
        try:
            await asyncio.sleep(3600)
        finally:
            ends.append(1)

    periodic = Periodic(look, 0.0)
    periodic.start()
    await until(lambda: starts)
    await periodic.stop()
    assert (starts, ends) == ([1], [1])


async def test_a_look_that_fails_does_not_end_the_others_and_is_logged_once_until_one_succeeds(log):
    outcomes = ["bad", "bad", "good", "bad", "bad"]

    def look():
        if outcomes and outcomes.pop(0) == "bad":
            raise ValueError("no sight")

    periodic = Periodic(look, 0.0)
    periodic.start()
    await until(lambda: not outcomes)
    await periodic.stop()
    assert log.text.count("ValueError: no sight") == 2
