import asyncio
import os
import sys
import threading

import pytest

from service.live.background import Pace, in_background

pytestmark = pytest.mark.anyio


def priority() -> tuple[str, int]:
    return threading.current_thread().name, os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux gives each thread a priority of its own.")
async def test_only_the_thread_of_the_call_has_a_lower_priority():
    before = priority()[1]
    name, background = await in_background(priority)
    assert name.startswith("background")
    assert background == before + 5
    assert priority()[1] == before
    assert (await asyncio.to_thread(priority))[1] == before


async def test_answers_and_errors_come_back():
    assert await in_background(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await in_background(divmod, 7, 0)


@pytest.mark.parametrize("run", [in_background, Pace().run])
async def test_nobody_waits_for_a_call_that_hangs(run):
    released = threading.Event()
    task = asyncio.create_task(run(released.wait, 30))
    await asyncio.sleep(0.01)
    began = asyncio.get_running_loop().time()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.get_running_loop().time() - began < 5
    released.set()


async def test_rests_are_long_beside_the_pieces_until_they_have_lasted_long_enough(monkeypatch):
    worked, rests = [5.0], []
    monkeypatch.setattr("service.live.background.time.thread_time", lambda: worked[0])
    pace = Pace(times=9, seconds=0.2, sleep=rests.append)

    def piece(seconds: float) -> None:
        worked[0] += seconds
        pace.rest()

    await pace.run(piece, 0.01)
    await pace.run(piece, 0.001)  # a piece goes on for at least 2 ms
    worked[0] += 100  # what the thread does between two calls is no piece
    await pace.run(piece, 0.01)
    for _ in range(2):
        await pace.run(piece, 0.02)
    assert rests == pytest.approx([0.09, 0.09, 0.02, 0.02])


async def test_work_in_pieces_has_the_priority_of_requests_and_its_answers_and_errors_come_back():
    pace = Pace()
    name, level = await pace.run(priority)
    assert not name.startswith("background")
    assert level == priority()[1]
    assert await pace.run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await pace.run(divmod, 7, 0)
